"""Payment cards: the number, the verification value, the expiry date."""

# ruff: noqa: E501 - a pattern is read in one line

from mas.dlp.candidate import Candidate
from mas.dlp.issuers import card_within
from mas.dlp.rule import Rule, compiled
from mas.dlp.words import CARD, SERIAL

_NUMBER = compiled(r"\b[2-9]\d{3}[ -]?\d{4}[ -]?\d{4}[ -]?\d{3,4}\b|\b3\d{3}[ -]?\d{6}[ -]?\d{4,5}\b")
_ID = compiled(r"(?i)(?:^|[^a-z])id[^a-z]*$")
_CODE_WORDS = (
    r"cvv ?2?|cvc ?2?|cvn|csc|cav2?|card (?:verification|security) (?:value|code|number|no)|security code|cid"
)


def _number(candidate: Candidate) -> float:
    if not candidate.stands_alone:
        return 0
    if candidate.near(CARD):
        return 0.99
    grouped = not candidate.value.isdigit()
    digits = sum(c.isdigit() for c in candidate.value)
    if SERIAL.search(candidate.before(28)) or _ID.search(candidate.before(6)):
        return 0.6 if grouped and candidate.value.count("-") + candidate.value.count(" ") == 3 else 0
    if digits < 14:
        return 0
    if grouped or digits in {15, 16}:
        return 0.95
    return 0.6 if digits == 14 else 0


def _beside_a_card(candidate: Candidate) -> float:
    return 0.9 if candidate.near(CARD, 100, 60) or candidate.near(_NUMBER, 160, 80) else 0


def _code(candidate: Candidate) -> float:
    phrase = candidate.text[candidate.match_start : candidate.start].lower()
    if "card" not in phrase and phrase.startswith(("security code", "cid", "csc")):
        return _beside_a_card(candidate) and 0.8
    return 0.95


CARDS: tuple[Rule, ...] = (
    Rule(
        "card-number",
        "credit_card",
        r"\b(?P<v>[2-689]\d{3}(?:[ \t.\-_/+]{0,2}\d){8,15}|(?:1800|2131)(?:[ \-]?\d){11}|9(?:792|860)(?:[ \-]?\d){12})\b",
        _number,
        triggers=(r"\b[2-9]\d{3}(?:[ \t.\-_/+]{0,2}\d){8}", r"\b(?:1800|2131)(?:[ \-]?\d){11}"),
        fit=card_within,
    ),
    Rule(
        "card-verification",
        "cvv",
        rf"(?i)(?:\b|_)(?:{_CODE_WORDS})(?:\b|_)[^0-9\n]{{0,40}}?\b(?P<v>\d{{3,4}})\b",
        _code,
    ),
    Rule(
        "card-expiry",
        "card_expiry",
        r"(?i)(?:\b|_)(?:exp(?:\.|iry|ires|iration)?(?:[ _]?date)?|valid (?:thru|through|until|till|to)|good (?:thru|through))(?:\b|_)"
        r"[^0-9\n]{0,30}(?P<v>(?:0?[1-9]|1[0-2]) ?[/-] ?(?:20)?[2-4]\d)\b",
        _beside_a_card,
    ),
)
