"""Read a batch, decide it, commit it together with the next read; begin again where Redis left off.

The one loop that moves messages. What it owns: its name among the gateways, a connection of its own
(its reads block), and the mirror. Errors of Redis stay inside: the loop waits and goes on; nothing
is delivered meanwhile.
"""

from collections.abc import Callable
from typing import Any

import anyio
import msgspec
from anyio.abc import TaskStatus
from redis.exceptions import OutOfMemoryError, ResponseError

from mas.audit import Counter, trail_key
from mas.bus import TRIMMED, entries_of
from mas.clock import SYSTEM, Clock
from mas.directory import Mirror, Tombstones
from mas.errors import IntegrityError, RedisUnavailable
from mas.gateway.abandoned import Sweep
from mas.gateway.batch import Batch, decide_batch, refuse_batch
from mas.gateway.change import UNSEALED, Outcome, pack
from mas.gateway.commit import COMMIT
from mas.gateway.counts import DecisionCounts
from mas.gateway.floods import Floods
from mas.gateway.lanes import open_streams
from mas.gateway.lease import Name
from mas.gateway.measures import Measures
from mas.gateway.pace import Pace
from mas.gateway.refusals import refusal_for
from mas.gateway.snapshot import Snapshot
from mas.gateway.submission import Submission
from mas.gateway.takeover import INTERVAL, take_over
from mas.gateway.verdict import Verdict
from mas.ids import AgentId, InstanceId, is_valid
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
        self._floods = Floods(settings.authentication.recorded_failures, self._alarm)
        self._redis, self._reading, self._subscriber = redis, reading, subscriber
        self._keys, self._keyring, self._clock = keys, keyring, clock
        self._mirror = Mirror(redis, keys, keyring, alarm=self._distrust, tombstones=tombstones, clock=clock)
        self._measures = Measures(settings, keys, keyring)
        self._name = Name(redis, keys, host)
        self._streams: tuple[str, ...] = (keys.ingress,)
        self._stale_agents: set[AgentId] = set()
        self._lanes_listed: frozenset[bytes] = frozenset()
        self._mirror_is_stale = False
        # How often the own backlog grew, up to which growth the read under way looks, and up to which
        # it has been read empty: a takeover during a read is not lost.
        self._backlog_grown = self._backlog_reading = self._backlog_read = 0
        self._redis_is_ahead = 0.0
        self.decided = 0
        """Messages decided since the start."""

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled; ready once the first read is about to be made."""
        async with self._name.held() as name, anyio.create_task_group() as tasks:
            self._counter = Counter(name, trail_key(self._keyring, self._keys.audit_messages))
            self._subscriber.listen(self._keys.system, self._heard)
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
        seconds, micros = await self._redis.call("TIME")
        self._redis_is_ahead = int(seconds) + int(micros) / 1e6 - self._clock.wall()
        self._mirror_is_stale = False
        self._stale_agents.clear()
        await self._mirror.load()
        self._follow_settings()
        await self._open_streams(anew=True)
        # Before anything new: what a dead gateway read came earlier.
        await self._take_over()
        self._backlog_grown += 1

    async def _serve_connected(self) -> None:
        following = self._read()
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
            await self._refresh()
            if not entries:
                self._backlog_read = self._backlog_reading
                following = self._read()
                continue
            submissions, most = [Submission(entry) for entry in entries], self._measures.settings.batch
            while len(submissions) > most:
                # A read takes as much from each stream as one commit may hold.
                some, submissions = submissions[:most], submissions[most:]
                batch = await self._decide(some)
                await self._conclude(batch, await self._commit(self._reading, batch).result())
                self.pace.batch(most, self._clock.monotonic() - arrived)
            batch = await self._decide(submissions)
            written = self._commit(self._reading, batch)
            following = self._read()
            await self._conclude(batch, await written.result())
            self.pace.batch(len(submissions), self._clock.monotonic() - arrived)

    def _read(self) -> Reply:
        own = self._backlog_read != self._backlog_grown
        self._backlog_reading = self._backlog_grown
        which = "0" if own else ">"
        waiting, most = () if own else ("BLOCK", int(BLOCK * 1000)), self._measures.settings.batch
        return self._reading.post(
            "XREADGROUP", "GROUP", GATEWAY_GROUP, self._name.value, "COUNT", most, *waiting,
            "STREAMS", *self._streams, *[which] * len(self._streams),
        )  # fmt: skip

    async def _decide(self, submissions: list[Submission], before: Batch | None = None) -> Batch:
        self.decided += len(submissions)
        snapshot = self._snapshot()
        return await decide_batch(
            submissions,
            snapshot,
            self._measures.stages,
            self._counter,
            self._redis,
            self._measures.buckets,
            self._floods,
            self._alarm,
            before,
        )

    def _commit(self, connection: Redis, batch: Batch) -> Reply:
        return connection.post_script(COMMIT, (), (pack(batch.commit(self._snapshot())),))

    async def _conclude(self, batch: Batch, outcomes: Any, *, again: bool = False) -> None:
        """See to what the commit left undone; on the shared connection, which never blocks.

        :param again: it is decided for the second time over its tokens: what does not hold now, never will
        """
        while not isinstance(outcomes, list):
            await self._mend(batch, outcomes)
            batch = await self._decide(batch.submissions, batch)
            outcomes = await self._run_commit(batch)
        if self._all_done(batch, outcomes):
            return
        refused, doubted = [], []
        for submission, outcome in zip(batch.submissions, outcomes, strict=True):
            if (refusal := refusal_for(outcome)) is None:
                continue
            if outcome == Outcome.TOKEN_INVALID and not again:
                # Rotated since the mirror looked, perhaps, and not revoked.
                self._mirror.forget_sender(submission.agent, submission.instance)
                doubted.append(_again(submission))
                continue
            if outcome == Outcome.FORGOTTEN and submission.message is not None:
                # News of it may be lost; the mirror looks.
                self._stale_agents.add(submission.message.target_id)
            submission.proven &= outcome != Outcome.TOKEN_INVALID
            refused.append((submission, refusal))
        if refused:
            await self._conclude_refusals(refused)
        if doubted:
            batch = await self._decide(doubted)
            await self._conclude(batch, await self._run_commit(batch), again=True)

    async def _conclude_refusals(self, refused: list[tuple[Submission, Verdict]]) -> None:
        while refused:
            batch = refuse_batch(refused, self._snapshot(), self._counter, self._floods)
            outcomes = await self._run_commit(batch)
            if not isinstance(outcomes, list):
                await self._mend(batch, outcomes)
                continue
            self._all_done(batch, outcomes)
            # Of two copies that were refused together, the second met the mark of the first.
            refused = [
                (submission, refusal)
                for submission, outcome in zip(batch.submissions, outcomes, strict=True)
                if (refusal := refusal_for(outcome)) is not None
            ]

    def _all_done(self, batch: Batch, outcomes: list[int]) -> bool:
        """Count what was done and give back the numbers of what was not; say whether all was."""
        if not any(outcomes):
            self.counts.add(batch.decisions)
            return True
        self.counts.add(
            decision for decision, outcome in zip(batch.decisions, outcomes, strict=True) if not outcome
        )
        self._counter.give_back(
            count for count, outcome in zip(batch.counts, outcomes, strict=True) if outcome
        )
        return False

    async def _mend(self, batch: Batch, outcome: int | bytes | None) -> None:
        """See to what kept a whole batch from being committed.

        :param outcome: `UNSEALED`, or the policy as it is now
        """
        self._counter.give_back(batch.counts)
        if outcome == UNSEALED:
            self._alarm("audit:messages", "too many records wait for their seal; nothing is committed")
            await self._clock.sleep(BLOCK)
        else:
            assert not isinstance(outcome, int)  # noqa: S101 - there is no other
            self._mirror.take_policy(outcome)

    async def _run_commit(self, batch: Batch) -> Any:
        packed = pack(batch.commit(self._snapshot()))
        return await self._redis.run_script(COMMIT, (), (packed,))

    def _snapshot(self) -> Snapshot:
        self._follow_settings()
        now = self._clock.wall() + self._redis_is_ahead
        measures = self._measures
        return Snapshot(self._mirror, measures.settings, self._keyring, self._keys, measures.scanner, now)

    def _follow_settings(self) -> None:
        """Take up the settings that came with the policy, if they are others."""
        text = self._mirror.policy.gateway
        if text in {b"", self._measures.text} or (settings := self._mirror.policy.settings) is None:
            return
        self._measures = Measures(settings, self._keys, self._keyring, text, self._measures)
        self._floods.rate = float(settings.authentication.recorded_failures)
        self._measures.tell()

    async def _refresh(self) -> None:
        if self._mirror_is_stale:
            self._mirror_is_stale = False
            self._stale_agents.clear()
            await self._mirror.load()
        elif self._stale_agents:
            stale, self._stale_agents = self._stale_agents, set()
            await self._mirror.load_agents(stale)
        else:
            return
        await self._open_streams()

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

    def _heard(self, event: bytes | None) -> None:
        """Take note of an event; None means that some may have been missed."""
        if event is None:
            self._mirror_is_stale = True
            return
        try:
            about = msgspec.json.decode(event, type=_Event)
        except msgspec.DecodeError:
            return
        self._stale_agents.add(about.agent_id)
        if about.instance_id is not None:
            # It joined under a new token, or left.
            self._mirror.forget_sender(about.agent_id, about.instance_id)

    def _distrust(self, error: IntegrityError) -> None:
        self._alarm(error.what, f"{error.problem}; it is ignored")

    async def _watch_the_others(self) -> None:
        while True:
            await self._clock.sleep(INTERVAL)
            try:
                taken = await self._take_over()
                await self._look_for_lanes()
            except (RedisUnavailable, ResponseError):
                continue
            if taken:
                log.warning("took over what a dead gateway held", entries=taken)
                self._backlog_grown += 1

    async def _take_over(self) -> int:
        return await take_over(self._redis, self._keys, self._name.value, self._streams, self._alarm)

    def _sweep(self) -> Sweep:
        return Sweep(
            self._redis,
            self._keys,
            self._keyring.record,
            lambda: self._mirror.agents,
            lambda: self._measures.settings.delivery,
            self._clock,
        )

    async def _look_for_lanes(self) -> None:
        """Notice an agent with an ingress stream of its own, should the event that told of it be lost."""
        listed = frozenset(await self._redis.call("SUNION", self._keys.outsiders, self._keys.confined))
        if listed != self._lanes_listed:
            self._lanes_listed = listed
            names = (name.decode("utf-8", "replace") for name in listed)
            self._stale_agents.update(AgentId(name) for name in names if is_valid(name))


class _Event(msgspec.Struct, frozen=True):
    agent_id: AgentId
    instance_id: InstanceId | None = None


def _again(submission: Submission) -> Submission:
    submission.proven, submission.permit = False, None
    return submission


def _log_alarm(subject: str, problem: str) -> None:
    log.critical("security alarm", subject=subject, problem=problem)
