"""What a decision writes: the delivery, its record, the dead letter, the word to the sender.

Pure: a submission and a verdict go in, a change comes out.
"""

from typing import Any, NamedTuple

import msgspec

from mas.audit import AuditRecord, Counter
from mas.audit.payload import encrypt
from mas.control import ANSWER_TYPE, DECISION_TYPE, Notice
from mas.decision import Decision
from mas.gateway.burial import Burial, Lost
from mas.gateway.change import (
    NO_MARK,
    NO_OUTCOMES,
    NO_REMOVAL,
    Change,
    Mark,
    Outcomes,
    OwnWrite,
    Removal,
    Ring,
    Write,
)
from mas.gateway.floods import Floods, proves_nothing
from mas.gateway.pipeline import decide
from mas.gateway.snapshot import Snapshot
from mas.gateway.stages.dlp import dlp
from mas.gateway.submission import Submission
from mas.gateway.verdict import Verdict
from mas.ids import AgentId, InstanceId, MessageId, new_message_id
from mas.keys import Keys
from mas.letters import DeadLetter, Outcome, Redrive, write_letter, write_outcome
from mas.message import GATEWAY, Message, Meta, decode, encode
from mas.trust import Keyring, Permit, seal
from mas.trust.mac import mac

_NONE: dict[str, int] = {}
_SCANNED = frozenset({"dlp", "commit"})
"""Stages at which a message has been scanned already."""
_UNKEPT = frozenset(
    {Decision.AUTH_FAILED, Decision.SIGNATURE_INVALID, Decision.DLP_BLOCKED, Decision.TOO_LARGE}
)
"""Of these no message is kept: nobody knows whose it is, it must not be kept, or it is too much."""


class _Place(NamedTuple):
    """Where a target's mail goes, the same for all messages of a batch."""

    stream: str
    circuit: str
    rings: tuple[Ring]


