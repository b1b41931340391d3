"""What a verification found."""

from typing import Final

import msgspec

from mas.audit.seal import Flaw

MOST_FLAWS: Final = 1000
"""Flaws that are listed; those beyond are counted."""


class Report(msgspec.Struct):
    """Whether a trail is as it was written, and as far as anybody can tell."""

    namespace: str = ""
    """The system whose seals they are."""
    seals: int = 0
    first_seal: int = 0
    last_seal: int = 0
    sealed: int = 0
    """Records in sealed ranges."""
    unsealed: int = 0
    """Records after the last seal."""
    outside: int = 0
    """Seals that agree with their copies outside Redis."""
    archived_to: int = 0
    """The last seal that the chain says was archived; 0 for none."""
    deleted_to: int = 0
    """The last seal whose archive the chain says was deleted; 0 for none."""
    macs_checked: bool = False
    """Whether the unsealed records' MACs could be checked, for which the deployment's secret is needed."""
    flaws: list[Flaw] = []
    more_flaws: int = 0

    def add(self, flaw: Flaw) -> None:
        """List a flaw."""
        if len(self.flaws) < MOST_FLAWS:
            self.flaws.append(flaw)
        else:
            self.more_flaws += 1

    @property
    def intact(self) -> bool:
        """Whether nothing was found wrong."""
        return not self.flaws

    @property
    def exit_code(self) -> int:
        """0 intact, 1 broken, 3 intact but without an outside seal: its end could have been cut off."""
        return 1 if self.flaws else 0 if self.outside else 3
