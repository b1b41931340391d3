"""What the settings in force come to, made once for each change of theirs: stages, buckets, scanner."""

from typing import Optional

from mas.dlp import Scanner
from mas.gateway.rates import buckets_for
from mas.gateway.stages import stages_for
from mas.keys import Keys
from mas.log import logger
from mas.settings import GatewaySettings
from mas.trust import Keyring

log = logger(__name__)


class Measures:
    """All that one gateway derives from its settings.

    :param text: the settings as they are shared; b"" for a gateway's own, before it has read the policy
    :param before: what held until now; a scanner takes a while to make, and is kept while it is the same
    """

    __slots__ = ("buckets", "scanner", "settings", "stages", "text")

    def __init__(
        self,
        settings: GatewaySettings,
        keys: Keys,
        keyring: Keyring,
        text: bytes = b"",
        before: Optional["Measures"] = None,
    ) -> None:
        self.settings, self.text = settings, text
        self.stages = stages_for(settings.features)
        self.buckets = buckets_for(settings.rate_limit, keys)
        self.scanner: Scanner | None = None
        if settings.features.dlp:
            same = before is not None and before.settings.dlp == settings.dlp
            self.scanner = before.scanner if same and before is not None else None
            self.scanner = self.scanner or Scanner(settings.dlp.policy(), key=keyring.digest)

    def tell(self) -> None:
        """Say in the log which policies are switched off, if any is."""
        if off := self.settings.switched_off:
            log.warning("policies are switched off", off=", ".join(off))
