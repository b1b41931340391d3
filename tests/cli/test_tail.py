"""`mas tail` from a second terminal, beside a system that runs."""

import json
import shlex
import signal
import subprocess

import anyio
import pytest

from tests.cli.beside import AGENTS, CODE, SECRET, house_at
from tests.cli.process import PATIENCE, command, environ, mas, write
from tests.redis.waiting import until
from tests.world import KEYS, audit, entries


@pytest.fixture(scope="module", params=["asyncio", "trio"])
def house(request, tmp_path_factory):
    with house_at(tmp_path_factory.mktemp("house"), request.param) as opened:
        opened.typed("request", "scribe", "echo", "--as", "ops")
        opened.typed("send", "scribe", "page", "--as", "author", code=77)
        opened.typed("send", "scribe", "fail", "--as", "ops")
        dead = {"decision": "DEAD_LETTERED"}
        wait(lambda: any(dead.items() <= each.items() for each in audit(opened.client)))
        yield opened


def wait(condition):
    async def main():
        await until(condition, within=PATIENCE)

    anyio.run(main, backend="trio")


def shown(house, *words):
    """Return sender, target, type and decision of what is shown."""
    told = [json.loads(line) for line in house.typed("tail", "-n", "100", "--json", *words).splitlines()]
    return [(each["sender"], each["target"], each["type"], each["decision"]) for each in told]


ASKED = ("ops", "scribe", "echo", "ALLOWED")
ANSWERED = ("scribe", "ops", "echoed", "ALLOWED")
DENIED = ("author", "scribe", "page", "AUTHZ_DENIED")
SENT = ("ops", "scribe", "fail", "ALLOWED")
DIED = ("ops", "scribe", "fail", "DEAD_LETTERED")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), [ASKED, ANSWERED, DENIED, SENT, DIED]),
        (("--refused",), [DENIED, DIED]),
        (("--sender", "ops"), [ASKED, SENT, DIED]),
        (("--target", "ops"), [ANSWERED]),
        (("--type", "echo*"), [ASKED, ANSWERED]),
        (("--decision", "authz_denied"), [DENIED]),
        (("--sender", "ops", "--refused"), [DIED]),
        (("-n", "2"), [SENT, DIED]),
        (("-n", "1", "--type", "echo"), [ASKED]),
        (("-n", "0"), []),
    ],
)
def test_what_was_decided_is_shown_in_its_order_and_filtered(house, words, told):
    assert shown(house, *words) == told


def test_a_line_tells_who_whom_what_and_why_and_ties_a_reply_to_its_request(house):
    asked, answered, denied, *_ = house.typed("tail").splitlines()
    for line, words in (
        (asked, ("ops -> scribe", "echo", "ALLOWED", " ms ")),
        (answered, ("scribe -> ops", "echoed", "ALLOWED", " ms ")),
        (denied, ("author -> scribe", "page", "AUTHZ_DENIED", " ms ", "authorize: nothing grants it")),
    ):
        assert all(word in line for word in words), line
    assert asked.split()[-1] == answered.split()[-1]
    assert "\x1b" not in asked + answered + denied


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--decision", "ENROLLED"), "'ENROLLED' is no decision"),
        (("--decision", "ALOWED"), "did you mean ALLOWED?"),
        (("--decision", "allowed", "--refused"), "nothing can match"),
        (("-n", "-1"), "-1 is not in the range"),
    ],
)
def test_what_can_match_nothing_is_wrong_usage(tmp_path, words, told):
    done = mas("tail", *words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr


def looks(client):
    """Return the records of looks at the trail."""
    told = [json.loads(entry["record"]) for entry in entries(client, KEYS.audit_security)]
    return [each for each in told if each["event"] == "AUDIT_READ"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_follows_until_it_is_told_to_stop_and_is_recorded_once(house, number):
    before = len(looks(house.client))
    with house.typing("tail", "-f", "-n", "0", "--sender", "boss") as tail:
        wait(lambda: len(looks(house.client)) > before)
        for _ in range(3):
            house.typed("send", "scribe", "write", "--as", "boss")
        tail.out.expect("boss -> scribe", times=3)
        tail.signal(number)
        assert tail.ended() == 0
    assert str(tail.err) == ""
    assert len(tail.out.lines) == 3
    (look,) = looks(house.client)[before:]
    assert (look["subject"], "sender=boss" in look["detail"]) == ("tail", True)


@pytest.mark.parametrize("words", ["tail -n 100", "tail -f", "tail -f --json"])
def test_its_reader_may_have_seen_enough(house, words):
    pipe = f"{shlex.join(command(*words.split()))} | head -n 1"
    with subprocess.Popen(
        ["bash", "-c", pipe],
        cwd=house.directory,
        env=environ(**{name: value for name, value in house.where.items() if name != "cwd"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as shell:
        assert shell.stdout is not None
        assert shell.stdout.readline().strip()
        # What it has yet to write, it writes to nobody.
        house.typed("send", "scribe", "write", "--as", "ops")
        rest, problem = shell.communicate(timeout=PATIENCE)
    assert (rest, problem) == ("", "")


def test_where_nothing_runs_that_is_told(tmp_path):
    write(tmp_path, code=CODE, agents=AGENTS)
    assert mas("tail", cwd=tmp_path, **SECRET).returncode == 69
    without = mas("tail", cwd=tmp_path, MAS_SERVICE_REDIS_URL="redis://127.0.0.1:1")
    assert (without.returncode, without.stdout) == (78, "")
    assert "the deployment's secret is not here" in without.stderr


def test_it_goes_on_after_redis_was_restarted(tmp_path, anyio_backend):
    with house_at(tmp_path, anyio_backend) as house:
        house.typed("send", "scribe", "write", "--as", "ops")
        with house.typing("tail", "-f") as tail:
            tail.out.expect(" write ")
            house.server.restart()
            house.typed("send", "scribe", "keep", "--as", "ops")
            tail.out.expect(" keep ")
            tail.signal(signal.SIGINT)
            assert tail.ended() == 0
        assert len(tail.out.lines) == 2


def test_it_follows_across_what_the_sealer_archives(tmp_path, anyio_backend):
    small = {"MAS_GATEWAY__AUDIT__MAX_RECORDS": "1000", "MAS_GATEWAY__AUDIT__SEAL_INTERVAL": "0.1"}
    with (
        house_at(tmp_path, anyio_backend, **small) as house,
        house.typing("tail", "-f", "-n", "0", "--type", "note", "--json") as tail,
    ):
        wait(lambda: looks(house.client))
        sent = 0
        while not list((tmp_path / ".mas" / "audit-archive").glob("*")):
            house.typed("request", "scribe", "notify", "300", "--as", "author", "--timeout", "60")
            sent += 300
        house.typed("request", "scribe", "notify", "50", "--as", "author")
        sent += 50
        tail.out.expect('"type":"note"', times=sent)
        tail.signal(signal.SIGINT)
        assert tail.ended() == 0
        ids = [json.loads(line)["message_id"] for line in tail.out.lines]
        assert ids == sorted(set(ids))
        assert len(ids) == sent > house.client.xlen(KEYS.audit_messages) / 2
