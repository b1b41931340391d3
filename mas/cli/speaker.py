"""Who speaks for an operator: a guest of an agent, or an agent that runs elsewhere, by its credentials.

Either is an instance like any other, with a token of its own, and what it says goes the way of every
message. Neither takes mail of the agent that it speaks as.
"""

from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

import anyio
from redis.exceptions import ResponseError

from mas.agent import Voice
from mas.cli.deployment import reaching
from mas.cli.slips import slips_told
from mas.cli.told_to_stop import Stop
from mas.directory import Tombstones
from mas.errors import EnrolmentRefused, RedisUnavailable
from mas.ids import AgentId
from mas.keys import Keys
from mas.log import logger
from mas.outside import place_of
from mas.redis import Endpoint, Redis, RedisRefused, open_redis, open_subscriber
from mas.registry import HEARTBEAT_LIFE, Credentials, Lives, TombstoneFile, visiting
from mas.settings import LimitSettings
from mas.supervision import told_plainly

log = logger(__name__)

_NAME = "mas:operator"
_RELEASE = 2.0
"""Seconds that giving credentials back may take."""


class Speaker(NamedTuple):
    """As whom to speak.

    :param agent: of a guest; else the credentials say
    :param credentials: of one that runs elsewhere
    :param allow_plaintext: use a Redis on another machine without TLS
    """

    config: Path | None = None
    agent: AgentId | None = None
    credentials: Path | None = None
    allow_plaintext: bool = False

    def slips_told(self, target: str) -> AbstractContextManager[None]:
        """Tell which name is probably misspelt if the block is refused for it, where a configuration says."""
        return nullcontext() if self.agent is None else slips_told(self.config, self.agent, target)

    def speaking(
        self, stop: Stop, *, patience: float
    ) -> AbstractAsyncContextManager[tuple[Voice, LimitSettings]]:
        """Give a voice for the length of a block, and what its messages may come to as far as is known.

        :param stop: cuts short what has to be waited for before
        :param patience: seconds that the longest wait for an answer may take
        :raises EnrolmentRefused: if it may not join, or its credentials are in use
        :raises ConfigurationError: if configuration, secret or credentials cannot be used
        :raises RedisUnavailable: if Redis cannot be reached, or refuses
        """
        if self.credentials is not None:
            return _by_credentials(Credentials.read(self.credentials), self.allow_plaintext, stop)
        assert self.agent is not None  # noqa: S101 - one of the two is given
        return _as_guest(self.config, self.agent, patience)


@asynccontextmanager
async def _as_guest(
    config: Path | None, agent: AgentId, patience: float
) -> AsyncGenerator[tuple[Voice, LimitSettings]]:
    async with reaching(config) as at:
        gateway = at.settings.gateway
        file = TombstoneFile(at.settings.data_dir, at.keys, at.keyring.record)
        tombstones = Tombstones(await anyio.to_thread.run_sync(file.load))
        in_flight = gateway.longest_in_flight
        lives = Lives(max(gateway.authentication.token_lifetime, patience + in_flight), in_flight)
        with told_plainly():
            async with (
                open_subscriber(
                    at.redis.endpoint,
                    name=f"{_NAME}:rings",
                    response_timeout=gateway.redis.response_timeout,
                    connect_timeout=gateway.redis.connect_timeout,
                ) as subscriber,
                visiting(
                    at.redis,
                    at.keys,
                    at.keyring,
                    agent,
                    lives=lives,
                    events=at.events,
                    actor=at.actor,
                    refuses=tombstones.refuses,
                ) as guest,
            ):
                voice = Voice(
                    at.redis,
                    subscriber,
                    at.keys,
                    guest.credential,
                    at.keys.ingress,
                    largest=lambda: gateway.limits.max_envelope,
                )
                try:
                    async with _hearing(voice):
                        yield voice, gateway.limits
                finally:
                    guest.owed = voice.owed


@asynccontextmanager
async def _by_credentials(
    held: Credentials, allow_plaintext: bool, stop: Stop
) -> AsyncGenerator[tuple[Voice, LimitSettings]]:
    place, keys, limits = place_of(held, allow_plaintext), Keys(held.namespace), LimitSettings()
    try:
        with told_plainly():
            async with (
                open_redis(place, name=_NAME) as redis,
                open_subscriber(place, name=f"{_NAME}:rings") as subscriber,
                _alone(redis, keys, held, place, stop),
            ):
                voice = Voice(
                    redis,
                    subscriber,
                    keys,
                    held.credential,
                    keys.ingress_of(held.credential.agent_id),
                    largest=lambda: limits.max_envelope,
                )
                async with _hearing(voice):
                    yield voice, limits
    except ResponseError as error:
        raise RedisRefused(f"{place.address} refused a command: {error}") from error


@asynccontextmanager
async def _alone(
    redis: Redis, keys: Keys, held: Credentials, place: Endpoint, stop: Stop
) -> AsyncGenerator[None]:
    """Be the only one for a while who lives by these credentials.

    Two at once would take each other's answers. Who died without giving them back is waited for.

    :raises EnrolmentRefused: if somebody lives by them
    """
    who = held.credential.agent_id, held.credential.instance_id
    heartbeat, life = keys.heartbeat(*who), int(HEARTBEAT_LIFE * 1000)
    told = False
    with stop.cuts_short(), anyio.move_on_after(HEARTBEAT_LIFE + 1):
        while await redis.call("SET", heartbeat, "1", "NX", "PX", life) is None:
            if not told:
                log.warning("waiting for who uses these credentials, or did a moment ago", instance=who[1])
                told = True
            await anyio.sleep(0.1)
        told = False
    if told:
        raise EnrolmentRefused(who[0], f"{who[1]} lives at {place.address}; enrol another instance of it")

    async def beat() -> None:
        while True:
            await anyio.sleep(HEARTBEAT_LIFE / 3)
            try:
                await redis.call("SET", heartbeat, "1", "PX", life)
            except (RedisUnavailable, ResponseError) as error:
                log.warning("no heartbeat", problem=str(error))

    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(beat)
            yield
            tasks.cancel_scope.cancel()
    finally:
        with anyio.move_on_after(_RELEASE, shield=True):
            try:
                # Its Redis user may set the key, and nothing else.
                await redis.call("SET", heartbeat, "1", "PX", 1)
            except (RedisUnavailable, ResponseError) as error:
                log.warning("the credentials count as in use for a while", problem=str(error))


@asynccontextmanager
async def _hearing(voice: Voice) -> AsyncGenerator[None]:
    async with anyio.create_task_group() as tasks:
        await tasks.start(voice.run)
        yield
        tasks.cancel_scope.cancel()
