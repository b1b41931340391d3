"""Whole lines out of bytes as they come."""


class Lines:
    """Keeps what is not a whole line yet."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def take(self, data: bytes) -> list[bytes]:
        """Return the lines that these bytes complete."""
        # Parts are joined once: a long line that comes in many pieces is not copied with each of them.
        first, *others = data.split(b"\n")
        self._parts.append(first)
        if not others:
            return []
        *middle, rest = others
        lines = [b"".join(self._parts), *middle]
        self._parts = [rest]
        return lines
