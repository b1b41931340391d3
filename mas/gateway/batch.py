"""From submissions to one commit: decide each, and look closer only where a decision needs it."""

from collections.abc import Callable, Iterable

from mas.audit import Counter
from mas.decision import Decision
from mas.directory import Sender
from mas.gateway.change import Bucket, Change, Commit, Token
from mas.gateway.control import control
from mas.gateway.floods import Floods
from mas.gateway.orders import open_orders
from mas.gateway.pipeline import decide
from mas.gateway.redrive import REDRIVEN
from mas.gateway.snapshot import Snapshot
from mas.gateway.stages import Stage
from mas.gateway.stages.authorize import authorize
from mas.gateway.stages.lifetime import lifetime
from mas.gateway.submission import Submission
from mas.gateway.verdict import Verdict
from mas.gateway.writes import Scribe
from mas.ids import AgentId, is_valid
from mas.keys import GATEWAY_GROUP
from mas.message import GATEWAY
from mas.redis import Redis
from mas.settings import GatewaySettings


class Batch:
    """The submissions of one read, their changes, and what the commit must find unchanged."""

    __slots__ = (
        "_bucket_at",
        "_buckets",
        "_token_at",
        "changes",
        "counts",
        "decisions",
        "settings",
        "submissions",
        "tokens",
        "verdicts",
    )

    def __init__(self, submissions: list[Submission]) -> None:
        self.submissions = submissions
        self.verdicts: list[Verdict] = []
        """What the stages said of each submission."""
        self.settings: GatewaySettings | None = None
        """Under which they said it."""
        self.changes: list[Change] = []
        self.counts: list[int] = []
        """The number of each change's audit record; 0 for one that leaves none."""
        self.decisions: list[Decision | None] = []
        """What each change decides; None for one that decides nothing."""
        self.tokens: list[Token] = []
        self._token_at: dict[str, int] = {}
        self._buckets: list[Bucket] = []
        self._bucket_at: dict[str, int] = {}

    def write(self, change: Change, scribe: Scribe) -> None:
        """Add a change that asks nothing of its sender any more."""
        self.changes.append(change)
        self.counts.append(scribe.count)
        self.decisions.append(scribe.decision)

    def add(self, change: Change, scribe: Scribe, submission: Submission) -> None:
        """Add a change; a proven sender's token must still stand at the commit."""
        self.write(change, scribe)
        if submission.proven and submission.sender is not None:
            change.token = self._token(submission.sender)

    def charge(self, change: Change, buckets: tuple[Bucket, ...]) -> None:
        """Let buckets pay for a change."""
        for bucket in buckets:
            at = self._bucket_at.get(bucket.key)
            if at is None:
                self._buckets.append(bucket)
                at = self._bucket_at[bucket.key] = len(self._buckets)
            change.buckets += (at,)

    def commit(self, snapshot: Snapshot) -> Commit:
        """Return what the script is given."""
        keys, settings = snapshot.keys, snapshot.settings
        breaker = settings.circuit_breaker
        return Commit(
            keys.policy,
            snapshot.mirror.fence,
            GATEWAY_GROUP,
            # Thrice: who chooses its entries' ids may date them one drift ahead.
            int(settings.delivery.ingress_retention + 3 * settings.message_signing.max_drift),
            int(settings.delivery.seal_lifetime),
            settings.delivery.max_backlog,
            settings.limits.max_chain,
            (
                breaker.failure_threshold,
                breaker.failure_share,
                breaker.window,
                breaker.timeout,
                breaker.probes,
            ),
            keys.system,
            keys.audit_messages,
            keys.audit_sealed,
            settings.audit.max_unsealed,
            keys.dead_letters,
            keys.nothing,
            self.tokens,
            self._buckets,
            self.changes,
        )

    def _token(self, sender: Sender) -> int:
        at = self._token_at.get(sender.token_hash_key)
        if at is None:
            self.tokens.append(Token(sender.token_hash_key, sender.token_hash))
            at = self._token_at[sender.token_hash_key] = len(self.tokens)
        return at


