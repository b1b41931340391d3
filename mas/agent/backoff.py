"""How long to wait before a message is tried again: full jitter under a doubling cap."""

import random


def backoff(failures: int, *, first: float, cap: float) -> float:
    """Return seconds, evenly spread between nothing and the cap after this many failures.

    :param failures: attempts that failed so far, at least 1
    :param first: the cap after the first failure, in seconds
    """
    return random.uniform(0, min(cap, first * 2 ** min(failures - 1, 62)))
