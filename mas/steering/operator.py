"""The operator's side: who runs, and what became of a command."""

import secrets

import msgspec

from mas.errors import IntegrityError, MasError
from mas.ids import is_valid
from mas.keys import Keys
from mas.log import logger
from mas.redis import Redis
from mas.steering.bulletin import LIFE
from mas.steering.listener import VALIDITY
from mas.steering.words import Answer, Command, Do, Runner
from mas.trust import Keyring, protect, unprotect

log = logger(__name__)

BLOCK = 1.0
"""Seconds one look for an answer may block."""


class Operator:
    """Reads the runners' trees and gives them commands.

    :param redis: opened for reads that block for `BLOCK`; nobody else's
    :param actor: whom the audit trail is to name
    """

    def __init__(self, redis: Redis, keys: Keys, keyring: Keyring, *, actor: str) -> None:
        self._redis, self._keys, self._keyring, self._actor = redis, keys, keyring, actor

    async def runners(self) -> list[Runner]:
        """Return everyone who runs, by name; what does not carry its MAC is passed over with an alarm."""
        names = sorted(
            name
            for each in await self._redis.call("SMEMBERS", self._keys.runners)
            if is_valid(name := each.decode("utf-8", "replace"))
        )
        found = []
        for name in names:
            place = self._keys.runner(name)
            asked = self._redis.post("GET", place)
            left = await self._redis.call("PTTL", place)
            stored = await asked.result()
            if stored is None:
                continue
            try:
                runner = msgspec.json.decode(unprotect(self._keyring.record, place, stored), type=Runner)
            except (IntegrityError, msgspec.DecodeError) as error:
                log.critical("a runner's tree is not what a runner wrote; it is ignored", problem=str(error))
                continue
            found.append(msgspec.structs.replace(runner, silent=max(0.0, LIFE - left / 1000)))
        return found

    async def command(self, runner: str, do: Do, path: str, *, within: float) -> Answer:
        """Have something done and return what became of it.

        :param path: which child, as the runner's tree calls it
        :param within: seconds to wait for the answer; it goes on being done after that
        :raises MasError: if the runner does not listen, or does not answer in time
        :raises RedisUnavailable: if Redis does not answer
        """
        seconds, micros = await self._redis.call("TIME")
        expires = int(seconds) + int(micros) / 1e6 + VALIDITY
        command = Command(secrets.token_hex(16), do, path, expires, self._actor)
        channel = self._keys.steering(runner)
        said = protect(self._keyring.record, channel, msgspec.json.encode(command))
        if not await self._redis.call("PUBLISH", channel, said):
            raise MasError(f"{runner} does not listen; it has ended, or has no connection to Redis now")
        place = self._keys.steering_answer(command.id)
        deadline = self._redis.clock.monotonic() + within
        while (left := deadline - self._redis.clock.monotonic()) > 0:
            found = await self._redis.call("BLPOP", place, f"{min(left, BLOCK):.3f}")
            if found is not None:
                return self._read(place, found[1])
        raise MasError(f"{runner} did not say within {within:g} s that {path} was told to {do}")

    def _read(self, place: str, stored: bytes) -> Answer:
        body = unprotect(self._keyring.record, place, stored)
        try:
            return msgspec.json.decode(body, type=Answer)
        except msgspec.DecodeError as error:
            raise IntegrityError(place, "it is no answer") from error
