"""Health data: record numbers, insurance ids, provider ids, diagnoses."""

# ruff: noqa: E501 - a pattern is read in one line

from mas.dlp.candidate import Candidate
from mas.dlp.issuers import luhn
from mas.dlp.rule import Rule, compiled
from mas.dlp.words import words

_CLINICAL = compiled(
    words(
        "icd|icd ?-?10(?:-?cm)?|diagnos[a-z]*|dx|patients?|clinical|clinic|admitted|admission|"
        "discharge[a-z]*|comorbid[a-z]*|symptoms?|condition|encounter|physician|doctor|dr|hospital|"
        "prescri[a-z]*|chronic|acute|treat[a-z]*|therapy|medical|claim|disease|disorder|presents?|"
        "presenting|presented|history of|diabetes|hypertension|asthma|depress[a-z]*|cancer|mrn|nurse|"
        "chart|ehr|emr|referr[a-z]*|assessment|problem list|suffer[a-z]*|diagnose|codes?|coded|billing|"
        "billed|visit|follow-?up|infection|pneumonia|fracture|pain|syndrome"
    )
)  # fmt: skip
_STRONGLY_CLINICAL = compiled(
    words("icd|icd ?-?10(?:-?cm)?|diagnos[a-z]*|dx|patients?|clinical|comorbid[a-z]*|discharge diagnosis")
)
_NOT_CLINICAL = compiled(
    words(
        "engine|vehicle|car|obd|dtc|fault|trouble|machine|bed|ward|part|parts|version|ver|model|sku|room|building|section|sect|clause|chapter|page|figure|fig|"
        "table|grid|cell|bin|shelf|aisle|seat|gate|row|rev|revision|release|firmware|build|spec|standard|"
        "iso|vitamin|error|route|highway|paper size|zone|block|slot|lot|item|product|serial|drawing|rack|"
        "locker|bay|bus|flight|driver|chip|socket|connector|coordinates?|track|size|class|level|unit"
    )
)  # fmt: skip
_HEALTH_PLAN = compiled(
    words(
        "insur[a-z]*|health|medic[a-z]*|plan|hmo|ppo|coverage|payer|payor|blue ?cross|blue ?shield|bcbs|"
        "aetna|cigna|humana|kaiser|united ?health[a-z]*|anthem|patient|copay|subscriber|claim|deductible|"
        "benefits?|provider|enrollee|beneficiary|group|rx|policy ?holder"
    )
)  # fmt: skip
_NPI = compiled(words("npi|national provider(?: identifier| id)?|provider (?:id|number|no|identifier)"))
_FILLER = r"[ \t]*(?:(?:number|num|no|nr|id|identifier|code)\b)?\.?[ \t]*(?:(?:is|was|of|on file|assigned|as|are)\b)?[\s:=#>\"'\\(_\-\x1f]{0,8}"


def _dated(value: str) -> bool:
    """Whether the value is a date rather than a number of anything."""
    return bool(_DATE.fullmatch(value))


_DATE = compiled(r"(?:19|20)\d\d-[01]\d-[0-3]\d|[01]?\d-[0-3]?\d-(?:19|20)\d\d")


def _record_number(candidate: Candidate) -> float:
    value = candidate.value
    if sum(c.isdigit() for c in value) < 4 or _dated(value):
        return 0
    phrase = candidate.text[candidate.match_start : candidate.start].lower()
    return 0.95 if "mr" in phrase or "record" in phrase else 0.85


def _provider(candidate: Candidate) -> float:
    return 0.97 if candidate.stands_alone and luhn("80840" + candidate.value) else 0


def _plan_member(candidate: Candidate) -> float:
    if sum(c.isdigit() for c in candidate.value) < 5 or _dated(candidate.value):
        return 0
    phrase = candidate.text[candidate.match_start : candidate.start].lower()
    if "national" in candidate.text[max(0, candidate.match_start - 12) : candidate.start].lower():
        return 0
    named = any(word in phrase for word in ("insur", "medic", "health", "subscriber", "mbi", "hicn"))
    return 0.9 if named else 0.8 if candidate.near(_HEALTH_PLAN, 80, 60) else 0


