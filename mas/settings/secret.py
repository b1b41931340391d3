"""Hold what must not be seen: a secret shows stars wherever it is printed, and refuses to be pickled."""

import hmac
from typing import Any, NoReturn, Self

STARS = "********"


class Secret:
    """A text that appears in no repr, str, format, log or pickle; only `reveal` and `encode` give it out.

    :param value: the secret; bytes are taken as UTF-8, undecodable ones are kept as they are
    """

    __slots__ = ("_value",)

    def __init__(self, value: "str | bytes | Secret") -> None:
        if isinstance(value, Secret):
            value = value.reveal()
        self._value = value if isinstance(value, str) else value.decode("utf-8", "surrogateescape")

    def reveal(self) -> str:
        """Return the secret as text."""
        return self._value

    def encode(self) -> bytes:
        """Return the secret as the bytes it was given as, or as UTF-8."""
        return self._value.encode("utf-8", "surrogateescape")

    def shown(self) -> str:
        """Return what may be printed instead."""
        return STARS

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.shown()!r})"

    def __str__(self) -> str:
        return self.shown()

    def __format__(self, spec: str) -> str:
        return format(self.shown(), spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.encode(), other.encode())

    def __hash__(self) -> int:
        return hash(self._value)

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret is not pickled: hand over the name of its file instead")
