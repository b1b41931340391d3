"""List, read, redrive, restore and purge dead letters, with the deployment's secret."""

import re
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from pathlib import Path

import anyio
import msgspec

from mas.decision import Decision
from mas.errors import IntegrityError, MasError
from mas.keys import Keys
from mas.letters.archive import count_in, read_archives
from mas.letters.letter import Filed, read_letter
from mas.letters.order import Outcome, Redrive, read_outcome, write_order
from mas.redis import Redis, Subscriber
from mas.trust import Keyring

VALIDITY = 300.0
"""Seconds for which an order waits for a gateway."""
_PAGE = 500


class Selection(msgspec.Struct, frozen=True):
    """Which letters are meant; what is not said does not narrow it."""

    decision: Decision | None = None
    before: float | None = None
    """Seconds since the epoch."""

    def covers(self, filed: Filed) -> bool:
        """Say whether a letter is meant; a decision is not known of one that was edited."""
        if self.before is not None and filed.at >= self.before:
            return False
        return self.decision is None or (filed.letter is not None and filed.letter.decision is self.decision)


class LetterDesk:
    """An operator's hands on the dead letters.

    :param actor: whom the trail is to name
    :param audit: writes what was done, and to what, to the trail of security events
    :param alarm: told of a letter that is not as a gateway wrote it
    :param archive: where letters were archived on this machine
    """

    def __init__(
        self,
        redis: Redis,
        keys: Keys,
        keyring: Keyring,
        *,
        actor: str,
        audit: Callable[[str, str], Awaitable[None]],
        alarm: Callable[[str, str], None],
        archive: Path,
    ) -> None:
        self._redis, self._keys, self._key = redis, keys, keyring.record
        self._actor, self._audit, self._alarm, self._archive = actor, audit, alarm, archive

    async def select(self, selection: Selection) -> AsyncGenerator[Filed]:
        """Yield the letters meant, oldest first; one that was edited comes without its contents."""
        start = "-"
        while True:
            page = await self._redis.call("XRANGE", self._keys.dead_letters, start, "+", "COUNT", _PAGE)
            for entry, fields in page:
                filed = self._filed(entry.decode(), fields)
                if selection.covers(filed):
                    yield filed
            if len(page) < _PAGE:
                return
            start = f"({page[-1][0].decode()}"

    @property
    def archived(self) -> int:
        """How many letters the archives on this machine hold."""
        return count_in(self._archive)

    def select_archived(self, selection: Selection) -> Iterator[Filed]:
        """Yield the archived letters meant, oldest first.

        :raises MasError: if an archive cannot be read
        """
        for archived in read_archives(self._archive):
            filed = self._filed(archived.id, [b"letter", archived.letter.encode()])
            if selection.covers(filed):
                yield filed

    async def restore(self, letter: str) -> str:
        """Put an archived letter back, so that it may be redriven, and return its new id.

        One that was redriven before it was trimmed, or restored before, may be there twice.

        :raises MasError: if no archive on this machine holds it
        :raises IntegrityError: if it is not as a gateway wrote it
        """
        wanted = _id(letter)
        for archived in read_archives(self._archive):
            if archived.id == wanted:
                read_letter(self._key, self._keys, archived.letter.encode())
                await self._audit(letter, "restore from the archive")
                entry = await self._redis.call(
                    "XADD", self._keys.dead_letters, "*", "letter", archived.letter
                )
                return str(entry.decode())
        raise MasError(f"no archive in {self._archive} holds a dead letter {letter}")

    async def show(self, letter: str, *, archived: bool = False) -> Filed:
        """Return one letter.

        :param archived: look into the archives as well
        :raises MasError: if there is none of that id
        :raises IntegrityError: if it is not as a gateway wrote it
        """
        found = await self._redis.call("XRANGE", self._keys.dead_letters, _id(letter), _id(letter))
        if found:
            filed = self._filed(letter, found[0][1])
        else:
            kept = self.select_archived(Selection()) if archived else iter(())
            kept_one = next((each for each in kept if each.id == letter), None)
            if kept_one is None:
                raise MasError(f"there is no dead letter {letter}")
            filed = kept_one
        if filed.letter is None:
            raise IntegrityError(f"{self._keys.dead_letters} {letter}")
        return filed

    async def redrive(self, letter: str, subscriber: Subscriber, *, within: float) -> Outcome:
        """Have the gateways decide about a letter again, as about a message that its sender submits now.

        The policy in force is asked; one that lets it pass takes it off the dead letters as it is delivered.

        :param subscriber: hears the outcome
        :param within: seconds to wait for it; the order stays good for five minutes
        :raises MasError: if there is no such letter, or its message was not kept, or no gateway answers
        :raises IntegrityError: if the letter is not as a gateway wrote it
        """
        filed = await self.show(letter)
        if filed.letter is None or not filed.letter.is_whole:
            raise MasError(f"the message of {letter} was not kept: only its digest is there")
        seconds, micros = await self._redis.call("TIME")
        expires = int(seconds) + int(micros) / 1e6 + VALIDITY
        order = Redrive(secrets.token_hex(16), letter, expires, self._actor)
        channel, told, heard = self._keys.redriven(order.id), list[bytes](), anyio.Event()
        listening = anyio.Event()

        def hear(said: bytes | None) -> None:
            if said is None:
                listening.set()
            else:
                told.append(said)
                heard.set()

        subscriber.listen(channel, hear)
        try:
            with anyio.move_on_after(within):
                await listening.wait()
                await self._audit(letter, "redrive")
                stored = write_order(self._key, self._keys, order)
                await self._redis.call("XADD", self._keys.ingress, "*", "redrive", stored)
                await heard.wait()
        finally:
            subscriber.ignore(channel, hear)
        if not told:
            raise MasError(f"no gateway said within {within:g} s what became of {letter}")
        return read_outcome(self._key, channel, told[0])

    async def purge(self, letters: Iterable[str]) -> int:
        """Delete letters for good, edited ones too, and return how many there were."""
        listed = [_id(letter) for letter in letters]
        purged = 0
        for at in range(0, len(listed), _PAGE):
            some = listed[at : at + _PAGE]
            # First the trail: what is gone without a trace cannot be told of any more.
            await self._audit(f"{some[0]} to {some[-1]}", f"purge of {len(some)} dead letters")
            purged += await self._redis.call("XDEL", self._keys.dead_letters, *some)
        return purged

    def _filed(self, entry: str, fields: list[bytes]) -> Filed:
        stored = dict(zip(fields[::2], fields[1::2], strict=False)).get(b"letter", b"")
        try:
            return Filed(entry, read_letter(self._key, self._keys, stored))
        except IntegrityError as error:
            self._alarm(f"{self._keys.dead_letters} {entry}", f"{error.problem}; it is not taken up")
            return Filed(entry, None)


def _id(letter: str) -> str:
    if re.fullmatch(r"[0-9]{1,20}-[0-9]{1,20}", letter) is None:
        raise MasError(f"{letter[:60]!r} is no id of a dead letter")
    return letter
