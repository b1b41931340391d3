"""Identity and tax numbers by country: a shape, the words that announce it, a check digit that confirms it."""

# ruff: noqa: E501 - a pattern is read in one line

import re
from collections.abc import Callable
from importlib import import_module

from mas.dlp.candidate import Candidate
from mas.dlp.rule import Confirm, Rule, always, compiled
from mas.dlp.words import SERIAL, words

# Name, python-stdnum module, shape, words that must stand near. A `!` in front of the words: the shape and its
# check digits are rare enough to need none.
_ROWS: tuple[tuple[str, str, str, str], ...] = (
    ("uk-nhs", "gb.nhs", r"\d{3}[ -]?\d{3}[ -]?\d{4}", r"nhs|national health(?: service)?"),
    ("uk-utr", "gb.utr", r"\d{5} ?\d{5}K?", r"utr|unique tax(?:payer)? reference"),
    ("de-idnr", "de.idnr", r"\d{2} ?\d{3} ?\d{3} ?\d{3}", r"steuer-?id[a-z]*|steuer[a-z]*|idnr|tax id[a-z]*|tin"),
    ("fr-nir", "fr.nir", r"[12] ?\d{2} ?\d{2} ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}", r"!nir|securite|insee|social"),
    ("fr-nif", "fr.nif", r"[0-3]\d ?\d{2} ?\d{3} ?\d{3} ?\d{3}", r"spi|numero fiscal|fiscal|nif"),
    ("es-dni", "es.dni", r"\d{8}[ -]?[A-Z]", r"!dni|nif"),
    ("es-nie", "es.nie", r"[XYZ][ -]?\d{7}[ -]?[A-Z]", r"!nie"),
    ("it-codice-fiscale", "it.codicefiscale", r"[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]", r"!codice"),
    ("nl-bsn", "nl.bsn", r"\d{4}[. ]?\d{2}[. ]?\d{3}", r"bsn|burgerservicenummer|sofi"),
    ("be-nn", "be.nn", r"\d{2}\.?\d{2}\.?\d{2}-?\d{3}\.?\d{2}", r"rijksregister[a-z]*|registre national|national number|niss|insz"),
    ("ch-ahv", "ch.ssn", r"756\.?\d{4}\.?\d{4}\.?\d{2}", r"!ahv"),
    ("at-svnr", "at.vnr", r"\d{4} ?\d{6}", r"sozialversicherung[a-z]*|svnr|vsnr"),
    ("pt-nif", "pt.nif", r"\d{3} ?\d{3} ?\d{3}", r"nif|contribuinte|numero fiscal"),
    ("ie-pps", "ie.pps", r"\d{7}[A-W][A-IW]?", r"pps|ppsn|personal public service"),
    ("pl-pesel", "pl.pesel", r"\d{11}", r"pesel"),
    ("se-personnummer", "se.personnummer", r"(?:\d{2})?\d{6}[-+]?\d{4}", r"personnummer|personal identity|personal number|pnr"),
    ("dk-cpr", "dk.cpr", r"\d{6}-?\d{4}", r"cpr|personnummer"),
    ("no-fodselsnummer", "no.fodselsnummer", r"\d{6} ?\d{5}", r"fodselsnummer|personnummer|national id[a-z]*"),
    ("fi-hetu", "fi.hetu", r"\d{6}[-+A]\d{3}[0-9A-FHJ-NPR-Y]", r"!hetu"),
    ("cz-rodne-cislo", "cz.rc", r"\d{6}/\d{3,4}", r"rodne|birth number"),
    ("ro-cnp", "ro.cnp", r"\d{13}", r"cnp|cod numeric personal"),
    ("bg-egn", "bg.egn", r"\d{10}", r"egn"),
    ("hr-oib", "hr.oib", r"\d{11}", r"oib"),
    ("gr-amka", "gr.amka", r"\d{11}", r"amka"),
    ("ee-ik", "ee.ik", r"[1-6]\d{10}", r"isikukood|personal code"),
    ("lt-asmens", "lt.asmens", r"[1-6]\d{10}", r"asmens|personal code"),
    ("tr-kimlik", "tr.tckimlik", r"[1-9]\d{10}", r"(?-i:TC)|kimlik|tckn"),
    ("il-id", "il.idnr", r"\d{9}", r"teudat|israeli id|id number"),
    ("in-aadhaar", "in_.aadhaar", r"[2-9]\d{3}[ -]?\d{4}[ -]?\d{4}", r"aadh?aa?r|uidai|uid"),
    ("in-pan", "in_.pan", r"[A-Z]{3}[PCHFATBLJG][A-Z]\d{4}[A-Z]", r"(?-i:PAN)|permanent account(?: number)?|income tax"),
    ("cn-ric", "cn.ric", r"[1-9]\d{16}[0-9Xx]", r"!resident"),
    ("kr-rrn", "kr.rrn", r"\d{6}-[1-8]\d{6}", r"!rrn"),
    ("my-nric", "my.nric", r"\d{6}-?\d{2}-?\d{4}", r"nric|mykad|ic (?:no|number)"),
    ("id-nik", "id.nik", r"\d{16}", r"nik|ktp"),
    ("th-pin", "th.pin", r"\d-?\d{4}-?\d{5}-?\d{2}-?\d", r"thai(?:land)?|national id[a-z]*|id card"),
    ("jp-my-number", "jp.in_", r"\d{4} ?\d{4} ?\d{4}", r"my ?number|individual number"),
    ("au-tfn", "au.tfn", r"\d{3} ?\d{3} ?\d{3}", r"tfn|tax file(?: number)?"),
    ("nz-ird", "nz.ird", r"\d{2,3}-?\d{3}-?\d{3}", r"ird"),
    ("ca-sin", "luhn", r"\d{3}[- ]?\d{3}[- ]?\d{3}", r"(?-i:SIN)|social insurance(?: number)?"),
    ("br-cpf", "br.cpf", r"\d{3}\.\d{3}\.\d{3}-\d{2}", r"!cpf"),
    ("br-cpf-bare", "br.cpf", r"\d{11}", r"cpf"),
    ("mx-curp", "mx.curp", r"[A-Z]{4}\d{6}[HMX][A-Z]{5}[0-9A-Z]\d", r"!curp"),
    ("mx-rfc", "mx.rfc", r"[A-Z&]{4}\d{6}[0-9A-Z]{3}", r"rfc"),
    ("ar-cuit", "ar.cuit", r"\d{2}-?\d{8}-?\d", r"cui[tl]"),
    ("cl-rut", "cl.rut", r"\d{1,2}\.\d{3}\.\d{3}-[0-9Kk]", r"!rut"),
    ("cl-rut-bare", "cl.rut", r"\d{7,8}-[0-9Kk]", r"rut"),
    ("co-nit", "co.nit", r"\d{8,10}-?\d", r"nit|cedula"),
    ("ec-ci", "ec.ci", r"\d{10}", r"cedula"),
    ("do-cedula", "do.cedula", r"\d{3}-?\d{7}-?\d", r"cedula"),
    ("za-id", "za.idnr", r"\d{13}", r"sa id|id number|rsa id|south africa[a-z]*|identity number|national id[a-z]*"),
)  # fmt: skip


