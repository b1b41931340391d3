"""Who a person is to others: the e-mail address, the birthday."""

# ruff: noqa: E501 - a pattern is read in one line

import datetime as dt
import itertools
import re

from mas.dlp.candidate import Candidate
from mas.dlp.rule import Rule, compiled
from mas.dlp.words import listed

# What follows `@` in file names, units and hosts that no mail reaches; not the extensions that are countries too.
_NOT_A_DOMAIN = listed(
    "png jpg jpeg gif svg webp ico css js ts jsx tsx json yaml yml toml xml html htm txt csv pdf gz tar lock log bat exe dll "
    "local localdomain internal lan localhost service timer socket target"
)
_REMOTE_LOGIN = compiled(r"(?i)\b(?:ssh|scp|sftp|rsync|mosh|git clone|ssh-copy-id)\b[^\n]{0,30}$")
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
    if _REMOTE_LOGIN.search(candidate.before(40)) or (local == "git" and candidate.after(1) in {":", "/"}):
        return 0
    if candidate.before(3) == "://" or ("://" in candidate.before(12) and ":" in candidate.before(1)):
        return 0
    return 0.95


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


PERSON: tuple[Rule, ...] = (
    Rule(
        "email",
        "email",
        r"(?P<v>[A-Za-z0-9](?:[A-Za-z0-9._%+'\-]{0,63})@(?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,62})\.){1,8}[A-Za-z]{2,24})\b",
        _email,
        triggers=(r"[0-9A-Za-z._%+'-]@[0-9A-Za-z-]{1,63}\.",),
    ),
    Rule(
        "date-of-birth",
        "date_of_birth",
        rf"(?i)(?:\b|_)(?:d\.?o\.?b|date[ _-]?of[ _-]?birth|birth[ _-]?da(?:te|y)|born|geboren|geburtsdatum|nee? le|fecha de nacimiento|nacid[oa]|date de naissance|data di nascita)(?:\b|_)"
        rf"[^0-9\n]{{0,25}}?(?P<v>{_DATE})(?:\b|T)",
        _birthday,
        triggers=(
            r"(?i)(?:d\.?o\.?b|birth|\bborn|geboren|geburtsdatum|nee? le|nacimiento|nacid[oa]|naissance|nascita)[^\n]{0,40}\d",
        ),
    ),
)
