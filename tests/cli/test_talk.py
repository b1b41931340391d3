"""`mas send` and `mas request` from a second terminal, beside a system that runs."""

import json
import signal
import subprocess

import anyio
import click
import pytest

import mas as face
from mas.cli.payload import Payload
from mas.ids import AgentId, InstanceId
from tests.cli.beside import AGENTS, CODE, SECRET, house_at
from tests.cli.process import PATIENCE, command, environ, mas, started, write
from tests.redis.waiting import until
from tests.world import KEYS, Tally, audit


@pytest.fixture(scope="module", params=["asyncio", "trio"])
def house(request, tmp_path_factory):
    with house_at(tmp_path_factory.mktemp("house"), request.param) as opened:
        yield opened


def test_what_is_sent_is_handled_and_the_decision_is_told(house):
    told = house.typed("send", "scribe", "write", '{"line": "one"}', "--as", "ops")
    decision, message_id = told.split()
    assert decision == "ALLOWED"
    house.run.out.expect("written: {'line': 'one'}")
    (record,) = [each for each in audit(house.client) if each["message_id"] == message_id]
    assert (record["sender"], record["target"], record["type"]) == ("ops", "scribe", "write")
    joined, left = [each for each in house.events("ops") if record["instance"] in each["subject"]]
    assert (joined["event"], left["event"]) == ("ENROLLED", "LEFT")
    assert joined["actor"] == left["actor"]
    assert "@" in joined["actor"]
    as_json = json.loads(house.typed("send", "scribe", "write", "--as", "ops", "--json"))
    instance = as_json.pop("instance")
    assert instance.startswith("guest-")
    assert len(as_json.pop("message_id")) == 32
    assert as_json == {
        "sender": "ops",
        "target": "scribe",
        "type": "write",
        "decision": "ALLOWED",
        "reason": "",
    }


def test_a_decision_that_lets_through_with_changes_says_so(house):
    told = house.typed("send", "scribe", "write", '"to ann@example.org"', "--as", "ops")
    assert told.startswith("DLP_REDACTED ")
    assert "email" in told
    house.run.out.expect("written: to ")
    assert "ann@example.org" not in str(house.run.out)


def test_without_waiting_the_message_is_on_its_way(house):
    told = house.typed("send", "scribe", "write", '"later"', "--as", "ops", "--no-wait")
    assert told.startswith("submitted ")
    house.run.out.expect("written: later")


def test_a_reply_is_printed_on_one_line_or_whole(house):
    assert house.typed("request", "scribe", "echo", '{"a": [1, "é"]}', "--as", "ops") == '{"a":[1,"é"]}\n'
    reply = json.loads(house.typed("request", "scribe", "echo", "7", "--as", "ops", "--json"))
    assert (reply["type"], reply["sender"], reply["target"]) == ("echoed", "scribe", "ops")
    assert reply["payload"] == 7
    asked, answered = [
        each
        for each in audit(house.client)
        if reply["correlation_id"] in {each["message_id"], each.get("correlation_id")}
    ]
    assert asked["message_id"] == reply["correlation_id"]
    assert answered["message_id"] == reply["message_id"]


def test_a_payload_is_an_argument_a_file_standard_input_or_nothing(house):
    (house.directory / "payload.json").write_text('{\n "from": "file"\n}\n')
    for typed, stdin, echoed in (
        (('{"from": "argument"}',), "", {"from": "argument"}),
        (("@payload.json",), "", {"from": "file"}),
        (("-",), '{"from": "input"}\n', {"from": "input"}),
        ((), "", {}),
    ):
        done = subprocess.run(
            command("request", "scribe", "echo", *typed, "--as", "ops"),
            input=stdin,
            cwd=house.directory,
            env=environ(**{**house.where, "cwd": ""}),
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
        assert json.loads(done.stdout) == echoed


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("page", "--as", "author"), "error: AUTHZ_DENIED: author -> scribe (page): nothing grants it\n"),
        (("page", "--as", "nobody"), "error: AUTHZ_DENIED: nobody -> scribe (page): nothing grants it\n"),
    ],
)
@pytest.mark.parametrize("verb", ["send", "request"])
def test_a_refusal_is_told_with_its_reason(house, verb, words, told):
    assert house.typed(verb, "scribe", *words, code=77) == told


def test_a_target_that_nobody_registered_is_refused(house):
    told = house.typed("request", "stranger", "echo", "--as", "boss", code=77)
    assert told == "error: TARGET_UNKNOWN: stranger is not registered\n"


