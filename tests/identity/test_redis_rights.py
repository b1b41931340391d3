"""What the Redis user of an agent elsewhere may do, asked of Redis itself: no command more, and no key."""

from contextlib import contextmanager

import pytest
import redis as blocking
from redis.exceptions import ResponseError

import mas
from mas.ids import AgentId, InstanceId
from mas.redis import open_redis
from mas.registry import SCRIPTS
from mas.testing.server import redis_server
from tests.identity.conftest import Echo
from tests.identity.test_outsiders import ALL_TALK, ONE, OUT, enrolled
from tests.world import KEYS

INGRESS, SHARED, OWN = KEYS.ingress_of(OUT), KEYS.stream(OUT), KEYS.instance_stream(OUT, ONE)
STATE, HEARTBEAT = KEYS.state(OUT), KEYS.heartbeat(OUT, ONE)
MINE = (SHARED, OWN)

KEYED = {
    "XADD": ((INGRESS,), ("*", "a", "b")),
    "XACK": (MINE, ("agents", "1-1")),
    "XDEL": (MINE, ("1-1",)),
    "XCLAIM": (MINE, ("agents", "one", "1", "1-1")),
    "XAUTOCLAIM": (MINE, ("agents", "one", "1", "0")),
    "XPENDING": (MINE, ("agents",)),
    "XRANGE": (MINE, ("-", "+", "COUNT", "1")),
    "HGETALL": ((STATE,), ()),
    "HSET": ((STATE,), ("field", "1")),
    "HINCRBY": ((STATE,), ("field", "1")),
    "DEL": ((STATE,), ()),
    "SET": ((HEARTBEAT,), ("1",)),
}
"""Each command that its rights name and that takes a key: on which keys, and what comes after the key."""

KEYLESS = {"ping", "time", "subscribe", "unsubscribe"}
OF_EVERY_USER = {"auth", "hello", "quit", "reset"}
"""They only say who one is, or that one goes."""

ODD = [
    ("XREADGROUP", "GROUP", "agents", "one", "STREAMS", SHARED, KEYS.stream(AgentId("in")), ">", ">"),
    ("DEL", STATE, KEYS.policy),
    ("SET", HEARTBEAT, "1", "GET"),
    ("SUBSCRIBE", KEYS.ring(AgentId("in"))),
    ("SUBSCRIBE", KEYS.system),
    ("SUBSCRIBE", KEYS.ring(OUT), KEYS.system),
    ("PSUBSCRIBE", KEYS.ring(OUT)),
    ("PSUBSCRIBE", "*"),
    ("SSUBSCRIBE", KEYS.ring(OUT)),
    ("PUBLISH", KEYS.ring(OUT), "x"),
    ("SORT", STATE, "BY", "mas.policy", "GET", "*"),
    ("SELECT", "1"),
    ("COPY", KEYS.policy, STATE),
    ("RENAME", KEYS.policy, STATE),
    ("RESTORE", STATE, "0", "x"),
]
"""Forms in which a right could lend itself to more."""


@pytest.fixture
def server():
    # What its settings would refuse to everybody must be refused to this user for want of rights.
    open_to_users = ("--enable-debug-command", "yes", "--enable-module-command", "yes")
    with redis_server(port=0, password="operator", extra=open_to_users) as started:
        yield started


@pytest.fixture
async def operator(server):
    async with open_redis(server.url, scripts=SCRIPTS) as opened:
        yield opened


@contextmanager
def speaking_as(credentials):
    """Give a connection under an instance's own Redis user, that hands out answers as they are."""
    with blocking.Redis.from_url(credentials.redis_url.reveal(), protocol=2) as client:
        client.response_callbacks.clear()
        yield client


def denied(thief, command):
    """Say whether Redis denies a command for lack of rights, and for nothing else."""
    try:
        thief.execute_command(*command)
    except ResponseError as error:
        # EXEC wraps the refusal in one of its own.
        return "no permissions" in str(error).lower()
    return False


async def test_every_command_that_its_rights_do_not_name_is_denied(operator, server):
    credentials = await enrolled(operator, server)
    named = {name.lower() for name in KEYED} | KEYLESS | OF_EVERY_USER | {"xreadgroup"}
    tried = 0
    with speaking_as(credentials) as thief:
        assert thief.execute_command("PING")
        async for name, command in every_command(operator):
            if name in named:
                continue
            tried += 1
            assert denied(thief, command), command
        # Subcommands among them, which is how CONFIG, ACL, CLIENT, SCRIPT and FUNCTION are spelled.
        assert tried > 300
        assert [command for command in ODD if not denied(thief, command)] == []


async def every_command(operator):
    """Yield every command and subcommand of this server, with enough arguments to be looked at."""
    names = set(await operator.call("COMMAND", "LIST"))
    for category in await operator.call("ACL", "CAT"):
        names |= set(await operator.call("ACL", "CAT", category))
    for name in sorted(name.decode() for name in names):
        (told,) = await operator.call("COMMAND", "INFO", name)
        words = name.split("|")
        if told is None or told[-1]:
            continue  # of a command that has subcommands, those are tried
        yield name, [*words, *["1"] * (abs(told[1]) - len(words))]


async def test_on_every_key_there_is_each_command_does_what_its_rights_say(running, operator, server):
    async with running(at=server.url, permissions=ALL_TALK, **{"in": Echo}) as inside:
        credentials = await enrolled(operator, server)
        await enrolled(operator, server, instance=InstanceId("two"))
        async with mas.connect(credentials, Echo) as out:
            await out.request("in", "ask", 1, timeout=10)
            await out.update_state({"n": 1})
            await inside.agent("in").update_state({"n": 1})
            await inside.agent("in").send("out", "tell", 1, confirm=True)
        keys = {key.decode() for key in await operator.call("KEYS", "*")} | {*MINE, INGRESS, STATE, HEARTBEAT}
        assert {KEYS.policy, KEYS.audit_messages, KEYS.stream(AgentId("in")), KEYS.agent(OUT)} <= keys
        attempts = [
            (name, key, allowed, rest) for name, (allowed, rest) in KEYED.items() for key in sorted(keys)
        ]
        with speaking_as(credentials) as thief:
            wrong = [
                (name, key)
                for name, key, allowed, rest in attempts
                if denied(thief, (name, key, *rest)) is (key in allowed)
            ]
            reading = ("XREADGROUP", "GROUP", "agents", "one", "COUNT", "1", "STREAMS")
            wrong += [
                ("XREADGROUP", key)
                for key in sorted(keys)
                if denied(thief, (*reading, key, ">")) is (key in MINE)
            ]
        assert wrong == []
        assert len(keys) > 20
