"""Agents: what users write, and what carries it.

agent      the class to subclass; `handlers`, `models` and `state` stand behind it
life       one life of one instance
outbox     what it sends; `answers` it waits for
inbox      what it receives, a `window` ahead: `delivery` opens, `dispatch` finds the handler, which gets it
           as `received`; `workers` take it in order; `settling` holds and settles
attempts   starts handlers, and again after a pause (`backoff`); what they send has the message as its `cause`
fared      how many returned, raised, were started again or given up
pulse      one beat for all inboxes of a process; `services` is what else its agents share
voice      an instance that only speaks, and hears what becomes of it
watchdog   names what holds up the event loop
process    instances in operating system processes of their own
"""

from mas.agent.agent import Agent, takes_mail
from mas.agent.fared import Fared
from mas.agent.life import Life
from mas.agent.pulse import Pulse
from mas.agent.received import AgentMessage
from mas.agent.services import Services
from mas.agent.voice import Voice

__all__ = ["Agent", "AgentMessage", "Fared", "Life", "Pulse", "Services", "Voice", "takes_mail"]
