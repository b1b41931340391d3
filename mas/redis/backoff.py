"""How long to wait before the next attempt to connect."""

import random
from typing import Final

FIRST: Final = 0.05  # seconds: a server restarts in about that


def full_jitter(failures: int, cap: float) -> float:
    """Return seconds to wait after so many failures in a row: anything up to a bound that doubles to the cap.

    Full jitter, so that the thousand clients of a restarted server do not come back in step.
    """
    return random.uniform(0, min(cap, FIRST * 2.0 ** min(failures, 30)))
