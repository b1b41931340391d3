"""Read a batch, decide it, commit it together with the next read; begin again where Redis left off.

The one loop that moves messages. What it owns: its name among the gateways, a connection of its own
(its reads block), and the mirror. Errors of Redis stay inside: the loop waits and goes on; nothing
is delivered meanwhile.
"""

from collections.abc import Callable

import anyio
from anyio.abc import TaskStatus
from redis.exceptions import OutOfMemoryError, ResponseError

from mas.audit import Counter, trail_key
from mas.bus import TRIMMED, entries_of
from mas.clock import SYSTEM, Clock
from mas.directory import Mirror, Tombstones
from mas.errors import IntegrityError, RedisUnavailable
from mas.gateway.abandoned import Sweep
from mas.gateway.commit import COMMIT
from mas.gateway.counts import DecisionCounts
from mas.gateway.judge import Judge
from mas.gateway.lanes import open_streams
from mas.gateway.lease import Name
from mas.gateway.news import News
from mas.gateway.pace import Pace
from mas.gateway.submission import Submission
from mas.gateway.takeover import INTERVAL, take_over
from mas.keys import GATEWAY_GROUP, Keys
from mas.log import logger
from mas.redis import Redis, Reply, Subscriber
from mas.settings import GatewaySettings
from mas.trust import Keyring

log = logger(__name__)

BLOCK = 0.5
"""Seconds a read waits for mail; also how late a takeover is noticed."""


