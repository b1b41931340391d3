"""Whoever looks at the trail, however they do, is on record first."""

import inspect
import re
import socket
from pathlib import Path

import pytest
from redis.exceptions import ResponseError

from mas.audit import AuditTrail, Filter, Trail, open_trail
from mas.audit.actor import actor
from mas.audit.query import Found
from mas.errors import ConfigurationError, RedisUnavailable
from mas.redis import EmbeddedServer, Redis
from tests.audit.conftest import KEYS
from tests.house import MODULES, ROOT


async def drained(found):
    return [each async for each in found]


LOOKS = {
    "archives": lambda trail, _: trail.archives(),
    "export": lambda trail, _: drained(trail.export()),
    "payload": lambda trail, _: trail.payload(Found(Trail.MESSAGES, "1-0", {"message_id": "m1"})),
    "query": lambda trail, _: drained(trail.query(Filter(sender="ann"))),
    "query_file": lambda trail, file: drained(trail.query_file(file, Filter(sender="ann"))),
    "stats": lambda trail, _: trail.stats(),
    "tail": lambda trail, _: drained(trail.tail(Filter(sender="ann"))),
    "verify": lambda trail, _: trail.verify(),
}
"""Each way to read a trail; what is public and missing here fails a test."""
WRITES = {"rotate_key"}


def test_each_public_way_into_the_trail_is_tried_here():
    ways = {name for name, _ in inspect.getmembers(AuditTrail, inspect.isfunction)}
    assert {name for name in ways if not name.startswith("_")} - WRITES == set(LOOKS)


@pytest.mark.parametrize("look", LOOKS)
async def test_each_look_is_on_record_with_who_looked_and_for_what(desk, look):
    await desk.seal_all()
    file = desk.directory / "kept.jsonl"
    file.touch()
    await LOOKS[look](desk.trail, file)
    read, _ = await drained(desk.trail.query(Filter(decision="AUDIT_READ")))
    assert read.record["subject"] == look.removesuffix("_file")
    if look in {"query", "query_file", "tail"}:
        assert "sender=ann" in read.record["detail"]
    if look == "query_file":
        assert "kept.jsonl" in read.record["detail"]
    if look == "payload":
        assert read.record["detail"] == "m1"


@pytest.mark.parametrize("look", LOOKS)
async def test_where_no_record_can_be_written_nothing_is_read(desk, look):
    await desk.write(1)
    await desk.redis.call("SET", KEYS.audit_security, "not a stream")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        await LOOKS[look](desk.trail, desk.directory / "none")


async def test_a_trail_holds_no_connection_that_a_read_could_use_past_the_door(desk):
    held = vars(desk.trail).values()
    assert not [each for each in held if isinstance(each, Redis)]


WRITERS = {"bench", "gateway", "keys.py", "registry"}
"""What names the streams of the trail outside its package: it writes there, or asks what is under a name."""
MEASURES = Path("cli/doctor/flow.py")
"""Asks how long one is, and reads none of it."""


def test_nothing_outside_the_package_reads_the_trail_by_itself():
    at_home = ROOT / "mas" / "audit"
    naming = {
        path.relative_to(ROOT / "mas").parts[0]
        for path in MODULES
        if at_home not in path.parents and re.search(r"\.audit_(messages|security)\b", path.read_text())
    }
    assert naming == WRITERS | {MEASURES.parts[0]}
    lines = {
        path.relative_to(ROOT / "mas"): re.findall(r".*\.audit_(?:messages|security)\b.*", path.read_text())
        for path in MODULES
        if path.is_relative_to(ROOT / "mas" / "cli")
    }
    (asked,) = lines.pop(MEASURES)
    assert asked.strip() == 'length = redis.post("XLEN", keys.audit_messages)'
    assert not any(lines.values())


def test_who_looks_is_not_what_the_environment_says(monkeypatch):
    known = actor()
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "somebody-else")
    assert actor() == known
    assert "somebody-else" not in known


async def test_where_nothing_runs_that_is_told_before_anything_is_tried_or_made(tmp_path):
    with pytest.raises(RedisUnavailable, match="nothing runs here") as caught:
        async with open_trail({"data_dir": str(tmp_path / "data")}, environ={}):
            pass
    assert caught.value.hint == "start the system with mas run"
    assert not (tmp_path / "data").exists()


async def test_a_socket_that_a_dead_server_left_behind_is_nothing_that_runs(tmp_path):
    server = EmbeddedServer(tmp_path / "data")
    server.socket.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(server.socket))
    assert server.socket.exists()
    with pytest.raises(RedisUnavailable, match="nothing runs here"):
        async with open_trail({"data_dir": str(tmp_path / "data")}, environ={}):
            pass


async def test_a_reader_without_the_secret_is_told_so_and_makes_none(tmp_path, redis_url):
    config = {"data_dir": str(tmp_path / "data"), "service_redis_url": redis_url}
    with pytest.raises(ConfigurationError, match="the deployment's secret is not here"):
        async with open_trail(config, environ={}):
            pass
    assert not (tmp_path / "data").exists()
