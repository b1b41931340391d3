"""What went wrong is raised as it was, without the groups it was wrapped in."""

import pytest

from mas.supervision.plainly import told_plainly


def test_a_group_of_one_comes_out_as_the_one_it_holds():
    with pytest.raises(KeyError), told_plainly():
        raise ExceptionGroup("outer", [ExceptionGroup("inner", [KeyError("one")])])


def test_a_group_of_several_comes_out_as_a_group():
    with pytest.raises(ExceptionGroup) as caught, told_plainly():
        raise ExceptionGroup("outer", [ExceptionGroup("inner", [KeyError("one"), ValueError("two")])])
    assert caught.value.message == "inner"


def test_what_the_block_raised_comes_out_as_it_was_group_or_not():
    own = ExceptionGroup("mine", [KeyError("one")])
    with pytest.raises(ExceptionGroup) as caught, told_plainly() as raised:
        raised.append(own)
        raise ExceptionGroup("around it", [own])
    assert caught.value is own


def test_what_is_no_group_is_left_alone():
    with pytest.raises(KeyError), told_plainly():
        raise KeyError("one")