def test_a_refusal_names_who_was_probably_meant(house):
    told = house.typed("request", "scrbe", "echo", "--as", "athor", code=77)
    assert "note: the configuration has no agent athor; did you mean author?\n" in told
    assert "note: the configuration has no agent scrbe; did you mean scribe?\n" in told
    assert "error: AUTHZ_DENIED: athor -> scrbe (echo): nothing grants it" in told
    assert "note" not in house.typed("request", "scribe", "keep", "--as", "author", code=77)


def test_while_it_waits_it_is_listed_as_a_guest(house):
    with house.typing("request", "author", "note", '"in vain"', "--as", "scribe") as waiting:
        house.run.out.expect("author noted in vain")
        lines = [line.split() for line in house.typed("agents", "list").splitlines()]
        listed = json.loads(house.typed("agents", "list", "--json"))
        waiting.signal(signal.SIGINT)
        waiting.ended()
    where = {row[1].startswith("guest-"): row[2] for row in lines if row[0] == "scribe"}
    assert where == {True: "guest", False: "runner"}
    guests = {
        each["instance_id"].startswith("guest-"): each["guest"]
        for agent in listed
        if agent["agent_id"] == "scribe"
        for each in agent["instances"]
    }
    assert guests == {True: True, False: False}


def test_a_guest_makes_nobody_of_its_id_reachable(house):
    with house.typing("request", "scribe", "meet", '"me"', "--as", "ops") as waiting:
        anyio.run(until, lambda: house.instances("ops"), backend="trio")
        told = house.typed("send", "ops", "hello", "--as", "boss", code=77)
        assert "TARGET_UNKNOWN: ops is not registered" in told
        house.typed("request", "scribe", "meet", "--as", "ops")
        assert waiting.ended() == 0


def test_no_reply_in_time_is_told_and_leaves_nothing_behind(house):
    before = house.lasting()
    told = house.typed("request", "scribe", "keep", "--as", "ops", "--timeout", "0.2", code=1)
    assert told == "error: no reply from scribe to keep within 0.2 s\n"
    house.typed("send", "scribe", "keep", "--as", "ops")
    house.typed("request", "scribe", "echo", "--as", "author")
    # Replied to after its time, which is refused; and given up after it left, of which nobody is told.
    house.typed("request", "scribe", "meet", "--as", "ops", "--timeout", "0.2", code=1)
    house.typed("request", "scribe", "meet", "--as", "ops")
    house.typed("send", "scribe", "fail", "--as", "ops")
    dead = {"decision": "DEAD_LETTERED", "sender": "ops"}
    anyio.run(
        until, lambda: any(dead.items() <= each.items() for each in audit(house.client)), backend="trio"
    )
    house.typed("send", "scribe", "page", "--as", "nobody", code=77)
    assert house.lasting() <= before


def test_a_receiver_that_fails_is_told_and_is_no_refusal(house):
    told = house.typed("request", "scribe", "fail", "--as", "ops", code=1)
    assert told.startswith("error: DEAD_LETTERED: ")
    assert "ValueError" in told


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130)])
def test_interrupted_in_the_middle_of_a_request_it_leaves_no_instance_behind(house, number, code):
    before, kept = house.lasting(), sum("kept for ops" in line for line in house.run.out.lines)
    with house.typing("request", "scribe", "keep", "--as", "ops") as waiting:
        house.run.out.expect("kept for ops", times=kept + 1)
        (instance,) = [name for name in house.instances("ops") if house.client.exists(beat("ops", name))]
        waiting.signal(number)
        assert waiting.ended() == code
    assert str(waiting.out) + str(waiting.err) == ""
    assert instance not in house.instances("ops")
    assert not list(house.client.scan_iter(f"agent*{instance}*"))
    assert house.lasting() <= before
    assert house.events("ops")[-1]["event"] == "LEFT"


def beat(agent, instance):
    return KEYS.heartbeat(AgentId(agent), InstanceId(instance))


def test_two_at_once_under_one_id_get_each_its_own_reply(house):
    with (
        house.typing("request", "scribe", "meet", '"one"', "--as", "ops") as one,
        house.typing("request", "scribe", "meet", '"two"', "--as", "ops") as two,
    ):
        assert [one.ended(), two.ended()] == [0, 0]
        assert [str(one.out), str(two.out)] == ['"one"\n', '"two"\n']


