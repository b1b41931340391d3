"""What happens in the bakery: a reply, a refusal, a crash that costs nothing."""

import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from typing import cast

import anyio

from mas import MasError, MessageRefused, System, open_system
from mas.audit import Filter, Trail, open_trail
from mas.cli.demo.agents import BAKERY, Baker, Customer, Stranger
from mas.cli.demo.screen import Screen
from mas.cli.signals import Signals, caught
from mas.supervision import Event
from mas.supervision.events import Failed, Restarting, Started

_LONGEST = 30.0
"""Seconds after which something must be wrong."""


def show_demo(*, backend: str) -> int:
    """Play it on the terminal; return 0, or 130 if it was interrupted."""
    screen = Screen()
    with tempfile.TemporaryDirectory(prefix="mas-demo-") as directory, caught() as signals:
        anyio.run(_perform, directory, screen, signals, backend=backend)
    return 130 if signals.stopping else 0


async def _perform(directory: str, screen: Screen, signals: Signals) -> None:
    """Play until the end, or the first signal."""
    failure: MasError | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_leave_when_told, signals, tasks.cancel_scope)
        try:
            with anyio.fail_after(_LONGEST):
                await _play(directory, screen)
        except MasError as error:
            failure = error
        except TimeoutError:
            failure = MasError(f"the demo did not end within {_LONGEST:g} s")
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


async def _leave_when_told(signals: Signals, scope: anyio.CancelScope) -> None:
    await anext(signals)
    scope.cancel()


async def _play(directory: str, screen: Screen) -> None:
    screen.title("MAS demo", "a bakery of three agents, with a gateway and a Redis of its own")
    news = _News(screen)
    with ExitStack() as starting:
        starting.enter_context(screen.waiting("starting"))
        # No variable of the user's own system has a say here.
        async with open_system({**BAKERY, "data_dir": directory}, environ={}, on_event=news.hear) as system:
            starting.close()
            screen.fact(
                "ready", f"{system.redis.server_version}, registry, gateway, baker, customer, stranger"
            )
            customer = cast("Customer", system.agent("customer"))
            await _reply(screen, customer)
            await _refusal(screen, cast("Stranger", system.agent("stranger")))
            news.awaited = "agents/baker"
            await _crash(screen, customer, cast("Baker", system.agent("baker")))
            await _trail(screen, system)
            stopping = time.monotonic()
    screen.fact("stopped", f"everything, in {time.monotonic() - stopping:.2f} s; nothing is left behind")


async def _reply(screen: Screen, customer: Customer) -> None:
    screen.scene("A message, and its reply")
    screen.line("customer", "asks", "baker", "bread.order", "rye")
    began = time.monotonic()
    loaf = await customer.buy("rye")
    took = (time.monotonic() - began) * 1000
    screen.line("customer", "answers", "baker", f"loaf {loaf['loaf']}, {loaf['bread']}", f"{took:.1f} ms")


async def _refusal(screen: Screen, stranger: Stranger) -> None:
    screen.scene("A message that nobody permitted")
    screen.line("stranger", "asks", "baker", "bread.order", "all of it")
    try:
        await stranger.buy("all of it")
    except MessageRefused as refusal:
        screen.line("stranger", "refused", "gateway", refusal.decision, refusal.reason)
    else:
        raise MasError("the gateway let a message pass that nobody permitted")


async def _crash(screen: Screen, customer: Customer, baker: Baker) -> None:
    screen.scene("A crash, and what it costs")
    baker.smoke.set()
    screen.line("customer", "asks", "baker", "bread.order", "spelt, while the oven burns")
    loaf = await customer.buy("spelt")
    screen.line("customer", "answers", "baker", f"loaf {loaf['loaf']}, {loaf['bread']}", "nothing was lost")


async def _trail(screen: Screen, system: System) -> None:
    """Show what the audit trail has kept of it all."""
    screen.scene("What the audit trail says")
    wanted = Filter(trail=Trail.MESSAGES)
    async with open_trail(system.settings, actor="the demo") as trail:
        counts = Counter([found.record["decision"] async for found in trail.query(wanted)])
    screen.fact("audit", ", ".join(f"{count} {decision}" for decision, count in counts.items()))


class _News:
    """Shows what happens to one child of the tree, once somebody waits for it."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self.awaited: str | None = None

    def hear(self, event: Event) -> None:
        """Take an event of the supervision tree."""
        if event.path != self.awaited:
            return
        name = event.path.rpartition("/")[2]
        match event:
            case Failed(error=error):
                self._screen.line(name, "crashed", "", f"{type(error).__name__}: {error}")
            case Restarting(delay=delay):
                self._screen.line(
                    name, "waits", "", "its supervisor restarts it", f"in {delay * 1000:.0f} ms"
                )
            case Started(took=took):
                self._screen.line(name, "back", "", "reads its mail again", f"after {took * 1000:.0f} ms")
