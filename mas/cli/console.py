"""`mas redis`: the deployment's Redis by hand, without a password that anybody could read off the screen.

The embedded server asks for a password that is derived from the deployment's secret, and so lasts as long
as that. It is therefore never printed: redis-cli is given it in its environment, which only its own user can
read, and a single command goes over a connection of our own.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import anyio
import click
import msgspec
from redis.exceptions import ResponseError

from mas.audit import EventKind
from mas.cli.answer import plain, shown
from mas.cli.deployment import Deployment, reaching
from mas.cli.printable import printable
from mas.environ import for_others
from mas.errors import ConfigurationError
from mas.redis import Endpoint
from mas.redis.sentinel import find_master

_PROGRAMS = ("redis-cli", "valkey-cli")
_TAKES_OVER = frozenset(
    {"AUTH", "HELLO", "MONITOR", "PSUBSCRIBE", "PSYNC", "QUIT", "RESET", "SSUBSCRIBE", "SUBSCRIBE", "SYNC"}
)
"""Commands after which a connection is not what it was."""
_LONGEST = 100
"""Characters of a command that the audit trail is to name."""


def run_command(config: Path | None, words: Sequence[str], *, as_json: bool) -> None:
    """Give Redis one command, and print its answer.

    :raises RedisRefused: if Redis answers with an error
    :raises RedisUnavailable: if it cannot be reached, or does not answer
    """
    if words[0].upper() in _TAKES_OVER:
        raise click.UsageError(f"{words[0]} takes its connection over: type it at the prompt of `mas redis`")

    async def asked() -> object:
        async with reaching(config, scripts=()) as at:
            await _record(at, " ".join(words[:2]))
            return await at.redis.call(*(os.fsencode(word) for word in words))

    answer = anyio.run(asked, backend="trio")
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(plain(answer)), indent=2))
        return
    for line in shown(answer):
        click.echo(line)


def open_console(config: Path | None, options: Sequence[str]) -> NoReturn:
    """Become redis-cli or valkey-cli, connected to the deployment's Redis.

    :param options: more of its command line
    :raises ConfigurationError: if neither is installed
    :raises RedisUnavailable: if Redis cannot be reached
    """
    program = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    if program is None:
        raise ConfigurationError(
            f"neither {' nor '.join(_PROGRAMS)} is on the path",
            hint="install one of them, or give one command: mas redis INFO server",
        )

    async def found() -> Endpoint:
        async with reaching(config, scripts=()) as at:
            # Not its options: whoever types a password there has it in no trail.
            await _record(at, Path(program).name)
            place = at.redis.endpoint
            return await find_master(place) if place.sentinels else place

    place = anyio.run(found, backend="trio")
    environ = for_others()
    environ.pop("REDISCLI_AUTH", None)
    if place.password is not None:
        environ["REDISCLI_AUTH"] = place.password
    # In its place: Ctrl-C and whatever else a terminal says reach redis-cli, and nothing of ours is left.
    os.execve(program, [program, *way_to(place), *options], environ)  # noqa: S606 - found on our own path


def way_to(place: Endpoint) -> list[str]:
    """Return where a server is in redis-cli's words; never the password."""
    words = ["-s", place.path] if place.path else ["-h", place.host, "-p", str(place.port)]
    if place.username:
        words += ["--user", place.username]
    if place.db:
        words += ["-n", str(place.db)]
    if (tls := place.tls) is not None:
        words += ["--tls"] if tls.cert_reqs else ["--tls", "--insecure"]
        for option, file in (("--cacert", tls.ca_certs), ("--cert", tls.certfile), ("--key", tls.keyfile)):
            words += [option, file] if file else []
    return words


async def _record(at: Deployment, detail: str) -> None:
    """Have the trail say that somebody came; a Redis that takes no record may need just this to be mended."""
    try:
        await at.events.write(
            EventKind.CONTROL, "redis", actor=at.actor, detail=f"by hand: {detail[:_LONGEST]}"
        )
    except ResponseError as error:
        told = f"warning: redis takes no record of this in the audit trail: {error}"
        click.echo(printable(told), err=True)
