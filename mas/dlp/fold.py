r"""Fold look-alikes: styled and foreign digits and letters, dashes, spaces, invisible characters.

The result is ASCII, so that offsets in bytes and in text are the same and `\b` means what it says. What has no
ASCII counterpart becomes SUB, a character no rule matches.
"""

# ruff: noqa: RUF001, E501 - look-alike characters are the subject

import re
import unicodedata
from functools import lru_cache

from mas.dlp.view import View

_STAND_IN = "\x1a"
# Control characters inside a number would hide it; the layout characters are text like any other.
_ODD = re.compile(r"[^\t\n\r\x20-\x7e]")
_MOST_REMEMBERED = 8192
_LOOK_ALIKES = str.maketrans(
    {
        alike: plain
        for plain, alikes in {
            "a": "аα", "c": "сϲ", "d": "ԁ", "e": "еε", "g": "ɡ", "h": "һ", "i": "іıι", "j": "јϳ", "k": "κ", "l": "ӏ",
            "o": "оο", "p": "рρ", "q": "ԛ", "s": "ѕ", "u": "υ", "v": "ν", "w": "ԝ", "x": "хχ", "y": "уγ",
            "A": "АΑ", "B": "ВΒ", "C": "СϹ", "E": "ЕΕ", "G": "Ԍ", "H": "НΗ", "I": "ІΙӀ", "J": "Ј", "K": "КΚ", "M": "МΜ",
            "N": "Ν", "O": "ОΟ", "P": "РΡ", "S": "Ѕ", "T": "ТΤ", "X": "ХΧ", "Y": "ҮΥ", "Z": "Ζ",
            "3": "З", "/": "∕⁄", ".": "·•∙‧・。․", "-": "−˗⁃", "'": "‘’‚‛′‹›", '"': "“”„‟«»″",
        }.items()
        for alike in alikes
    }
)  # fmt: skip


@lru_cache(maxsize=4096)
def _folded(character: str) -> str:
    if character <= "\x7f":
        return ""
    alike = character.translate(_LOOK_ALIKES)
    if alike != character:
        return alike
    digit = unicodedata.digit(character, None)
    if digit is not None:
        return str(digit)
    category = unicodedata.category(character)
    if category in {"Cf", "Cc", "Mn", "Me"} or character in "\u115f\u1160\u3164\uffa0\u2800":
        return ""
    if category.startswith("Z"):
        return "\n" if category in {"Zl", "Zp"} else " "
    if category == "Pd":
        return "-"
    for form in ("NFKC", "NFKD"):
        plain = "".join(c for c in unicodedata.normalize(form, character) if not unicodedata.combining(c))
        if plain.isascii():
            return plain
        alike = plain.translate(_LOOK_ALIKES)
        if alike.isascii():
            return alike
    return "ss" if character == "ß" else _STAND_IN


class _Folding(dict[int, str]):
    """What each character folds to, filled as they are met; bounded, for a sender chooses what is met."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        plain = _folded(character) if _ODD.match(character) else character
        if len(self) < _MOST_REMEMBERED:
            self[code] = plain
        return plain


_FOLDING = _Folding()


def folded(text: str) -> str:
    """Return the folded text alone, without its way back."""
    return text.translate(_FOLDING)


def is_plain(text: str) -> bool:
    """Say whether a text is its own first reading."""
    return text.isascii() and not _ODD.search(text)


def fold(text: str, prefix: str = "") -> View:
    """Return the first reading of a text.

    :param prefix: ASCII words put in front as context, such as the keys that lead to a JSON value
    """
    view = View(prefix + text, len(prefix))
    if is_plain(text):
        return view
    start = len(prefix)
    return view.rewrite((m.start(), m.end(), _folded(m[0])) for m in _ODD.finditer(view.text, start))
