"""Turn plain data into attrs classes: one hook for each kind of type, strict about what was written.

Nothing is converted silently: a number in quotes is text, true is no number, a word is no list
(except where all members are words, and one alone is as good).
"""

import typing
from collections.abc import Callable, Mapping
from pathlib import Path as FilePath
from typing import Annotated, Any, Literal

import attrs
from cattrs import BaseValidationError, Converter, IterableValidationError, IterableValidationNote
from cattrs.gen import make_dict_structure_fn, override

from mas import ids
from mas.errors import ConfigurationError
from mas.ids import AgentId
from mas.settings.fields import ID, Unfit, keys_of, nearest, quoted
from mas.settings.misfit import Misfits, problems
from mas.settings.model import DERIVED, Settings
from mas.settings.permissions import KINDS, Permission
from mas.settings.redis_url import RedisUrl, redis_url
from mas.settings.search import at_home
from mas.settings.secret import Secret

T = typing.TypeVar("T")
_origin: Callable[[Any], Any] = typing.get_origin
_members: Any = IterableValidationError  # its signature is hidden behind that of exception groups
Hook = Callable[[Any, Any], Any]


def structure(data: Mapping[str, Any], into: type[T]) -> T:
    """Return the data as an instance of an attrs class.

    :raises Misfits: if anything is unknown, missing, or of the wrong type or size
    """
    try:
        return _CONVERTER.structure(data, into)
    except (BaseValidationError, ConfigurationError) as error:
        found = list(problems(error, data))
    raise Misfits(found)


def _named(value: object) -> str:
    """Say what kind of value was written, in YAML's words."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    return "nothing" if value is None else quoted(value)


def _plain(kind: type, what: str) -> Hook:
    def hook(value: Any, _: Any) -> Any:
        if type(value) is kind:
            return value
        if kind is float and type(value) is int and abs(value) < 2**53:
            return float(value)
        hint = "put it in quotes" if kind is str and isinstance(value, bool | int | float) else ""
        raise Unfit(f"expected {what}, not {_named(value)}", hint)

    return hook


def _id(value: Any, _: Any) -> AgentId:
    text = _CONVERTER.structure(value, str)
    ID.check(text)
    if text.startswith(ids.RESERVED):
        raise Unfit(f"{quoted(text)} begins with {ids.RESERVED!r}, which belongs to the runtime")
    return ids.agent_id(text)


def _secret(value: Any, _: Any) -> Secret:
    if not isinstance(value, str | Secret):
        # Never quoted: a secret of digits alone, without quotes, is one too.
        raise Unfit("expected text", "put it in quotes")
    return Secret(value)


def _file(value: Any, _: Any) -> FilePath:
    if isinstance(value, FilePath):
        return value
    text = _CONVERTER.structure(value, str)
    if not text or "\0" in text:
        raise Unfit("expected the path of a file")
    return at_home(FilePath(text))


def _choice(annotation: Any) -> Hook:
    choices = typing.get_args(annotation)

    def hook(value: Any, _: Any) -> Any:
        if not isinstance(value, str) or value not in choices:
            raise Unfit(f"expected one of {', '.join(choices)}, not {_named(value)}", nearest(value, choices))
        return value

    return hook


def _ruled(annotation: Any, converter: Converter) -> Hook:
    """Structure the bare type of an `Annotated`, then ask its rules."""
    bare, *rules = typing.get_args(annotation)
    inner = converter.get_structure_hook(bare)

    def hook(value: Any, _: Any) -> Any:
        result = inner(value, bare)
        for rule in rules:
            rule.check(result)
        return result

    return hook


def _listed(annotation: Any, converter: Converter) -> Hook:
    """Structure a tuple; where its members are single words, a word alone is a list of one."""
    member = typing.get_args(annotation)[0]
    inner = converter.get_structure_hook(member)
    words = not (attrs.has(member) or member == Permission)

    def hook(value: Any, _: Any) -> Any:
        if words and not isinstance(value, list | tuple | Mapping | None):
            return (inner(value, member),)
        if not isinstance(value, list | tuple):
            raise Unfit(f"expected a list, not {_named(value)}")
        result, errors = [], []
        for place, item in enumerate(value):
            try:
                result.append(inner(item, member))
            except Exception as error:
                error.add_note(IterableValidationNote(f"member {place}", place, member))
                errors.append(error)
        if errors:
            raise _members("members", errors, annotation)
        return tuple(result)

    return hook


def _keyed(annotation: Any, converter: Converter) -> Hook:
    """Structure a mapping with keys of the user's own."""
    key_type, value_type = typing.get_args(annotation)
    if value_type is Any:
        return lambda value, _: dict(_mapping(value))
    keys, values = converter.get_structure_hook(key_type), converter.get_structure_hook(value_type)

    def hook(value: Any, _: Any) -> Any:
        result, errors = {}, []
        for key, item in _mapping(value).items():
            try:
                result[keys(key, key_type)] = values(item, value_type)
            except Exception as error:
                error.add_note(IterableValidationNote("entry", key, value_type))
                errors.append(error)
        if errors:
            raise _members("entries", errors, annotation)
        return result

    return hook