def _diagnosis(candidate: Candidate) -> float:
    if not candidate.stands_alone or _NOT_CLINICAL.search(candidate.before(14)):
        return 0
    if candidate.near(_STRONGLY_CLINICAL, 160, 100):
        return 0.9
    return 0.75 if "." in candidate.value and candidate.near(_CLINICAL, 100, 80) else 0


HEALTH: tuple[Rule, ...] = (
    Rule(
        "medical-record",
        "mrn",
        r"(?i)(?:\b|_)(?:mrn|mr ?#|med(?:ical)?[ _.-]{0,2}rec(?:ord)?s?(?:[ _-]?(?:number|num|no|nr|id|#))?\.?"
        r"|(?:patient|chart|hospital)[ _]?(?:number|num|no\.?|nr|id|identifier|#)|health record(?: number)?|unit record number)"
        rf"{_FILLER}(?P<v>[A-Z]{{0,4}}[-#]?\d[0-9A-Z]*(?:-[0-9A-Z]+){{0,3}})\b",
        _record_number,
    ),
    Rule(
        "npi",
        "npi",
        r"\b(?P<v>[12]\d{9})\b",
        lambda candidate: _provider(candidate) if candidate.near(_NPI, 60, 30) else 0,
        triggers=(r"(?i)npi|national provider|\bprovider (?:id|number|no)",),
    ),
    Rule(
        "medicare-beneficiary",
        "health_insurance_id",
        r"\b(?P<v>[1-9][AC-HJ-KM-NP-RT-Y][0-9AC-HJ-KM-NP-RT-Y]\d-?[AC-HJ-KM-NP-RT-Y][0-9AC-HJ-KM-NP-RT-Y]\d-?[AC-HJ-KM-NP-RT-Y]{2}\d{2})\b",
        lambda candidate: 0.9 if candidate.stands_alone else 0,
    ),
    Rule(
        "plan-member",
        "health_insurance_id",
        r"(?i)(?:\b|_)(?:(?:health |medical )?insurance|medicare|medicaid|mbi|hicn|health plan|member(?:ship)?|subscriber|policy|beneficiary|enrollee)"
        r"[ _-]?(?:member|policy|subscriber|card|beneficiary)?[ _-]?(?:id|number|num|no|nr|#|identifier)?\.?"
        rf"{_FILLER}(?P<v>[A-Z]{{0,4}}-?\d[0-9A-Z]*(?:-[0-9A-Z]+){{0,3}})\b",
        _plan_member,
    ),
    Rule(
        "diagnosis",
        "icd10",
        r"\b(?P<v>[A-TV-Z]\d[0-9AB]\.[0-9A-Z]{1,4}|U0[79]\.\d)\b",
        _diagnosis,
    ),
    Rule(
        "diagnosis-common",
        "icd10",
        r"\b(?P<v>I10|B20|D62|G20|G35|J00|J40|K37|L80|N12|O80|R05|R17|R21|R32|R42|R51|R52|R54|R55|R69|Z21|Z23)\b",
        lambda candidate: 0.7 if candidate.near(_STRONGLY_CLINICAL, 60, 40) and _diagnosis(candidate) else 0,
    ),
    Rule(
        "diagnosis-undotted",
        "icd10",
        r"(?i)\b(?:icd[ -]?10(?:[ -]?(?:cm|pcs))?|icd|diagnos(?:is|es|tic|ed)|dx)(?:[ _-]?codes?)?[^.\n]{0,40}?"
        r"\b(?P<v>(?-i:[A-TV-Z]\d[0-9AB](?:[0-9][0-9A-Z]{0,3})?))\b",
        lambda candidate: (
            0.8 if candidate.stands_alone and not _NOT_CLINICAL.search(candidate.before(20)) else 0
        ),
        triggers=(r"(?i)(?:icd|diagnos|\bdx\b)[^.\n]{0,60}[A-Z]\d\d",),
    ),
)
