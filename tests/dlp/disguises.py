"""Ways to hide a value from whoever only reads it as it stands."""

import base64
import gzip
import html
import json
import urllib.parse
from collections.abc import Callable

_FULL_WIDTH = {**{c: c + 0xFEE0 for c in range(0x21, 0x7F)}}
_ARABIC = {ord("0") + n: 0x0660 + n for n in range(10)}
_DEVANAGARI = {ord("0") + n: 0x0966 + n for n in range(10)}
_BOLD = {ord("0") + n: 0x1D7CE + n for n in range(10)}
_CIRCLED = {ord("0"): 0x24EA, **{ord("0") + n: 0x245F + n for n in range(1, 10)}}
_CYRILLIC = str.maketrans("aeopcxyAEOPCTHKM", "аеорсхуАЕОРСТНКМ")
_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_NAMES = "zero one two three four five six seven eight nine".split()  # noqa: SIM905


def _number_words(value: str) -> str:
    return " ".join(_NAMES[int(c)] for c in value if c.isdigit())


DISGUISES: dict[str, Callable[[str], str]] = {
    "full width": lambda v: v.translate(_FULL_WIDTH),
    "Arabic digits": lambda v: v.translate(_ARABIC),
    "Devanagari digits": lambda v: v.translate(_DEVANAGARI),
    "bold digits": lambda v: v.translate(_BOLD),
    "circled digits": lambda v: v.translate(_CIRCLED),
    "superscript digits": lambda v: v.translate(_SUPERSCRIPT),
    "Cyrillic letters": lambda v: v.translate(_CYRILLIC),
    "zero-width spaces": "\u200b".join,
    "zero-width joiners": "\u200d".join,
    "word joiners": "\u2060".join,
    "soft hyphens": "\u00ad".join,
    "byte order marks": "\ufeff".join,
    "combining marks": lambda v: "".join(c + "\u0336" for c in v),
    "en dashes": lambda v: v.replace("-", "\u2013"),
    "no-break spaces": lambda v: v.replace(" ", "\u00a0").replace("-", "\u2011"),
    "percent": urllib.parse.quote_plus,
    "percent, every byte": lambda v: "".join(f"%{b:02x}" for b in v.encode()),
    "percent, twice": lambda v: "".join(f"%25{b:02X}" for b in v.encode()),
    "decimal entities": lambda v: "".join(f"&#{ord(c)};" for c in v),
    "hexadecimal entities": lambda v: "".join(f"&#x{ord(c):x};" for c in v),
    "named entities": lambda v: (
        html.escape(v).replace("@", "&commat;").replace("-", "&#45;").replace(".", "&period;")
    ),
    "code points": lambda v: "".join(f"\\u{ord(c):04x}" for c in v),
    "hexadecimal escapes": lambda v: "".join(f"\\x{ord(c):02x}" for c in v),
    "base64": lambda v: base64.b64encode(v.encode()).decode(),
    "base64 without padding": lambda v: base64.urlsafe_b64encode(v.encode()).decode().rstrip("="),
    "base64 of a sentence": lambda v: base64.b64encode(f"here you are: {v} as you asked".encode()).decode(),
    "base64, twice": lambda v: base64.b64encode(base64.b64encode(v.encode())).decode(),
    "base32": lambda v: base64.b32encode(v.encode()).decode(),
    "hexadecimal": lambda v: v.encode().hex(),
    "gzip in base64": lambda v: base64.b64encode(gzip.compress(v.encode(), mtime=0)).decode(),
    "JSON in JSON": lambda v: json.dumps(json.dumps({"value": v})),
    "spaced out": " ".join,
    "spaced out wide": "  ".join,
    "one on a line": "\n".join,
}

FOR_DIGITS: dict[str, Callable[[str], str]] = {
    "dotted": lambda v: ".".join(c for c in v if c.isdigit()),
    "slashed": lambda v: "/".join(c for c in v if c.isdigit()),
    "number words": _number_words,
    "number words with commas": lambda v: _number_words(v).replace(" ", ", "),
    "underscores": lambda v: v.replace("-", "_").replace(" ", "_"),
}

FOR_ADDRESSES: dict[str, Callable[[str], str]] = {
    "(at) and (dot)": lambda v: v.replace("@", " (at) ").replace(".", " (dot) "),
    "[at] and [dot]": lambda v: v.replace("@", "[at]").replace(".", "[dot]"),
    "at and dot": lambda v: v.replace("@", " at ").replace(".", " dot "),
}
