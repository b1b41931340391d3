"""`audit:` in gateway.yaml: what the trail keeps, how closely it is sealed, how long it stays in Redis."""

from pathlib import Path
from typing import Annotated, Literal

from attrs import Factory, frozen

from mas.errors import ConfigurationError
from mas.settings.fields import Within, by_type


@frozen(kw_only=True, field_transformer=by_type)
class AuditSettings:
    """The trail, its seals, and its archive."""

    payload: Literal["none", "encrypted"] = "none"
    """Whether records keep payloads, under AES-256-GCM with a key derived from the deployment's secret."""

    seal_interval: Annotated[float, Within(0.1, 60, "s")] = 1.0
    """The longest a record waits for its seal while the sealer runs, in seconds."""

    seal_batch: Annotated[int, Within(1, 100_000, "records")] = 1000
    """The most records one seal covers."""

    own_process: bool = True
    """Whether a process of its own examines and archives records while there are thousands a second."""

    max_unsealed: Annotated[int, Within(1000, 100_000_000, "records")] = 100_000
    """Unsealed records at which the gateway stops committing and raises an alarm."""

    key_file: Path | None = None
    """The private key that signs seals; None: `audit.key` in `data_dir`, made at the first start."""

    sink: Literal["file", "stdout", "command", "none"] = "file"
    """Where each seal goes besides Redis."""

    sink_file: Path | None = None
    """The file of the sink `file`; None: `audit-seals.jsonl` in `data_dir`."""

    sink_file_size: Annotated[int, Within(10_000, 10_000_000_000, "bytes")] = 50_000_000
    """The size at which that file is set aside and a new one begun, in bytes."""

    sink_files: Annotated[int, Within(1, 1000, "files")] = 10
    """How many files that were set aside are kept."""

    sink_command: tuple[str, ...] = Factory(tuple)
    """Program and arguments of the sink `command`; it reads seals from standard input."""

    max_records: Annotated[int, Within(1000, 1_000_000_000, "records")] = 250_000
    """Sealed records in Redis at which the oldest tenth is archived and trimmed."""

    max_age: Annotated[float, Within(60, 315_360_000, "s")] = 2_592_000.0
    """Age at which sealed records are archived and trimmed, in seconds."""

    archive_dir: Path | None = None
    """Where archives go, in a directory named by the namespace; None: `audit-archive` in `data_dir`."""

    archive_max_age: Annotated[float | None, Within(3600, 3_153_600_000, "s")] = None
    """Age at which an archive is deleted, in seconds since it was written; None: never.

    As the next one is written: what was deleted is sealed with it.
    """

    archive_max_bytes: Annotated[int | None, Within(1, 1_000_000_000_000, "bytes")] = None
    """Bytes of all archives of one machine at which the oldest are deleted; None: never."""

    def __attrs_post_init__(self) -> None:
        if self.sink == "command" and not self.sink_command:
            raise ConfigurationError("sink is command, but sink_command is empty")
        if self.seal_batch > self.max_unsealed:
            raise ConfigurationError(
                f"seal_batch ({self.seal_batch:,}) is more than max_unsealed ({self.max_unsealed:,})"
            )
