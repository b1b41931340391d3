"""Payload and state models of every kind the field uses, behind one face.

msgspec Structs, dataclasses, TypedDicts and plain types go through msgspec; attrs classes through
cattrs, which honours their validators; pydantic models through themselves, when they are used.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Generic, TypeVar

import attrs
import msgspec
from cattrs.preconf.json import make_converter

from mas.errors import PayloadInvalid

T = TypeVar("T")


class Model(Generic[T]):
    """How values of one type come from JSON and go back to plain data.

    :param type: what a loaded value is
    :param load: JSON bytes to a value; raises whatever the library raises
    :param dump: a value to dicts, lists, strings and numbers
    """

    __slots__ = ("_load", "dump", "type")

    def __init__(self, type: type[T], load: Callable[[bytes], T], dump: Callable[[T], Any]) -> None:  # noqa: A002
        self.type, self._load, self.dump = type, load, dump

    def load(self, raw: bytes, what: str) -> T:
        """Return the value that JSON bytes hold.

        :param what: what to call it in an error
        :raises PayloadInvalid: if they do not fit the model
        """
        try:
            return self._load(raw)
        except Exception as error:
            # A model's own validators run here: whatever they raise says that the payload does not fit.
            # Not chained: the library's own text shows the payload, and a traceback would print it.
            raise PayloadInvalid(what, f"does not fit {self.type.__name__}: {_told(error)}") from None


@lru_cache(maxsize=1024)
def model_of(type: Any) -> Model[Any]:  # noqa: A002
    """Return how values of a type are loaded and dumped.

    :raises TypeError: if it is a class of which nobody knows how to make one from JSON
    """
    if hasattr(type, "model_validate_json"):
        return Model(type, type.model_validate_json, lambda value: value.model_dump(mode="json"))
    if attrs.has(type):
        return _attrs_model(type)
    decode = msgspec.json.Decoder(type).decode
    if type is not object and isinstance(msgspec.inspect.type_info(type), msgspec.inspect.CustomType):
        known = "a msgspec Struct, attrs class, dataclass, TypedDict or pydantic model"
        raise TypeError(f"{type.__qualname__} is no model: make it {known}")
    return Model(type, decode, msgspec.to_builtins)


def _attrs_model(cls: Any) -> Model[Any]:
    return Model(
        cls,
        lambda raw: _attrs.structure(msgspec.json.decode(raw), cls),
        lambda value: _attrs.unstructure(value, unstructure_as=cls),
    )


def _told(error: BaseException) -> str:
    """Return the innermost reasons of an error, never the values that caused them."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_told(one) for one in error.exceptions)
    listed = getattr(error, "errors", None)
    if callable(listed):  # pydantic: its own text shows the input, and a validator's text may
        return "; ".join(_told_by_pydantic(one) for one in listed())
    if isinstance(error, msgspec.DecodeError) and error.__cause__ is None:
        return _told_by_msgspec(str(error))
    return type(error.__cause__ or error).__name__


def _told_by_msgspec(said: str) -> str:
    return _unknown.sub("a field it does not know", _quoted.sub("a value", said))


def _told_by_pydantic(error: Mapping[str, Any]) -> str:
    # A key of the payload can be part of the place, or be all of it where no field was expected.
    place = error["loc"][0] if error["loc"] and error["type"] != "extra_forbidden" else "it"
    said = error["type"] if error["type"] in _VALIDATORS else error["msg"]
    return f"{place}: {said}"


_VALIDATORS = frozenset({"value_error", "assertion_error"})
_quoted = re.compile(r"""['"].*['"]""", re.DOTALL)
_unknown = re.compile(r"unknown field `.*`", re.DOTALL)
_attrs = make_converter(forbid_extra_keys=True)
