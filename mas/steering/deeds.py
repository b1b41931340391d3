"""Do what a command says, to one child or to all below a supervisor."""

from collections.abc import Awaitable, Callable

from mas.errors import SupervisionError, UnknownChild
from mas.steering.words import Do
from mas.supervision import Kind, Snapshot, State, Supervisor

Quiet = Callable[[str], Awaitable[None]]
"""Given a child's path, returns once nothing is under way there."""


async def carry_out(root: Supervisor, do: Do, path: str, quiet: Quiet) -> tuple[str, ...]:
    """Do it, and return the paths of those besides it to whom it was done along, when it is done.

    :raises UnknownChild: if there is no such child
    :raises SupervisionError: if it could not be done
    """
    node = root.tree().find(path)
    if node is None or not path:
        raise UnknownChild(path, root.name)
    along: list[str] = []
    match do:
        case Do.RESTART:
            before = _restarts_beside(root, path)
            await root.restart(path, by_strategy=True)
            after = _restarts_beside(root, path)
            along = [each for each, times in after.items() if times > before.get(each, times)]
        case Do.START:
            await root.start(path)
        case Do.STOP:
            await root.stop(path)
        case Do.PAUSE:
            along = _workers(node, State.RUNNING, State.PAUSED)
            for worker in along:
                await root.pause(worker)
        case Do.RESUME:
            along = _workers(node, State.PAUSED)
            for worker in along:
                await root.resume(worker)
        case Do.DRAIN:
            along = _workers(node, State.RUNNING, State.PAUSED)
            for worker in along:
                await root.pause(worker)
            for worker in along:
                await quiet(worker)
    return tuple(each for each in along if each != path)


def _restarts_beside(root: Supervisor, path: str) -> dict[str, int]:
    """Return how often each sibling was restarted."""
    above = root.tree().find(path.rpartition("/")[0])
    return {} if above is None else {each.path: each.restarts for each in above.children if each.path != path}


def _workers(node: Snapshot, *states: State) -> list[str]:
    """Return the paths of the workers below, itself included, that are in one of the states.

    :raises SupervisionError: if none is
    """
    workers = [each for each in node.walk() if each.kind is Kind.WORKER]
    found = [each.path for each in workers if each.state in states]
    if not found:
        wanted = " or ".join(states)
        now = f"it is {node.state}" if len(workers) == 1 else "no agent below it is"
        raise SupervisionError(node.path, f"is not {wanted}: {now}")
    return found
