"""Supervision trees on task groups: start children in order, restart what fails, stop in reverse.

Nothing here knows of agents or messages; it needs anyio and two plain modules. A child is a coroutine
function that says when it is ready:

    >>> import anyio
    >>> from mas.supervision import Child, Restart, Supervisor
    >>> async def greeter(*, task_status):
    ...     print("ready to greet")
    ...     task_status.started()
    ...     await anyio.sleep_forever()
    >>> async def main():
    ...     supervisor = Supervisor("house", [Child("greeter", greeter)])
    ...     async with anyio.create_task_group() as tasks:
    ...         await tasks.start(supervisor.run)
    ...         print(supervisor.tree().find("greeter").state)
    ...         await supervisor.stop("greeter")
    ...         tasks.cancel_scope.cancel()
    >>> anyio.run(main, backend="trio")
    ready to greet
    running

`SUPERVISION.md` explains the rules.

From the top down: `supervisor` is the face, `orders` what it can be asked, `keeper` one run of it,
`crew` its children, `group` the mending, `launch` a start, `life` one run of a child; `strategy`,
`budget`, `backoff` and `child` decide.
"""

from mas.supervision.backoff import Backoff
from mas.supervision.budget import Budget
from mas.supervision.child import Child, Declined
from mas.supervision.events import Event
from mas.supervision.plainly import told_plainly
from mas.supervision.strategy import Restart, Strategy
from mas.supervision.supervisor import Supervisor
from mas.supervision.tree import Kind, Snapshot, State

__all__ = [
    "Backoff",
    "Budget",
    "Child",
    "Declined",
    "Event",
    "Kind",
    "Restart",
    "Snapshot",
    "State",
    "Strategy",
    "Supervisor",
    "told_plainly",
]
