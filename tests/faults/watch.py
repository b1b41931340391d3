"""What can be seen of a trial while it goes on: how far the handlers are, and how much memory is used."""

from contextlib import suppress
from pathlib import Path

import anyio

from tests.faults.checker import Journal


class Watch:
    """Looks fifty times a second.

    :ivar starts: handlers that were started
    :ivar latest: the highest number among what they were given
    :ivar most_memory: MiB of the largest process that this one started, so far
    """

    def __init__(self, journal: Path) -> None:
        self.journal = Journal(journal)
        self.starts, self.latest, self.most_memory = 0, -1, 0.0
        self._read = 0

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self._look_at_journal()
            for pid in _children():
                self.most_memory = max(self.most_memory, _most_memory(pid))
            await anyio.sleep(0.02)

    def _look_at_journal(self) -> None:
        with self.journal.path.open("rb") as file:
            file.seek(self._read)
            whole, end, _ = file.read().rpartition(b"\n")
        if end:
            self._read += len(whole) + 1
            lines = whole.split(b"\n")
            self.starts += len(lines)
            self.latest = max(self.latest, *(int(line.split()[0]) for line in lines))


def _children() -> list[str]:
    with suppress(OSError):
        tasks = Path("/proc/self/task").iterdir()
        return [pid for task in tasks for pid in (task / "children").read_text().split()]
    return []


def _most_memory(pid: str) -> float:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return 0.0
