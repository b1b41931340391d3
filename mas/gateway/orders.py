"""Open the orders that the deployment gives itself, which lie in the ingress stream among the submissions."""

from collections.abc import Callable, Iterable

from mas.gateway.abandoned import open_burial
from mas.gateway.redrive import open_redrive
from mas.gateway.snapshot import Snapshot
from mas.gateway.submission import ABANDONED_FIELDS, Submission
from mas.gateway.unwanted import open_unwanted
from mas.letters import UNWANTED_FIELDS
from mas.redis import Redis


async def open_orders(
    submissions: Iterable[Submission], snapshot: Snapshot, redis: Redis, alarm: Callable[[str, str], None]
) -> None:
    """Put into each order's submission what it comes to; one without a good MAC raises an alarm."""
    for submission in submissions:
        if submission.order:
            name, stored = submission.order
            opened = open_redrive
            if [name] == ABANDONED_FIELDS:
                opened = open_burial
            elif [name] == UNWANTED_FIELDS:
                opened = open_unwanted
            await opened(submission, stored, snapshot, redis, alarm)
