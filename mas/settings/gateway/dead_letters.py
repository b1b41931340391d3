"""`dead_letters:` in gateway.yaml: how long dead letters stay in Redis before they move to a file."""

from pathlib import Path
from typing import Annotated

from attrs import frozen

from mas.settings.fields import Within, by_type


@frozen(kw_only=True, field_transformer=by_type)
class LetterSettings:
    """Bounds of the dead-letter stream; what goes over them is archived first."""

    max_letters: Annotated[int, Within(1, 1_000_000_000, "letters")] = 100_000
    """Letters in Redis at which the oldest tenth is archived."""

    max_age: Annotated[float, Within(60, 315_360_000, "s")] = 2_592_000.0
    """Age at which letters are archived, in seconds."""

    archive_dir: Path | None = None
    """Where archives go, in a directory named by the namespace; None: `dead-letters` in `data_dir`."""

    archive_max_age: Annotated[float | None, Within(3600, 3_153_600_000, "s")] = None
    """Age at which an archive is deleted with its letters, in seconds since it was written; None: never."""

    archive_max_bytes: Annotated[int | None, Within(1, 1_000_000_000_000, "bytes")] = None
    """Bytes of all archives of one machine at which the oldest are deleted; None: never."""
