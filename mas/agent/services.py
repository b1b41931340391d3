"""What all agents of one process share."""

from typing import NamedTuple

from mas.agent.pulse import Pulse
from mas.clock import Clock
from mas.keys import Keys
from mas.redis import Redis, Subscriber
from mas.settings import DeliverySettings


class Services(NamedTuple):
    """One connection, one subscription, one pulse: whatever the number of agents."""

    redis: Redis
    subscriber: Subscriber
    keys: Keys
    pulse: Pulse
    delivery: DeliverySettings
    clock: Clock
