"""Open the orders that the deployment gives itself, which lie in the ingress stream among the submissions."""

from collections.abc import Callable, Iterable

from mas.gateway.abandoned import open_burial
from mas.gateway.redrive import open_redrive
from mas.gateway.snapshot import Snapshot
from mas.gateway.submission import ABANDONED_FIELDS, Submission
from mas.redis import Redis


async def open_orders(
    submissions: Iterable[Submission], snapshot: Snapshot, redis: Redis, alarm: Callable[[str, str], None]
) -> None:
    """Put into each order's submission what it comes to; one without a good MAC raises an alarm."""
    for submission in submissions:
        if submission.order:
            name, stored = submission.order
            opened = open_burial if [name] == ABANDONED_FIELDS else open_redrive
            await opened(submission, stored, snapshot, redis, alarm)
