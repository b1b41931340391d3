"""Agents: what users write, and what carries it.

agent      the class to subclass; `handlers`, `models` and `state` stand behind it
life       one life of one instance
outbox     what it sends; `answers` it waits for
inbox      what it receives: `delivery` opens, `dispatch` finds the handler, `settling` holds and settles
pulse      one beat for all inboxes of a process
"""

from mas.agent.agent import Agent
from mas.agent.life import Life
from mas.agent.pulse import Pulse
from mas.agent.received import AgentMessage
from mas.agent.services import Services

__all__ = ["Agent", "AgentMessage", "Life", "Pulse", "Services"]
