"""`mas bench`: how fast the message path is on this machine, beside what the machine allows."""

import os
import platform
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import anyio
import click
import msgspec

from mas.bench import KINDS, Kind, Row, rows
from mas.redis import open_redis
from mas.system import open_system

_WIDTHS: Final = (24, 10, 10, 10, 8, 9, 6)
_HEADINGS: Final = ("", "a second", "p50", "p99", "CPU", "commands", "trips", "")


def measure(url: str | None, messages: int, what: Sequence[str], *, backend: str, as_json: bool) -> None:
    """Measure, and print each result as it comes.

    :param url: of a Redis to use; None for one of its own
    :param what: of `KINDS`; empty for all
    :raises RedisUnavailable: if there is none
    """
    kinds = [kind for kind in KINDS if kind in what or not what]
    anyio.run(_measure, url, messages, kinds, as_json, backend=backend)


async def _measure(url: str | None, messages: int, kinds: Sequence[Kind], as_json: bool) -> None:
    async with _server(url) as place:
        about = await _about(place)
        if not as_json:
            click.echo(click.style(", ".join(about.values()), dim=True))
            click.echo(click.style(_line(_HEADINGS), bold=True))
        measured: list[Row] = []
        try:
            async with aclosing(rows(place, messages, kinds)) as coming:
                async for row in coming:
                    measured.append(row)
                    if not as_json:
                        click.echo(_line(_cells(row)))
        finally:
            # What was measured is told, whatever the next one comes to.
            if as_json:
                found = {**about, "measured": [_plain(row) for row in measured]}
                click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))


@asynccontextmanager
async def _server(url: str | None) -> AsyncGenerator[str]:
    if url is not None:
        yield url
        return
    with TemporaryDirectory(prefix="mas-bench-") as directory:
        config = {"data_dir": str(Path(directory) / "data")}
        # A system of nobody: what it has is a server, and the care that goes with one.
        async with open_system(config, parts=frozenset({"agents"}), environ={}) as system:
            yield system.endpoint


async def _about(url: str) -> Mapping[str, str]:
    """Return what was measured on, for whoever compares."""
    async with open_redis(url) as redis:
        lines = b"".join([await redis.call("INFO", section) for section in ("server", "persistence")])
        told = dict(line.split(":", 1) for line in lines.decode().splitlines() if ":" in line)
        kept = (await redis.call("CONFIG", "GET", "appendfsync"))[1].decode()
        address = redis.endpoint.address
    name = told.get("server_name", "redis").title()
    version = told.get("valkey_version") or told["redis_version"]
    backend = anyio.get_cancelled_exc_class().__module__.partition(".")[0]
    return {
        "python": f"Python {platform.python_version()}",
        "event_loop": backend,
        "cores": f"{os.cpu_count()} cores",
        "server": f"{name} {version} at {'a unix socket' if address.startswith('/') else address}",
        "persistence": f"append-only {kept}" if told["aof_enabled"] == "1" else "no append-only file",
    }


def _cells(row: Row) -> tuple[str, ...]:
    result = row.result
    latencies = [f"{value * 1e3:,.2f} ms" if value else "" for value in (result.p50, result.p99)]
    share = "" if row.share is None else f"{row.share:.2f} {row.of}"
    return (
        row.what,
        f"{result.rate:,.0f}",
        *latencies,
        f"{result.cpu / result.messages * 1e6:,.0f} us",
        f"{result.commands:.1f}",
        f"{result.round_trips:.2f}",
        share,
    )


def _line(cells: Sequence[str]) -> str:
    first, *middle, last = cells
    columns = [cell.rjust(width) for cell, width in zip(middle, _WIDTHS[1:], strict=True)]
    return f"{first.ljust(_WIDTHS[0])}{''.join(columns)}  {last}".rstrip()


def _plain(row: Row) -> dict[str, Any]:
    result = row.result
    return {
        "what": row.what,
        "messages": result.messages,
        "seconds": result.took,
        "cpu_seconds": result.cpu,
        "a_second": result.rate,
        "p50_seconds": result.p50,
        "p99_seconds": result.p99,
        "commands_each": result.commands,
        "round_trips_each": result.round_trips,
        **({} if row.share is None else {"share": row.share, "of": row.of}),
    }