def _checked(module: str, near: str) -> Confirm:
    """Return a confirmation by check digit, and by the words near unless they start with `!`."""
    needed = not near.startswith("!")
    context = compiled(words(near.removeprefix("!")))
    loaded: list[Callable[[str], bool]] = []

    def confirm(candidate: Candidate) -> float:
        if not candidate.stands_alone or len(set(candidate.value)) < 3:
            return 0
        named = candidate.near(context)
        if (needed and not named) or (not named and SERIAL.search(candidate.before(28))):
            return 0
        if not loaded:
            loaded.append(import_module(f"stdnum.{module}").is_valid)
        return (0.95 if named else 0.8) if loaded[0](_plain(candidate.value, module)) else 0

    return confirm


def _plain(value: str, module: str) -> str:
    """Return the bare digits for the one check that does not strip separators itself."""
    return re.sub(r"\D", "", value) if module == "luhn" else value


def _row(name: str, module: str, shape: str, near: str) -> Rule:
    triggers = () if near.startswith("!") else (rf"(?i)(?:\b|_)(?:{near})",)
    return Rule(name, "national_id", rf"\b(?P<v>{shape})\b", _checked(module, near), triggers)


_INSURED = compiled(words("nino?|national insurance(?: number| no)?|ni number"))


def _insured(candidate: Candidate) -> float:
    prefix = candidate.value[:2].upper()
    if prefix in {"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"} or not candidate.stands_alone:
        return 0
    if candidate.near(_INSURED):
        return 0.97
    return 0 if SERIAL.search(candidate.before(28)) else 0.7


NATIONAL: tuple[Rule, ...] = (
    *(_row(*row) for row in _ROWS),
    Rule(
        "uk-nino",
        "national_id",
        r"\b(?P<v>[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D])\b",
        _insured,
    ),
    Rule(
        "uk-nino-named",
        "national_id",
        r"(?i)\b(?:ni(?:no?)?(?: number| no\.?)?|national insurance(?: number| no\.?)?)\b[^0-9\n]{0,12}?\b(?P<v>[A-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D])\b",
        always(0.95),
    ),
)