class Scribe:
    """Writes changes for one gateway; all keys and expiries of one batch are fixed at its start."""

    def __init__(self, snapshot: Snapshot, counter: Counter, floods: Floods) -> None:
        self._snapshot, self._floods = snapshot, floods
        self._keys: Keys = snapshot.keys
        self._keyring: Keyring = snapshot.keyring
        self._counter = counter
        counter.begin_commit(snapshot.now)
        self.count = 0
        """The number of the record written last; 0 if the last change leaves none."""
        self.decision: Decision | None = None
        """What the last change decides."""
        self._policy = snapshot.mirror.policy
        self._encrypts = snapshot.settings.audit.payload == "encrypted"
        self._expires = int(snapshot.now + snapshot.settings.delivery.seal_lifetime)
        self._now = snapshot.now
        self._agents = snapshot.mirror.agents
        self._circuits = snapshot.settings.features.circuit_breaker
        self._marks = snapshot.settings.features.message_signing
        self._places: dict[AgentId, _Place] = {}

    def allow(self, submission: Submission, message: Message, verdict: Verdict) -> Change:
        """Deliver the exact bytes, or the redacted ones, under the gateway's seal."""
        target, meta = message.target_id, message.meta
        permit, instance = submission.permit, InstanceId("")
        granted, answered, capped, circuit = "", NO_MARK, "", ""
        rings: tuple[Ring, ...]
        if permit is not None:
            instance = permit.instance
            stream = self._keys.instance_stream(target, instance)
            answered = Mark.of(self._keys.answered(target, instance, permit.sequence), permit.sequence)
            rings = (Ring(self._keys.ring(target), instance),)
        else:
            stream, circuit, rings = self._places.get(target) or self._place(target)
            capped = stream
            if meta.correlation_id is not None:
                asked = Permit(submission.instance, submission.sequence, self._expires)
                granted = asked.mint(
                    self._keyring.permit,
                    requester=submission.agent,
                    responder=target,
                    correlation=meta.correlation_id,
                )
        envelope = submission.redacted or submission.envelope
        delivery = self._delivery(stream, target, instance, submission.entry_id, granted, envelope)
        record = self.record(submission, verdict)
        writes: tuple[Write, ...] = (delivery, record)
        removal = NO_REMOVAL
        if submission.redrive is not None:
            removal = Removal(self._keys.dead_letters, entry=submission.redrive.letter)
            rings += (self._outcome(submission.redrive, verdict),)
        elif meta.confirm:
            writes += (self._notice(submission, message, verdict),)
            rings += (Ring(self._keys.ring(submission.agent), submission.instance),)
        return Change(
            submission.stream,
            submission.entry_id,
            writes,
            mark=self._mark(submission),
            answered=answered,
            target=capped,
            circuit=circuit,
            chain=self._keys.chain(meta.root_id) if meta.root_id is not None and capped else "",
            removal=removal,
            rings=rings,
        )

    def allow_still(self, change: Change, submission: Submission, verdict: Verdict) -> Change:
        """Deliver what `allow` made a change of before the policy changed: only the record is another."""
        delivery, _, *others = change.writes
        change.writes = (delivery, self.record(submission, verdict), *others)
        change.buckets = ()
        return change

    def refuse(self, submission: Submission, verdict: Verdict) -> Change:
        """Record the refusal, keep the dead letter, and tell a sender that proved who it is."""
        message = submission.message
        if submission.burial is not None:
            return self._bury_as_ordered(submission, submission.burial)
        if submission.redrive is not None:
            # The letter stays; its sender was told when it was written.
            record = self.record(submission, verdict)
            told = (self._outcome(submission.redrive, verdict),)
            return Change(submission.stream, submission.entry_id, (record,), rings=told)
        if proves_nothing(verdict.decision, proven=submission.proven):
            unwritten = self._floods.passed_over(submission.stream, self._now)
            if unwritten is None:
                self.count, self.decision = 0, verdict.decision
                return Change(submission.stream, submission.entry_id, ())
            if unwritten:
                verdict = verdict._replace(
                    reason=f"{verdict.reason}; about {unwritten} more were only counted"
                )
        writes = [self.record(submission, verdict), self._refused_letter(submission, verdict)]
        rings: tuple[Ring, ...] = ()
        if submission.proven and message is not None and verdict.decision.notifies:
            writes.append(self._notice(submission, message, verdict))
            rings = (Ring(self._keys.ring(submission.agent), submission.instance),)
            if verdict.tell_target and message.target_id in self._agents:
                writes.append(self._notice_to_target(submission, message, verdict))
                rings += (Ring(self._keys.ring(message.target_id)),)
        mark = NO_MARK if verdict.decision is Decision.REPLAYED else self._mark(submission)
        return Change(submission.stream, submission.entry_id, tuple(writes), mark=mark, rings=rings)

    def answer(self, submission: Submission, message: Message, data: Any) -> Change:
        """Answer a question to the gateway itself."""
        agent, instance = submission.agent, submission.instance
        return Change(
            submission.stream,
            submission.entry_id,
            (
                self.word(agent, instance, submission.entry_id, ANSWER_TYPE, data, message.message_id),
                self.record(submission, Verdict(Decision.ALLOWED)),
            ),
            mark=self._mark(submission),
            rings=(Ring(self._keys.ring(agent), instance),),
        )

    def outcomes(self, submission: Submission, failed: int, handled: int) -> Change:
        """Feed a receiver's circuit with how its handlers fared; no message, hence no record."""
        self.count, self.decision = 0, None
        return Change(
            submission.stream,
            submission.entry_id,
            (),
            mark=self._mark(submission),
            outcomes=self._outcomes(submission.agent, failed, handled),
        )

    def bury(self, submission: Submission, lost: Lost, removal: Removal, *, failed: int = 0) -> Change:
        """Take a delivery that its receiver gave up off its stream, and tell who asked.

        :param failed: failures of the receiver that it does not report itself
        """
        message, envelope, letter = lost
        verdict = Verdict(letter.decision, letter.reason, "delivery")
        writes = [self.record(submission, verdict, message, envelope), self._letter(letter)]
        rings: tuple[Ring, ...] = ()
        if message.meta.correlation_id is not None or message.meta.confirm:
            notice = Notice(message.message_id, verdict.decision, verdict.reason)
            sender, instance = message.sender_id, message.meta.sender_instance_id
            writes.append(
                self.word(sender, instance, submission.entry_id, DECISION_TYPE, notice, message.message_id)
            )
            rings = (Ring(self._keys.ring(sender), instance),)
        return Change(
            submission.stream,
            submission.entry_id,
            tuple(writes),
            mark=self._mark(submission),
            outcomes=self._outcomes(message.target_id, failed, 0) if failed else NO_OUTCOMES,
            removal=removal,
            rings=rings,
        )

    def word(
        self,
        agent: AgentId,
        instance: InstanceId,
        ingress: str,
        kind: str,
        data: Any,
        correlation: MessageId,
    ) -> Write:
        """Write from the gateway to an agent, about one of its messages; no instance means any of them."""
        meta = Meta(InstanceId("0"), correlation_id=correlation, is_reply=True)
        told = Message(GATEWAY, agent, kind, data, meta, self._now, new_message_id())
        stream = self._keys.instance_stream(agent, instance) if instance else self._keys.stream(agent)
        return self._delivery(stream, agent, instance, ingress, "", encode(told))

    def _bury_as_ordered(self, submission: Submission, burial: Burial) -> Change:
        if burial.lost is not None:
            return self.bury(submission, burial.lost, burial.removal, failed=burial.failures)
        self.count, self.decision = 0, None
        return Change(submission.stream, submission.entry_id, (), removal=burial.removal)

    def _outcomes(self, receiver: AgentId, failed: int, handled: int) -> Outcomes:
        return Outcomes(self._keys.circuit(receiver) if self._circuits else "", failed, handled)

    def _place(self, target: AgentId) -> _Place:
        keys = self._keys
        circuit = keys.circuit(target) if self._circuits else ""
        place = self._places[target] = _Place(keys.stream(target), circuit, (Ring(keys.ring(target)),))
        return place

    def _letter(self, letter: DeadLetter) -> Write:
        return Write(
            self._keys.dead_letters, ("letter", write_letter(self._keyring.record, self._keys, letter))
        )

    def _outcome(self, order: Redrive, verdict: Verdict) -> Ring:
        """Tell an operator what became of a letter."""
        channel = self._keys.redriven(order.id)
        outcome = Outcome(order.letter, verdict.decision, verdict.reason)
        return Ring(channel, write_outcome(self._keyring.record, channel, outcome))

    def _notice(self, submission: Submission, message: Message, verdict: Verdict) -> Write:
        notice = Notice(message.message_id, verdict.decision, verdict.reason, verdict.retry_after)
        return self.word(
            submission.agent,
            submission.instance,
            submission.entry_id,
            DECISION_TYPE,
            notice,
            message.message_id,
        )

    def _notice_to_target(self, submission: Submission, message: Message, verdict: Verdict) -> Write:
        notice = Notice(message.message_id, verdict.decision, verdict.reason)
        return self.word(
            message.target_id,
            InstanceId(""),
            submission.entry_id,
            DECISION_TYPE,
            notice,
            message.message_id,
        )

    def _delivery(
        self,
        stream: str,
        target: AgentId,
        instance: InstanceId,
        ingress: str,
        permit: str,
        envelope: bytes,
    ) -> Write:
        route = f"{ingress} {self._expires} {permit}"
        sealed = seal(self._keyring.seal(target), target, instance, route, envelope)
        fields = ("envelope", envelope.decode(), "route", route, "seal", sealed)
        owner = self._keys.heartbeat(target, instance) if instance else self._keys.agent(target)
        return OwnWrite(stream, fields, owner)

    def _mark(self, submission: Submission) -> Mark:
        if not (submission.proven and self._marks):
            return NO_MARK
        key = self._keys.replay(submission.agent, submission.instance, submission.sequence)
        return Mark.of(key, submission.sequence)

    def record(
        self,
        submission: Submission,
        verdict: Verdict,
        about: Message | None = None,
        about_envelope: bytes = b"",
    ) -> Write:
        """Record a decision: about the submission's own message, or about another one it reports on."""
        message = about or submission.message
        sender: str
        instance: str
        if about is not None:
            sender, instance = about.sender_id, about.meta.sender_instance_id
        elif submission.proven:
            sender, instance = submission.agent, submission.instance
        else:
            sender, instance = _shown(submission.agent), _shown(submission.instance)
        target = kind = message_id = correlation = trace = payload = ""
        counter = self._counter
        self.count = count = counter.take()
        self.decision = verdict.decision
        if message is not None:
            target, kind, message_id = message.target_id, message.message_type, message.message_id
            correlation, trace = message.meta.correlation_id or "", message.meta.traceparent or ""
            if self._encrypts and verdict.decision not in _UNKEPT:
                # What data loss prevention took out is kept nowhere.
                kept = decode(submission.redacted).data if submission.redacted else message.data
                payload = encrypt(self._keyring.payload, f"{counter.run} {count}", bytes(kept))
        envelope = about_envelope or submission.envelope
        # By position: with so many fields, their names would cost more than the record's encoding.
        record = AuditRecord(
            counter.gateway,
            counter.run,
            counter.commit,
            count,
            verdict.decision,
            sender,
            instance,
            submission.entry_id,
            target,
            kind,
            message_id,
            correlation,
            verdict.stage,
            submission.rule,
            verdict.reason,
            self._policy.version,
            dict(verdict.violations) if verdict.violations else _NONE,
            mac(self._keyring.digest, envelope)[:32],
            len(envelope),
            trace,
            payload,
            counter.voids,
        )
        return Write(self._keys.audit_messages, self._counter.fields(record))

    def _refused_letter(self, submission: Submission, verdict: Verdict) -> Write:
        message = submission.message
        kept = message is not None and submission.proven and verdict.decision not in _UNKEPT
        if kept and verdict.stage not in _SCANNED:
            kept = decide(submission, self._snapshot, (dlp,)).decision is not Decision.DLP_BLOCKED
        return self._letter(
            DeadLetter(
                verdict.decision,
                verdict.reason,
                _shown(submission.agent),
                _shown(submission.instance),
                message.target_id if message else "",
                message.message_type if message else "",
                message.message_id if message else "",
                ingress=submission.entry_id,
                stage=verdict.stage,
                rule=submission.rule,
                policy=self._policy.version,
                digest=mac(self._keyring.digest, submission.envelope)[:32],
                envelope=msgspec.Raw((submission.redacted or submission.envelope) if kept else b"null"),
            )
        )


def _shown(claim: str) -> str:
    """Return a claimed id as it may stand in a record: printable and short."""
    return claim if claim.isascii() and claim.isprintable() and len(claim) <= 128 else ascii(claim)[:128]
