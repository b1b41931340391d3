"""One life of one instance: from its start, through its mail, to its stop or crash."""

from collections.abc import Callable
from functools import partial
from typing import Any

import anyio
import msgspec
from anyio.abc import TaskStatus

from mas.agent.agent import Agent
from mas.agent.answers import Answers
from mas.agent.dispatch import dispatch
from mas.agent.inbox import Inbox
from mas.agent.models import model_of
from mas.agent.outbox import Outbox
from mas.agent.received import AgentMessage
from mas.agent.services import Services
from mas.agent.state import StateStore
from mas.control import DISCOVER_TYPE, Discover, Peer
from mas.errors import RequestTimeout
from mas.ids import AgentId, new_message_id
from mas.message import GATEWAY, Meta
from mas.trust import Credential


class Life:
    """Runs one instance of an agent once; a restart is a new life.

    :param make: makes the agent, fresh for every life
    :param credential: asked for at the start, since a new enrolment may have replaced it
    """

    def __init__(
        self,
        make: Callable[[], Agent[Any]],
        credential: Callable[[], Credential],
        services: Services,
        *,
        concurrency: int = 16,
    ) -> None:
        self.agent = make()
        held = credential()
        self._instance = held.instance_id
        self._stop = anyio.Event()
        self._answers = Answers()
        self._outbox = Outbox(
            services.redis, services.ingress, held, clock=services.clock, largest=services.largest
        )
        self.store: StateStore[Any] = StateStore(
            services.redis,
            services.keys,
            self.agent.id,
            model_of(self.agent.state_model),
        )
        handlers = type(self.agent).handlers
        handle = partial(dispatch, self.agent, handlers)

        self._inbox = Inbox(
            services,
            held,
            self._outbox,
            self._answers,
            handle,
            self.agent.on_refused,
            self._reply,
            concurrency=concurrency,
        )

    async def run(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        """Live until asked to stop or cancelled; ready when the inbox reads.

        What `on_start` raises ends the life; what a handler raises does not.
        """
        await self._outbox.open()
        self.agent.state = await self.store.load()
        self.agent._life = self  # noqa: SLF001 - an agent speaks through its life, and only while it lasts
        try:
            async with anyio.create_task_group() as tasks:
                await tasks.start(self._inbox.run)
                task_status.started()
                tasks.start_soon(self.agent.on_start)
                await self._stop.wait()
                await self._inbox.drain()
                await self.agent.on_stop()
                tasks.cancel_scope.cancel()
        finally:
            self.agent._life = None  # noqa: SLF001

    def stop(self) -> None:
        """Ask it to stop: start nothing more, finish what is under way."""
        self._stop.set()

    def pause(self) -> None:
        """Start no more handlers until `resume`."""
        self._inbox.pause()

    def resume(self) -> None:
        """Go on after a pause."""
        self._inbox.resume()

    async def quiet(self) -> None:
        """Return once no handler runs; after a `pause`."""
        await self._inbox.quiet()

    async def send(self, target: AgentId, message_type: str, data: Any, *, confirm: bool) -> None:
        """See `Agent.send`."""
        data = {} if data is None else data
        if not confirm:
            await self._outbox.submit(target, message_type, data)
            return
        message_id = new_message_id()
        waiter = self._answers.expect(message_id, target)
        try:
            await self._outbox.submit(
                target, message_type, data, Meta(self._instance, confirm=True), message_id
            )
            await waiter.decision()
        finally:
            self._answers.forget(message_id)

    async def request(self, target: AgentId, message_type: str, data: Any, *, timeout: float) -> AgentMessage:
        """See `Agent.request`."""
        message_id, due = new_message_id(), anyio.current_time() + timeout
        waiter = self._answers.expect(message_id, target, due)
        meta = Meta(self._instance, correlation_id=message_id)
        try:
            posted = self._outbox.post(
                target, message_type, {} if data is None else data, meta, message_id, waiter.nudge
            )
            while not waiter.answered:
                if posted.reply.failure is not None:
                    with anyio.fail_after(due - anyio.current_time()):
                        await self._outbox.make_sure(posted)
                if not waiter.answered:
                    await waiter.news()
            return await waiter.reply()
        except TimeoutError:
            raise RequestTimeout(target, message_type, timeout) from None
        finally:
            self._answers.forget(message_id)

    async def discover(self, capabilities: tuple[str, ...], *, timeout: float) -> list[Peer]:
        """See `Agent.discover`."""
        answer = await self.request(GATEWAY, DISCOVER_TYPE, Discover(capabilities), timeout=timeout)
        return msgspec.json.decode(answer.raw, type=list[Peer])

    async def _reply(self, asked: AgentMessage, message_type: str, data: Any) -> None:
        meta = Meta(
            self._instance,
            correlation_id=asked.meta.correlation_id,
            is_reply=True,
            permit=asked.permit,
        )
        await self._outbox.submit(asked.sender_id, message_type, {} if data is None else data, meta)
