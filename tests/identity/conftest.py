"""What the tests of identity share."""

import msgspec
import pytest

from mas import open_system
from mas.agent import Agent
from mas.message import Message, Meta, encode
from mas.redis import open_redis
from mas.registry import SCRIPTS
from mas.trust import prove
from tests.world import ENVIRON, KEYS, Tally, deployment


class Echo(Agent[dict[str, object]]):
    """Replies to `ask`, keeps what it is told."""

    def __init__(self, agent_id, **more):
        super().__init__(agent_id, **more)
        self.got = Tally()

    @Agent.on("ask")
    async def asked(self, message, payload):
        await message.reply("answer", message.data)

    @Agent.on("tell")
    async def told(self, message, payload):
        self.got.note(message.data)


@pytest.fixture
def running(redis_url, tmp_path):
    """Open a system whose tombstones are kept in this test's own directory."""

    def opened(*, parts=None, secret=None, at=None, **how):
        config = deployment(at or redis_url, **how) | {"data_dir": str(tmp_path / "data")}
        environ = ENVIRON if secret is None else {"MAS_SECRET": secret}
        return open_system(config, environ=environ, **({} if parts is None else {"parts": parts}))

    return opened


@pytest.fixture
async def redis(redis_url):
    """A connection of the test's own, with what an operator's command needs."""
    async with open_redis(redis_url, scripts=SCRIPTS) as opened:
        yield opened


class Pen:
    """Writes submissions by hand, as an agent's outbox does or as a forger would."""

    def __init__(self, credential, *, sequence=1):
        self.credential, self.sequence = credential, sequence

    def fields(self, target, kind="tell", data=None, *, at, **claims):
        """Return a submission's fields, names and values in turn."""
        credential = self.credential
        message = Message(
            claims.get("sender", credential.agent_id),
            target,
            kind,
            msgspec.Raw(msgspec.json.encode(data)),
            Meta(claims.get("sender_instance", credential.instance_id), **claims.get("meta", {})),
            at,
            claims.get("message_id", f"{self.sequence:032x}"),
        )
        envelope, signed_at, sequence = encode(message), b"%.6f" % at, b"%d" % self.sequence
        self.sequence += 1
        signature = prove(credential.token, envelope, signed_at, sequence)
        return {
            "envelope": envelope,
            "agent": claims.get("agent", credential.agent_id),
            "instance": claims.get("instance", credential.instance_id),
            "timestamp": signed_at,
            "sequence": sequence,
            "signature": signature,
        }


def hash_key(credential, *, previous=False):
    """Name where a credential's token hash stands."""
    name = KEYS.previous_token_hash if previous else KEYS.token_hash
    return name(credential.agent_id, credential.instance_id)
