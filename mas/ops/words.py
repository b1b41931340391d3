"""Numbers and times as people read them."""

from typing import Final

_UNITS: Final = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))


def number(value: float) -> str:
    """Return a number with its thousands set apart."""
    return f"{value:,}"


def duration(seconds: float) -> str:
    """Return a time in the one or two units that matter."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.3g} ms" if seconds >= 0.0005 else "0 ms"
    if seconds < 59.5:
        return f"{seconds:.3g} s"
    whole = round(seconds)
    for place, (size, unit) in enumerate(_UNITS):
        if whole >= size:
            least = _UNITS[place + 1] if place + 1 < len(_UNITS) else (1.0, "s")
            rest = int(whole % size // least[0])
            return f"{int(whole // size)} {unit}" + (f" {rest} {least[1]}" if rest else "")
    return f"{whole} s"


def ago(seconds: float) -> str:
    """Return how long ago something was."""
    return "just now" if seconds < 1.5 else f"{duration(seconds)} ago"
