import pytest

from mas.settings.misfit import problems


def test_a_fault_of_the_reader_itself_is_no_problem_of_the_user():
    with pytest.raises(ZeroDivisionError):
        list(problems(ZeroDivisionError(), {}))
