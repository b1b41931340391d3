"""Take an operator's commands: those alone that the deployment's secret vouches for, and each once."""

from collections import deque
from collections.abc import Callable

import anyio
import msgspec
from anyio.abc import TaskGroup, TaskStatus
from redis.exceptions import ResponseError

from mas.audit import EventKind, Events
from mas.errors import IntegrityError, RedisUnavailable, SupervisionError
from mas.ids import is_valid
from mas.keys import Keys
from mas.log import logger
from mas.redis import Redis, Subscriber
from mas.steering.bulletin import Bulletin
from mas.steering.deeds import Quiet, carry_out
from mas.steering.words import LONGEST, Answer, Command
from mas.supervision import State, Supervisor
from mas.trust import Keyring, protect, unprotect

log = logger(__name__)

VALIDITY = 30.0
"""Seconds after which a command is not obeyed any more."""
KEPT = 60.0
"""Seconds an answer waits to be fetched."""
_MOST_WAITING = 64
"""Commands that may wait to be looked at; more is not steering, it is a flood."""


class Listener:
    """A runner's ear for commands to one part of its tree.

    :param within: the path of the supervisor that may be steered, with all below it
    :param quiet: see `mas.steering.deeds`
    """

    def __init__(
        self,
        redis: Redis,
        subscriber: Subscriber,
        keys: Keys,
        keyring: Keyring,
        runner: str,
        root: Callable[[], Supervisor],
        bulletin: Bulletin,
        events: Events,
        *,
        within: str,
        quiet: Quiet,
    ) -> None:
        self._redis, self._subscriber, self._keys, self._keyring = redis, subscriber, keys, keyring
        self._channel, self._root = keys.steering(runner), root
        self._bulletin, self._events, self._within, self._quiet = bulletin, events, within, quiet
        self._waiting: deque[bytes] = deque()
        self._wake = anyio.Event()
        self._obeyed: dict[str, float] = {}
        """Each command that may still be valid, and when it is not any more."""

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Listen until cancelled."""
        self._subscriber.listen(self._channel, self._heard)
        try:
            async with anyio.create_task_group() as tasks:
                task_status.started()
                while True:
                    await self._wake.wait()
                    self._wake = anyio.Event()
                    while self._waiting:
                        await self._take(self._waiting.popleft(), tasks)
        finally:
            self._subscriber.ignore(self._channel, self._heard)

    def _heard(self, said: bytes | None) -> None:
        if said is None:
            return
        if len(self._waiting) >= _MOST_WAITING:
            self._events.alarm(self._channel, "more commands came than anyone could mean")
            return
        self._waiting.append(said)
        self._wake.set()

    async def _take(self, said: bytes, tasks: TaskGroup) -> None:
        try:
            command = msgspec.json.decode(unprotect(self._keyring.record, self._channel, said), type=Command)
            seconds, micros = await self._redis.call("TIME")
        except (IntegrityError, msgspec.DecodeError):
            self._events.alarm(self._channel, "a command does not carry the MAC it must; it is not obeyed")
            return
        except (RedisUnavailable, ResponseError) as error:
            log.warning("a command cannot be judged without redis; it is not obeyed", problem=str(error))
            return
        if problem := self._problem(command, int(seconds) + int(micros) / 1e6):
            self._events.alarm(self._channel, problem)
            return
        self._obeyed[command.id] = command.expires
        # Each by itself: a slow stop keeps nobody from asking for something else.
        tasks.start_soon(self._obey, command)

    def _problem(self, command: Command, now: float) -> str:
        self._obeyed = {each: expires for each, expires in self._obeyed.items() if expires >= now}
        if command.id in self._obeyed:
            return "a command came a second time; it is not obeyed again"
        if not now <= command.expires <= now + VALIDITY + 1 or not is_valid(command.id):
            return "a command came outside its time; it is not obeyed"
        return ""

    async def _obey(self, command: Command) -> None:
        log.info("steered", do=command.do, path=command.path, actor=command.actor)
        error, along = await self._do(command)
        answer = Answer(error, self._state(command.path), along)
        self._events.post(
            EventKind.CONTROL,
            command.path,
            actor=command.actor,
            detail=f"{command.do}: {answer.error or 'done'}",
        )
        place = self._keys.steering_answer(command.id)
        stored = protect(self._keyring.record, place, msgspec.json.encode(answer))
        try:
            # First the tree: whoever has the answer finds what it speaks of.
            await self._bulletin.put_up()
            await self._redis.call("RPUSH", place, stored)
            await self._redis.call("PEXPIRE", place, int(KEPT * 1000))
        except (RedisUnavailable, ResponseError) as error:
            log.warning("a command was obeyed, but its answer is lost", problem=str(error))

    async def _do(self, command: Command) -> tuple[str, tuple[str, ...]]:
        """Return why it was not done, if it was not, and to whom it was done along."""
        if command.path != self._within and not command.path.startswith(f"{self._within}/"):
            return f"only {self._within} and what is below it can be steered", ()
        try:
            return "", await carry_out(self._root(), command.do, command.path, self._quiet)
        except SupervisionError as error:
            return str(error)[:LONGEST], ()

    def _state(self, path: str) -> State | None:
        node = self._root().tree().find(path)
        return None if node is None else node.state
