"""What the process and its owner say to each other: one JSON object a line, either way."""

import msgspec

from mas.audit.continuity import Run
from mas.audit.look import Seen
from mas.audit.trails import Trail


class Spec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The first line: all that the process is given; never the deployment's secret, nor what signs seals.

    :param macs: the keys under which the records of each trail have their MACs
    :param backend: `trio` or `asyncio`
    """

    redis_url: str
    allow_plaintext: bool
    response_timeout: float
    connect_timeout: float
    namespace: str
    macs: dict[Trail, bytes]
    backend: str = ""

    def __repr__(self) -> str:
        return f"<Spec of {self.namespace or 'no namespace'}>"


class Examine(msgspec.Struct, frozen=True, tag="examine"):
    """A look that is wanted; see `Look`."""

    trail: Trail
    after: str
    most: int
    runs: dict[str, Run]


class Pack(msgspec.Struct, frozen=True, tag="pack"):
    """An archive that is wanted: of all from one seal to another, named by their entries, into a file."""

    first: str
    upto: str
    path: str


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """It is connected to Redis."""


class Looked(msgspec.Struct, frozen=True, tag="looked"):
    """The answer to `Examine`."""

    seen: Seen


class Packed(msgspec.Struct, frozen=True, tag="packed"):
    """The answer to `Pack`: the file is on the disk, whole."""

    digest: str
    """Its SHA-256 as hex."""


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """The answer to either, if Redis does not answer, or the file cannot be written."""

    problem: str


Ask = Examine | Pack
Answer = Looked | Packed | Failed
Report = Ready | Answer
encode = msgspec.json.Encoder().encode
read_spec = msgspec.json.Decoder(Spec).decode
read_ask = msgspec.json.Decoder(Ask).decode
read_report = msgspec.json.Decoder(Report).decode
