"""Every rule there is, a file for each family of classes."""

from mas.dlp.rule import Rule
from mas.dlp.rules.address import ADDRESSES
from mas.dlp.rules.banking import BANKING
from mas.dlp.rules.cards import CARDS
from mas.dlp.rules.contact import CONTACT
from mas.dlp.rules.credentials import CREDENTIALS
from mas.dlp.rules.health import HEALTH
from mas.dlp.rules.identity import IDENTITY
from mas.dlp.rules.keys import KEYS
from mas.dlp.rules.national import NATIONAL

RULES: tuple[Rule, ...] = (
    *KEYS,
    *CREDENTIALS,
    *CARDS,
    *BANKING,
    *IDENTITY,
    *NATIONAL,
    *HEALTH,
    *CONTACT,
    *ADDRESSES,
)