class Gateway:
    """One gateway.

    :param redis: the process's shared connection
    :param reading: a connection of the gateway's own, opened for reads that block for `BLOCK`
    :param settings: until the policy in Redis brings those that all gateways share
    :param tombstones: who was revoked, as far as this process knows
    :param alarm: told what is not as it must be: where, and the problem
    :param counts: goes on counting, where an earlier gateway of the process has begun to
    :param pace: goes on likewise
    """

    def __init__(
        self,
        redis: Redis,
        reading: Redis,
        subscriber: Subscriber,
        keys: Keys,
        keyring: Keyring,
        settings: GatewaySettings,
        *,
        tombstones: Tombstones | None = None,
        clock: Clock = SYSTEM,
        host: str | None = None,
        alarm: Callable[[str, str], None] | None = None,
        counts: DecisionCounts | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._alarm = alarm or _log_alarm
        self.counts, self.pace = counts or DecisionCounts(), pace or Pace()
        self._redis, self._reading, self._subscriber = redis, reading, subscriber
        self._keys, self._keyring, self._clock = keys, keyring, clock
        self._mirror = Mirror(redis, keys, keyring, alarm=self._distrust, tombstones=tombstones, clock=clock)
        self._news = News(redis, keys, self._mirror)
        self._settings = settings
        self._name = Name(redis, keys, host)
        self._streams: tuple[str, ...] = (keys.ingress,)
        # How often the own backlog grew, up to which growth the read under way looks, and up to which
        # it has been read empty: a takeover during a read is not lost.
        self._backlog_grown = self._backlog_reading = self._backlog_read = 0

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled; ready once the first read is about to be made."""
        async with self._name.held() as name, anyio.create_task_group() as tasks:
            self._counter = Counter(name, trail_key(self._keyring, self._keys.audit_messages))
            self._judge = self._appoint()
            self._subscriber.listen(self._keys.system, self._news.heard)
            try:
                await self._prepare()
                log.info("gateway is ready", gateway=name)
                task_status.started()
                tasks.start_soon(self._watch_the_others)
                tasks.start_soon(self._sweep().run)
                await self._serve()
            finally:
                self._subscriber.ignore(self._keys.system)

    async def _serve(self) -> None:
        while True:
            try:
                await self._serve_connected()
            except RedisUnavailable as error:
                log.warning("gateway lost redis; nothing is delivered until it is back", problem=str(error))
                await self._recover()
            except ResponseError as error:
                # NOGROUP after a flush, LOADING, OOM: deny and try again, never spin.
                if isinstance(error, OutOfMemoryError):
                    self._alarm("redis", "it is out of memory; nothing is delivered until it has room")
                log.error("redis refused the gateway", problem=str(error))  # noqa: TRY400 - no traceback wanted
                await self._clock.sleep(BLOCK)
                await self._recover()

    async def _recover(self) -> None:
        while True:
            try:
                await self._redis.connected()
                await self._reading.connected()
                # Whether the last commit happened is unknown: its records may stand under these numbers.
                self._counter.begin_run()
                # The loop posts it by its digest, and SCRIPT FLUSH may be what it recovers from.
                await self._redis.call("SCRIPT", "LOAD", COMMIT.source)
                await self._prepare()
            except (RedisUnavailable, ResponseError) as error:
                log.warning("gateway cannot resume yet", problem=str(error))
                await self._clock.sleep(BLOCK)
            else:
                return

    async def _prepare(self) -> None:
        await self._judge.prepare()
        await self._open_streams(anew=True)
        # Before anything new: what a dead gateway read came earlier.
        await self._take_over()
        self._backlog_grown += 1

    async def _serve_connected(self) -> None:
        judge, following = self._judge, self._read()
        while True:
            try:
                entries = list(entries_of(await following.result()))
            except ResponseError as error:
                if not await self._forgets_a_stream(error):
                    raise
                following = self._read()
                continue
            arrived = self.pace.turned = self._clock.monotonic()
            if self._backlog_read != self._backlog_grown and (gone := sum(e.fields is None for e in entries)):
                self._alarm(self._keys.ingress, f"{gone} {TRIMMED}")
            if await self._news.read():
                await self._open_streams()
            if not entries:
                self._backlog_read = self._backlog_reading
                following = self._read()
                continue
            submissions, most = [Submission(entry) for entry in entries], judge.settings.batch
            while len(submissions) > most:
                # A read takes as much from each stream as one commit may hold.
                some, submissions = submissions[:most], submissions[most:]
                batch = await judge.decide(some)
                await judge.conclude(batch, await judge.commit(self._reading, batch).result())
                self.pace.batch(most, self._clock.monotonic() - arrived)
            batch = await judge.decide(submissions)
            written = judge.commit(self._reading, batch)
            following = self._read()
            await judge.conclude(batch, await written.result())
            self.pace.batch(len(submissions), self._clock.monotonic() - arrived)

    def _read(self) -> Reply:
        own = self._backlog_read != self._backlog_grown
        self._backlog_reading = self._backlog_grown
        which = "0" if own else ">"
        waiting, most = () if own else ("BLOCK", int(BLOCK * 1000)), self._judge.settings.batch
        return self._reading.post(
            "XREADGROUP", "GROUP", GATEWAY_GROUP, self._name.value, "COUNT", most, *waiting,
            "STREAMS", *self._streams, *[which] * len(self._streams),
        )  # fmt: skip

    async def _open_streams(self, *, anew: bool = False) -> None:
        """Read the stream that all runners share, and one for each agent that has its own."""
        read = frozenset[str]() if anew else frozenset(self._streams)
        self._streams = await open_streams(self._redis, self._keys, self._mirror.lanes(), read)
        # Another gateway may have died over what this one has not looked at yet.
        self._backlog_grown += len(set(self._streams) - read)

    async def _forgets_a_stream(self, error: ResponseError) -> bool:
        """Stop reading the streams of agents that were forgotten; say whether a read failed over one."""
        if not str(error).startswith(("NOGROUP", "UNBLOCKED")):
            return False
        before = set(self._streams)
        await self._mirror.load_listed_agents()
        await self._open_streams()
        return not before <= set(self._streams)

    def _distrust(self, error: IntegrityError) -> None:
        self._alarm(error.what, f"{error.problem}; it is ignored")

    async def _watch_the_others(self) -> None:
        while True:
            await self._clock.sleep(INTERVAL)
            try:
                taken = await self._take_over()
                await self._news.look_for_lanes()
            except (RedisUnavailable, ResponseError):
                continue
            if taken:
                log.warning("took over what a dead gateway held", entries=taken)
                self._backlog_grown += 1

    async def _take_over(self) -> int:
        return await take_over(self._redis, self._keys, self._name.value, self._streams, self._alarm)

    def _appoint(self) -> Judge:
        return Judge(
            self._redis,
            self._keys,
            self._keyring,
            self._settings,
            self._mirror,
            self._news,
            self._counter,
            self.counts,
            self._clock,
            self._alarm,
        )

    def _sweep(self) -> Sweep:
        return Sweep(
            self._redis,
            self._keys,
            self._keyring.record,
            lambda: self._mirror.agents,
            lambda: self._judge.settings.delivery,
            self._clock,
        )


def _log_alarm(subject: str, problem: str) -> None:
    log.critical("security alarm", subject=subject, problem=problem)
