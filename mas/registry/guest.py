"""An instance that joins for a moment: it speaks as its agent, and takes nothing of the agent's mail.

It is enrolled, kept alive and signed off as the instances of a runner are. But it brings no registration
along: one that is there stays as it is, and an agent that nobody registered receives no mail on account
of its guests.
"""

import secrets
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
from redis.exceptions import ResponseError

from mas.audit import EventKind, Events
from mas.clock import SYSTEM, Clock
from mas.directory import AgentRecord
from mas.errors import EnrolmentRefused, RedisUnavailable
from mas.ids import AgentId, InstanceId
from mas.keys import Keys
from mas.log import logger
from mas.redis import Redis
from mas.registry.enrolment import GUEST, Lives, Refuses, enrol, leave, nobody
from mas.registry.heartbeat import Heartbeat
from mas.trust import Credential, Keyring

log = logger(__name__)

_JOIN = 15.0
"""Seconds that joining may take."""
_SIGN_OFF = 2.0
"""Seconds that signing off may take; who is not signed off by then is found dead later."""


class Guest:
    """One that joined.

    :ivar owed: whether something that it submitted may still wait for its decision when it leaves: its
        token then lives on for as long, and otherwise ends with the visit
    """

    def __init__(self, credential: Credential) -> None:
        self.credential, self.owed = credential, False


@asynccontextmanager
async def visiting(
    redis: Redis,
    keys: Keys,
    keyring: Keyring,
    agent: AgentId,
    *,
    lives: Lives,
    events: Events,
    actor: str,
    refuses: Refuses = nobody,
    clock: Clock = SYSTEM,
) -> AsyncGenerator[Guest]:
    """Have an instance of an agent for the length of a block; however that ends, it is signed off.

    That it joined is in the audit trail before the block begins. The block is cut short when its token is
    gone from Redis before its time.

    :param lives: how long its token is good; it is not rotated
    :param actor: whom the audit trail is to name
    :param refuses: what is known of revocations beside Redis
    :raises EnrolmentRefused: if it may not join, or was revoked meanwhile
    :raises RedisUnavailable: if Redis does not answer
    """
    record, instance = AgentRecord(agent), InstanceId(f"{GUEST}{secrets.token_hex(8)}")
    # An answer that nobody waits for would leave it open whether it joined.
    with anyio.fail_after(_JOIN, shield=True):
        credential, _ = await enrol(
            redis,
            keys,
            keyring,
            record,
            instance,
            now=clock.wall(),
            lives=lives,
            refuses=refuses,
            registers=False,
        )
    guest, gone = Guest(credential), False
    try:
        await events.write(EventKind.ENROLLED, f"{agent}:{instance}", actor=actor, detail="a guest")
        async with anyio.create_task_group() as tasks:

            async def lost(*_: object) -> None:
                nonlocal gone
                gone = True
                tasks.cancel_scope.cancel()

            heartbeat = Heartbeat(redis, keys, lost, clock=clock)
            heartbeat.join(agent, instance)
            tasks.start_soon(heartbeat.run)
            yield guest
            tasks.cancel_scope.cancel()
    finally:
        with anyio.move_on_after(_SIGN_OFF, shield=True):
            try:
                await leave(redis, keys, agent, instance, in_flight=lives.in_flight if guest.owed else 0.0)
                await events.write(EventKind.LEFT, f"{agent}:{instance}", actor=actor)
            except (RedisUnavailable, ResponseError) as error:
                log.warning("could not sign off; the registry will notice", problem=str(error))
    if gone:
        raise EnrolmentRefused(agent, "it is gone from redis: it was revoked, or redis was emptied")
