"""What proves who someone is in the United States, and papers of any country: SSN, ITIN, passport, driving licence."""

# ruff: noqa: E501 - a pattern is read in one line

import stdnum.us.itin

from mas.dlp.candidate import Candidate
from mas.dlp.rule import Rule, compiled
from mas.dlp.words import SERIAL, words

_SSN = compiled(words("ssns?|ss ?#|social|soc sec|social ?security(?: number| no)?|tax ?payer|tin|tax id"))
_SSN_NAME = r"(?:ssn|s\.s\.n\.?|ss ?#|social[ _-]?sec(?:urity)?|soc\.? ?sec\.?)"
_FILLER = r"(?:[ _]?(?:number|num|no|nr|id|card|#)\b\.?){0,2}[^0-9\n]{0,24}?"
_ITIN = compiled(words("itin|tax ?payer(?: id[a-z]*)?(?: number)?|individual tax"))
# The advertised and the obviously made up: taken for real only where the text says so.
_FAMOUS = frozenset(
    {"078051120", "219099999", "457555462", "111111111", "333333333", "999999999", "123121234"}
)


def _social_security(candidate: Candidate) -> float:
    digits = "".join(c for c in candidate.value if c.isdigit())
    if digits[:3] in {"000", "666"} or digits[0] == "9" or digits[3:5] == "00" or digits[5:] == "0000":
        return 0
    if not candidate.stands_alone:
        return 0
    if candidate.near(_SSN):
        return 0.98
    if digits in _FAMOUS or SERIAL.search(candidate.before(28)):
        return 0
    return 0.85


def _named(candidate: Candidate) -> float:
    return _social_security(candidate) and 0.95


def _taxpayer(candidate: Candidate) -> float:
    return 0.9 if candidate.near(_ITIN) and stdnum.us.itin.is_valid(candidate.value) else 0


def _paper(candidate: Candidate) -> float:
    digits = sum(c.isdigit() for c in candidate.value)
    return 0.9 if digits >= 4 and candidate.stands_alone else 0


_NUMBERED = r"(?:[ _-]?(?:number|num|no|nr|id|#)\b\.?){0,2}(?:[ \t]*\([^)\n]{1,20}\))?[ \t]*(?:(?:is|was|:|of)\b)?[\s:=#\"'\\\-\x1f]{0,8}"

IDENTITY: tuple[Rule, ...] = (
    Rule(
        "us-ssn",
        "ssn",
        r"\b(?P<v>\d{3}[- .\x1a]{1,3}\d{2}[- .\x1a]{1,3}\d{4})\b",
        _social_security,
        triggers=(r"\b\d{3}[ .\x1a-]{1,3}\d{2}[ .\x1a-]{1,3}\d{4}\b",),
    ),
    Rule(
        "us-ssn-named",
        "ssn",
        rf"(?i)(?:\b|_){_SSN_NAME}{_FILLER}(?P<v>\d{{3}}[ .\-/_]{{0,3}}\d{{2}}[ .\-/_]{{0,3}}\d{{4}})\b",
        _named,
    ),
    Rule(
        "us-ssn-said-after",
        "ssn",
        rf"(?i)\b(?P<v>\d{{9}})\b[^0-9\n.]{{0,20}}\b{_SSN_NAME}",
        _named,
    ),
    Rule(
        "us-itin",
        "national_id",
        r"\b(?P<v>9\d{2}-?\d{2}-?\d{4})\b",
        _taxpayer,
        triggers=(r"(?i)\bitin\b|tax ?payer|individual tax",),
    ),
    Rule(
        "passport",
        "passport",
        rf"(?i)(?:\b|_)(?:passports?|reisepass|passeport|pasaporte|passaporto){_NUMBERED}(?:is[ ])?(?P<v>[A-Z]{{0,3}} ?\d[0-9A-Z]{{5,9}})\b",
        _paper,
    ),
    Rule(
        "passport-machine-readable",
        "passport",
        r"(?P<v>P[<A-Z][A-Z]{3}[A-Z]+(?:<[A-Z<]+)<<?[A-Z<]*\s?[A-Z0-9<]{9}\d[A-Z]{3}\d{7}[MF<X]\d{7}[A-Z0-9<]{0,16})",
        lambda _: 0.95,
        triggers=(r"P<[A-Z]{3}[A-Z]+<",),
    ),
    Rule(
        "driving-licence",
        "drivers_license",
        r"(?i)(?:\b|_)(?:driv(?:er|ing)'?s?'?[ _-]?(?:licen[cs]es?|permit|lic\.?)|driverslicense|driverlicen[cs]e|dl(?:[ _]?(?:number|num|no|#))"
        r"|d\.l\.|dln|dl|licen[cs]e[ _-]?(?:number|no)|fuhrerschein(?:nummer)?|permis de conduire)"
        rf"{_NUMBERED}(?P<v>[A-Z]{{0,5}}-?\d[0-9A-Z]{{2,}}(?:[- ]\d[0-9A-Z]{{2,5}}){{0,4}}|[A-Z]{{5}}\d{{6}}[A-Z0-9]{{5}})\b",
        _paper,
    ),
)
