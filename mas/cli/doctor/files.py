"""Are the secret, the data directory and what lies in it as they must be?"""

import os
import shutil
from pathlib import Path
from typing import Final

from mas.audit import Places
from mas.audit.signing import SealKey
from mas.cli.doctor.finding import CannotLook, Finding, fail, ok, warn
from mas.cli.doctor.patient import Patient
from mas.cli.exits import MISCONFIGURED
from mas.settings import deployment_secret
from mas.settings.deployment import NAME, to_be_made
from mas.settings.search import own, writable_by_others

_DIVERSE: Final = 8  # different bytes; what was drawn at random has more, "changemechangeme" has not
_SPACE: Final = 1024**3  # bytes below which it is time to look
_NO_SPACE: Final = 64 * 1024**2  # bytes below which Redis soon cannot write


async def secret(patient: Patient) -> Finding:
    """Say where the secret is from; it must be good, and the one that the deployment has."""
    settings = patient.settings
    made = to_be_made(settings, patient.environ)
    if made is not None:
        if await _has_run(patient):
            return fail(
                "it is not here, and a system has run on this Redis with one",
                "set MAS_SECRET or secret_file to the one that the system runs with",
                exit_code=MISCONFIGURED,
            )
        return ok(f"none yet; mas run makes one in {made}")
    value = deployment_secret(settings, patient.environ)
    where = "MAS_SECRET"
    if where not in patient.environ:
        where = str(settings.secret_file or settings.data_dir / NAME)
    if len(set(value.encode())) < _DIVERSE:
        return warn(f"the one in {where} is easily guessed", "make one with openssl rand -hex 32")
    return ok(f"{where}; long enough, and for its owner's eyes only")


def data_directory(patient: Patient) -> Finding:
    """See whether the data directory can be used, by this user alone."""
    path = patient.settings.data_dir
    if not os.path.lexists(path):
        above = _existing(path)
        if not os.access(above, os.W_OK | os.X_OK):
            return fail(
                f"{path} cannot be made: {above} may not be written", "set data_dir", exit_code=MISCONFIGURED
            )
        return ok(f"{path}, which mas run makes")
    if not path.is_dir():
        return fail(f"{path} is no directory", "set data_dir, or move it away", exit_code=MISCONFIGURED)
    status = path.stat()
    if writable_by_others(status) or status.st_uid not in own():
        problem = f"others may replace what is kept in {path}"
        return fail(problem, f"chmod 700 {path}, or set data_dir", exit_code=MISCONFIGURED)
    if not os.access(path, os.W_OK | os.X_OK):
        return fail(
            f"{path} may not be written", "set data_dir, or mount it for writing", exit_code=MISCONFIGURED
        )
    if status.st_mode & 0o077:
        return warn(f"others may look into {path}", f"chmod 700 {path}")
    return ok(f"{path}, for this user alone")


def space(patient: Patient) -> Finding:
    """See how much the disk of the data directory still takes."""
    return space_left(shutil.disk_usage(_existing(patient.settings.data_dir)).free)


def space_left(free: int) -> Finding:
    """Judge so many free bytes."""
    said = f"{size(free)} left on the disk of data_dir"
    if free < _NO_SPACE:
        return fail(said, "make room, or set data_dir: what cannot be written is refused")
    return warn(said, "make room, or set data_dir") if free < _SPACE else ok(said)


def audit_key(patient: Patient) -> Finding:
    """See whether the key that signs seals is there for its owner alone."""
    path = _places(patient).key
    if not os.path.lexists(path):
        return ok(f"none yet; mas run makes one in {path}")
    SealKey.load(path)
    return ok(f"{path}, for its owner's eyes only")


def audit_sink(patient: Patient) -> Finding:
    """See whether seals get to where they cannot be cut off with the trail."""
    audit = patient.settings.gateway.audit
    match audit.sink:
        case "none":
            return warn(
                "seals are kept in Redis only: nobody could show that the end of the trail was cut off",
                "set audit.sink in gateway.yaml",
            )
        case "command":
            program = audit.sink_command[0]
            if shutil.which(program) is None:
                return fail(
                    f"audit.sink_command: there is no program {program}", "install it, or name another"
                )
            return ok(f"seals also go to {program}")
        case "stdout":
            return ok("seals also go to standard output")
        case "file":
            path = _places(patient).seals
            if path.exists() and not os.access(path, os.W_OK):
                return fail(f"{path} cannot be written", "chmod u+w it, or set audit.sink_file")
            return _unusable(path.parent) or ok(f"seals also go to {path}")


def archives(patient: Patient) -> Finding:
    """See whether old records and dead letters can be archived: without that nothing is trimmed."""
    places = (_places(patient).archive, patient.settings.letter_archive)
    for path in places:
        if (finding := _unusable(path)) is not None:
            return finding
    return ok(f"in {' and '.join(map(str, places))}")


def size(count: float) -> str:
    """Return a number of bytes in its largest unit."""
    unit, *larger = ("bytes", "KiB", "MiB", "GiB", "TiB")
    while count >= 1024 and larger:
        count, unit = count / 1024, larger.pop(0)
    return f"{count:,.0f} {unit}" if count >= 100 or unit == "bytes" else f"{count:.3g} {unit}"


async def _has_run(patient: Patient) -> bool:
    try:
        return bool(await patient.redis.call("EXISTS", patient.keys.policy))
    except CannotLook:
        return False


def _places(patient: Patient) -> Places:
    settings = patient.settings
    return Places.of(settings.gateway.audit, settings.data_dir, settings.base, settings.namespace)


def _unusable(directory: Path) -> Finding | None:
    """Say why nothing can be put into a directory, if so; one that is missing is made when it is needed."""
    there = _existing(directory)
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return None
    return fail(f"{directory} cannot be written", f"make {there} a directory that this user may write to")


def _existing(path: Path) -> Path:
    """Return the path, or the nearest thing above it that exists."""
    return next(each for each in (path, *path.absolute().parents) if os.path.lexists(each))
