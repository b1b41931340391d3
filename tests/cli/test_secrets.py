"""Canaries in a deployment that runs, as secret, password, token, key and payload: where they must not be."""

import json
import sys
import time
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from mas.ids import AgentId, InstanceId
from mas.testing.server import redis_server
from mas.trust import Keyring
from tests.cli.process import mas, started, write
from tests.hand import Hand
from tests.world import KEYS, entries, letters

SECRET, PASSWORD = "CANARY-secret-0123456789abcdef", "CANARY-password"
PAYLOAD, BLOCKED, SIGNATURE = "CANARY-payload", "AKIAQYLPMN5HNGXB3CT7", "CANARY-signature"

CODE = f"""
from mas import Agent, MessageRefused

class Desk(Agent):
    @Agent.on("take")
    async def take(self, message, _):
        await message.reply("taken", message.data)

    @Agent.on("fail")
    async def fail(self, message, _):
        raise ValueError

class Author(Agent):
    async def on_start(self):
        await self.request("desk", "take", {{"text": "{PAYLOAD}"}})
        for kind, text in (("fail", "{PAYLOAD}"), ("take", "{BLOCKED}"), ("steal", "{PAYLOAD}")):
            try:
                await self.request("desk", kind, {{"text": text}})
            except MessageRefused as refused:
                print(refused, flush=True)
        print("done", flush=True)
"""

AGENTS = """
permissions:
  - {type: allow, from: [author, out], to: desk, types: [take, fail]}
agents:
  - {agent_id: desk, class_path: "people:Desk"}
  - {agent_id: author, class_path: "people:Author", process: true}
"""

GATEWAY = "delivery: {max_attempts: 2, backoff_first: 0.01, backoff_cap: 0.01}"

ELSEWHERE = f"""
import anyio, sys
import mas
from mas.cli import logs

async def main():
    async with mas.connect(sys.argv[1]) as out:
        await out.request("desk", "take", "{PAYLOAD}")
        print(out, repr(out._running), "done", flush=True)

logs.configure("debug")  # unlike a plain formatter, ours shows every field
anyio.run(main, backend="trio")
"""


@pytest.fixture
def server():
    with redis_server(port=0, password=PASSWORD) as started_server:
        yield started_server


@pytest.fixture
def variables(server):
    return {"MAS_SECRET": SECRET, "MAS_SERVICE_REDIS_URL": server.url}


def stored(client):
    """Return all that Redis holds, as it is when it is read."""
    readers = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"set": client.smembers,
        b"stream": client.xrange,
        b"list": lambda key: client.lrange(key, 0, -1),
        b"zset": lambda key: client.zrange(key, 0, -1),
    }
    return {key: readers[client.type(key)](key) for key in client.scan_iter()}


