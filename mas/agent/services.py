"""What all agents of one process share."""

from collections.abc import Callable
from typing import NamedTuple

from mas.agent.fared import Fared
from mas.agent.pulse import Pulse
from mas.bus import Claims, FencedClaims
from mas.clock import Clock
from mas.keys import Keys
from mas.log import logger
from mas.redis import Redis, Subscriber
from mas.settings import DeliverySettings, LimitSettings

log = logger(__name__)


def _log_alarm(subject: str, problem: str) -> None:
    log.critical("security alarm", subject=subject, problem=problem)


class Services(NamedTuple):
    """One connection, one subscription, one pulse: whatever the number of agents."""

    redis: Redis
    subscriber: Subscriber
    keys: Keys
    pulse: Pulse
    delivery: DeliverySettings
    clock: Clock
    ingress: str
    """The stream that submissions go to."""
    claims: Callable[[Redis, str, str], Claims] = FencedClaims
    """From connection, group and consumer to how deliveries are held and settled."""
    largest: Callable[[], int] = lambda: LimitSettings().max_envelope
    """The most bytes that an envelope may have, as far as is known here."""
    fared: Fared | None = None
    """Where to count how handlers fare."""
    alarm: Callable[[str, str], None] = _log_alarm
    """Told what is not as it must be: where, and the problem."""
