"""How a person is reached, and when they were born: e-mail, telephone, birthday."""

# ruff: noqa: E501 - a pattern is read in one line

import datetime as dt
import itertools
import re

import phonenumbers

from mas.dlp.candidate import Candidate
from mas.dlp.rule import Rule, compiled
from mas.dlp.words import PHONE, SERIAL, listed, words

_NOT_A_DOMAIN = listed(
    "png jpg jpeg gif svg webp ico css js ts jsx tsx py rb go rs java json yaml yml toml xml html htm md txt csv pdf zip gz tar "
    "lock log sh bat exe dll so local localdomain internal lan localhost service timer socket target "
)
_REGIONS = (
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
)
_EXTENSION = r"(?:[ ,;]{0,2}(?:x|ext\.?|extension)[ .:]?\d{1,6})?"
_MONTH = r"(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
_DATE = (
    r"(?:\d{1,2}[/.\- ]\d{1,2}[/.\- ](?:\d{4}|\d{2})|(?:18|19|20)\d{2}[/.\-]?[01]\d[/.\-]?[0-3]\d"
    rf"|{_MONTH}\.? \d{{1,2}}(?:st|nd|rd|th)?,? (?:18|19|20)\d{{2}}|\d{{1,2}}(?:st|nd|rd|th)?(?: of)?[ -]{_MONTH}\.?,?[ -](?:18|19|20)?\d{{2}})"
)


def _email(candidate: Candidate) -> float:
    local, _, domain = candidate.value.rpartition("@")
    suffix = domain.rpartition(".")[2].lower()
    if suffix in _NOT_A_DOMAIN or ".." in candidate.value or local.startswith(".") or local.endswith("."):
        return 0
    following = candidate.after(2)
    if local == "git" and following[:1] in {":", "/"}:
        return 0
    if "://" in candidate.before(12) and ":" in candidate.before(1):
        return 0
    return 0.95


def _international(candidate: Candidate) -> float:
    if not _number_alone(candidate):
        return 0
    try:
        number = phonenumbers.parse(candidate.value, None)
    except phonenumbers.NumberParseException:
        return 0
    if phonenumbers.is_valid_number(number):
        return 0.95
    return (
        0.85
        if phonenumbers.is_possible_number(number) and (number.country_code == 1 or candidate.near(PHONE))
        else 0
    )


def _north_american(candidate: Candidate) -> float:
    if not _number_alone(candidate) or (
        (SERIAL.search(candidate.before(20)) or candidate.near(_OTHER_NUMBER, 30, 30))
        and not candidate.near(PHONE, 30, 10)
    ):
        return 0
    return 0.9 if candidate.near(PHONE) else 0.8


def _announced(candidate: Candidate) -> float:
    value = candidate.value
    digits = [c for c in value if c.isdigit()]
    if (
        not 7 <= len(digits) <= 15
        or len(set(digits)) < 2
        or not _number_alone(candidate)
        or _DATED.search(value)
    ):
        return 0
    between = candidate.text[candidate.match_start : candidate.start]
    if SERIAL.search(between):
        return 0
    if (
        len(digits) in {10, 11}
        and "".join(digits).lstrip("1")[:1] not in {"", "0"}
        and len("".join(digits).removeprefix("1")) == 10
    ):
        return 0.85
    for region in _REGIONS:
        try:
            if phonenumbers.is_valid_number(phonenumbers.parse(value, region)):
                return 0.85
        except phonenumbers.NumberParseException:
            return 0
    return 0.6 if _LINE.search(between) and len(digits) >= 7 else 0


_OTHER_NUMBER = compiled(
    words(
        "nhs",
        "ssn",
        "mrn",
        "npi",
        "iban",
        "routing",
        "account",
        "acct",
        "licen[cs]e",
        "passport",
        "policy",
        "member",
        "tax",
        "id",
        "ids",
    )
)
_DATED = compiled(r"^(?:19|20)\d\d[-./]\d\d?[-./]\d\d?|^\d\d?[-./]\d\d?[-./](?:19|20)\d\d")
_LINE = compiled(
    words(
        "phones?",
        "tel",
        "telephone",
        "telefon",
        "mobile",
        "cell",
        "fax",
        "whatsapp",
        "phone number",
        "msisdn",
    )
)


def _number_alone(candidate: Candidate) -> bool:
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


def _birthday(candidate: Candidate) -> float:
    return 0.95 if _plausible_date(candidate.value) else 0


def _plausible_date(value: str) -> bool:
    """Whether day, month and year can be read off the text in some order, in the past."""
    numbers = [int(n) for n in re.findall(r"\d+", value)]
    if re.search(r"[A-Za-z]{3}", value):
        return any(1 <= n <= 31 for n in numbers)
    if len(numbers) == 1 and len(value) == 8:
        numbers = [int(value[:4]), int(value[4:6]), int(value[6:])]
    for year, month, day in itertools.permutations(numbers, 3):
        full = year if year > 99 else 1900 + year
        try:
            born = dt.date(full, month, day)
        except ValueError:
            continue
        if 1880 <= born.year <= 2100:
            return True
    return False


CONTACT: tuple[Rule, ...] = (
    Rule(
        "email",
        "email",
        r"(?P<v>[A-Za-z0-9](?:[A-Za-z0-9._%+'\-]{0,63})@(?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,62})\.){1,8}[A-Za-z]{2,24})\b",
        _email,
        triggers=(r"[0-9A-Za-z._%+'\x80-\xff-]@[0-9A-Za-z\x80-\xff-]{1,63}\.",),
    ),
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
        rf"(?P<v>(?:\+?1[ .\-]?)?(?:\([2-9]\d\d\) ?|\b[2-9]\d\d[ .\-/])[ .\-]?[2-9]\d\d[ .\-]\d{{4}}{_EXTENSION})\b",
        _north_american,
        triggers=(r"\d{3}(?:[ .\-/]|\) ?[.\-]?)\d{3}[ .\-]\d{4}",),
    ),
    Rule(
        "phone-local",
        "phone",
        r"\b(?P<v>[2-9]\d\d[.\-]\d{4})\b",
        lambda candidate: 0.75 if _number_alone(candidate) and candidate.near(PHONE, 40, 0) else 0,
        triggers=(r"\b\d{3}[.\-]\d{4}\b",),
    ),
    Rule(
        "phone-announced",
        "phone",
        r"(?i)\b(?:phones?|tel(?:ephone)?|telefon[eo]?|mobile|mob|cell(?:phone|ular)?|fax|call(?:ing)?|ring|dial|whatsapp|sms|text|contact|reach|landline|handy|portable|msisdn|voicemail|hotline)"
        rf"\b[^0-9\n+(]{{0,40}}(?P<v>\(?\d(?:[ ().\-/]{{0,3}}\d){{6,14}}{_EXTENSION})\b",
        _announced,
    ),
    Rule(
        "date-of-birth",
        "date_of_birth",
        rf"(?i)\b(?:d\.?o\.?b|date[ _]?of[ _]?birth|birth[ _]?da(?:te|y)|born|geboren|geburtsdatum|nee? le|fecha de nacimiento|nacid[oa]|date de naissance|data di nascita)\b"
        rf"[^0-9\n]{{0,25}}?(?P<v>{_DATE})\b",
        _birthday,
        triggers=(
            r"(?i)(?:d\.?o\.?b|birth|\bborn|geboren|geburtsdatum|n(?:e|\xc3\xa9)e? le|nacimiento|nacid[oa]|naissance|nascita)[^\n]{0,40}\d",
        ),
    ),
)
