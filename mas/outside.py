"""Run an agent that lives elsewhere: in any anyio app, with nothing but its own credentials.

It needs no configuration, no secret and no right to scripts; its Redis user may touch its own streams,
state and sign of life, and nothing else. What it says goes through its own ingress stream to the gateway,
like everybody's word.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar, cast

import anyio
from anyio.abc import TaskStatus
from redis.exceptions import ResponseError

from mas.agent import Agent, Life, Pulse, Services, takes_mail
from mas.bus import BareClaims
from mas.clock import SYSTEM, Clock
from mas.errors import ConfigurationError, RedisUnavailable
from mas.keys import Keys
from mas.log import logger
from mas.redis import Endpoint, Redis, Subscriber, open_redis, open_subscriber
from mas.registry import HEARTBEAT_LIFE, Credentials
from mas.settings import DeliverySettings, LimitSettings
from mas.supervision import told_plainly

log = logger(__name__)

AgentT = TypeVar("AgentT", bound=Agent[Any])
_BEAT = HEARTBEAT_LIFE / 3


@asynccontextmanager
async def connect(
    credentials: str | PathLike[str] | Credentials,
    make: Callable[[str], AgentT] = cast("Any", Agent),  # noqa: B008 - it is the class itself
    *,
    concurrency: int = 16,
    delivery: DeliverySettings | None = None,
    limits: LimitSettings | None = None,
    allow_plaintext: bool = False,
    grace: float = 5.0,
    clock: Clock = SYSTEM,
) -> AsyncGenerator[AgentT]:
    """Run an agent for the length of a block; it reads its mail when the block begins.

    One whose class handles nothing, as `Agent` itself, sends and requests, hears the answers, and takes no
    mail: that waits for an instance of the agent which has handlers.

    What `on_start` raises ends the block; what a handler raises does not. Whoever wants it restarted opens
    the block again. Credentials given as a file are read again when the file is replaced, so that they
    can be renewed without a restart.

    :param credentials: what `mas agents enroll` wrote
    :param make: from the agent's id to the agent; a subclass of `Agent` will do, or `Agent` itself
    :param concurrency: messages handled at once; 1 keeps their order
    :param delivery: leases and attempts, where the deployment has others than the default
    :param limits: likewise; a message larger than `max_envelope` is refused here already
    :param allow_plaintext: use a Redis on another machine without TLS
    :param grace: seconds that handlers under way may take at the end
    :raises ConfigurationError: if the credentials cannot be used, or would cross the network in the clear
    :raises RedisUnavailable: if Redis cannot be reached, or does not know the credentials (any more)
    """
    held = credentials if isinstance(credentials, Credentials) else Credentials.read(Path(credentials))
    credential, keys, place = held.credential, Keys(held.namespace), place_of(held, allow_plaintext)
    name, ended = f"mas:{credential.agent_id}", anyio.Event()
    with told_plainly() as raised:
        async with (
            open_redis(place, name=name, clock=clock) as redis,
            open_subscriber(place, name=f"{name}:rings", clock=clock) as subscriber,
            anyio.create_task_group() as tasks,
        ):
            pulse = Pulse(clock)
            services = Services(
                redis,
                subscriber,
                keys,
                pulse,
                delivery or DeliverySettings(),
                clock,
                keys.ingress_of(credential.agent_id),
                BareClaims,
                lambda: (limits or LimitSettings()).max_envelope,
            )
            life = Life(
                lambda: make(credential.agent_id), lambda: credential, services, concurrency=concurrency
            )
            if not takes_mail(life.agent):
                # It still hears the answers to what it says; the rest is for instances that can handle it.
                life.pause()

            async def live(*, task_status: TaskStatus[None]) -> None:
                await life.run(task_status=task_status)
                ended.set()

            tasks.start_soon(pulse.run)
            tasks.start_soon(_beat, redis, keys.heartbeat(credential.agent_id, credential.instance_id), clock)
            if not isinstance(credentials, Credentials):
                tasks.start_soon(_renew, Path(credentials), held, redis, subscriber, allow_plaintext, clock)
            await tasks.start(live)
            try:
                yield cast("AgentT", life.agent)
            except BaseException as error:
                raised.append(error)
                raise
            finally:
                life.stop()
                with anyio.move_on_after(grace, shield=True):
                    await ended.wait()
                tasks.cancel_scope.cancel()


def place_of(held: Credentials, allow_plaintext: bool) -> Endpoint:
    """Return where credentials lead to.

    :raises ConfigurationError: if they would cross the network in the clear
    """
    if held.redis_url.crosses_network_in_clear and not allow_plaintext:
        raise ConfigurationError(
            f"the credentials lead to another machine without TLS: {held.redis_url}",
            hint="enrol with a rediss:// URL, or say allow_plaintext",
        )
    return Endpoint.parse(held.redis_url.reveal(), allow_plaintext=allow_plaintext)


async def _beat(redis: Redis, heartbeat: str, clock: Clock) -> None:
    """Tell that the instance lives."""
    while True:
        try:
            await redis.call("SET", heartbeat, "1", "PX", int(HEARTBEAT_LIFE * 1000))
        except (RedisUnavailable, ResponseError) as error:
            log.warning("no heartbeat", problem=str(error))
        await clock.sleep(_BEAT)


async def _renew(
    file: Path,
    held: Credentials,
    redis: Redis,
    subscriber: Subscriber,
    allow_plaintext: bool,
    clock: Clock,
) -> None:
    """Take over credentials that were renewed in their file."""
    who = held.credential.agent_id, held.credential.instance_id
    while True:
        await clock.sleep(_BEAT)
        try:
            new = await anyio.to_thread.run_sync(Credentials.read, file)
            place = place_of(new, allow_plaintext)
        except ConfigurationError as error:
            log.warning("the credentials as renewed cannot be used", problem=str(error))
            continue
        if (new.credential.agent_id, new.credential.instance_id) != who:
            log.error("the credentials file holds those of somebody else; they are not used", file=str(file))
        elif new.credential.token != held.credential.token:
            held.credential.replace(new.credential)
            # The connections stay; their next one is opened with the new password.
            redis.endpoint = subscriber.endpoint = place
            log.info("credentials renewed", agent=who[0], instance=who[1])