def _mapping(value: Any) -> Mapping[Any, Any]:
    if not isinstance(value, Mapping):
        raise Unfit(f"expected a mapping, not {_named(value)}")
    return value


def _class(cls: type, converter: Converter) -> Hook:
    """Structure an attrs class from a mapping, whichever of its spellings a key has.

    A key without a value has its default, so that a section may be left with comments alone; unless
    having none is a value of its own.
    """
    left_out: dict[str, Any] = {name: override(omit=True) for name in DERIVED if cls is Settings}
    inner: Hook = make_dict_structure_fn(
        cls, converter, _cattrs_forbid_extra_keys=True, _cattrs_detailed_validation=True, **left_out
    )
    fields = [field for field in attrs.fields(cls) if field.name not in left_out]

    def hook(value: Any, _: Any) -> Any:
        if isinstance(value, cls):
            return value
        rest = dict(_mapping(value))
        if odd := [key for key in rest if not isinstance(key, str)]:
            raise Unfit(f"a key must be text, not {quoted(odd[0])}")
        named: dict[str, Any] = {}
        for field in fields:
            written = [key for key in keys_of(field) if key in rest]
            if len(written) > 1:
                raise Unfit(f"'{written[0]}' and '{written[1]}' mean the same", "keep one of them")
            for key in written:
                content = rest.pop(key)
                if content is not None or field.default is attrs.NOTHING or _may_be_none(field.type):
                    named[field.name] = content
        return inner({**rest, **named}, cls)

    return hook


def _may_be_none(annotation: Any) -> bool:
    return type(None) in typing.get_args(annotation)


def _permission(value: Any, _: Any) -> Any:
    if isinstance(value, tuple(KINDS.values())):
        return value
    rest = dict(_mapping(value))
    if "type" not in rest:
        raise Unfit("'type' is missing", f"one of {', '.join(KINDS)}")
    kind = rest.pop("type")
    if not isinstance(kind, str) or kind not in KINDS:
        raise Unfit(f"{_named(kind)} is no kind of permission", nearest(kind, KINDS), below=("type",))
    return _CONVERTER.structure(rest, KINDS[kind])


def _make_converter() -> Converter:
    converter = Converter(detailed_validation=True, forbid_extra_keys=True)
    converter.register_structure_hook_factory(attrs.has, _class)
    for predicate, factory in (
        (lambda annotation: _origin(annotation) is tuple, _listed),
        (lambda annotation: _origin(annotation) is dict, _keyed),
        (lambda annotation: _origin(annotation) is Annotated, _ruled),
    ):
        converter.register_structure_hook_factory(predicate, factory)
    converter.register_structure_hook_factory(lambda annotation: _origin(annotation) is Literal, _choice)
    for kind, what in ((bool, "true or false"), (int, "a whole number"), (float, "a number"), (str, "text")):
        converter.register_structure_hook(kind, _plain(kind, what))
    converter.register_structure_hook_func(lambda annotation: annotation is AgentId, _id)
    converter.register_structure_hook_func(lambda annotation: annotation == Permission, _permission)
    converter.register_structure_hook(FilePath, _file)
    converter.register_structure_hook(Secret, _secret)
    converter.register_structure_hook(RedisUrl, lambda value, _: redis_url(value))
    return converter


_CONVERTER = _make_converter()
