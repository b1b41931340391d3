"""What a field may hold, said in its type: `Annotated[float, Within(1, 3600, "s")]`.

The same rules serve both doors. Loading asks them field by field, so that every problem is named
with its line; constructing a class in Python asks them through attrs validators.
"""

import difflib
import keyword
import re
import types
import typing
from collections.abc import Iterable, Mapping
from math import isfinite
from typing import Annotated, Any, Protocol, Union

import attrs
from attrs import frozen

from mas import ids
from mas.errors import ConfigurationError
from mas.ids import AgentId

Path = tuple[str | int, ...]


class Unfit(ConfigurationError):
    """A value does not fit its field.

    :param problem: what is wrong, never quoting a secret
    :param hint: how to mend it
    :param below: the keys from the field down to the culprit, if that lies deeper
    """

    def __init__(self, problem: str, hint: str = "", *, below: Path = ()) -> None:
        self.below = below
        super().__init__(problem, hint=hint)


class Rule(Protocol):
    """Something a value must satisfy beyond its type."""

    def check(self, value: Any) -> None:
        """Return if the value satisfies the rule, else raise `Unfit`."""
        ...


@frozen
class Within:
    """A finite number between two bounds, both included; `unit` is what it counts."""

    least: float
    most: float
    unit: str

    def check(self, value: float) -> None:
        """Refuse NaN, infinities and what lies outside."""
        if not isfinite(value) or not self.least <= value <= self.most:
            raise Unfit(f"{value} is not {self}")

    def __str__(self) -> str:
        return f"between {self.least:,.15g} and {self.most:,.15g} {self.unit}".rstrip()


@frozen
class Matching:
    """A text that a pattern matches in full; `what` says in words which."""

    pattern: str
    what: str

    def check(self, value: str) -> None:
        """Refuse a text the pattern does not match from end to end."""
        if re.fullmatch(self.pattern, value) is None:
            raise Unfit(f"{quoted(value)} is not {self.what}")


@frozen
class Members:
    """A list of at least and at most so many members, all different."""

    least: int = 1
    most: int = 10_000

    def check(self, value: tuple[Any, ...]) -> None:
        """Refuse too few, too many, or the same twice."""
        if not self.least <= len(value) <= self.most:
            bound = "" if self.least == self.most else "at least " if len(value) < self.least else "at most "
            needed = self.least if len(value) < self.least else self.most
            raise Unfit(f"{len(value):,} given, {bound}{needed:,} needed")
        if len(set(value)) < len(value):
            twice = next(item for place, item in enumerate(value) if item in value[:place])
            raise Unfit(f"{quoted(twice)} is listed twice")


@frozen
class ClassPath:
    """`module:ClassName`, both dotted Python names."""

    def check(self, value: str) -> None:
        """Refuse anything that could not be imported by its shape alone."""
        module, colon, name = value.partition(":")
        if not (colon and _dotted(module) and _dotted(name)):
            raise Unfit(
                f"{quoted(value)} is not of the form module:ClassName", "for example my_agents:EchoAgent"
            )


@frozen
class Keywords:
    """Keyword arguments for a constructor; some names are reserved.

    The values are the agent's own business and may be secret: no message quotes them.
    """

    reserved: tuple[str, ...] = ()

    def check(self, value: Mapping[Any, Any]) -> None:
        """Refuse a name that is reserved or could not be a Python argument."""
        for name in value:
            if name in self.reserved:
                raise Unfit("this key is reserved: MAS itself passes it", "remove it", below=(name,))
            if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
                raise Unfit(f"{quoted(name)} cannot be the name of an argument")


ID = Matching(
    ids.PATTERN, "a valid id: 1 to 128 letters, digits, '_', '.' or '-', beginning with a letter or digit"
)
ID_OR_EMPTY = Matching(f"({ids.PATTERN})?", f"empty or {ID.what}")


def spelled(*keys: str) -> dict[str, tuple[str, ...]]:
    """Return attrs metadata that names a field's keys in YAML: the one to show first, then synonyms."""
    return {"keys": keys}


def keys_of(field: "attrs.Attribute[Any]") -> tuple[str, ...]:
    """Return the keys a field may be written as, the one to show first."""
    keys: tuple[str, ...] = field.metadata.get("keys", ())
    return keys if field.name in keys else (*keys, field.name)


def unwrapped(annotation: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return the bare type and the rules of an annotation, looking through `| None`."""
    if typing.get_origin(annotation) in {Union, types.UnionType}:
        members = [member for member in typing.get_args(annotation) if member is not type(None)]
        if len(members) == 1:
            return unwrapped(members[0])
    if typing.get_origin(annotation) is Annotated:
        bare, *rules = typing.get_args(annotation)
        return bare, tuple(rules)
    return annotation, ((ID,) if annotation is AgentId else ())


def by_type(_cls: type, fields: "list[attrs.Attribute[Any]]") -> "list[attrs.Attribute[Any]]":
    """Give each field of an attrs class the validator that its annotation asks for."""
    return [field.evolve(validator=_validate) if field.init else field for field in fields]


def _validate(instance: object, attribute: "attrs.Attribute[Any]", value: Any) -> None:
    try:
        _check(attribute.type, value)
    except Unfit as unfit:
        where = f"{type(instance).__name__}.{attribute.name}"
        raise ConfigurationError(unfit.problem, where=where, hint=unfit.hint) from None


def _check(annotation: Any, value: Any) -> None:
    if value is None:
        return
    bare, rules = unwrapped(annotation)
    for rule in rules:
        rule.check(value)
    if typing.get_origin(bare) is tuple:
        for item in value:
            _check(typing.get_args(bare)[0], item)


def nearest(word: object, known: Iterable[str]) -> str:
    """Return a hint that names the nearest known word, or all if they are few."""
    known = list(known)
    close = difflib.get_close_matches(str(word), known, n=1, cutoff=0.6)
    if close:
        return f"did you mean {close[0]}?"
    return f"known are {', '.join(known)}" if known else ""


def quoted(value: object) -> str:
    """Return a value as one short line of ASCII."""
    text = ascii(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _dotted(name: str) -> bool:
    return all(part.isidentifier() and not keyword.iskeyword(part) for part in name.split("."))