async def decide_batch(
    submissions: list[Submission],
    snapshot: Snapshot,
    stages: tuple[Stage, ...],
    counter: Counter,
    redis: Redis,
    buckets: Callable[[AgentId, AgentId], tuple[Bucket, ...]],
    floods: Floods,
    alarm: Callable[[str, str], None],
    before: Batch | None = None,
) -> Batch:
    """Decide a batch; waits for Redis only for strangers, unknown targets and control messages.

    :param before: the same submissions as they were decided under a policy that has changed since
    """
    held = {} if before is None else _hold(before, snapshot)
    unsettled = [submission for submission in submissions if submission not in held] if held else submissions
    await _meet_strangers(unsettled, snapshot)
    await open_orders(unsettled, snapshot, redis, alarm)
    verdicts = [
        found[0] if held and (found := held.get(submission)) else _decide(submission, snapshot, stages)
        for submission in submissions
    ]
    await _look_for_new_tokens(submissions, verdicts, snapshot, stages)
    await _look_for_targets(submissions, verdicts, snapshot, stages)
    scribe, batch = Scribe(snapshot, counter, floods), Batch(submissions)
    batch.verdicts, batch.settings = verdicts, snapshot.settings
    for submission, verdict in zip(submissions, verdicts, strict=True):
        message = submission.message
        if held and (found := held.get(submission)) and found[0] is verdict and message is not None:
            change = scribe.allow_still(found[1], submission, verdict)
            batch.charge(change, buckets(submission.agent, message.target_id))
        elif message is None or not verdict.decision.delivers:
            change = scribe.refuse(submission, verdict)
        elif message.target_id == GATEWAY:
            change = await control(submission, message, snapshot, scribe, redis)
        else:
            change = scribe.allow(submission, message, verdict)
            batch.charge(change, buckets(submission.agent, message.target_id))
        batch.add(change, scribe, submission)
    return batch


def _hold(before: Batch, snapshot: Snapshot) -> dict[Submission, tuple[Verdict, Change]]:
    """Return what still stands under another policy, and prepare the rest to be decided anew.

    A message that was let through had a shape and a proof, and was scanned; no policy changes that. Only
    whether it is permitted is asked again, and whether it has not expired meanwhile.
    """
    held = {}
    same = before.settings is snapshot.settings and not snapshot.settings.dlp.roles
    for submission, verdict, change in zip(before.submissions, before.verdicts, before.changes, strict=True):
        message = submission.message
        submission.permit = None
        if (
            same
            and verdict.decision.delivers
            and message is not None
            and message.target_id != GATEWAY
            and submission.redrive is None
            and lifetime(submission, snapshot) is None
            and authorize(submission, snapshot) is None
        ):
            held[submission] = (verdict, change)
        else:
            submission.proven, submission.permit = False, None
    return held


def refuse_batch(
    refused: Iterable[tuple[Submission, Verdict]], snapshot: Snapshot, counter: Counter, floods: Floods
) -> Batch:
    """Write what the commit found out otherwise: only records, letters and notices, no conditions."""
    scribe, batch = Scribe(snapshot, counter, floods), Batch([])
    for submission, verdict in refused:
        batch.submissions.append(submission)
        batch.write(scribe.refuse(submission, verdict), scribe)
    return batch


def _decide(submission: Submission, snapshot: Snapshot, stages: tuple[Stage, ...]) -> Verdict:
    if submission.trouble is not None:
        return submission.trouble
    if submission.redrive is None:
        return decide(submission, snapshot, stages)
    verdict = decide(submission, snapshot, REDRIVEN)
    if not verdict.decision.delivers:
        return verdict
    return verdict._replace(reason=f"redriven by {submission.redrive.actor} from {submission.redrive.letter}")


async def _meet_strangers(submissions: list[Submission], snapshot: Snapshot) -> None:
    mirror = snapshot.mirror
    strangers = {
        (s.agent, s.instance)
        for s in submissions
        if mirror.sender(s.agent, s.instance) is None and is_valid(s.agent) and is_valid(s.instance)
    }
    if strangers:
        await mirror.learn_senders(strangers)


async def _look_for_new_tokens(
    submissions: list[Submission],
    verdicts: list[Verdict],
    snapshot: Snapshot,
    stages: tuple[Stage, ...],
) -> None:
    """Look again at senders whose proof did not fit: news of a new enrolment may still be on its way."""
    unfit = {
        (submission.agent, submission.instance)
        for submission, verdict in zip(submissions, verdicts, strict=True)
        if verdict.decision is Decision.SIGNATURE_INVALID
    }
    if unfit:
        await snapshot.mirror.look_again(unfit)
        for i, submission in enumerate(submissions):
            # What was signed before a rotation fitted what the mirror knew, and is judged anew as well.
            if (submission.agent, submission.instance) in unfit:
                submission.proven = False
                verdicts[i] = decide(submission, snapshot, stages)


async def _look_for_targets(
    submissions: list[Submission],
    verdicts: list[Verdict],
    snapshot: Snapshot,
    stages: tuple[Stage, ...],
) -> None:
    """Ask Redis once for targets the mirror does not know: they may have enrolled just now."""
    lost = [i for i, verdict in enumerate(verdicts) if verdict.decision is Decision.TARGET_UNKNOWN]
    targets = {message.target_id for i in lost if (message := submissions[i].message) is not None}
    if targets:
        await snapshot.mirror.learn_targets(targets)
        for i in lost:
            verdicts[i] = _decide(submissions[i], snapshot, stages)
