"""A pattern of one's own, checked against its own examples when it is loaded."""

import re
from collections.abc import Callable, Iterable
from importlib import import_module
from typing import Any

import attrs

from mas.dlp.candidate import Candidate
from mas.dlp.classes import CLASSES, Action
from mas.dlp.fold import fold
from mas.dlp.issuers import is_card, luhn
from mas.dlp.rule import Rule, compiled

_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_DIGITS = re.compile(r"\D")


def _tuple(value: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(value)


def _name(_: object, __: object, value: str) -> None:
    if not _NAME.fullmatch(value):
        raise ValueError(f"{value!r} cannot name a class: use lower-case letters, digits and `_`")
    if value in CLASSES:
        raise ValueError(f"{value!r} is a class already; set its action under `actions`")


@attrs.frozen
class CustomPattern:
    """A class of one's own.

    :param name: the class it reports: lower-case letters, digits and `_`
    :param pattern: RE2 syntax; a group `v` marks the value, else all of it is
    :param action: what is done; `null` finds without acting
    :param validator: `luhn`, `card`, or a python-stdnum module such as `gb.nhs`, which must confirm the value
    :param context: words of which one must stand within 60 characters; none means anywhere will do
    :param must_match: examples in each of which it must find something
    :param must_not_match: examples in none of which it may
    """

    name: str = attrs.field(validator=_name)
    pattern: str
    action: Action | None = Action.ALERT
    validator: str = ""
    context: tuple[str, ...] = attrs.field(default=(), converter=_tuple)
    must_match: tuple[str, ...] = attrs.field(default=(), converter=_tuple, repr=False)
    must_not_match: tuple[str, ...] = attrs.field(default=(), converter=_tuple, repr=False)

    def __attrs_post_init__(self) -> None:
        """Try the examples.

        :raises ValueError: for a bad pattern or validator, and for the first example that fails
        """
        rule = self.rule()
        regex = compiled(rule.pattern)
        if regex.search("") is not None:
            raise ValueError(f"the pattern of {self.name} matches the empty text")
        for wanted, examples in ((True, self.must_match), (False, self.must_not_match)):
            for position, example in enumerate(examples):
                if _finds(rule, regex, example) is not wanted:
                    verb = "does not match" if wanted else "matches"
                    raise ValueError(f"the pattern of {self.name} {verb} its example {position + 1}")

    def rule(self) -> Rule:
        """Return the pattern as a rule.

        :raises ValueError: for a bad pattern or validator
        """
        try:
            compiled(self.pattern)
        except ValueError as error:
            raise ValueError(f"the pattern of {self.name} is {error}") from None
        is_valid = _validator(self.validator)
        near = (
            compiled(rf"(?i)(?:{'|'.join(re.escape(word) for word in self.context)})")
            if self.context
            else None
        )

        def confirm(candidate: Candidate) -> float:
            if near is not None and not candidate.near(near):
                return 0
            return 0.9 if is_valid(candidate.value) else 0

        return Rule(f"custom-{self.name}", self.name, self.pattern, confirm)


def _validator(name: str) -> Callable[[str], bool]:
    if not name:
        return lambda _: True
    if name in {"luhn", "card"}:
        check = luhn if name == "luhn" else is_card
        return lambda value: check(_DIGITS.sub("", value))
    if re.fullmatch(r"[a-z_]+(\.[a-z_0-9]+)?", name):
        try:
            return import_module(f"stdnum.{name}").is_valid  # type: ignore[no-any-return]
        except (ImportError, AttributeError):
            pass
    raise ValueError(
        f"there is no validator {name!r}: use luhn, card, or a python-stdnum module such as gb.nhs"
    )


def _finds(rule: Rule, regex: Any, example: str) -> bool:
    view = fold(example)
    for match in regex.finditer(view.text):
        start, end = match.span(regex.groupindex.get("v", 0))
        if rule.confirm(Candidate(view, start, end, match.start())):
            return True
    return False
