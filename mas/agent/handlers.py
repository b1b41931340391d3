"""Which method handles which message type."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeVar

from mas.agent.models import Model, model_of

Method = TypeVar("Method", bound=Callable[..., Awaitable[None]])
_MARK = "__mas_handles__"
_ANYTHING = inspect.Parameter.VAR_POSITIONAL


class Handler(NamedTuple):
    """A method, by name so that a subclass may override it, and what its payload must fit."""

    method: str
    model: Model[Any] | None


def on(message_type: str, *, model: type | None = None) -> Callable[[Method], Method]:
    """Mark a method as the handler of a message type.

    The method is called as `(self, message, payload)`; the payload is the validated model, None
    without one.

    :param model: a msgspec Struct, attrs class, dataclass, TypedDict or pydantic model
    :raises TypeError: if it is none of these, or the method cannot be called so
    """

    def mark(method: Method) -> Method:
        _expect_callable(method, message_type)
        handles: list[tuple[str, Model[Any] | None]] = getattr(method, _MARK, [])
        handles.append((message_type, model_of(model) if model is not None else None))
        setattr(method, _MARK, handles)
        return method

    return mark


def _expect_callable(method: Callable[..., object], message_type: str) -> None:
    """Refuse now what would fail with each message.

    :raises TypeError: if a method does not take what a handler is given, or is not async
    """
    name = f"{getattr(method, '__qualname__', method)} handles {message_type!r}"
    signature = inspect.signature(method)
    try:
        signature.bind(None, None, None)
    except TypeError:
        raise TypeError(f"{name}, so it must take (self, message, payload), not {signature}") from None
    kinds = {parameter.kind for parameter in signature.parameters.values()}
    # What takes anything wraps another function, and may return what that does.
    if inspect.isfunction(method) and not inspect.iscoroutinefunction(method) and _ANYTHING not in kinds:
        raise TypeError(f"{name}, so it must be async def")


def handlers_of(cls: type) -> dict[str, Handler]:
    """Collect what a class and its bases handle; the nearest class wins.

    :raises TypeError: if one class marks two methods for the same type
    """
    found: dict[str, Handler] = {}
    for base in reversed(cls.__mro__):
        here: dict[str, Handler] = {}
        for name, method in vars(base).items():
            for message_type, model in getattr(method, _MARK, ()):
                if message_type in here:
                    raise TypeError(
                        f"{base.__qualname__}: both {here[message_type].method} and {name} "
                        f"handle {message_type!r}"
                    )
                here[message_type] = Handler(name, model)
        found |= here
    return found
