"""One measurement."""

from typing import Any, NamedTuple

from mas.redis import Redis


class Result(NamedTuple):
    """What a run of so many messages took; all times in seconds."""

    name: str
    messages: int
    took: float
    cpu: float
    """Of this process."""
    p50: float
    p99: float
    commands: float
    """Redis commands a message, those inside scripts included."""
    round_trips: float
    """Reads that Redis made from its sockets, a message."""

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.took

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.rate:,.0f}/s, {self.cpu / self.messages * 1e6:.0f} us of CPU each, "
            f"p50 {self.p50 * 1e3:.2f} ms, p99 {self.p99 * 1e3:.2f} ms, "
            f"{self.commands:.1f} commands and {self.round_trips:.2f} round trips each"
        )


async def counters(redis: Redis) -> tuple[int, int]:
    """Return how many commands Redis has run and how many reads it has made from its sockets."""
    stats: dict[str, Any] = {}
    for section in ("commandstats", "stats"):
        text = (await redis.call("INFO", section)).decode()
        stats |= dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    calls = sum(
        int(value.split(",")[0].removeprefix("calls="))
        for name, value in stats.items()
        if name.startswith("cmdstat_")
    )
    return calls, int(stats.get("total_reads_processed", 0))


def percentile(sorted_values: list[float], share: float) -> float:
    """Return the value below which this share of the values lies; 0 for none."""
    if not sorted_values:
        return 0.0
    return sorted_values[min(len(sorted_values) - 1, int(len(sorted_values) * share))]
