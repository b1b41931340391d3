"""Telephone numbers: in international form, as written in North America, and after a word that announces one."""

# ruff: noqa: E501 - a pattern is read in one line

import phonenumbers

from mas.dlp.candidate import Candidate
from mas.dlp.rule import Rule, compiled
from mas.dlp.words import PHONE, SERIAL, is_labelled_otherwise, words

_REGIONS = (
    *(
        "GB",
        "DE",
        "FR",
        "ES",
        "IT",
        "NL",
        "AU",
        "IN",
        "BR",
        "CH",
        "AT",
        "BE",
        "SE",
        "PL",
        "IE",
        "MX",
        "JP",
        "CN",
        "ZA",
    ),
    *("DK", "NO", "FI", "PT", "NZ", "KR", "SG", "TR", "IL", "AR", "CZ", "GR", "HU", "RO"),
)
_EXTENSION = r"(?:[ ,;]{0,2}(?:x|ext\.?|extension)[ .:]?\d{1,6})?"
_SOON = r"[^0-9\n+(]{0,40}\(?\d(?:[ ().\-/]{0,3}\d){6}"
_ANNOUNCED_BY = (
    r"phones?|tel(?:ephone)?|telefon[eo]?|mobile|mob|cell(?:phone|ular)?|fax|call(?:ed|ing)?|ring|rang|dial(?:l?ed)?|whatsapp|sms|text(?:ed)?|contact(?:ed)?|reach(?:ed)?"
    r"|landline|handy|portable|msisdn|voicemail|hotline|handynummer|rufnummer|telefonnummer"
)
_LINE = compiled(
    words(
        "phones?|tel|telephone|telefon|mobile|cell|fax|whatsapp|phone number|msisdn|landline|contact number"
    )
)
_OTHER_NUMBER = compiled(
    words("nhs|ssn|mrn|npi|iban|routing|account|acct|licen[cs]e|passport|policy|member|tax|ids?|isbn|vat")
)
_MIXED = compiled(r"^\d{3}\.\d{3}[ -]|^\d{3}[ -]\d{3}\.")
_NORTH_AMERICAN = compiled(r"^(?:\+|00)1(?:[ ().\-]*\d){10}$")
_DATED = compiled(r"^(?:19|20)\d\d[-./]\d\d?[-./]\d\d?|^\d\d?[-./]\d\d?[-./](?:19|20)\d\d")


def _international(candidate: Candidate) -> float:
    if not _alone(candidate):
        return 0
    written = candidate.value
    if _NORTH_AMERICAN.search(written):
        return 0.9
    number = _parsed(f"+{written[2:]}" if written.startswith("00") else written, None)
    if number is None:
        return 0
    if phonenumbers.is_valid_number(number):
        return 0.95
    possible = phonenumbers.is_possible_number(number)
    return 0.85 if possible and (number.country_code == 1 or candidate.near(PHONE)) else 0


def _north_american(candidate: Candidate) -> float:
    if not _alone(candidate) or is_labelled_otherwise(candidate):
        return 0
    if candidate.near(PHONE):
        return 0.9
    if SERIAL.search(candidate.before(20)) or candidate.near(_OTHER_NUMBER, 30, 30):
        return 0
    if _MIXED.search(candidate.value):
        return 0
    digits = "".join(c for c in candidate.value if c.isdigit())
    area, exchange = (
        (digits[1:4], digits[4:7]) if digits[0] == "1" and len(digits) > 10 else (digits[:3], digits[3:6])
    )
    if area[0] in "01" or exchange[0] in "01":
        return 0.7 if candidate.value.startswith(("(", "+1")) else 0
    return 0.8


def _local(candidate: Candidate) -> float:
    return (
        0.75
        if _alone(candidate) and not is_labelled_otherwise(candidate) and candidate.near(PHONE, 40, 0)
        else 0
    )


def _announced(candidate: Candidate) -> float:
    value = candidate.value
    digits = "".join(c for c in value if c.isdigit())
    if not 7 <= len(digits) <= 15 or len(set(digits)) < 2 or not _alone(candidate) or _DATED.search(value):
        return 0
    between = candidate.text[candidate.match_start : candidate.start]
    if SERIAL.search(between) or is_labelled_otherwise(candidate):
        return 0
    if len(digits) < 10 and not _LINE.search(candidate.text[candidate.match_start :][: len(between) + 1]):
        return 0
    if len(digits.removeprefix("1")) == 10 and digits[0] != "0":
        return 0.85
    if any(
        (number := _parsed(value, region)) and phonenumbers.is_valid_number(number) for region in _REGIONS
    ):
        return 0.85
    return 0.6 if _LINE.search(between) else 0


def _parsed(value: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(value, region)
    except phonenumbers.NumberParseException:
        return None


def _alone(candidate: Candidate) -> bool:
    """Whether the number is not a piece of a longer one, of a code, a price or a time."""
    before, after = candidate.before(2), candidate.after(2)
    if (
        before[-1:].isalnum()
        or before[-1:] in {"_", "#", "$"}
        or (before[-1:] in {"-", ".", "/"} and before[:1].isalnum())
    ):
        return False
    return not (
        after[:1].isalnum() or after[:1] == "_" or (after[:1] in {"-", ".", "/", ":"} and after[1:].isdigit())
    )


PHONES: tuple[Rule, ...] = (
    Rule(
        "phone-international",
        "phone",
        rf"(?P<v>(?:\+|\b00)[1-9](?:[ ().\-/]{{0,3}}\d){{6,14}}{_EXTENSION})\b",
        _international,
        triggers=(r"(?:\+|\b00)[1-9](?:[ ().\-/]{0,3}\d){6}",),
    ),
    Rule(
        "phone-north-american",
        "phone",
        rf"(?P<v>(?:\+?1[ .\-]?)?(?:\(\d{{3}}\) ?|\b\d{{3}}[ .\-/])[ .\-]?\d{{3}}[ .\-]\d{{4}}{_EXTENSION})\b",
        _north_american,
        triggers=(r"\d{3}(?:[ .\-/]|\) ?[.\-]?)\d{3}[ .\-]\d{4}",),
    ),
    Rule("phone-local", "phone", r"\b(?P<v>\d{3}[.\-]\d{4})\b", _local),
    Rule(
        "phone-announced",
        "phone",
        rf"(?i)(?:\b|_)(?:{_ANNOUNCED_BY})(?:\b|_)[^0-9\n+(]{{0,40}}(?P<v>\(?\d(?:[ ().\-/]{{0,3}}\d){{6,14}}{_EXTENSION})\b",
        _announced,
        triggers=(
            # A key may go on after its word: `phoneNumber`.
            rf"(?i)(?:phone|mobile|telefon|fax|cell|handy|landline|msisdn|whatsapp|hotline|rufnummer){_SOON}",
            rf"(?i)\b(?:tel|mob|call|ring|rang|dial|sms|text|contact|reach|portable|voicemail){_SOON}",
        ),
    ),
)
