"""What may be asked of a running supervisor about one of its children, at any moment of its life."""

from mas.errors import StartFailed, SupervisionError
from mas.supervision import events
from mas.supervision.child import Child, call
from mas.supervision.crew import Crew
from mas.supervision.slot import Attempt, Slot
from mas.supervision.strategy import affected
from mas.supervision.tree import State, brief


async def start(crew: Crew, slot: Slot) -> None:
    """Start a child that is down; one that waits to be started again waits no longer.

    :raises StartFailed: if it did not become ready; it then stays down
    """
    if not slot.state.awaits_start:
        async with slot.group.lock:
            await _start(crew, slot)
    await _expect_up(slot)


async def restart(crew: Crew, slot: Slot) -> None:
    """Stop a child, if it runs, and start it; its siblings are left alone.

    This is nobody's failure and costs no budget, unless the start fails: that is mended like any other.

    :raises StartFailed: if it did not become ready at once
    """
    if not slot.state.awaits_start:
        async with slot.group.lock:
            await _restart(crew, slot)
    await _expect_up(slot)


async def restart_by_strategy(crew: Crew, slot: Slot) -> None:
    """Restart a child and whom the strategy restarts with it: stopped in reverse order, started in order.

    Siblings that were stopped on request, or are temporary, stay as they are. This is nobody's failure and
    costs no budget, unless a start fails: that is mended like any other.

    :raises StartFailed: if one of them did not become ready at once
    """
    strategy, group = crew.plan.strategy, slot.group
    if len(affected(strategy, group.members, slot)) == 1:
        await restart(crew, slot)
        return
    async with group.lock:
        _check_place(slot)
        slot.wanted = True
        concerned = [
            each
            for each in affected(strategy, group.members, slot)
            if each is slot or (each.wanted and not each.temporary)
        ]
        for each in reversed(concerned):
            await _end(crew, each)
            if each.wanted and each.life is None:
                crew.renew(each)
                each.state = State.RESTARTING
    attempts = [each.attempt for each in concerned if each.state.awaits_start]
    crew.mend(slot)
    group.hurry()
    for attempt in attempts:
        await _outcome(attempt)
    _check_wanted(slot)


async def stop(crew: Crew, slot: Slot) -> None:
    """Stop a child; it stays down until it is started, whatever its siblings do."""
    slot.wanted = slot.paused = False
    if slot.life is not None:
        await _end(crew, slot)
    elif slot.state is not State.STOPPED:
        slot.state = State.STOPPED
        crew.tell(events.Stopped, slot, None)
        slot.conclude()
    slot.group.poke()


async def pause(crew: Crew, slot: Slot) -> None:
    """Have a child cease work without ending; a restart does not end the pause."""
    if slot.child.pause is None:
        raise SupervisionError(slot.path, "cannot be paused: it has no pause hook")
    if slot.state is State.PAUSED:
        return
    if slot.state is not State.RUNNING:
        raise SupervisionError(slot.path, f"cannot be paused: it is {slot.state}")
    await _hook(slot, "pause")
    slot.paused = True
    if slot.state is State.RUNNING:
        slot.state = State.PAUSED
        crew.tell(events.Paused, slot)


async def resume(crew: Crew, slot: Slot) -> None:
    """Have a paused child work again."""
    if not slot.paused:
        raise SupervisionError(slot.path, f"cannot be resumed: it is {slot.state}")
    if slot.state is State.PAUSED:
        await _hook(slot, "resume")
    slot.paused = False
    if slot.state is State.PAUSED:
        slot.state = State.RUNNING
        crew.tell(events.Resumed, slot)


async def add(crew: Crew, child: Child) -> None:
    """Start one more child, after all others.

    :raises SupervisionError: if its name is taken
    :raises StartFailed: if it did not become ready; it is then forgotten
    """
    if child.name in crew.slots:
        raise SupervisionError(child.name, f"is already a child of {crew.label}")
    slot = crew.place(child)
    try:
        await start(crew, slot)
    except StartFailed:
        crew.forget(slot)
        raise


async def remove(crew: Crew, slot: Slot) -> None:
    """Stop a child, if it runs, and forget it."""
    slot.forgotten = True
    await stop(crew, slot)
    crew.forget(slot)


async def _start(crew: Crew, slot: Slot) -> None:
    if slot.state is State.STOPPING:
        await _end(crew, slot)
    _check_place(slot)
    if slot.life is not None or slot.state.awaits_start:
        return
    crew.renew(slot)
    error = await crew.launch(slot)
    if error is not None:
        slot.wanted = False
        raise error


async def _restart(crew: Crew, slot: Slot) -> None:
    _check_place(slot)
    slot.wanted = True
    await _end(crew, slot)
    _check_place(slot)
    if slot.state.awaits_start or not slot.wanted:
        return
    crew.renew(slot)
    slot.restarts += 1
    error = await crew.launch(slot)
    if error is not None:
        crew.charge(slot, error)
        raise error


def _check_place(slot: Slot) -> None:
    if slot.forgotten:
        raise SupervisionError(slot.path, "was removed meanwhile")


def _check_wanted(slot: Slot) -> None:
    if not slot.wanted:
        raise SupervisionError(slot.path, "was stopped meanwhile")


async def _end(crew: Crew, slot: Slot) -> None:
    await crew.halt(slot)
    if crew.overrun is not None:
        raise crew.overrun


async def _expect_up(slot: Slot) -> None:
    if slot.state.awaits_start:
        attempt = slot.attempt
        slot.group.hurry()
        await _outcome(attempt)
    _check_wanted(slot)


async def _outcome(attempt: Attempt) -> None:
    await attempt.done.wait()
    if attempt.error is not None:
        raise attempt.error


async def _hook(slot: Slot, name: str) -> None:
    try:
        await call(getattr(slot.child, name))
    except Exception as error:
        raise SupervisionError(slot.path, f"did not {name}: {brief(error)}") from error
