"""An instance in a process of its own: same life, same API, and its end is its own."""

import logging
import os
import signal
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from mas import Agent, ConfigurationError, MasError, ProcessFailed, RequestTimeout
from mas.agent.process import Isolated, ending
from mas.supervision import Event, State
from mas.supervision.events import Failed, Finished, Started
from tests.agent.crew import Asking, Broken, Fragile, Worker
from tests.redis.waiting import lives, until
from tests.world import KEYRING, SECRET, asking, running


class Boss(Agent[dict[str, Any]]):
    """Asks from the owner's process."""


@pytest.fixture
def redis_url(closed_url):
    """Have them all confined: what is true of those is true of the others."""
    return closed_url


@pytest.fixture
def journal(tmp_path):
    return tmp_path / "journal"


def alone(journal: Path, cls: type = Worker, **options: Any) -> dict[str, Any]:
    kwargs = {"journal": str(journal), **options.pop("init_kwargs", {})}
    return {"class_path": cls, "process": True, "init_kwargs": kwargs, **options}


def lines(journal: Path) -> list[str]:
    return journal.read_text().splitlines() if journal.exists() else []


def pid(system, path="agents/worker"):
    return next(node.pid for node in system.look().tree.walk() if node.path == path)


def replaced(system, victim):
    """Say whether another process has taken the place of this one."""
    return pid(system) not in {0, victim}


async def test_it_answers_from_another_process_that_is_gone_afterwards(redis_url, journal):
    async with running(redis_url, worker=alone(journal), boss=Boss) as system:
        answer = await system.agent("boss").request("worker", "echo", {"n": 1}, timeout=10)
        assert answer.data["data"] == {"n": 1}
        assert answer.data["pid"] == pid(system) != os.getpid()
    assert not lives(answer.data["pid"])
    assert lines(journal) == ["stopped"]


async def test_it_may_ask_and_keep_state_like_any_other(redis_url, journal):
    asking = {"class_path": Asking, "process": True}
    async with running(redis_url, asker=asking, worker=alone(journal), boss=Boss) as system:
        answer = await system.agent("boss").request("asker", "relay", {"n": 2}, timeout=10)
        assert answer.data["answer"]["data"] == {"n": 2}
        assert len({answer.data["pid"], answer.data["answer"]["pid"], os.getpid()}) == 3
        assert answer.data["state"] == {"asked": 1}


def started_with(pid):
    return "".join(Path(f"/proc/{pid}/{file}").read_text() for file in ("environ", "cmdline"))


async def test_it_is_given_its_own_credential_and_nothing_of_the_deployment(redis_url, journal, monkeypatch):
    monkeypatch.setenv("MAS_SECRET", SECRET)
    monkeypatch.setenv("SOMETHING_ELSE", "stays")
    async with running(redis_url, worker=alone(journal), boss=Boss) as system:
        seen = (await system.agent("boss").request("worker", "look", timeout=10)).data
        handed = started_with(pid(system))
    assert seen["environ"]["SOMETHING_ELSE"] == "stays"
    assert not [name for name in seen["environ"] if name.startswith("MAS_")]
    assert SECRET not in handed + seen["argv"]
    assert redis_url not in seen["argv"]
    assert seen["stdin"] == os.devnull
    assert not {"mas.gateway", "mas.registry", "mas.system"} & set(seen["modules"])


