"""The other ways to read a text: unescaped, closed up where it was spaced out, spelled out words as signs.

Each reading is a view onto the original, so that what is found in one is reported and masked where it stands.
"""

# ruff: noqa: E501 - a pattern is read in one line

import html
import re
from collections.abc import Callable
from urllib.parse import unquote

import attrs

from mas.dlp.fold import fold
from mas.dlp.view import View

_ROUNDS = 3
_ESCAPED = re.compile(
    r"(?P<percent>(?:%[0-9A-Fa-f]{2})+)"
    r"|(?P<entity>&(?:\#[0-9]{1,7}|\#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,24});?)"
    r"|(?P<code>\\(?:u[0-9A-Fa-f]{4}|u\{[0-9A-Fa-f]{1,6}\}|U[0-9A-Fa-f]{8}|x[0-9A-Fa-f]{2}))"
    r"|(?P<plain>\\[/\"'nrt])"
)
# Eight or more single characters, each set off from the next by the same kind of gap.
_SPACED = re.compile(r"(?<!\S)\S(?:\s{1,5}\S){7,}(?!\S)")
_SEPARATED = re.compile(r"(?<![0-9A-Za-z])[0-9](?:[-._*|/,:~][0-9]){8,}(?![0-9A-Za-z])")
_GAP = re.compile(r"\s+|(?<=[0-9])[-._*|/,:~](?=[0-9])")
_TOP = r"(?:com|org|net|edu|gov|io|co|uk|de|fr|es|it|nl|eu|info|biz|ai|dev|app|me|us|ca|in)\b"
_HOST = r"[a-z0-9-]{1,40}(?:(?: dot |\.)[a-z0-9-]{1,40}){0,2}?"
_SPELLED_AT = re.compile(
    r"(?i)(?P<sign>\s?[\[({<]\s?(?:at|@|arroba)\s?[\])}>]\s?)|(?P<stop>\s?[\[({<]\s?(?:dot|\.|punkt|punto|point)\s?[\])}>]\s?)"
    rf"|(?<=[a-z0-9])(?P<bare> at )(?={_HOST}(?: dot |\.){_TOP})|(?<=[a-z0-9])(?P<baredot> dot )(?=(?:{_HOST} dot )?{_TOP})"
)
_DIGIT_WORDS = {
    word: str(value)
    for value, names in enumerate(
        ("zero oh null cero", "one eins uno", "two zwei dos", "three drei tres", "four vier cuatro", "five cinco",
         "six sechs seis", "seven sieben siete", "eight acht ocho", "nine neun nueve")
    )
    for word in names.split()
}  # fmt: skip
_NUMBER_WORD = "|".join(_DIGIT_WORDS)
_COUNTED = re.compile(
    rf"(?i)\b(?:{_NUMBER_WORD})(?:[\s,-]+(?:dash[\s,-]+|hyphen[\s,-]+)?(?:{_NUMBER_WORD})){{6,}}\b"
)
_WORD = re.compile(r"[A-Za-z]+")
_BETWEEN_WORDS = re.compile(r"[\s,-]+")


def _unescaped(view: View) -> View:
    """Undo percent, entity and code-point escapes, also where they are nested a few times."""
    for _ in range(_ROUNDS):
        changes = []
        for match in _ESCAPED.finditer(view.text):
            plain = _plain(match)
            if plain != match[0]:
                changes.append((match.start(), match.end(), plain))
        if not changes:
            break
        view = view.rewrite(changes)
    return view


def _plain(match: "re.Match[str]") -> str:
    escaped = match[0]
    if match["percent"]:
        try:
            plain = unquote(escaped, errors="strict")
        except UnicodeDecodeError:
            return escaped
    elif match["entity"]:
        plain = html.unescape(escaped)
    elif match["plain"]:
        plain = {"n": "\n", "r": "\r", "t": "\t"}.get(escaped[1], escaped[1])
    else:
        code = int(escaped.strip("\\uUx{}"), 16)
        plain = chr(code) if code < 0x110000 and not 0xD800 <= code < 0xE000 else escaped
    return fold(plain).text


def _closed_up(view: View) -> View:
    """Take the gaps out of `1 2 3 - 4 5 - 6 7 8 9` and `j o h n @ x . o r g`."""
    changes: list[tuple[int, int, str]] = []
    for pattern in (_SPACED, _SEPARATED):
        found = [
            (run.start() + gap.start(), run.start() + gap.end(), "")
            for run in pattern.finditer(view.text)
            for gap in _GAP.finditer(run[0])
        ]
        if found:
            changes = found
            break
    return view.rewrite(changes)


def _spelled_out(view: View) -> View:
    """Read `john (at) example (dot) com` as an address."""
    return _substituted(view, _SPELLED_AT, lambda m: "@" if m["sign"] or m["bare"] else ".")


def _counted(view: View) -> View:
    """Read `four one one one ...` as digits."""
    return _substituted(
        view,
        _COUNTED,
        lambda run: _BETWEEN_WORDS.sub("", _WORD.sub(lambda w: _DIGIT_WORDS.get(w[0].lower(), ""), run[0])),
    )


def _substituted(view: View, pattern: "re.Pattern[str]", new: "Callable[[re.Match[str]], str]") -> View:
    return view.rewrite((m.start(), m.end(), new(m)) for m in pattern.finditer(view.text))


@attrs.frozen(eq=False)
class Reading:
    """Another way to read a text.

    :param triggers: what the first pass looks for in raw bytes where this reading may differ
    :param read: returns the view itself where it does not
    """

    triggers: tuple[str, ...] = attrs.field(repr=False)
    read: Callable[[View], View]


READINGS: tuple[Reading, ...] = (
    Reading(
        (
            r"%[0-9A-Fa-f]{2}",
            r"&(?:#|[A-Za-z]{2,8};)",
            r"\\(?:u[0-9A-Fa-f{]|U000|x[0-9A-Fa-f]{2}|[nrt/\"'])",
        ),
        _unescaped,
    ),
    Reading(
        (r"(?:\b[0-9A-Za-z]\s+(?:[^\w\s]\s+)?){7}", r"(?:[0-9][-._*|/,:~]){8}[0-9]"),
        _closed_up,
    ),
    Reading((r"(?i)[\[({<] ?(?:at|@|dot|\.|arroba|punkt|punto|point) ?[\])}>]| dot [a-z]",), _spelled_out),
    Reading(
        (rf"(?i)\b(?:{_NUMBER_WORD})[\s,-]+(?:{_NUMBER_WORD})[\s,-]+(?:{_NUMBER_WORD})[\s,-]",),
        _counted,
    ),
)