def test_the_agent_that_runs_keeps_its_mail_and_its_registration(house):
    def registration():
        record = house.client.hmget(KEYS.agent(AgentId("author")), "record", "status")
        return record, house.client.smembers(KEYS.capability("writing"))

    before = registration()
    assert house.typed("request", "scribe", "notify", "20", "--as", "author") == "{}\n"
    for number in range(20):
        house.run.out.expect(f"author noted {number}\n")
    assert registration() == before
    assert house.client.xpending(KEYS.stream(AgentId("author")), "agents")["pending"] == 0
    (consumer,) = house.client.xinfo_consumers(KEYS.stream(AgentId("author")), "agents")
    assert not consumer["name"].startswith(b"guest-")


def test_one_that_was_revoked_does_not_speak(house):
    house.typed("agents", "revoke", "gone", "--reason", "no more")
    count = len(audit(house.client))
    told = house.typed("send", "scribe", "write", "--as", "gone", code=77)
    assert told == "error: gone may not enrol: gone was revoked: no more\n"
    assert (len(audit(house.client)), house.instances("gone")) == (count, set())


def test_one_that_is_revoked_while_it_waits_does_not_wait_on(house):
    kept = sum("kept for boss" in line for line in house.run.out.lines)
    with house.typing("request", "scribe", "keep", "--as", "boss") as waiting:
        house.run.out.expect("kept for boss", times=kept + 1)
        house.typed("agents", "revoke", "boss")
        assert waiting.ended() == 77
    assert "boss may not enrol: it is gone from redis: it was revoked" in str(waiting.err)
    house.typed("agents", "lift", "boss")


@pytest.fixture
def credentials(house):
    """A file for an instance of `out`, which is enrolled to run elsewhere."""
    house.typed("agents", "enroll", "out", "-o", "out.json")
    return house.directory / "out.json"


def test_credentials_speak_without_configuration_or_secret(house, credentials, tmp_path):
    words = ("request", "scribe", "notify", "3", "--credentials", credentials)
    done = mas(*words, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "{}\n", "")
    refused = mas("send", "author", "note", "--credentials", credentials, cwd=tmp_path)
    assert refused.returncode == 77
    assert refused.stderr.startswith("error: AUTHZ_DENIED: out -> author (note)")
    # What came for the agent meanwhile is there when it runs itself.
    assert anyio.run(noted, credentials, 3, backend="trio") == [0, 1, 2]


async def noted(file, count):
    tally = Tally()

    class Out(face.Agent[dict[str, object]]):
        @face.Agent.on("note")
        async def note(self, message, _):
            tally.note(message.data)

    async with face.connect(file, Out, concurrency=1):
        return await tally.reaches(count)


def test_two_at_once_by_the_same_credentials_speak_one_after_the_other(house, credentials, tmp_path):
    words = ("request", "scribe", "echo", "--credentials", credentials)
    with started(*words, "1", cwd=tmp_path) as one, started(*words, "2", cwd=tmp_path) as two:
        assert [one.ended(), two.ended()] == [0, 0]
        assert [str(one.out), str(two.out)] == ["1\n", "2\n"]


def test_credentials_by_which_somebody_lives_are_not_used(house, credentials, tmp_path):
    async def beside():
        async with face.connect(credentials, face.Agent[dict[str, object]]) as out:
            done = await anyio.to_thread.run_sync(speak)
            # Its answers are still its own.
            assert (await out.request("scribe", "echo", 1, timeout=PATIENCE)).data == 1
            return done

    def speak():
        return mas("request", "scribe", "echo", "--credentials", credentials, cwd=tmp_path)

    done = anyio.run(beside, backend="trio")
    assert done.returncode == 77
    assert "enrol another instance of it" in done.stderr


def test_waiting_for_credentials_can_be_interrupted(house, credentials, tmp_path):
    key = beat("out", json.loads(credentials.read_text())["instance_id"])
    house.client.set(key, "somebody's")
    with started("send", "scribe", "write", "--credentials", credentials, cwd=tmp_path) as waiting:
        waiting.err.expect("waiting for who uses these credentials")
        waiting.signal(signal.SIGINT)
        assert waiting.ended() == 130
    assert house.client.getdel(key) == b"somebody's"