def descendants(pid):
    """Return the ids of all processes that a process started, and that those did."""
    parents = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(place.parent.name)] = int(place.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended as we looked
    found = {pid}
    while more := {child for child, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {pid}


def started_with(pid, *names):
    return "".join(Path(f"/proc/{pid}/{name}").read_text() for name in names)


def keys_in(keyring, client):
    """Return the tokens of all who are enrolled, derived as gateways do."""
    for key in client.scan_iter("agent:*"):
        if client.type(key) != b"hash":
            continue
        agent = AgentId(key.decode().partition(":")[2])
        for field, record in client.hgetall(key).items():
            if field.startswith(b"instance:"):
                told = json.loads(record[65:])
                who = agent, InstanceId(told["instance_id"]), told["epoch"]
                yield from spelled(keyring.token(*who))
                yield keyring.redis_password(*who)
        yield from spelled(keyring.seal(agent))


def own_password(keyring, content):
    """Return what the process of `author` opens Redis with."""
    (record,) = [
        json.loads(stored[65:])
        for field, stored in content[b"agent:author"].items()
        if field.startswith(b"instance:")
    ]
    return keyring.redis_password(AgentId("author"), InstanceId(record["instance_id"]), record["epoch"])


def spelled(key):
    """Return a key as text that holds it could spell it."""
    return key.hex(), repr(key)[2:-1]


def test_nothing_secret_is_logged_stored_or_handed_on(tmp_path, anyio_backend, server, variables):
    here = write(tmp_path, code=CODE, agents=AGENTS, gateway=GATEWAY)
    (here / "elsewhere.py").write_text(ELSEWHERE)
    told = []

    def typed(*words):
        done = mas(*words, "--debug", cwd=here, **variables)
        assert done.returncode == 0, done.stderr
        told.append(done.stdout + done.stderr)

    with started("run", "--debug", "--backend", anyio_backend, cwd=here, **variables) as run:
        run.ready().out.expect("done")
        typed("agents", "enroll", "out:one", "-o", "one.json")
        typed("agents", "grant", "out", "-o", "grant.json")
        typed("agents", "redeem", "grant.json", "--instance", "two", "-o", "two.json")
        one, two, grant = (
            json.loads((here / f"{name}.json").read_text()) for name in ("one", "two", "grant")
        )
        with started(cwd=here, program=[sys.executable, "elsewhere.py", "one.json"]) as elsewhere:
            elsewhere.out.expect("done")
            assert elsewhere.ended() == 0
            told += [str(elsewhere.out), str(elsewhere.err)]
        keyring = Keyring(SECRET.encode())
        with server.client() as client:
            hand = Hand(client, keyring.credential(AgentId("out"), InstanceId("one"), "0" * 32))
            good = hand.fields(hand.envelope("desk", data=PAYLOAD))
            hand.submit(good | {b"signature": SIGNATURE.encode()})
            hand.submit(hand.fields(b'{"CANARY-payload":'))
            while client.xlen(KEYS.ingress):
                time.sleep(0.01)
            typed("agents", "list")
            typed("agents", "revoke", "out:two", "--reason", "done")
            typed("dlq", "list")
            typed("audit", "tail")
            typed("tail")
            typed("send", "desk", "take", f'"{PAYLOAD}"', "--as", "author")
            typed("send", "desk", "take", f'"{PAYLOAD}"', "--credentials", "one.json")
            typed("ps")
            typed("doctor")
            children = descendants(run.process.pid)
            assert children
            handed = [started_with(pid, "environ", "cmdline") for pid in children]
            own = [*keys_in(keyring, client), one["token"], two["token"], one["seal_key"], grant["key"]]
            content = stored(client)
            accounts = str(client.acl_list())
            trail = str(entries(client, KEYS.audit_messages)) + str(entries(client, KEYS.audit_security))
            dead = letters(client)
        argv = started_with(run.process.pid, "cmdline")
        assert run.stop() == 0
    told += [str(run.out), str(run.err)]
    passwords = [PASSWORD, *(urlsplit(file["redis_url"]).password for file in (one, two, grant))]
    assert f"#{sha256(own_password(keyring, content).encode()).hexdigest()}" in accounts
    secret = [SECRET, *passwords, *own]
    assert len(own) > 10
    everywhere = {
        "what was told": told,
        "what children were started with": handed,
        "arguments": [argv],
        "redis": [*map(str, content.items())],
        "files": [read(file) for file in (here / ".mas").rglob("*") if file.is_file()],
    }
    for where, texts in everywhere.items():
        for text in texts:
            for canary in secret:
                assert canary not in text, where
    # What travels lies in streams and dead letters, where it must; nobody tells it.
    assert PAYLOAD in str(content[KEYS.dead_letters.encode()])
    for text in (*told, trail, *everywhere["files"]):
        for canary in (PAYLOAD, BLOCKED, SIGNATURE):
            assert canary not in text
    # What data loss prevention found, or nobody proved, is kept nowhere at all.
    assert {letter["decision"] for letter in dead} >= {"DLP_BLOCKED", "SIGNATURE_INVALID", "MALFORMED"}
    for canary in (BLOCKED, SIGNATURE):
        assert canary not in str(content)


def read(file):
    return file.read_bytes().decode("utf-8", "replace")


def test_tracebacks_hold_no_password(tmp_path, server, variables):
    write(tmp_path, code=CODE, agents=AGENTS)
    wrong = server.url.replace(PASSWORD, "CANARY-another")
    for words in (
        ["run"],
        ["agents", "list"],
        ["agents", "enroll", "out"],
        ["dlq", "list"],
        ["ps"],
        ["request", "desk", "take", "--as", "author"],
        ["tail"],
    ):
        done = mas(*words, "--debug", cwd=tmp_path, **variables | {"MAS_SERVICE_REDIS_URL": wrong})
        assert done.returncode == 77, done.stderr
        assert "Traceback" in done.stderr
        assert "CANARY" not in done.stdout + done.stderr
