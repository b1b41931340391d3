"""Street addresses and post boxes, as they are written in North America and in western Europe."""

# ruff: noqa: E501 - a pattern is read in one line

from mas.dlp.candidate import Candidate
from mas.dlp.rule import Rule, always, compiled
from mas.dlp.words import words

_SURE = (
    "street avenue road boulevard lane drive court circle terrace parkway highway crescent turnpike expressway mews "
    "st ave av rd blvd ln dr ct cir ter pkwy hwy cres"
)
# Words that end a street's name as often as they mean something else: trusted with a city or a postcode only.
_UNSURE = (
    "square sq trail alley aly branch bend bluff bridge brook brooks burg burgs bypass camp canyon cape causeway center centers centre circles cliff "
    "cliffs close club common commons corner corners course courts cove coves creek crest crossing crossroad crossroads curve dale dam "
    "divide drives estate estates extension extensions fall falls ferry field fields flat flats ford fords forest forge forges fork forks "
    "fort freeway garden gardens gateway glen glens green greens grove groves harbor harbors haven heights hill hills hollow inlet island "
    "islands isle junction junctions key keys knoll knolls lake lakes land landing light lights loaf lock locks lodge loop mall manor manors "
    "meadow meadows mews mill mills mission motorway mount mountain mountains neck orchard oval overpass park parks parkways pass passage "
    "path pike pine pines place pl plain plains plaza plz point points port ports prairie radial ramp ranch rapid rapids rest ridge ridges "
    "rise river roads route row rue run shoal shoals shore shores skyway spring springs spur spurs squares station stravenue stravenues "
    "stream streets summit throughway trace track trafficway tunnel underpass union unions valley valleys via viaduct view views "
    "village villages ville vista walk walks wall way ways well wells"
)
_STATES = "A[KLRSZ]|C[AOT]|D[CE]|F[LM]|G[AU]|HI|I[ADLN]|K[SY]|LA|M[ADEHINOPST]|N[CDEHJMVY]|O[HKR]|P[ARW]|RI|S[CD]|T[NX]|UT|V[AIT]|W[AIVY]"
_COMPASS = r"(?i:n|s|e|w|ne|nw|se|sw|north|south|east|west)\b\.?"
_UNIT = r"(?:,?\s(?i:apt|apartment|suite|ste|unit|floor|fl|room|rm|flat)\b\.? ?#?(?:\d[0-9A-Za-z-]{0,5}|[A-Z]\b)|,? #[0-9A-Za-z-]{1,6})?"
_TOWN = r"(?:[A-Z][A-Za-z.'\-]+ ?){1,4}"
_POSTCODE = r"[A-Z]{1,2}\d[0-9A-Z]? ?\d[A-Z]{2}"
_CITY = (
    rf"(?:[\s,]{{1,3}}{_TOWN},? {{1,2}}(?:[A-Z]{{2}}|[A-Z][a-z]+(?: [A-Z][a-z]+)?),? {{1,2}}(?:\d{{5}}(?:-\d{{4}})?|[A-Z]\d[A-Z] ?\d[A-Z]\d)\b"
    rf"|[\s,]{{1,3}}(?:{_TOWN},? ?){{0,3}}{_POSTCODE}\b|[\s,]{{1,3}}{_TOWN},? (?:{_STATES})\b)?"
)
_NUMBER = r"\b\d{1,6}[A-Za-z]?(?:-\d{1,4})?,? "
_NUMBERED_ROAD = (
    r"(?:County Road|County Rd|State Route|State Road|US Highway|Highway|Hwy|Route|Rural Route|FM) \d{1,4}"
)
_NAME = r"(?:[A-Z][A-Za-z.'\-]* |\d{1,3}(?:st|nd|rd|th) ){1,4}?"


_SUFFIX = "|".join(f"{word.title()}|{word.upper()}" for word in f"{_SURE} {_UNSURE}".split())


_LOCATED = compiled(
    words(
        "address(?:es)?|lives?|living|reside[sd]?|residence|located|location|ship(?:ped|ping)?|home|"
        "deliver(?:ed|y)?|mail(?:ed|ing)?|visit|moved|office|billing|send|sent|headquarters|hq|house|"
        "apartment|stay(?:s|ing)?|return to|at|street|wohnt|adresse|anschrift|direccion"
    )
)  # fmt: skip
_COMPLETE = compiled(rf"\d{{5}}(?:-\d{{4}})?$|{_POSTCODE}$|[A-Z]\d[A-Z] ?\d[A-Z]\d$|, ?(?:{_STATES})$")
_SURE_SUFFIX = compiled(rf"(?i)\b(?:{'|'.join(_SURE.split())})\b")
_UNITED = compiled(r"(?i)\b(?:apt|apartment|suite|ste|unit)\b")


