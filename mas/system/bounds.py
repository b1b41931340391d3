"""Who keeps what is recorded within its bounds: the sealer of the trails, the archivist of dead letters."""

from collections.abc import Callable

from mas.audit import Clerk, EventKind, Events, Places, Sealer, Spec, Trail, trail_key
from mas.clock import Clock
from mas.keys import Keys
from mas.letters import Archivist
from mas.redis import Redis
from mas.settings import LetterSettings, Settings
from mas.trust import Keyring


def sealer_of(
    redis: Redis,
    keys: Keys,
    keyring: Keyring,
    settings: Settings,
    events: Events,
    *,
    clock: Clock,
    url: str,
    first: bool,
) -> Sealer:
    """Return who seals the trails.

    :param url: of Redis, for the process that examines while there is much to examine
    :param first: whether this process has nothing more urgent to do, and takes it over from others
    """
    audit = settings.gateway.audit
    places = Places.of(audit, settings.data_dir, settings.base, settings.namespace)
    wait = settings.gateway.redis
    spec = Spec(
        redis_url=url,
        allow_plaintext=wait.allow_plaintext,
        response_timeout=wait.response_timeout,
        connect_timeout=wait.connect_timeout,
        namespace=settings.namespace,
        macs={trail: trail_key(keyring, trail.stream(keys)) for trail in Trail},
    )
    clerk = Clerk(spec, clock=clock) if audit.own_process else None
    return Sealer(redis, keys, keyring, audit, places, events, clock=clock, suited=first, clerk=clerk)


def archivist_of(
    redis: Redis,
    keys: Keys,
    settings: Settings,
    bounds: Callable[[], LetterSettings],
    events: Events,
    *,
    clock: Clock,
) -> Archivist:
    """Return who archives dead letters.

    :param bounds: those in force
    """

    async def audit(subject: str, did: str) -> None:
        await events.write(EventKind.ARCHIVED, subject, detail=did)

    return Archivist(
        redis, keys, bounds, settings.letter_archive, audit=audit, alarm=events.alarm, clock=clock
    )
