"""From a delivery to the method that handles it."""

from typing import TYPE_CHECKING, Any

from mas.agent.handlers import Handler
from mas.agent.received import AgentMessage
from mas.errors import NotARequest, PayloadInvalid

if TYPE_CHECKING:
    from mas.agent.agent import Agent


class Unfit(PayloadInvalid):
    """A message that this agent cannot take, however often it is tried."""


async def dispatch(agent: "Agent[Any]", handlers: dict[str, Handler], message: AgentMessage) -> None:
    """Call the handler of a message's type, or `on_message` where there is none.

    :raises Unfit: if the payload does not fit the handler's model, or the handler replied and nobody asked
    """
    try:
        await _call(agent, handlers, message)
    except NotARequest as error:
        if message.expects_reply:
            raise  # it was another message that it replied to
        # Like the payload, that is the sender's doing, and no trouble of the agent.
        problem = f"{agent.id} replied to it, but it was sent without asking for a reply"
        raise Unfit(message.message_type, problem) from error


async def _call(agent: "Agent[Any]", handlers: dict[str, Handler], message: AgentMessage) -> None:
    handler = handlers.get(message.message_type)
    if handler is None:
        await agent.on_message(message)
        return
    payload = None
    if handler.model is not None:
        try:
            payload = handler.model.load(message.raw, f"payload of {message.message_type}")
        except PayloadInvalid as error:
            raise Unfit(error.what, error.problem) from None
    await getattr(agent, handler.method)(message, payload)
