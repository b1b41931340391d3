"""What an instance's process and its owner say to each other: one JSON object a line, either way."""

from typing import Annotated, Any, Literal

import msgspec

from mas.ids import AgentId, InstanceId
from mas.settings import DeliverySettings


class Spec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first line: all that the process is given. Never the deployment's secret, nor what it leads to.

    :param redis_url: where Redis is, and as whom it is opened
    :param confined: whether that user may do no more than this one instance needs; else it may do all that
        the owner's may
    :param base: the directory of agents.yaml
    :param path: where else Python modules are found
    :param log_setup: `module:function` that sets up the log, given its level; "" for a plain one
    :param loop_alarm: see `Settings.loop_alarm`
    """

    agent_id: AgentId
    instance_id: InstanceId
    token: bytes
    seal_key: bytes
    class_path: str
    init_kwargs: dict[str, Any]
    concurrency: int
    redis_url: str
    confined: bool
    allow_plaintext: bool
    response_timeout: float
    connect_timeout: float
    namespace: str
    delivery: DeliverySettings
    max_envelope: int
    base: str
    path: tuple[str, ...]
    backend: str
    log_level: str
    log_setup: str
    loop_alarm: float

    def __repr__(self) -> str:
        return f"<Spec of {self.agent_id}:{self.instance_id}>"


class Order(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the owner wants."""

    do: Literal["stop", "pause", "resume", "quiet", "renew"]
    token: bytes = b""
    """Of `renew`: what takes the place of the token."""
    redis_url: str = ""
    """Of `renew`: what takes the place of the one in the spec."""

    def __repr__(self) -> str:
        return f"<Order {self.do}>"


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """The inbox reads."""


class Quiet(msgspec.Struct, frozen=True, tag="quiet"):
    """No handler runs; the answer to an order `quiet` that followed a `pause`."""


class Crashed(msgspec.Struct, frozen=True, tag="crashed"):
    """The life ended by an exception."""

    error: str
    """Its type and text."""
    trace: str
    """Its traceback."""


_Count = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]


class Counted(msgspec.Struct, frozen=True, omit_defaults=True, tag="counted"):
    """How handlers fared since the last one of these; see `Fared`."""

    handled: _Count = 0
    failed: _Count = 0
    retried: _Count = 0
    given_up: _Count = 0
    trimmed: _Count = 0


Report = Ready | Quiet | Crashed | Counted
encode = msgspec.json.Encoder().encode
read_spec = msgspec.json.Decoder(Spec).decode
read_order = msgspec.json.Decoder(Order).decode
read_report = msgspec.json.Decoder(Report).decode
