"""Whole lines out of bytes as they come."""


class Lines:
    """Keeps what is not a whole line yet.

    :param longest: bytes that a line may have; who writes them may be a stranger
    """

    def __init__(self, longest: int) -> None:
        self._longest, self._length = longest, 0
        self._parts: list[bytes] = []

    def take(self, data: bytes) -> list[bytes]:
        """Return the lines that these bytes complete.

        :raises ValueError: if one has become too long
        """
        # Parts are joined once: a long line that comes in many pieces is not copied with each of them.
        first, *others = data.split(b"\n")
        self._parts.append(first)
        self._length += len(first)
        if self._length > self._longest:
            raise ValueError(f"a line is longer than {self._longest:,} bytes")
        if not others:
            return []
        *middle, rest = others
        lines = [b"".join(self._parts), *middle]
        self._parts, self._length = [rest], len(rest)
        return lines
