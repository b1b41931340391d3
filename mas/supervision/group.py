"""Mend the children that one failure concerns: take them down, wait, bring them back in order."""

from typing import Protocol

import anyio

from mas.clock import Clock
from mas.supervision.slot import Slot
from mas.supervision.strategy import Strategy, affected
from mas.supervision.tree import State


class Hands(Protocol):
    """Who starts and stops a child for a group."""

    async def launch(self, slot: Slot) -> Exception | None:
        """Start it; return why that failed."""
        ...

    async def halt(self, slot: Slot) -> None:
        """Stop it, if it runs."""
        ...

    def charge(self, slot: Slot, error: Exception | None) -> None:
        """Have it restarted, as far as its budget allows."""
        ...


class Group:
    """Children that are mended together: all of a supervisor's, or under one_for_one just one.

    Its lock is held by whoever is starting one of them. Stopping needs no lock: it only ever takes
    away, and whoever is starting looks at the state again after every step.
    """

    def __init__(self, strategy: Strategy, clock: Clock, hands: Hands) -> None:
        self._strategy, self._clock, self._hands = strategy, clock, hands
        self._condemned: set[Slot] = set()
        self._due = 0.0
        self._wake = anyio.Event()
        self._news = False
        self.members: list[Slot] = []
        self.lock = anyio.Lock()
        self.mending = False
        self.deferred: list[Slot] | None = None
        """While its children start for the first time: those that died meanwhile."""

    def concerns(self, slot: Slot) -> bool:
        """Say whether a sibling's failure will take this child down, or already has."""
        return slot in self._condemned or slot.state.awaits_start

    def condemn(self, failed: Slot, delay: float) -> None:
        """Note that a child failed and who goes down with it.

        :param delay: seconds to wait before any is brought back
        """
        self._due = max(self._due, self._clock.monotonic() + delay)
        for slot in affected(self._strategy, self.members, failed):
            if slot is failed:
                slot.state = State.BACKOFF
                continue
            slot.wanted = slot.wanted and not slot.temporary
            if slot.life is not None:
                self._condemned.add(slot)
            elif slot.wanted:
                slot.state = State.RESTARTING
            elif slot.state.awaits_start:
                # A temporary one that somebody had asked for.
                slot.state = State.STOPPED
                slot.conclude()
        self.poke()

    def poke(self) -> None:
        """Make the mending look again at what there is to do."""
        self._news = True
        self._wake.set()

    def hurry(self) -> None:
        """Cut the waiting short."""
        self._due = self._clock.monotonic()
        self.poke()

    async def mend(self) -> None:
        """Go on until nobody waits to be started."""
        while self._condemned or any(slot.state.awaits_start for slot in self.members):
            self._news, self._wake = False, anyio.Event()
            if self._condemned:
                async with self.lock:
                    await self._take_down()
            elif (delay := self._delay()) > 0:
                with self._clock.move_on_after(delay) as patience:
                    await self._wake.wait()
                if patience.cancelled_caught and not self._news:
                    self._due = self._clock.monotonic()
            else:
                async with self.lock:
                    await self._bring_back()
        self.mending = False

    def _delay(self) -> float:
        failed = any(slot.state is State.BACKOFF for slot in self.members)
        return self._due - self._clock.monotonic() if failed else 0.0

    async def _take_down(self) -> None:
        for slot in self.members[::-1]:
            if slot in self._condemned:
                await self._hands.halt(slot)
                if slot.wanted and slot.life is None:
                    slot.state = State.RESTARTING
        self._condemned.intersection_update(slot for slot in self.members if slot.life is not None)

    async def _bring_back(self) -> None:
        for slot in self.members[:]:
            if not slot.state.awaits_start:
                continue
            slot.restarts += 1
            error = await self._hands.launch(slot)
            if error is not None:
                self._hands.charge(slot, error)
            if self._news:
                return
