"""The stage of a chaos trial: a server, a sender here, gateways and receivers in processes that may die."""

import random
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import anyio
from redis.exceptions import RedisError, ResponseError

from mas import RedisUnavailable, open_system
from mas.system import Part
from mas.testing.server import Server, redis_server
from tests.faults.cast import Receiver, Sender
from tests.faults.checker import check, losses
from tests.faults.outcome import Outcome, outcome
from tests.faults.proxy import Proxy, proxy
from tests.faults.runner import Running, process
from tests.faults.watch import Watch
from tests.redis.waiting import until
from tests.world import ENVIRON, data_dir, deployment, own_files

HERE: frozenset[Part] = frozenset({"agents", "service"})
LEASE = 1.0
LATEST = 60.0
"""Seconds after the last send in which all must be done."""
AHEAD = 1_000
B = "agent.stream:b"
INGRESS = "mas.gateway.ingress"
Fsync = Literal["no", "everysec", "always"]
_SETTINGS = {
    # Receivers die all the time here; that a breaker then refuses what is for them is another test's subject.
    "features": {"circuit_breaker": False},
    "delivery": {"lease": LEASE, "backoff_first": 0.01, "backoff_cap": 0.05, "max_attempts": 20},
    "redis": {"response_timeout": 1, "connect_timeout": 2},
}


class Play:
    """What a scenario may do to those on the stage.

    :ivar chance: decides when; seeded
    :ivar pause: seconds between two sends of one sender
    :ivar ahead: messages that may have been sent and not been handled; then the senders wait
    :ivar flushed: whether somebody has deleted everything, the trail included
    :ivar kinds: from a message's number to its type
    """

    def __init__(
        self,
        server: Server,
        between: Proxy | None,
        journal: Path,
        backend: str,
        chance: random.Random,
        count: int,
        *,
        eager: bool,
        kinds: Callable[[int], str],
    ) -> None:
        self.server, self.between, self.chance, self.count = server, between, chance, count
        self.watch, self.client, self.stack = Watch(journal), server.client(), AsyncExitStack()
        self._backend, self._eager, self.kinds = backend, eager, kinds
        self.accepted: list[int] = []
        self.tried, self.over, self.pause = 0, False, 0.004
        self._paused, self._sending, self.begin, self._never = False, 0, 0, 0
        self.ahead, self.flushed = AHEAD, False
        self.recovery, self._fault = 0.0, (time.monotonic(), 0)
        receiver = {
            "class_path": "tests.faults.cast:Receiver",
            "init_kwargs": {"journal": str(journal)},
            "concurrency": 16,
        }

        def known(**agents: Any) -> dict[str, Any]:
            return deployment(
                server.url,
                permissions=[{"type": "allow", "from": "a", "to": "b"}],
                gateway=_SETTINGS,
                options={"data_dir": str(data_dir(server.url))},
                **agents,
            )

        self.here, self._there = known(a=Sender), known(b=receiver)
        self.both = known(a=Sender, b={**receiver, "class_path": Receiver})

    async def gateway(self, *, waiting: bool = False, cut_off: bool = False) -> Running:
        """Start a gateway.

        :param waiting: leave it to the scenario to let it start
        :param cut_off: let it find Redis by way of the proxy
        """
        return await self._start({**self.here, "agents": []}, "gateway", waiting, cut_off)

    async def receiver(self, *, waiting: bool = False, cut_off: bool = False) -> Running:
        """Start an instance of the receiver; the parameters are those of `gateway`."""
        return await self._start(self._there, "agents", waiting, cut_off)

    async def _start(self, config: dict[str, Any], parts: str, waiting: bool, cut_off: bool) -> Running:
        if cut_off:
            assert self.between is not None
            config = {**config, "service_redis_url": self.between.url}
        how = process(config, parts, self._backend, waiting=waiting, eager=self._eager)
        return await self.stack.enter_async_context(how)

    async def handled(self, share: float) -> None:
        """Wait until so much of what is to be sent was handled, or nothing has been for long."""
        with suppress(TimeoutError):
            await until(lambda: self.watch.starts >= self.count * share, within=LATEST, every=0.01)

    def fault(self) -> None:
        """Note that now something happens from which all must recover."""
        self._fault = time.monotonic(), self.tried

    async def recovered(self, *, within: float = 40) -> None:
        """Wait until something is handled that was sent after the fault; what that took is recovery."""
        began, after = self._fault
        with suppress(TimeoutError):
            await until(lambda: self.watch.latest > after, within=within, every=0.01)
        self.recovery = max(self.recovery, time.monotonic() - began)

    async def begin_anew(self) -> None:
        """Count only what is sent from here on, once all that is under way has come to rest."""
        self._paused = True
        await until(lambda: not self._sending, within=LATEST, every=0.01)
        with suppress(TimeoutError):
            await until(self._empty, within=LATEST, every=0.05)
        self.accepted.clear()
        self._never = self.tried - self.watch.starts
        self.begin, self._paused = len(self.watch.journal.read()), False

    async def say(self, agent: Any, senders: int) -> None:
        """Send until all is sent and the faults are over; a send that fails is not repeated: nobody knows."""

        async def some() -> None:
            while self.tried < self.count or not self.over:
                await anyio.sleep(self.pause)
                if self._paused or self.tried - self._never - self.watch.starts > self.ahead:
                    await anyio.sleep(0.02)
                    continue
                number = self.tried
                self.tried += 1
                self._sending += 1
                try:
                    await agent.send("b", self.kinds(number), number)
                except (RedisUnavailable, ResponseError):
                    continue
                finally:
                    self._sending -= 1
                self.accepted.append(number)

        async with anyio.create_task_group() as tasks:
            for _ in range(senders):
                tasks.start_soon(some)

    async def quiet(self) -> None:
        """Wait until all that was accepted is done; leave it to the checker to say what is not."""
        with suppress(TimeoutError):
            await until(self._empty, within=LATEST, every=0.05)

    def _empty(self) -> bool:
        try:
            # In the order in which messages pass, so that none does so between the two looks.
            return bool(self.client.xlen(INGRESS) == self.client.xlen(B) == 0)
        except RedisError:
            return False

    def keys(self) -> int:
        """Count the keys that have no end."""
        return sum(self.client.ttl(key) < 0 for key in self.client.scan_iter())

    def consumers(self) -> dict[str, int]:
        """Count the consumers of each stream."""
        groups = ((key, self.client.xinfo_groups(key)) for key in self.client.scan_iter(_type="stream"))
        return {key.decode(): sum(group["consumers"] for group in found) for key, found in groups}