def _street(candidate: Candidate) -> float:
    text, value = candidate.text, candidate.value
    if candidate.start and text[candidate.start - 1] in "-/.:$#":
        return 0
    if _COMPLETE.search(value):
        return 0.95
    if candidate.near(_LOCATED, 40, 0):
        return 0.85
    if not _SURE_SUFFIX.search(value):
        return 0
    if _UNITED.search(value):
        return 0.85
    following = candidate.after(2)
    return 0.7 if not following.strip() or following[0] in ".,;\n)" else 0


ADDRESSES: tuple[Rule, ...] = (
    Rule(
        "street-address",
        "postal_address",
        rf"(?P<v>{_NUMBER}(?:{_COMPASS} )?(?:{_NUMBERED_ROAD}|{_NAME}(?:{_SUFFIX}))\b\.?(?: {_COMPASS})?{_UNIT}{_CITY})",
        _street,
        triggers=(
            rf"{_NUMBER}(?:[A-Z][A-Za-z.'\-]* |\d{{1,3}}(?:st|nd|rd|th) ){{1,5}}(?:{_SUFFIX})\b",
            rf"{_NUMBER}{_NUMBERED_ROAD}",
        ),
    ),
    Rule(
        "street-address-lower-case",
        "postal_address",
        rf"(?P<v>{_NUMBER}(?:[a-z.'\-]+ ){{1,3}}?(?:street|avenue|road|boulevard|lane|drive|court|ave|rd|blvd)\b\.?{_UNIT}"
        r"(?:[\s,]{1,3}[a-z ]{2,30},? [a-z]{2},? \d{5})?)",
        lambda candidate: 0.7 if candidate.near(_LOCATED, 40, 0) else 0,
    ),
    Rule(
        "military-address",
        "postal_address",
        r"\b(?P<v>(?:(?:PSC|Unit|USNS|USS|USCGC|USNV) [0-9A-Za-z ,]{1,40}\s{1,2})?(?:APO|FPO|DPO),? A[AEP] \d{5}(?:-\d{4})?)\b",
        triggers=(r"\b(?:APO|FPO|DPO),? A[AEP] ",),
    ),
    Rule(
        "post-box",
        "postal_address",
        rf"\b(?P<v>(?i:p\.? ?o\.? ?box|postfach|apartado(?: de correos)?|boite postale) \d{{1,6}}{_CITY})",
        triggers=(r"(?i)\b(?:p\.? ?o\.? ?box|postfach|apartado(?: de correos)?|boite postale) \d",),
    ),
    Rule(
        "german-address",
        "postal_address",
        r"\b(?P<v>(?:[A-Z][A-Za-z.\-]{1,30}(?:strasse|str\.|weg|platz|allee|gasse|ring|damm|ufer|straat|laan|plein|gracht|gatan|vagen|vej|gade)"
        r"|[A-Z][a-z\-]+[ \-](?:Strasse|Str\.|Weg|Platz|Allee|Ring|Damm)) \d{1,4} ?[a-z]?\b"
        r"(?:[\s,]{1,3}(?:[A-Z]{1,2}-)?\d{4,5}(?: [A-Z]{2})? [A-Z][A-Za-z\-]+)?)",
        always(0.8),
        triggers=(
            (
                r"(?:[Ss]trasse|[Ss]tr\.|[Ww]eg|[Pp]latz|[Aa]llee|gasse|[Rr]ing|[Dd]amm|ufer|straat|laan|plein|gracht|gatan"
                r"|vagen|vej|gade) \d"
            ),
        ),
    ),
    Rule(
        "romance-address",
        "postal_address",
        r"\b(?P<v>(?:\d{1,4}(?: ?bis| ?ter)?,? (?:[Rr]ue|[Aa]venue|[Bb]oulevard|place|[Cc]hemin|[Ii]mpasse|[Qq]uai|[Aa]llee|route|cours)"
        r" (?:d[eu]s? |de la |de l'|d'|la |le |les )?[A-Z][A-Za-z'\-]+(?: [A-Z][A-Za-z'\-]+){0,3}"
        r"|(?:Calle|Avenida|Avda\.|Av\.|C/|Plaza|Paseo|Via|Viale|Piazza|Corso|Rua|Travessa) (?:de la |de los |del? |di |da |do |dos )?"
        r"[A-Z][A-Za-z'\-]+(?: [A-Za-z'\-]+){0,3},? (?:n\.? ?)?\d{1,4}\b)(?:[\s,]{1,3}\d{4,5}(?:-\d{3})? [A-Z][A-Za-z\-]+)?)",
        always(0.8),
        triggers=(
            r"\d,? (?:[Rr]ue|[Aa]venue|[Bb]oulevard|place|[Cc]hemin|[Ii]mpasse|[Qq]uai|[Aa]llee|route|cours) ",
            r"\b(?:Calle|Avenida|Avda\.|Av\.|C/|Plaza|Paseo|Via|Viale|Piazza|Corso|Rua|Travessa) [^\n]{1,60}\d",
        ),
    ),
)