async def test_it_inherits_no_descriptor_but_its_own_pipes(redis_url, journal, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    with secret.open() as ours:
        os.set_inheritable(ours.fileno(), True)  # as one that an application forgot
        async with running(redis_url, worker=alone(journal), boss=Boss) as system:
            seen = (await system.agent("boss").request("worker", "look", timeout=10)).data["open"]
    pipes = [place for place in seen if place.startswith("pipe:")]
    assert len(pipes) == 3  # orders, reports, lifeline
    assert {place.partition(":")[0] for place in seen} <= {"pipe", "socket", "anon_inode"}


def memory(process):
    """Return what a process can write to, which is where whatever it was given ends up."""
    areas = []
    with Path(f"/proc/{process}/mem").open("rb", buffering=0) as file:
        for line in Path(f"/proc/{process}/maps").read_text().splitlines():
            place, rights, *_ = line.split()
            if rights.startswith("rw"):
                begin, end = (int(number, 16) for number in place.split("-"))
                with suppress(OSError):
                    file.seek(begin)
                    areas.append(file.read(end - begin))
    return b"".join(areas)


async def test_nowhere_in_its_memory_is_the_secret_or_a_key_that_only_its_holders_derive(
    redis_url, journal, monkeypatch
):
    monkeypatch.setenv("MAS_SECRET", SECRET)
    async with running(redis_url, worker=alone(journal), boss=Boss) as system:
        await system.agent("boss").request("worker", "echo", timeout=10)
        held = memory(pid(system))
        (seat,) = [seat for seat in system.seats if seat.name == "worker"]
        assert isinstance(seat.life, Isolated)
        assert seat.life._credential.token in held
    assert SECRET.encode() not in held
    for purpose in ("permit", "record", "audit", "digest", "payload"):
        assert getattr(KEYRING, purpose) not in held, purpose


async def test_a_kill_for_want_of_memory_is_named_as_one(redis_url, journal, tmp_path, monkeypatch):
    """Only the kernel's count is ours here: no test should exhaust the machine's memory."""
    kernel = tmp_path / "vmstat"
    kernel.write_text("oom_kill 3\n")
    monkeypatch.setattr(ending, "_KILLS", kernel)
    async with running(redis_url, worker=alone(journal)) as system:
        for count, blamed in ((4, True), (4, False)):
            victim = pid(system)
            kernel.write_text(f"oom_kill {count}\n")
            os.kill(victim, signal.SIGKILL)
            await until(partial(replaced, system, victim), within=30)
            (node,) = [node for node in system.look().tree.walk() if node.path == "agents/worker"]
            assert f"process {victim}) was killed by SIGKILL" in node.last_error
            assert ("the system ran out of memory" in node.last_error) == blamed


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("nonsense\n", 1),
        ('{"type":"unheard"}\n', 1),
        ('{"type":"counted","handled":-1}\n', 1),
        ("x" * 50_000, 60),
    ],
)
async def test_one_that_reports_nonsense_is_ended_and_started_again(redis_url, journal, text, times):
    async with running(redis_url, worker=alone(journal), boss=Boss) as system:
        victim = pid(system)
        await system.agent("boss").send("worker", "babble", {"text": text, "times": times})
        await until(partial(replaced, system, victim), within=30)
        (node,) = [node for node in system.look().tree.walk() if node.path == "agents/worker"]
        assert "reported what is no report" in node.last_error