async def trial(
    faults: Callable[[Play], Any],
    *,
    directory: Path,
    backend: str,
    seed: int,
    count: int,
    fsync: Fsync = "no",
    over_proxy: bool = False,
    eager: bool = False,
    senders: int = 8,
    kinds: Callable[[int], str] = lambda _: "work",
) -> Outcome:
    """Send messages while faults happen; then let everything come to rest and look.

    :param faults: what happens meanwhile, given the play; it starts gateways and receivers
    :param fsync: what Redis keeps of what it accepted; "no": nothing
    """
    extra = () if fsync == "no" else ("--appendfsync", fsync)
    appendonly: Literal["yes", "no"] = "no" if fsync == "no" else "yes"
    with redis_server(port=0, appendonly=appendonly, extra=extra) as server, own_files(server.url):
        assert server.port is not None
        chance = random.Random(seed)
        async with AsyncExitStack() as stack:
            between = await stack.enter_async_context(proxy(server.port)) if over_proxy else None
            play = Play(
                server, between, directory / "journal", backend, chance, count, eager=eager, kinds=kinds
            )
            with play.client:
                return await _run(play, faults, senders)


async def _run(play: Play, faults: Callable[[Play], Any], senders: int) -> Outcome:
    # Both are known before anybody sends.
    async with open_system(play.both, parts=HERE, environ=ENVIRON):
        pass
    async with (
        open_system(play.here, parts=HERE, environ=ENVIRON) as system,
        play.stack,
        anyio.create_task_group() as watching,
    ):
        watching.start_soon(play.watch.run)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(play.say, system.agent("a"), senders)
            await faults(play)
            play.over = True
        await play.quiet()
        watching.cancel_scope.cancel()
    report = check(play.client, play.accepted, play.watch.journal.read()[play.begin :], "b")
    if play.flushed:
        # That records and seals are gone must be seen, and nothing else be amiss.
        gone, altered = losses(play.client)
        report = report._replace(broken=altered + (not gone))
    return outcome(
        report,
        sent=play.tried,
        accepted=len(play.accepted),
        recovery=play.recovery,
        peak=play.watch.most_memory,
    )


@asynccontextmanager
async def suspended(running: Running) -> AsyncGenerator[None]:
    """Let a process stand still for the length of a block."""
    running.suspend()
    try:
        yield
    finally:
        running.resume()
