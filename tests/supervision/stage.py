"""A manual clock, children that do as they are told, and a record of what was seen."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import anyio

from mas.clock import ManualClock
from mas.supervision import Backoff, Child, Snapshot, Supervisor
from mas.supervision.events import Event


class Actor:
    """A child that is ready at once and then waits to be told how to end."""

    def __init__(self, stage: "Stage", name: str) -> None:
        self.stage, self.name = stage, name
        self.starts = 0
        self.fails_to_start: list[Exception] = []
        self._order: Any = None
        self._told = anyio.Event()

    async def run(self, *, task_status):
        self.starts += 1
        self._told = anyio.Event()
        if self.fails_to_start:
            self.stage.journal.append(f"?{self.name}")
            raise self.fails_to_start.pop(0)
        self.stage.journal.append(f"+{self.name}")
        try:
            task_status.started()
            await self._told.wait()
            if self._order is not None:
                raise self._order
        finally:
            self.stage.journal.append(f"-{self.name}")

    def crash(self, error: BaseException | None = None) -> None:
        """End by raising."""
        self._order = error or ValueError(f"{self.name} crashed")
        self._told.set()

    def leave(self) -> None:
        """End by returning."""
        self._order = None
        self._told.set()


class Stage:
    """Where a supervisor is watched."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.journal: list[str] = []
        self.events: list[Event] = []
        self.actors: dict[str, Actor] = {}
        self.outcome: BaseException | None = None
        self.ended = False
        self.gates: list[anyio.Event] = []
        """Opened at the latest when the test is over, so that a failed one does not hang."""

    def gate(self) -> anyio.Event:
        """Return something to wait for."""
        self.gates.append(anyio.Event())
        return self.gates[-1]

    def __getitem__(self, name: str) -> Actor:
        return self.actors[name]

    def child(self, name: str, **spec: Any) -> Child:
        """Return an actor as a child."""
        actor = self.actors[name] = Actor(self, name)
        return Child(name, actor, **spec)

    def supervisor(self, *children: Child | str, name: str = "root", **settings: Any) -> Supervisor:
        """Return a supervisor whose delays are all as long as they may be.

        Only the root has a clock and a listener: those below get theirs from above.
        """
        given: dict[str, Any] = {"clock": self.clock, "on_event": self.events.append}
        given = (given if name == "root" else {}) | settings
        cast = [self.child(child) if isinstance(child, str) else child for child in children]
        return Supervisor(name, cast, jitter=lambda: 1.0, **given)

    @asynccontextmanager
    async def open(self, supervisor: Supervisor) -> AsyncGenerator[anyio.CancelScope, None]:
        """Run it beside the block; afterwards nothing of it may be left."""
        before = len(anyio.get_running_tasks())
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._run, supervisor)
                await self.clock.settle()
                try:
                    yield scope
                    with anyio.CancelScope(shield=True):
                        await self.clock.settle()
                finally:
                    scope.cancel()
                    for gate in self.gates:
                        gate.set()
                    with anyio.CancelScope(shield=True):
                        await self.clock.advance(60)
        assert len(anyio.get_running_tasks()) == before
        assert self.ended

    async def _run(self, supervisor: Supervisor) -> None:
        try:
            await supervisor.run()
        except Exception as error:
            self.outcome = error
        finally:
            self.ended = True

    def seen(self) -> str:
        """Return what was written into the journal, and begin a new page."""
        page = " ".join(self.journal)
        self.journal.clear()
        return page

    def told(self, kind: type[Event]) -> list[str]:
        """Return the paths that had such an event, in order."""
        return [event.path for event in self.events if type(event) is kind]


def states(snapshot: Snapshot) -> str:
    """Return name and state of each direct child."""
    return " ".join(f"{child.name}:{child.state}" for child in snapshot.children)


NO_DELAY = Backoff(first=0.0)
