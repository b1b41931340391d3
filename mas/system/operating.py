"""What lets people see and steer a system: its bulletin, its ear for commands, its watchdog, its pages."""

from collections.abc import Awaitable, Callable

from mas.agent.watchdog import Watchdog
from mas.audit import Events
from mas.directory.policy import read_policy
from mas.errors import ConfigurationError, IntegrityError
from mas.keys import Keys
from mas.ops import Sources
from mas.redis import Redis, Subscriber
from mas.settings import Settings
from mas.settings.supervisors import DEFAULT
from mas.steering import Bulletin, Listener
from mas.supervision import Budget, Child, Supervisor
from mas.trust import Keyring

_BUDGET = Budget(max_restarts=5, within=60.0)


def steered(
    redis: Redis,
    subscriber: Subscriber,
    keys: Keys,
    keyring: Keyring,
    bulletin: Bulletin,
    events: Events,
    *,
    name: str,
    root: Callable[[], Supervisor],
    quiet: Callable[[str], Awaitable[None]],
) -> list[Child]:
    """Return the children by which others see the tree and steer it.

    :param quiet: returns once no handler runs at a path
    """
    listener = Listener(
        redis, subscriber, keys, keyring, name, root, bulletin, events, within=DEFAULT, quiet=quiet
    )
    return [Child("bulletin", bulletin.run), Child("steering", listener.run)]


def watched(settings: Settings, watchdog: Watchdog | None, sources: Callable[[], Sources]) -> list[Child]:
    """Return the children that watch this process, and show what they see.

    :param sources: gives what the pages may see; asked only if there are to be pages
    :raises ConfigurationError: if there are to be pages, and what they need is not installed or not readable
    """
    children = [] if watchdog is None else [Child("watchdog", watchdog.run)]
    if settings.ops.port is not None:
        try:
            from mas.ops.service import Ops  # noqa: PLC0415 - what is an extra is imported where it is wanted
        except ModuleNotFoundError as error:
            raise ConfigurationError(
                f"health, metrics and the dashboard need {error.name}, which is not installed",
                where="ops.port",
                hint="pip install 'mas-runtime[ops]', or leave the port out",
            ) from None
        ops = Ops(settings.ops, settings.base, sources())
        # A budget of its own: who only looks must never take down what it looks at.
        children.append(Child("ops", ops.run, shutdown=0, budget=_BUDGET))
    return children


def trusting(keyring: Keyring, keys: Keys) -> Callable[[bytes], bool]:
    """Return what says of a text in the policy's place whether a holder of the secret wrote it."""

    def trusts(stored: bytes) -> bool:
        try:
            read_policy(keyring.record, keys, stored)
        except IntegrityError:
            return False
        return True

    return trusts
