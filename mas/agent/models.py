"""Payload and state models of every kind the field uses, behind one face.

msgspec Structs, dataclasses, TypedDicts and plain types go through msgspec; attrs classes through
cattrs, which honours their validators; pydantic models through themselves, when they are used.
"""

from collections.abc import Callable
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
            raise PayloadInvalid(what, f"does not fit {self.type.__name__}: {_told(error)}") from error


@lru_cache(maxsize=1024)
def model_of(type: Any) -> Model[Any]:  # noqa: A002
    """Return how values of a type are loaded and dumped."""
    if hasattr(type, "model_validate_json"):
        return Model(type, type.model_validate_json, lambda value: value.model_dump(mode="json"))
    if attrs.has(type):
        return _attrs_model(type)
    return Model(type, msgspec.json.Decoder(type).decode, msgspec.to_builtins)


def _attrs_model(cls: Any) -> Model[Any]:
    return Model(
        cls,
        lambda raw: _attrs.structure(msgspec.json.decode(raw), cls),
        lambda value: _attrs.unstructure(value, unstructure_as=cls),
    )


def _told(error: BaseException) -> str:
    """Return the innermost reasons of an error, without the values that caused them."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_told(one) for one in error.exceptions)
    listed = getattr(error, "errors", None)
    if callable(listed):  # pydantic: its own text shows the input
        return "; ".join(f"{'.'.join(map(str, one['loc'])) or 'it'}: {one['msg']}" for one in listed())
    if isinstance(error, msgspec.DecodeError):
        return str(error)
    return type(error).__name__


_attrs = make_converter(forbid_extra_keys=True)
