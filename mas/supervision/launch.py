"""Wait for a child to become ready, and say why if it does not."""

from mas.clock import Clock
from mas.supervision.child import Declined, call
from mas.supervision.life import Life
from mas.supervision.slot import Slot
from mas.supervision.tree import State, brief


async def until_ready(slot: Slot, life: Life, clock: Clock) -> str | None:
    """Return None once the child is ready, has declined, or is stopped by somebody else.

    Else return what went wrong, once its task is gone or known not to go. A child that was paused
    before its restart is paused again.
    """
    limit = None if slot.nested is not None else slot.child.start_timeout
    with clock.move_on_after(limit) as timer:
        await life.settled.wait()
    if timer.cancelled_caught and not life.settled.is_set():
        late = not life.stopping
        await _end(life)
        return f"was not ready within {limit:g} s" if late else None
    if life.ready:
        return await _pause_again(slot, life, clock) if slot.paused and slot.life is life else None
    if life.stopping or life.overran:
        await life.over.wait()
        return None
    return _problem(life)


def _problem(life: Life) -> str | None:
    if life.error is None:
        return f"{life.ending} before it was ready"
    if isinstance(life.error, Declined):
        return None
    return f"did not start: {brief(life.error)}"


async def _pause_again(slot: Slot, life: Life, clock: Clock) -> str | None:
    problem = "could not be paused again in time"
    with clock.move_on_after(slot.child.start_timeout):
        try:
            await call(slot.child.pause)
        except Exception as error:
            problem = f"could not be paused again: {brief(error)}"
        else:
            if slot.state is State.RUNNING:
                slot.state = State.PAUSED
            return None
    await _end(life)
    return problem


async def _end(life: Life) -> None:
    life.stop(now=True)
    await life.over.wait()
