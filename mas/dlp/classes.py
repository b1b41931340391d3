"""What is looked for, what is done about it by default, and which of two overlapping finds stays."""

from enum import StrEnum
from types import MappingProxyType


class Action(StrEnum):
    """What happens to a message in which something was found, from mildest to strictest."""

    ALERT = "ALERT"
    REDACT = "REDACT"
    BLOCK = "BLOCK"

    @classmethod
    def _missing_(cls, value: object) -> "Action | None":
        """Read `block` in a settings file as `BLOCK`."""
        return cls.__members__.get(value.upper()) if isinstance(value, str) else None

    @property
    def severity(self) -> int:
        """How strict the action is; the strictest of several decides."""
        return _SEVERITY[self]


_SEVERITY = {action: rank for rank, action in enumerate(Action)}

# Most specific first: of two finds that overlap, the one whose class comes earlier stays. What carries a
# structure of its own (a PEM frame, a checksum) comes before what only its neighbours' words give away.
_CLASSES: tuple[tuple[str, Action, str], ...] = (
    ("private_key", Action.BLOCK, "private keys: PEM in every form, OpenSSH, PuTTY, PGP"),
    ("db_url", Action.BLOCK, "database and service URLs, and connection strings, that carry credentials"),
    ("jwt", Action.BLOCK, "JSON Web Tokens, signed or encrypted"),
    ("aws_key", Action.BLOCK, "AWS access key ids, secret access keys and session tokens"),
    ("api_key", Action.BLOCK, "keys of Google, Azure, GitHub, Slack, Stripe, OpenAI and other vendors"),
    ("bearer_token", Action.BLOCK, "bearer and basic credentials of an Authorization header"),
    ("iban", Action.REDACT, "international bank account numbers"),
    ("credit_card", Action.BLOCK, "payment card numbers of every issuer"),
    ("ssn", Action.REDACT, "US social security numbers"),
    ("npi", Action.REDACT, "US national provider identifiers"),
    ("mrn", Action.REDACT, "medical record and patient numbers"),
    ("health_insurance_id", Action.REDACT, "Medicare, Medicaid and insurance member numbers"),
    ("passport", Action.REDACT, "passport numbers"),
    ("drivers_license", Action.REDACT, "driving licence numbers"),
    ("national_id", Action.REDACT, "identity and tax numbers of some forty countries"),
    ("bank_account", Action.REDACT, "account, routing, sort code and CLABE numbers"),
    ("password", Action.BLOCK, "passwords in assignments, in prose and under a key that names one"),
    ("secret", Action.BLOCK, "high-entropy values under a key that names a secret"),
    ("cvv", Action.BLOCK, "card verification values"),
    ("card_expiry", Action.REDACT, "expiry dates of payment cards"),
    ("date_of_birth", Action.REDACT, "dates said to be someone's birthday"),
    ("email", Action.ALERT, "e-mail addresses"),
    ("postal_address", Action.ALERT, "street addresses and post boxes"),
    ("phone", Action.ALERT, "telephone numbers, national and international"),
    ("icd10", Action.ALERT, "ICD-10 codes in a clinical context"),
)

CLASSES: tuple[str, ...] = tuple(name for name, _, _ in _CLASSES)
DESCRIPTIONS = MappingProxyType({name: text for name, _, text in _CLASSES})
DEFAULT_ACTIONS = MappingProxyType({name: action for name, action, _ in _CLASSES})
PRECEDENCE = MappingProxyType({name: place for place, name in enumerate(CLASSES)})
