"""What an operator does is on record, whatever becomes of the connection meanwhile."""

import time
from collections.abc import Sequence
from typing import Any

import pytest

from mas.audit import EventKind
from mas.directory import AgentRecord
from mas.errors import ForgetRefused, RedisUnavailable
from mas.ids import AgentId, InstanceId
from mas.redis import Script, open_redis
from mas.registry import SCRIPTS, Lives, enrol, forget, leave
from tests.world import KEYRING, KEYS, asking

A, ONE = AgentId("a"), InstanceId("one")


async def test_who_ended_a_registration_is_on_record_although_the_connection_broke_over_it(
    redis_url, monkeypatch
):
    async with open_redis(redis_url, scripts=SCRIPTS) as redis:
        lives = Lives(3600.0, in_flight=0.0)
        await enrol(redis, KEYS, KEYRING, AgentRecord(A, ()), ONE, now=time.time(), lives=lives)
        await leave(redis, KEYS, A, ONE, in_flight=0.0)
        run_script = redis.run_script

        async def broken(script: Script, keys: Sequence[str | bytes], args: Sequence[Any]) -> Any:
            answer = await run_script(script, keys, args)
            if script.name == "forget" and args[3] == 1:
                raise RedisUnavailable("lost just then")
            return answer

        with monkeypatch.context() as patched:
            patched.setattr(redis, "run_script", broken)
            with pytest.raises(RedisUnavailable):
                await forget(redis, KEYS, KEYRING, A, actor="somebody")
        with pytest.raises(ForgetRefused, match="no agent of that id"):
            await forget(redis, KEYS, KEYRING, A, actor="somebody")
    with asking(redis_url) as client:
        told = [entry[1][b"record"] for entry in client.xrange(KEYS.audit_security)]
    assert any(b'"actor":"somebody"' in body and b'"subject":"a"' in body for body in told), told
    assert not any(EventKind.FORGOTTEN.encode() in body for body in told)
