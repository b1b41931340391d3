"""All that a stage may look at besides the submission itself."""

from typing import NamedTuple

from mas.directory import Mirror
from mas.dlp import Scanner
from mas.keys import Keys
from mas.settings import GatewaySettings
from mas.trust import Keyring


class Snapshot(NamedTuple):
    """The world as one batch sees it."""

    mirror: Mirror
    settings: GatewaySettings
    keyring: Keyring
    keys: Keys
    scanner: Scanner | None
    """None where data loss prevention is switched off."""
    now: float
    """Seconds since the epoch, by Redis' clock."""
