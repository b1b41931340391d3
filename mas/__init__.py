"""MAS: a secure multi-agent runtime.

Every message goes from an agent through the gateway to another agent's handler, over Redis Streams.

    errors, ids, clock, decision, log, environ        words
    retention, threads                                old files, and threads of our own
    message, control, keys, trust                     what flows, and what proves it
    redis, process, supervision, dlp                  machinery that knows nothing of agents
    settings                                          what a user may write
    bus, directory, letters, audit                    where things are put
    gateway, registry, agent, steering                the residents
    ops                                               what shows how they are
    system, outside                                   what runs a deployment, and one agent elsewhere
    bench, testing                                    what measures and tests all that
    cli                                               what `mas` does
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mas.agent import Agent, AgentMessage
    from mas.control import Peer
    from mas.decision import Decision
    from mas.errors import (
        ConfigurationError,
        EnrolmentRefused,
        ForgetRefused,
        IntegrityError,
        InvalidId,
        MasError,
        MessageRefused,
        NotARequest,
        PayloadInvalid,
        ProcessFailed,
        RedisTooOld,
        RedisUnavailable,
        RequestTimeout,
        RestartsExhausted,
        StartFailed,
        StopOverrun,
        SupervisionError,
        UnknownChild,
    )
    from mas.outside import connect
    from mas.registry import Credentials
    from mas.system import System, open_system

__all__ = [
    "Agent",
    "AgentMessage",
    "ConfigurationError",
    "Credentials",
    "Decision",
    "EnrolmentRefused",
    "ForgetRefused",
    "IntegrityError",
    "InvalidId",
    "MasError",
    "MessageRefused",
    "NotARequest",
    "PayloadInvalid",
    "Peer",
    "ProcessFailed",
    "RedisTooOld",
    "RedisUnavailable",
    "RequestTimeout",
    "RestartsExhausted",
    "StartFailed",
    "StopOverrun",
    "SupervisionError",
    "System",
    "UnknownChild",
    "connect",
    "open_system",
]

__version__ = "0.1.0"

# Lightest first: whoever asks for an error, or runs `mas --help`, does not wait for the whole house.
_HOMES = ("errors", "decision", "control", "agent", "registry", "outside", "system")


def __getattr__(name: str) -> Any:
    """Import what is asked for when it is first asked for."""
    if name in __all__:
        for home in _HOMES:
            module = import_module(f"{__name__}.{home}")
            if hasattr(module, name):
                value = globals()[name] = getattr(module, name)
                return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