def test_credentials_that_cannot_be_used_are_refused(house, credentials, tmp_path):
    def spoken(file):
        done = mas("send", "scribe", "write", "--credentials", file, cwd=tmp_path)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stderr

    code, told = spoken("none.json")
    assert (code, "none.json: cannot be read" in told) == (78, True)
    (tmp_path / "other.json").write_text('{"agent_id": "out"}')
    (tmp_path / "other.json").chmod(0o600)
    code, told = spoken("other.json")
    assert (code, "this is not a credentials file" in told) == (78, True)
    (tmp_path / "open.json").write_bytes(credentials.read_bytes())
    (tmp_path / "open.json").chmod(0o644)
    code, told = spoken("open.json")
    assert (code, "others may read these credentials" in told) == (78, True)
    held = json.loads(credentials.read_text())
    house.typed("agents", "revoke", f"out:{held['instance_id']}")
    code, told = spoken(credentials)
    assert code == 77
    assert held["token"] not in told


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("scribe", "write"), "say who speaks: --as AGENT, or --credentials FILE"),
        (("scribe", "write", "--as", "a", "--credentials", "b"), "say who speaks"),
        (("scribe", "a b", "--as", "ops"), "'a b' is no message type"),
        (("scribe", "a", "--credentials", "b", "--config", "c"), "--credentials need no --config"),
        (("scribe", "a", "--as", "b", "--allow-plaintext"), "goes with --credentials"),
        (("scribe", "mas.failed", "--as", "ops"), "'mas.failed' is no message type"),
        (("scribe", "write", "{", "--as", "ops"), "line 1, column 2"),
        (("scribe", "write", "@none", "--as", "ops"), "none: No such file or directory"),
    ],
)
def test_wrong_usage_exits_with_2(tmp_path, words, told):
    done = mas("send", *words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr


def test_a_payload_that_the_gateway_would_call_malformed_is_not_sent(house):
    count = len(audit(house.client))
    for payload, told in (
        ("[" * 99 + "]" * 99, "nested deeper than 64"),
        ("1" * 200, "a number of more than 128 digits"),
    ):
        assert told in house.typed("send", "scribe", "write", payload, "--as", "ops", code=2)
    assert len(audit(house.client)) == count


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ('{"a": x}', 'it is no JSON, line 1, column 7: Expecting value\n  {"a": x}\n        ^'),
        ('{"a":\n  tru}', "it is no JSON, line 2, column 3: Expecting value\n    tru}\n    ^"),
        ("[1,2\n", "it is no JSON, line 1, column 5: Expecting ',' delimiter\n  [1,2\n      ^"),
        ('"' + "x" * 100 + '" y', f'it is no JSON, line 1, column 104: Extra data\n  {"x" * 28}" y\n'),
        ('["\x1b[2J", }', 'it is no JSON, line 1, column 3: Invalid control character at\n  ["\\x1b[2J", }'),
        ("", "it is empty"),
        (" \n", "it is empty"),
        ("NaN", "it is no JSON"),
        ('{"a": {"b": 1, "b": 2}}', "it has the key b twice in one object"),
        ("[" * 100_000, "it is no JSON"),
        ("1" * 5_000, "it is no JSON"),
        ("\ufeff1", "it is no JSON"),
        ('"\\ud800"', "it is no JSON"),
    ],
)
def test_what_is_no_json_is_shown_where_it_ceases_to_be(typed, told):
    with pytest.raises(click.BadParameter) as failed:
        Payload().convert(typed, None, None)
    assert failed.value.message.startswith(told)


def test_where_nothing_runs_that_is_told(tmp_path):
    write(tmp_path, code=CODE, agents=AGENTS)
    for verb in ("send", "request"):
        done = mas(verb, "scribe", "echo", "--as", "ops", cwd=tmp_path, **SECRET)
        assert (done.returncode, done.stdout) == (69, "")
        assert "nothing runs here" in done.stderr
        done = mas(
            *(verb, "scribe", "echo", "--as", "ops"),
            cwd=tmp_path,
            MAS_SERVICE_REDIS_URL="redis://127.0.0.1:1",
            **SECRET,
        )
        assert done.returncode == 69
        assert "error: no Redis at 127.0.0.1:1" in done.stderr


def test_what_no_gateway_decides_in_time_is_decided_later(tmp_path, anyio_backend):
    with house_at(tmp_path, anyio_backend, "--only", "agents", "--only", "service") as house:
        told = house.typed("send", "scribe", "write", '"kept"', "--as", "ops", "--timeout", "0.3", code=1)
        assert told.startswith("error: no decision about write to scribe within 0.3 s; the message waits")
        (instance,) = house.instances("ops")
        # Its token lives on, or what it said would be refused; the registry looks after the rest.
        assert house.client.ttl(KEYS.token_hash(AgentId("ops"), InstanceId(instance))) > 0
        assert not house.client.exists(beat("ops", instance))
        with started("run", "--only", "gateway", **house.where) as gateway:
            gateway.ready()
            house.run.out.expect("written: kept")
            assert gateway.stop() == 0
