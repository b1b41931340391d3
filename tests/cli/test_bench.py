"""`mas bench`: each measurement beside what it is compared with, and nothing left behind."""

import json

import pytest

from mas.bench import KINDS
from tests.cli.process import mas
from tests.world import asking

FLOORED = ["floor, 100 bytes", "one way, 100 bytes", "floor, 1 KiB", "one way, 1 KiB"]


def bench(*arguments, cwd):
    return mas("bench", "--messages", "1000", *arguments, cwd=cwd)


def test_the_path_is_measured_beside_its_floor_on_a_server_of_its_own(tmp_path, anyio_backend):
    ended = bench("one-way", "--json", "--backend", anyio_backend, cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    found = json.loads(ended.stdout)
    assert found["event_loop"] == anyio_backend
    assert "at a unix socket" in found["server"]
    assert found["persistence"].startswith("append-only")
    rows = found["measured"]
    assert [row["what"] for row in rows] == FLOORED
    for floor, path in zip(rows[::2], rows[1::2], strict=True):
        assert floor["messages"] == path["messages"] == 1000
        assert path["share"] == pytest.approx(path["a_second"] / floor["a_second"])
        assert path["a_second"] == pytest.approx(1000 / path["seconds"])
        assert 0 < path["p50_seconds"] <= path["p99_seconds"] < path["seconds"]
        assert path["commands_each"] > floor["commands_each"]
    assert not list(tmp_path.iterdir())


def test_people_read_a_table_and_a_server_of_others_is_left_as_it_was(redis_url, tmp_path):
    with asking(redis_url) as client:
        client.set("mine", "stays")
        ended = bench("verify", "requests", "--redis-url", redis_url, cwd=tmp_path)
        assert (ended.returncode, ended.stderr) == (0, "")
        assert client.keys() == [b"mine"]
    _, headings, *rows = ended.stdout.splitlines()
    assert headings.split() == ["a", "second", "p50", "p99", "CPU", "commands", "trips"]
    names = ("request and reply", "the same, 64 in flight", "records read", "records verified")
    assert all(row.startswith(name) for row, name in zip(rows, names, strict=True))
    assert rows[-1].endswith("of that")


def test_sealing_is_measured_with_it_and_without(tmp_path):
    ended = bench("sealing", "--json", cwd=tmp_path)
    assert (ended.returncode, ended.stderr) == (0, "")
    without, sealing = json.loads(ended.stdout)["measured"]
    assert without["messages"] == sealing["messages"] == 1000
    assert sealing["share"] == pytest.approx(sealing["a_second"] / without["a_second"])


def test_where_no_redis_is_it_says_so(tmp_path):
    ended = bench("--redis-url", "redis://127.0.0.1:1", cwd=tmp_path)
    assert (ended.returncode, ended.stdout) == (69, "")
    assert "127.0.0.1:1" in ended.stderr


def test_all_that_can_be_measured_can_be_chosen(tmp_path):
    ended = bench("everything", cwd=tmp_path)
    assert ended.returncode == 2
    assert all(f"'{kind}'" in ended.stderr for kind in KINDS)
