"""Start a message's handler, count each start, try again after a pause, and give up in the end.

An attempt is a handler's start, not a delivery. Success settles; a raise is the message's failure, and
it is tried again under this consumer's lease until its attempts are spent. Then the gateway is told,
which alone writes dead letters and takes the message off its stream.
"""

from collections.abc import Awaitable, Callable

import anyio
from redis.exceptions import ResponseError

from mas.agent.backoff import backoff
from mas.agent.cause import CAUSE
from mas.agent.delivery import Delivery
from mas.agent.dispatch import Unfit
from mas.agent.fared import Fared
from mas.agent.outbox import Outbox
from mas.agent.received import AgentMessage, SendReply
from mas.agent.services import Services
from mas.agent.settling import Settling
from mas.control import FAILED_TYPE, OUTCOMES_TYPE, Failed, Handled
from mas.errors import RedisUnavailable
from mas.log import logger
from mas.message import GATEWAY

log = logger(__name__)

_REASON_LENGTH = 300
_PAUSE = 0.5
"""Seconds until Redis is asked again what it could not do."""
_REPORT_EVERY = 1.0
"""Seconds between two reports of outcomes."""
_TROUBLE = 120.0
"""Seconds after a failure during which successes are reported as well."""


class Attempts:
    """The handler starts of one instance, and how they fared.

    :param handle: what runs the handler; whatever it raises is the message's failure
    """

    def __init__(
        self,
        services: Services,
        settling: Settling,
        outbox: Outbox,
        handle: Callable[[AgentMessage], Awaitable[None]],
        send_reply: SendReply,
    ) -> None:
        self._limits, self._clock, self._redis = services.delivery, services.clock, services.redis
        self._settling, self._outbox, self._handle = settling, outbox, handle
        self._send_reply, self._fared = send_reply, services.fared or Fared()
        self._stopping = anyio.Event()
        self._one_at_a_time = anyio.Lock()
        self._failed = self._handled = 0
        self._failed_at = self._reported_at = float("-inf")
        """When there was trouble last, as far as this life knows."""
        self.report_due = False
        self.unfinished: list[bytes] = []
        """Entries that are left to others, for this life stops before their next start."""

    def stop(self) -> None:
        """Start nothing any more: what waits for its next start is `unfinished`."""
        self._stopping.set()

    async def first(self, delivery: Delivery) -> None:
        """Handle a message that was never started."""
        await self._attempt(delivery, 1)

    async def again(self, delivery: Delivery) -> None:
        """Handle a message that was found again after a crash.

        It may have caused that crash: alone, it spends only its own attempts.
        """
        async with self._one_at_a_time:
            if self._stopping.is_set():
                self.unfinished.append(delivery.entry)
                return
            # What came before it is settled first, on the same connection, or its crash would cost them too.
            self._settling.flush()
            starts = await self._count_start(delivery)
            if starts > self._limits.max_attempts:
                await self._give_up(delivery, starts - 1, "its receivers died over it")
            elif starts:
                await self._attempt(delivery, starts)

    def lapsed(self, leases: int) -> None:
        """Count leases that another instance let lapse."""
        self._failed += leases
        self._failed_at = self._clock.monotonic()

    def must_report(self, now: float) -> bool:
        """Say whether the gateway is to hear how handlers fared: on trouble, and for a while after.

        :param now: monotonic seconds
        """
        if self._failed or (self._handled and now - self._failed_at < _TROUBLE):
            self.report_due |= now - self._reported_at >= _REPORT_EVERY
        else:
            self._handled = 0
        return self.report_due

    async def report(self) -> None:
        """Tell the gateway, if it is to hear; a report that gets lost is not repeated."""
        if not self.report_due:
            return
        self.report_due, self._reported_at = False, self._clock.monotonic()
        fared, self._failed, self._handled = Handled(self._failed, self._handled), 0, 0
        await self._outbox.submit(GATEWAY, OUTCOMES_TYPE, fared)

    async def _attempt(self, delivery: Delivery, attempt: int) -> None:
        """Start the handler until it returns, its attempts are spent, or the entry is not ours any more."""
        limits = self._limits
        if delivery.expires < self._clock.wall():
            await self._give_up(delivery, attempt - 1, "it expired before it could be handled")
            return
        while True:
            message = AgentMessage(delivery.message, delivery.permit, self._send_reply, attempt)
            self._fared.retried += attempt > 1
            cause = CAUSE.set(delivery.message)
            try:
                await self._handle(message)
            except Exception as error:
                # One of the three borders where anything may be caught: the failure is the message's.
                unfit = isinstance(error, Unfit)
                self._fared.failed += 1
                if not unfit:
                    self._failed += 1
                    self._failed_at = self._clock.monotonic()
                elif delivery.probe:
                    # Who refuses a payload lives, or one sender could spend all probes for nothing.
                    self._count_probe()
                if unfit or attempt >= limits.max_attempts:
                    reason, trace = _reason(error), None if unfit else error
                    log.error("a message is given up", delivery=repr(message), reason=reason, exc_info=trace)  # noqa: TRY400
                    CAUSE.set(None)
                    await self._give_up(delivery, attempt, reason)
                    return
                log.warning("a handler failed; it is tried again", delivery=repr(message), exc_info=error)
            else:
                if delivery.probe:
                    self._count_probe()
                else:
                    self._handled += 1
                self._fared.handled += 1
                self._settling.done(delivery.entry)
                return
            finally:
                CAUSE.reset(cause)
            with anyio.move_on_after(backoff(attempt, first=limits.backoff_first, cap=limits.backoff_cap)):
                await self._stopping.wait()
                self.unfinished.append(delivery.entry)
                return
            attempt = await self._count_start(delivery)
            if not attempt:
                return

    def _count_probe(self) -> None:
        """Count a probe that was handled: the circuit waits for just this word."""
        self._handled += 1
        self._failed_at = self._clock.monotonic()

    async def _count_start(self, delivery: Delivery) -> int:
        """Count the start that is about to happen; 0 when somebody else owns the entry by now."""
        while True:
            try:
                starts = await self._settling.count_start(delivery.entry)
            except RedisUnavailable:
                await self._redis.connected()
                continue
            except ResponseError:
                # NOGROUP: until the inbox has made the group anew, nobody knows whose it is.
                await self._clock.sleep(_PAUSE)
                continue
            if not starts:
                log.warning("a delivery was taken over by another instance", entry=delivery.entry.decode())
                self._settling.release(delivery.entry)
            return starts

    async def _give_up(self, delivery: Delivery, attempts: int, reason: str) -> None:
        """Report the delivery to the gateway; until it has acted, the entry stays ours and pending."""
        self._fared.given_up += 1
        failed = Failed(delivery.entry.decode(), attempts, reason[:_REASON_LENGTH])
        while True:
            try:
                await self._outbox.submit(GATEWAY, FAILED_TYPE, failed)
            except RedisUnavailable:
                # Away for longer than a submission waits, or without memory.
                await self._clock.sleep(_PAUSE)
                continue
            return


def _reason(error: Exception) -> str:
    """Say what went wrong without what it went wrong over: a payload must not leave by an error's text."""
    if isinstance(error, Unfit):
        return str(error)
    return f"the handler raised {type(error).__name__}"