async def test_killed_in_a_handler_it_is_restarted_and_the_message_is_handled(redis_url, journal):
    events: list[Event] = []
    gateway = {"delivery": {"lease": 1}}
    async with running(
        redis_url, gateway=gateway, worker=alone(journal), other=Worker, boss=Boss, on_event=events.append
    ) as system:
        boss = system.agent("boss")
        first = pid(system)
        answer = await boss.request("worker", "once", timeout=30)
        assert answer.data["attempt"] == 2
        assert answer.data["pid"] not in {first, os.getpid()}
        assert (await boss.request("other", "echo", timeout=10)).data["pid"] == os.getpid()
        restarts = {node.path: node.restarts for node in system.look().tree.walk()}
    assert restarts["agents/worker"] == 1
    assert sum(restarts.values()) == 1
    assert [event.path for event in events if isinstance(event, Failed)] == ["agents/worker"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
async def test_the_signal_that_ended_it_is_named(redis_url, journal, number):
    failed, again = [], anyio.Event()

    def hear(event):
        if isinstance(event, Failed):
            failed.append(event.error)
        elif isinstance(event, Started) and event.path == "agents/worker" and failed:
            again.set()

    async with running(redis_url, worker=alone(journal), on_event=hear) as system:
        victim = pid(system)
        os.kill(victim, number)
        with anyio.fail_after(20):
            await again.wait()
        (error,) = failed
        assert isinstance(error, ProcessFailed)
        assert (error.agent, error.pid, error.signal) == ("worker", victim, number.name)
        assert f"was killed by {number.name}" in str(error)
        (node,) = [node for node in system.look().tree.walk() if node.path == "agents/worker"]
        assert number.name in node.last_error


async def test_one_that_ends_by_itself_is_restarted_and_that_is_counted(redis_url, journal):
    events: list[Event] = []
    async with running(redis_url, worker=alone(journal), boss=Boss, on_event=events.append) as system:
        first = pid(system)
        await system.agent("boss").send("worker", "leave")
        await until(lambda: system.counts.restarts["agents/worker"])
        assert pid(system) not in {0, first}
        assert system.counts.failures["agents/worker"] == 0
    assert "agents/worker" in [event.path for event in events if isinstance(event, Finished)]


async def test_what_its_agent_raised_is_told_with_the_traceback(redis_url, journal):
    failed, enough = [], anyio.Event()

    def hear(event):
        if isinstance(event, Failed):
            failed.append(event.error)
            enough.set()

    crash = journal.with_suffix(".crash")
    crash.touch()
    async with running(redis_url, worker=alone(journal, Fragile), on_event=hear):
        with anyio.fail_after(20):
            await enough.wait()
        crash.unlink()
    assert isinstance(failed[0], ProcessFailed)
    assert "crashed: ValueError: on_start said no" in str(failed[0])
    assert any("in on_start" in note for note in failed[0].__notes__)


async def test_one_that_cannot_be_made_there_does_not_start(redis_url, journal):
    broken = alone(journal, Broken, init_kwargs={"owner": os.getpid()})
    with pytest.raises(
        Exception, match=r"worker did not start: ProcessFailed: worker .* ValueError: not here"
    ):
        async with running(redis_url, worker=broken):
            pytest.fail("it started")


@pytest.mark.parametrize("where", ["function", "program"])
async def test_a_class_that_no_process_could_import_is_refused_at_once(redis_url, where, monkeypatch):
    class Hidden(Agent[dict[str, Any]]):
        pass

    cls = Hidden if where == "function" else Boss
    if where == "program":
        monkeypatch.setattr(Boss, "__module__", "__main__")
    with pytest.raises(ConfigurationError, match="another process cannot import"):
        async with running(redis_url, worker={"class_path": cls, "process": True}):
            pytest.fail("it started")


async def test_a_blocking_handler_keeps_nobody_else_waiting(redis_url, journal):
    async with running(redis_url, worker=alone(journal, shutdown=0.5), other=Worker, boss=Boss) as system:
        boss = system.agent("boss")
        await boss.send("worker", "block", {"seconds": 600})
        await until(lambda: lines(journal) == ["blocking"])
        for _ in range(20):
            with anyio.fail_after(5):
                await boss.request("other", "echo", timeout=5)
        victim = pid(system)
        assert lives(victim)
    assert not lives(victim)
    assert lines(journal) == ["blocking"]


async def test_it_finishes_what_is_under_way_when_it_is_asked_to_stop(redis_url, journal):
    async with running(redis_url, worker=alone(journal), boss=Boss) as system:
        await system.agent("boss").send("worker", "block", {"seconds": 0.5})
        await until(lambda: lines(journal) == ["blocking"])
        await system.root.stop("agents/worker")
        assert lines(journal) == ["blocking", "blocked", "stopped"]
        assert system.root.tree().find("agents/worker").state is State.STOPPED
        await system.root.start("agents/worker")
        assert (await system.agent("boss").request("worker", "echo", timeout=10)).data["pid"]


async def test_a_pause_reaches_it_and_outlives_its_restart(redis_url, journal):
    async with running(redis_url, worker=alone(journal), boss=Boss) as system:
        boss = system.agent("boss")
        await system.root.pause("agents/worker")
        await system.root.restart("agents/worker")
        with pytest.raises(RequestTimeout):
            await boss.request("worker", "echo", timeout=0.5)
        await system.root.resume("agents/worker")
        assert (await boss.request("worker", "echo", {"n": 3}, timeout=10)).data["data"] == {"n": 3}


async def test_it_is_quiet_once_its_handlers_have_returned(redis_url, journal):
    async with running(redis_url, worker=alone(journal), boss=Boss) as system:
        await system.agent("boss").send("worker", "block", {"seconds": 0.5})
        await until(lambda: lines(journal) == ["blocking"])
        await system.root.pause("agents/worker")
        (seat,) = [seat for seat in system.seats if seat.name == "worker"]
        with anyio.fail_after(10):
            await seat.quiet()
        assert lines(journal) == ["blocking", "blocked"]


async def test_the_end_of_the_process_is_quiet_too(redis_url, journal):
    async with running(redis_url, worker=alone(journal, restart="temporary"), boss=Boss) as system:
        await system.agent("boss").send("worker", "block", {"seconds": 600})
        await until(lambda: lines(journal) == ["blocking"])
        (seat,) = [seat for seat in system.seats if seat.name == "worker"]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(seat.quiet)
            os.kill(seat.pid, signal.SIGKILL)
        await seat.quiet()


async def answers(boss):
    try:
        return await boss.request("worker", "echo", timeout=1)
    except MasError:
        return None


async def test_a_new_enrolment_after_a_flush_reaches_it(redis_url, journal):
    async with running(redis_url, worker=alone(journal), boss=Boss) as system:
        boss = system.agent("boss")
        await boss.request("worker", "echo", timeout=10)
        with asking(redis_url) as client:
            client.flushall()
        with anyio.fail_after(40):
            while not await answers(boss):
                await anyio.sleep(0.1)
        assert (await boss.request("worker", "echo", timeout=5)).data["pid"] == pid(system)


async def test_its_agent_object_is_not_to_be_had_here(redis_url, journal):
    async with running(redis_url, worker=alone(journal)) as system:
        with pytest.raises(Exception, match="worker runs in a process of its own"):
            system.agent("worker")


async def test_its_log_goes_where_ours_does(redis_url, journal, capfd):
    logging.getLogger("mas").setLevel(logging.WARNING)
    async with running(redis_url, options={"loop_alarm": 0.2}, worker=alone(journal), boss=Boss) as system:
        await system.agent("boss").send("worker", "block", {"seconds": 1})
        await until(lambda: "blocked" in lines(journal))
    assert "the event loop is blocked" in capfd.readouterr().err
