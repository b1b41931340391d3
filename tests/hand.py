"""Submissions made by hand: what an agent would write, and whatever else somebody could."""

import time
from typing import Any

import msgspec

from mas.directory import AgentRecord
from mas.ids import AgentId, InstanceId, MessageId
from mas.message import Message, Meta, encode
from mas.registry import Lives, enrol
from mas.trust import Credential, prove
from tests.redis.waiting import until
from tests.world import KEYRING, KEYS

TOKEN_LIFE = 3600.0


class Hand:
    """An enrolled instance whose every submission is written by the test itself.

    :param client: a blocking client
    """

    def __init__(self, client: Any, credential: Credential) -> None:
        self.client, self.credential = client, credential
        self.agent, self.instance = credential.agent_id, credential.instance_id
        self.sequence = time.time_ns() // 1000

    def envelope(self, target: str, kind: str = "tell", data: Any = None, **meta: Any) -> bytes:
        """Return an envelope as the agent itself would spell it."""
        self.sequence += 1
        payload = data if isinstance(data, bytes) else msgspec.json.encode({} if data is None else data)
        return encode(
            Message(
                self.agent,
                AgentId(target),
                kind,
                msgspec.Raw(payload),
                Meta(self.instance, **meta),
                time.time(),
                MessageId(f"{self.sequence:032x}"),
            )
        )

    def fields(self, envelope: bytes, *, at: float | str | None = None, sequence: int | None = None):
        """Return a signed submission."""
        signed_at = (at if isinstance(at, str) else f"{time.time() if at is None else at:.6f}").encode()
        number = b"%d" % (self.sequence if sequence is None else sequence)
        return {
            b"envelope": envelope,
            b"agent": self.agent.encode(),
            b"instance": self.instance.encode(),
            b"timestamp": signed_at,
            b"sequence": number,
            b"signature": prove(self.credential.token, envelope, signed_at, number).encode(),
        }

    def submit(self, fields: Any) -> Any:
        """Put a submission into the ingress stream; return its id."""
        return self.client.xadd(KEYS.ingress, fields)

    def send(self, target: str, kind: str = "tell", data: Any = None, **meta: Any) -> Any:
        """Submit a message as the agent itself would."""
        return self.submit(self.fields(self.envelope(target, kind, data, **meta)))

    def mail(self) -> list[dict[bytes, bytes]]:
        """Return what lies in the instance's own stream."""
        return [fields for _, fields in self.client.xrange(KEYS.instance_stream(self.agent, self.instance))]


async def enrolled(system: Any, client: Any, agent: str, instance: str = "hand") -> Hand:
    """Enrol an agent that no process runs."""
    who = AgentId(agent), InstanceId(instance)
    record = AgentRecord(who[0])
    lives = Lives(TOKEN_LIFE, in_flight=TOKEN_LIFE)
    joined = await enrol(system.redis, KEYS, KEYRING, record, who[1], now=time.time(), lives=lives)
    return Hand(client, joined.credential)


async def decided(client: Any) -> None:
    """Wait until no submission waits for a decision, and none is half decided."""
    await until(lambda: client.xlen(KEYS.ingress) == 0)
    assert client.xpending(KEYS.ingress, "gateway")["pending"] == 0
