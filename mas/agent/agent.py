"""What users write: a class with handlers, an optional state, and words to others."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast, get_args, get_origin

from mas.agent.dispatch import Unfit
from mas.agent.handlers import Handler, handlers_of, on
from mas.agent.models import model_of
from mas.agent.received import AgentMessage
from mas.control import Peer
from mas.errors import MasError, MessageRefused
from mas.ids import AgentId
from mas.ids import agent_id as checked
from mas.log import logger

log = logger(__name__)

if TYPE_CHECKING:
    from mas.agent.life import Life

StateT = TypeVar("StateT")


class Agent(Generic[StateT]):
    """An agent: subclass it, mark handlers with `@Agent.on`, name it in `agents.yaml`.

    One object lives from one start to the next: a restart makes a new one, and the state is loaded
    again. `state` is filled in before the first handler runs and before `on_start`.

    :param agent_id: its name; instances of one agent share it
    :param state_model: what `state` is; by default what stands in `Agent[...]`, else a dict
    :param capabilities: what it can be found by
    :param metadata: what others may know about it besides
    :raises InvalidId: if the id could not be part of a key
    """

    handlers: ClassVar[dict[str, Handler]] = {}
    on = staticmethod(on)

    def __init__(
        self,
        agent_id: str,
        *,
        state_model: type[StateT] | None = None,
        capabilities: Iterable[str] = (),
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        self.id: AgentId = checked(agent_id)
        self.capabilities = tuple(capabilities)
        self.state_model: Any = state_model or _declared_state(type(self)) or dict
        self.state: StateT = cast("StateT", None)  # loaded before anything runs
        self._metadata = dict(metadata or {})
        self._life: Life | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.handlers = handlers_of(cls)

    def __repr__(self) -> str:
        return f"<{type(self).__qualname__} {self.id}>"

    # What a subclass may say.

    async def on_start(self) -> None:
        """Run once the agent reads its mail, beside its handlers; may talk to any agent.

        May run for as long as the agent does. An exception is a crash: the agent is restarted.
        """

    async def on_stop(self) -> None:
        """Run when the agent is asked to stop, after its last handler returned. Not run in a crash."""

    async def on_message(self, message: AgentMessage) -> None:
        """Handle a message whose type has no handler; by default it becomes a dead letter."""
        raise Unfit(message.message_type, f"{self.id} has no handler for it")

    def on_refused(self, refusal: MessageRefused) -> None:
        """Hear that a message nobody waits for was refused; called at once, so it must not block.

        Messages whose decision is waited for (`request`, `send(confirm=True)`) raise it there instead.
        """
        log.warning(
            "a message was refused",
            agent=self.id,
            decision=refusal.decision,
            reason=refusal.reason,
            message_id=refusal.message_id,
        )

    def get_metadata(self) -> Mapping[str, Any]:
        """Return what others may know about this agent; asked once, when it is enrolled."""
        return self._metadata

    # What an agent may do while it runs.

    async def send(
        self, target_id: str, message_type: str, data: Any = None, *, confirm: bool = False
    ) -> None:
        """Send a message and return when Redis has it.

        :param data: the payload: dicts and lists, or any model the handlers know
        :param confirm: wait for the gateway's decision as well
        :raises MessageRefused: with `confirm`, if the gateway decided against it; always, if it is too large
        :raises RedisUnavailable: if Redis stayed away for too long
        """
        await self._running.send(checked(target_id), message_type, data, confirm=confirm)

    async def request(
        self, target_id: str, message_type: str, data: Any = None, *, timeout: float = 30.0
    ) -> AgentMessage:
        """Send a message and return the reply.

        :param timeout: seconds to wait for it
        :raises MessageRefused: at once, if the gateway decided against it or its receiver gave it up
        :raises RequestTimeout: if nobody replied in time
        :raises RedisUnavailable: if Redis stayed away for too long
        """
        return await self._running.request(checked(target_id), message_type, data, timeout=timeout)

    async def discover(self, *capabilities: str, timeout: float = 30.0) -> list[Peer]:
        """Return the agents that offer all these capabilities and that this one may message.

        :param timeout: seconds to wait for the gateway's answer
        """
        return await self._running.discover(capabilities, timeout=timeout)

    async def update_state(self, changes: Mapping[str, Any]) -> None:
        """Change fields of the state and store them; `state` is the new one afterwards.

        :raises PayloadInvalid: if a change does not fit the model; nothing is changed then
        """
        self.state = await self._running.store.update(self.state, changes)

    async def reset_state(self) -> None:
        """Forget what is stored and begin with the model's defaults again."""
        self.state = await self._running.store.reset()

    @property
    def _running(self) -> "Life":
        if self._life is None:
            raise MasError(f"{self.id} is not running: a system starts it (see mas.open_system)")
        return self._life


def takes_mail(agent: Agent[Any]) -> bool:
    """Say whether there is any message that an agent's class would handle."""
    cls = type(agent)
    return bool(cls.handlers) or cls.on_message is not Agent.on_message


def _declared_state(cls: type) -> type | None:
    """Return the state model that a class names in `Agent[...]`."""
    for base in cls.__mro__:
        for declared in getattr(base, "__orig_bases__", ()):
            if get_origin(declared) is Agent:
                (state,) = get_args(declared)
                return None if isinstance(state, TypeVar) else _model_or_dict(state)
    return None


def _model_or_dict(state: Any) -> type:
    return dict if get_origin(state) is dict else model_of(state).type
