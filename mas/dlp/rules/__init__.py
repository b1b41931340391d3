"""Every rule there is, a file for each family of classes."""

from mas.dlp.rule import Rule
from mas.dlp.rules.address import ADDRESSES
from mas.dlp.rules.banking import BANKING
from mas.dlp.rules.cards import CARDS
from mas.dlp.rules.health import HEALTH
from mas.dlp.rules.identity import IDENTITY
from mas.dlp.rules.keys import KEYS
from mas.dlp.rules.national import NATIONAL
from mas.dlp.rules.passwords import PASSWORDS
from mas.dlp.rules.person import PERSON
from mas.dlp.rules.phones import PHONES
from mas.dlp.rules.tokens import TOKENS
from mas.dlp.rules.urls import URLS

RULES: tuple[Rule, ...] = (
    *KEYS,
    *URLS,
    *TOKENS,
    *PASSWORDS,
    *CARDS,
    *BANKING,
    *IDENTITY,
    *NATIONAL,
    *HEALTH,
    *PERSON,
    *PHONES,
    *ADDRESSES,
)
