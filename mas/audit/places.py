"""Where the sealer keeps its files: what the settings name, or the defaults in the data directory."""

from pathlib import Path
from typing import NamedTuple

from mas.audit.sink import CommandSink, FileSink, Sink, StdoutSink
from mas.settings import AuditSettings


class Places(NamedTuple):
    """The files of one deployment's audit."""

    key: Path
    """The private key; beside it, with the suffix `.pub`, the public ones."""
    seals: Path
    """The file of the sink `file`."""
    archive: Path
    """The directory of archives."""

    @classmethod
    def of(cls, settings: AuditSettings, data_dir: Path, base: Path, namespace: str) -> "Places":
        """Return the files.

        :param base: where relative paths begin
        :param namespace: the system's: of several that share a directory, each has its own for archives
        """
        return cls(
            base / settings.key_file if settings.key_file else data_dir / "audit.key",
            base / settings.sink_file if settings.sink_file else data_dir / "audit-seals.jsonl",
            (base / settings.archive_dir if settings.archive_dir else data_dir / "audit-archive") / namespace,
        )

    @property
    def public(self) -> Path:
        """The public keys: the one in use and those before it."""
        return self.key.with_suffix(".pub")


def sink_of(settings: AuditSettings, places: Places, namespace: str) -> Sink | None:
    """Return where the seals of one system go besides Redis."""
    match settings.sink:
        case "file":
            return FileSink(
                places.seals, size=settings.sink_file_size, files=settings.sink_files, namespace=namespace
            )
        case "stdout":
            return StdoutSink()
        case "command":
            return CommandSink(settings.sink_command)
        case "none":
            return None
