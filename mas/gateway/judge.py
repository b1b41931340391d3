"""Decide a batch, commit it, and see to what the commit left undone: nothing stays without an outcome."""

from collections.abc import Callable
from typing import Any

from mas.audit import Counter
from mas.clock import Clock
from mas.directory import Mirror
from mas.gateway.batch import Batch, decide_batch, refuse_batch
from mas.gateway.change import LETTERS_ENDED, TRAIL_ENDED, UNSEALED, Outcome, pack
from mas.gateway.commit import COMMIT
from mas.gateway.counts import DecisionCounts
from mas.gateway.floods import Floods
from mas.gateway.measures import Measures
from mas.gateway.news import News
from mas.gateway.refusals import refusal_for
from mas.gateway.snapshot import Snapshot
from mas.gateway.submission import Submission
from mas.gateway.verdict import Verdict
from mas.keys import Keys
from mas.redis import Redis, Reply
from mas.settings import GatewaySettings
from mas.trust import Keyring

_FULL = 0.5
"""Seconds until a gateway looks again whether there is room."""
_ENDED = (
    "somebody wrote an entry under the last possible id, and none can follow; nothing is committed until all "
    "but that one are copied to another stream, with their ids, and that is renamed to this"
)


class Judge:
    """Judges what one gateway reads, under the policy and the settings that its mirror knows.

    :param redis: a connection that never blocks
    :param settings: until the policy in Redis brings those that all gateways share
    :param counter: numbers the records of this gateway
    :param alarm: told what is not as it must be: where, and the problem
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        keyring: Keyring,
        settings: GatewaySettings,
        mirror: Mirror,
        news: News,
        counter: Counter,
        counts: DecisionCounts,
        clock: Clock,
        alarm: Callable[[str, str], None],
    ) -> None:
        self._redis, self._keys, self._keyring, self._clock = redis, keys, keyring, clock
        self._mirror, self._news, self._counter, self._counts = mirror, news, counter, counts
        self._alarm = alarm
        self._measures = Measures(settings, keys, keyring)
        self._floods = Floods(settings.authentication.recorded_failures, alarm)
        self._redis_is_ahead = 0.0
        self._without_room = {
            UNSEALED: (keys.audit_messages, "too many records wait for their seal; nothing is committed"),
            TRAIL_ENDED: (keys.audit_messages, _ENDED),
            LETTERS_ENDED: (keys.dead_letters, _ENDED),
        }

    @property
    def settings(self) -> GatewaySettings:
        """Those in force."""
        return self._measures.settings

    async def prepare(self) -> None:
        """Learn Redis' time, and all that the mirror is to know."""
        seconds, micros = await self._redis.call("TIME")
        self._redis_is_ahead = int(seconds) + int(micros) / 1e6 - self._clock.wall()
        await self._news.read_all()
        self._follow_settings()

    async def decide(self, submissions: list[Submission], before: Batch | None = None) -> Batch:
        """Decide about each, and write what that comes to; nothing is committed yet.

        :param before: the same submissions as they were decided under a policy that has changed since
        """
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

    def commit(self, connection: Redis, batch: Batch) -> Reply:
        """Queue the commit on a connection; what it answers is for `conclude`."""
        return connection.post_script(COMMIT, (), (pack(batch.commit(self._snapshot())),))

    async def conclude(self, batch: Batch, outcomes: Any, *, again: bool = False) -> None:
        """See to what the commit left undone.

        :param outcomes: what the script answered
        :param again: it is decided for the second time over its tokens: what does not hold now, never will
        """
        while not isinstance(outcomes, list):
            await self._mend(batch, outcomes)
            batch = await self.decide(batch.submissions, batch)
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
                self._news.doubt(submission.message.target_id)
            submission.proven &= outcome != Outcome.TOKEN_INVALID
            refused.append((submission, refusal))
        if refused:
            await self._conclude_refusals(refused)
        if doubted:
            batch = await self.decide(doubted)
            await self.conclude(batch, await self._run_commit(batch), again=True)

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
            self._counts.add(batch.decisions)
            return True
        self._counts.add(
            decision for decision, outcome in zip(batch.decisions, outcomes, strict=True) if not outcome
        )
        self._counter.give_back(
            count for count, outcome in zip(batch.counts, outcomes, strict=True) if outcome
        )
        return False

    async def _mend(self, batch: Batch, outcome: int | bytes | None) -> None:
        """See to what kept a whole batch from being committed.

        :param outcome: why there is no room, or the policy as it is now
        """
        self._counter.give_back(batch.counts)
        if isinstance(outcome, int):
            self._alarm(*self._without_room[outcome])
            await self._clock.sleep(_FULL)
        else:
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


def _again(submission: Submission) -> Submission:
    submission.proven, submission.permit = False, None
    return submission
