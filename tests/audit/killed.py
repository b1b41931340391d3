"""A trail as four gateways left it, two of which were killed in the middle of it."""

import signal
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import anyio

from mas import open_system
from mas.audit import AuditTrail, Events, Places, PublicKeys, Trail
from mas.audit.access import outside_seals
from mas.audit.entry import Raw
from mas.audit.keyfile import KeyFile
from mas.audit.report import Report
from mas.audit.seal import RangeSeal, Sealed, sealed_of
from mas.audit.signing import SealKey
from mas.audit.source import read_live
from mas.settings import AuditSettings
from mas.system import Part
from tests.faults.cast import Receiver, Sender
from tests.faults.checker import Journal, check
from tests.faults.checker import Report as Fate
from tests.faults.runner import process
from tests.redis.waiting import until
from tests.world import ENVIRON, KEYRING, KEYS, asking, audit, data_dir, deployment

_SENDERS = 64
AGENTS: frozenset[Part] = frozenset({"agents"})


class Left(NamedTuple):
    """What was found once nothing moved any more."""

    report: Report
    """Of the whole trail, while the system still ran."""
    fate: Fate
    """Of each message."""
    gateways: int
    """How many wrote records."""
    seals: list[tuple[list[Raw], Sealed, Raw]]
    """The records of one range, its seal, and that as it lies in its stream; in the chain's order."""
    outside: list[Raw]
    key: SealKey

    def keys(self) -> PublicKeys:
        """Return the keys to believe."""
        return PublicKeys([self.key.public])

    def copies(self) -> list[Sealed]:
        """Return the seals in the sink's file."""
        links = [link for entry in self.outside if (link := sealed_of(entry))]
        return list({link.seal.sequence: link for link in links}.values())

    def ranges(self) -> list[int]:
        """Return the places of the seals over messages."""
        return [
            at
            for at, (_, link, _) in enumerate(self.seals)
            if isinstance(link.seal, RangeSeal) and link.seal.trail is Trail.MESSAGES
        ]


async def leave_a_trail(redis_url: str, directory: Path, count: int, backend: str) -> Left:
    """Send so many messages through four gateways; kill the one that seals, and another; start a fifth."""
    journal = Journal(directory / "journal")
    receiver = {"class_path": Receiver, "init_kwargs": {"journal": str(journal.path)}, "concurrency": 64}
    roomy = {"delivery": {"max_backlog": count}}
    config = deployment(redis_url, gateway=roomy, a=Sender, b=receiver)
    alone = {**config, "agents": []}
    places = Places.of(AuditSettings(), data_dir(redis_url), data_dir(redis_url), "")
    numbers = iter(range(count))

    async def send(agent: Any) -> None:
        for n in numbers:
            await agent.send("b", "work", n)

    with asking(redis_url) as client:
        async with (
            open_system(config, parts=AGENTS, environ=ENVIRON) as system,
            AsyncExitStack() as processes,
            anyio.create_task_group() as tasks,
        ):

            async def gateway(*, waiting: bool = False) -> Any:
                return await processes.enter_async_context(
                    process(alone, "gateway", backend, waiting=waiting)
                )

            # The first is the first to seal.
            gateways = [await gateway() for _ in range(4)]
            fifth = await gateway(waiting=True)
            await until(lambda: client.exists(KEYS.audit_sealer), within=20)
            for _ in range(_SENDERS):
                tasks.start_soon(send, system.agent("a"))
            for victim, share in ((gateways[0], 4), (gateways[1], 2)):
                mark = count // share
                await until(lambda: client.xlen(KEYS.audit_messages) >= mark, within=120)  # noqa: B023
                victim.signal(signal.SIGKILL)
                if victim is gateways[0]:
                    await fifth.go()
            await journal.reaches(count, within=240)
            await until(lambda: client.xlen("agent.stream:b") == 0, within=60)
            await until(lambda: _all_sealed(client), within=60)
            await until(lambda: _all_handed_out(client, places.seals), within=20)
            trail = AuditTrail(system.redis, KEYS, KEYRING, Events(system.redis, KEYS, KEYRING, "t"), places)
            report = await trail.verify(outside=outside_seals(places.seals))
            seals, records = [], list[Raw]()
            async for chunk in read_live(system.redis, KEYS):
                if chunk.trail is not None:
                    records = chunk.entries
                elif link := sealed_of(chunk.entries[0]):
                    seals.append((records, link, chunk.entries[0]))
                    records = []
        fate = check(client, range(count), journal.read(), "b")
        names = {record["gateway"] for record in audit(client)}
    kept = KeyFile(places.key, places.public)
    return Left(report, fate, len(names), seals, outside_seals(places.seals), kept.load())


def _all_handed_out(client: Any, path: Path) -> bool:
    if not path.exists():
        return False
    ((newest, _),) = client.xrevrange(KEYS.audit_seals, count=1)
    return any(entry[0] == newest for entry in outside_seals(path))


def _all_sealed(client: Any) -> bool:
    sealed = int(client.hget(KEYS.audit_sealed, "messages") or 0)
    return bool(sealed == client.xlen(KEYS.audit_messages))
