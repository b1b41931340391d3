"""Tables on a terminal: one line a row, with what matters first."""

import pytest

from mas.cli.letters import _row
from mas.cli.table import cut
from mas.decision import Decision
from mas.letters import DeadLetter, Filed

LETTER = DeadLetter(
    Decision.AUTHZ_DENIED, "a -> b (x): nothing grants it", "a", "a-1", target="b", type="x", attempts=3
)


@pytest.mark.parametrize(
    ("width", "shown"), [(None, "abcdef"), (7, "abcdef"), (6, "abcdef"), (5, "abcd…"), (1, "…"), (0, "…")]
)
def test_a_line_is_cut_to_the_terminal_and_says_that_it_was(width, shown):
    assert cut("abcdef", width) == shown


def test_a_letter_for_a_terminal_repeats_nothing_and_for_a_program_is_whole():
    filed = Filed("1700000000000-0", LETTER)
    whole, short = _row(filed, short=False), _row(filed, short=True)
    assert whole[1] == "2023-11-14T22:13:20Z"
    assert (whole[-1], short[-1]) == (LETTER.reason, "nothing grants it")
    assert len(str(short[1])) < len(str(whole[1]))
    assert whole[2:-1] == short[2:-1]
