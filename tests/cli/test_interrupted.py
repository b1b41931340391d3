"""Ctrl-C ends a command that has nothing to finish, whatever it hits."""

import pytest

from mas.cli.complaint import told

HITS = [
    KeyboardInterrupt(),
    BaseExceptionGroup("tasks", [KeyboardInterrupt()]),
    BaseExceptionGroup("tasks", [BaseExceptionGroup("more", [KeyboardInterrupt()]), OSError("closed")]),
]


@pytest.mark.parametrize("hit", HITS)
def test_an_interrupt_ends_a_command_quietly_in_whichever_task_it_is_raised(hit, capsys):
    with pytest.raises(SystemExit) as ended, told(debug=False):
        raise hit
    assert ended.value.code == 130
    assert capsys.readouterr().err == ""


def test_what_fails_in_several_tasks_at_once_is_no_interrupt():
    with pytest.raises(BaseExceptionGroup), told(debug=False):
        raise BaseExceptionGroup("tasks", [OSError("one"), OSError("two")])
