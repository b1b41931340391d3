"""One thing to look for, as a row of a table: a pattern, what wakes it, and who confirms its candidates."""

import re
from collections.abc import Callable
from typing import Any

import attrs
import re2

from mas.dlp.candidate import Candidate

Confirm = Callable[[Candidate], float]
Fit = Callable[[Candidate], Candidate | None]


def always(confidence: float) -> Confirm:
    """Trust the pattern alone."""
    return lambda _candidate: confidence


def compiled(pattern: str) -> Any:
    """Compile a pattern for text in RE2 syntax.

    :raises ValueError: if it is not valid RE2 syntax
    """
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error as error:
        raise ValueError(f"not valid RE2 syntax: {error.args[0]!r}") from error


@attrs.frozen(eq=False)
class Rule:
    """How one form of one class is recognised.

    :param name: unique among all rules; reported as `Finding.rule`
    :param kind: the class of what it finds
    :param pattern: RE2 syntax, over folded ASCII text; a group `v` or `u` marks the value, else all of it is
    :param confirm: the confidence in a candidate, 0 dismisses it
    :param triggers: what the first pass looks for instead of `pattern`, to be found in the raw bytes of
        whatever holds a match; for patterns whose words alone say enough
    :param fit: picks the value out of a span matched generously, or extends it; None dismisses the candidate
    """

    name: str
    kind: str
    pattern: str = attrs.field(repr=False)
    confirm: Confirm = attrs.field(repr=False, default=always(0.9))
    triggers: tuple[str, ...] = attrs.field(repr=False, default=())
    fit: Fit | None = attrs.field(repr=False, default=None)

    @property
    def wakes_on(self) -> tuple[str, ...]:
        """What the first pass looks for on behalf of this rule.

        A word may be glued to another in a key (`homePhone`), so a leading boundary is left out.
        """
        return self.triggers or (re.sub(r"^\(\?i\)(?:\\b|\(\?:\\b\|_\))", "(?i)", self.pattern),)
