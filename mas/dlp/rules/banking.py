"""Bank accounts: IBAN by its check digits, the national forms by checksum or by the words around them."""

# ruff: noqa: E501 - a pattern is read in one line

import stdnum.iban
import stdnum.us.rtn

from mas.dlp.candidate import Candidate
from mas.dlp.rule import Rule, compiled
from mas.dlp.words import words

# Characters of an IBAN by country, from the registry.
_IBAN_LENGTHS = {
    country: int(length)
    for length, countries in {
        "15": "NO", "16": "BE", "18": "DK FI FO GL NL SD FK", "19": "MK SI", "20": "AT BA EE KZ LT LU XK MN",
        "21": "CH HR LI LV", "22": "BG BH CR DE GB GE IE ME RS VA", "23": "AE GI IL IQ TL OM SO",
        "24": "AD CZ ES MD PK RO SA SE SK TN VG", "25": "LY PT ST", "26": "IS TR", "27": "BI DJ FR GR IT MC MR SM",
        "28": "AL AZ BY CY DO GT HU LB NI PL SV", "29": "BR EG PS QA UA", "30": "JO KW MU YE", "31": "MT SC", "32": "LC",
        "33": "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
_BANK = compiled(
    words(
        "banks?|banking|routing|checking|savings|sort ?code|aba|wire|deposit|ach|swift|bic|direct debit|"
        "payroll|payee|beneficiary|transfer|iban|konto|bsb|clabe"
    )
)  # fmt: skip
_NO_BANK = compiled(
    words(
        "aws|cloud|azure|gcp|customer|user|loyalty|frequent|flyer|utility|electric|gas|water|internet|member|email|twitter|github|support|tenant|subscription"
    )
)
_ACCOUNT = r"(?:bank[ _]?)?(?:account|acct|a/c)(?:[ _]?(?:number|num|no|nr|#))?"
_FILLER = r"[^0-9\n]{0,20}?"
_CLABE_WEIGHTS = (3, 7, 1)


def _iban_within(candidate: Candidate) -> Candidate | None:
    text, at, compact = candidate.text, candidate.start, ""
    wanted = _IBAN_LENGTHS.get(text[at : at + 2].upper(), 0)
    while at < candidate.end and len(compact) < wanted:
        if text[at].isalnum():
            compact += text[at]
        at += 1
    if len(compact) != wanted or not wanted or not stdnum.iban.is_valid(compact, check_country=False):
        return None
    return candidate.spanning(candidate.start, at)


def _alone(candidate: Candidate) -> float:
    return 0.99 if candidate.stands_alone else 0


def _routing(candidate: Candidate) -> float:
    return 0.9 if stdnum.us.rtn.is_valid(candidate.value) else 0


def _account(candidate: Candidate) -> float:
    phrase = candidate.text[candidate.match_start : candidate.start].lower()
    digits = sum(c.isdigit() for c in candidate.value)
    if not 6 <= digits <= 17 or not candidate.stands_alone:
        return 0
    if "bank" in phrase or candidate.near(_BANK, 80, 60):
        return 0.85
    named = any(word in phrase for word in ("number", "num", "no", "nr", "#"))
    return 0.6 if named and digits >= 8 and not candidate.near(_NO_BANK, 80, 40) else 0


def _clabe(candidate: Candidate) -> float:
    digits = [int(c) for c in candidate.value]
    total = sum(d * _CLABE_WEIGHTS[i % 3] % 10 for i, d in enumerate(digits[:17]))
    return 0.95 if (10 - total % 10) % 10 == digits[17] else 0


BANKING: tuple[Rule, ...] = (
    Rule(
        "iban",
        "iban",
        r"(?i)\b(?P<v>[A-Z]{2}\d{2}(?:[ .\-+]{0,2}[A-Z0-9]){11,29})\b",
        _alone,
        triggers=(r"\b[A-Za-z]{2}\d{2}(?:[ .\-+]{0,2}[A-Za-z0-9]{2,5}){2,}",),
        fit=_iban_within,
    ),
    Rule(
        "us-routing",
        "bank_account",
        rf"(?i)\b(?:routing|aba|rtn)(?:[ _]?(?:transit|number|num|no|#)){{0,2}}\b{_FILLER}(?P<v>\d{{9}})\b",
        _routing,
    ),
    Rule(
        "account", "bank_account", rf"(?i)(?:\b|_){_ACCOUNT}{_FILLER}\b(?P<v>\d[\d \-]{{4,20}}\d)\b", _account
    ),
    Rule(
        "uk-sort-code",
        "bank_account",
        rf"(?i)\bsort[ _-]?code{_FILLER}\b(?P<v>\d\d[- ]?\d\d[- ]?\d\d)\b",
    ),
    Rule("au-bsb", "bank_account", rf"\bBSB{_FILLER}\b(?P<v>\d{{3}}[- ]?\d{{3}})\b"),
    Rule("mx-clabe", "bank_account", r"(?i)\bclabe\b[^0-9\n]{0,20}(?P<v>\d{18})\b", _clabe),
)
