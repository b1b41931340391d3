"""A time as the trail is told with: ISO 8601 in UTC, to the millisecond."""

from datetime import UTC, datetime


def moment(seconds: float) -> str:
    """Return a time in words; what no calendar has, as seconds.

    :param seconds: since the epoch
    """
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        # Whoever may write to Redis may give an entry any number for its time.
        return f"{seconds:.3f}"
