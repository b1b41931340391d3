"""The words that make a number mean something, or rule that out: contexts shared by several rules."""

# ruff: noqa: E501 - a pattern is read in one line

from mas.dlp.candidate import Candidate
from mas.dlp.rule import compiled


def listed(text: str) -> frozenset[str]:
    """Return the words of a list written as a text."""
    return frozenset(text.split())


def words(alternatives: str) -> str:
    """Return a pattern for any of these words, however they are cased and joined (`user_ssn`, `SSN:`)."""
    return rf"(?i)(?:^|[^a-z])(?:{alternatives})(?:[^a-z]|$)"


CARD = compiled(
    words(
        "cards?|credit|debit|visa|master ?card|amex|american express|discover|diners|jcb|maestro|"
        "unionpay|cvv2?|cvc2?|cc|ccn|pan|charged?|payment|pay|paid|billing|checkout|cardholder|karte|"
        "kreditkarte|carte|tarjeta|cartao|exp"
    )
)
_SERIAL = (
    "orders?|ord|inv|trk|tkt|order (?:number|no|id)|invoice|tracking|shipment|parcel|package|waybill|awb|ups|fedex|"
    "usps|dhl|ticket|case|sku|part|item|model|serial|batch|lot|build|version|release|commit|revision|"
    "ref|reference|isbn|issn|ean|upc|gtin|barcode|imei|asin|transaction|txn|trace|request|session|"
    "correlation|uuid|guid|hash|checksum|sha|md5|digest|timestamp|epoch|unix|nonce|sequence|offset|"
    "confirmation|booking|reservation|catalog|product|bug|jira|pid|port|coordinates?|lat|lon|"
    "latitude|longitude|bytes|ms|po|purchase order|rma|quote|job|contract|docket|claim|permit|badge|drawing|asset"
)
SERIAL = compiled(words(_SERIAL))
_LABEL = compiled(
    rf"(?i)(?:^|[^a-z])(?:{_SERIAL})[ _-]?(?:number|num|no|nr|id|code)?\b\.?(?: (?:is|was))?[\s:#=\"'(\x1f]{{0,6}}$"
)
PHONE = compiled(
    words(
        "phones?|tel|telephone|telefon|telefono|telefonnummer|handynummer|rufnummer|mobile|mob|cell|cellphone|cellular|fax|call(?:ed|s|ing)?|"
        "callback|ring|dial(?:ed)?|whatsapp|sms|text(?:ed|ing)?|contact|reach(?:ed)?|voicemail|hotline|"
        "landline|handy|portable|extension|ext|numero|phone number|msisdn|signal|phoned|ph|hp|emergency"
    )
)


def is_labelled_otherwise(candidate: Candidate) -> bool:
    """Say whether the word right in front names the number as an order, a part, a ticket, ..."""
    return bool(_LABEL.search(candidate.before(40)))
