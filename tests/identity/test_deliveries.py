"""What a gateway did not put into an agent's stream, just so and just there, is not executed."""

import random
import time

import msgspec
import pytest

from mas.ids import AgentId, InstanceId, MessageId
from mas.message import Message, Meta, encode
from mas.trust import seal
from tests.identity.conftest import Echo
from tests.identity.waiting import until
from tests.world import KEYRING, KEYS, asking

A, B = AgentId("a"), AgentId("b")
TWICE = {"class_path": Echo, "instances": 2}


class Gateway:
    """Seals deliveries as a gateway does: what a copy is made from."""

    def __init__(self):
        self.entry = int(time.time() * 1000)

    def delivery(self, data, *, target=B, instance="", permit=""):
        """Return the fields of a delivery that is what it must be."""
        self.entry += 1
        message = Message(
            A,
            target,
            "tell",
            msgspec.Raw(msgspec.json.encode(data)),
            Meta(InstanceId("any")),
            time.time(),
            MessageId(f"{self.entry:032x}"),
        )
        envelope, route = encode(message), f"{self.entry}-0 {int(time.time()) + 600} {permit}"
        sealed = seal(KEYRING.seal(target), target, instance, route, envelope)
        return {"envelope": envelope, "route": route.encode(), "seal": sealed.encode()}


@pytest.fixture
def client(redis_url):
    with asking(redis_url) as opened:
        yield opened


async def put(client, *entries):
    """Append entries to delivery streams, ring for them, and wait until none is left."""
    for stream, fields in entries:
        client.xadd(stream, fields)
    for agent in (A, B):
        client.publish(KEYS.ring(agent), "")
    for stream in {stream for stream, _ in entries}:
        await until(lambda stream=stream: client.xlen(stream) == 0)


def heard(system):
    """Return what the handlers of each agent got, of all its instances."""
    found: dict[str, list[object]] = {}
    for seat in system.seats:
        found.setdefault(seat.spec.agent_id, []).extend(seat.life.agent.got.seen)
    return found


async def test_no_byte_of_a_delivery_can_be_flipped(running, client):
    dice, gateway = random.Random(6), Gateway()
    flipped = []
    for n in range(8):
        fields = gateway.delivery({"n": n}, permit=f"one/{n}/99/{'0' * 64}" if n % 2 else "")
        for name, value in fields.items():
            for at in range(len(value)):
                other = bytearray(value)
                other[at] ^= 1 << dice.randrange(8)
                flipped.append(fields | {name: bytes(other)})
    assert len(flipped) > 2_000
    async with running(a=Echo, b=Echo) as system:
        await put(client, *((KEYS.stream(B), fields) for fields in flipped))
        await put(client, (KEYS.stream(B), gateway.delivery("untouched")))
        assert heard(system) == {"a": [], "b": ["untouched"]}


async def test_a_sealed_delivery_is_executed_where_it_was_sealed_for_and_nowhere_else(running, client):
    async with running(a=TWICE, b=TWICE) as system:
        instances = {
            agent: [seat.instance for seat in system.seats if seat.spec.agent_id == agent] for agent in "ab"
        }
        gateway = Gateway()
        for_all, for_one = (
            gateway.delivery("for all"),
            gateway.delivery("for one", instance=instances["b"][0]),
        )
        everywhere = [
            *(KEYS.stream(agent) for agent in (A, B)),
            *(KEYS.instance_stream(agent, each) for agent in (A, B) for each in instances[agent]),
        ]
        assert len(everywhere) == 6
        for fields, home in (
            (for_all, KEYS.stream(B)),
            (for_one, KEYS.instance_stream(B, instances["b"][0])),
        ):
            await put(client, *((stream, fields) for stream in everywhere if stream != home))
        assert heard(system) == {"a": [], "b": []}
        # Each is what it must be, after all: at home it opens.
        await put(client, (KEYS.stream(B), for_all))
        assert heard(system)["b"] == ["for all"]


async def test_a_copy_is_not_executed_again_where_the_first_one_was(running, client):
    async with running(a=Echo, b=Echo) as system:
        gateway = Gateway()
        fields = gateway.delivery("once")
        await put(client, (KEYS.stream(B), fields), (KEYS.stream(B), fields))
        await put(client, *[(KEYS.stream(B), fields)] * 20)
        assert heard(system) == {"a": [], "b": ["once"]}


async def test_a_delivery_past_its_seals_lifetime_is_not_executed(running, client):
    async with running(a=Echo, b=Echo) as system:
        fields = Gateway().delivery("late")
        entry, _, permit = fields["route"].decode().split(" ")
        route = f"{entry} {int(time.time()) - 1} {permit}"
        sealed = seal(KEYRING.seal(B), B, "", route, fields["envelope"])
        await put(client, (KEYS.stream(B), fields | {"route": route, "seal": sealed}))
        assert heard(system) == {"a": [], "b": []}
