"""Is the configuration there and valid, may only its owner write it, and what does it leave off?"""

import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

from mas.cli.doctor.finding import Finding, fail, ok, warn
from mas.cli.doctor.patient import Patient
from mas.cli.exits import MISCONFIGURED
from mas.settings import Settings
from mas.settings.search import own, writable_by_others


def configuration(patient: Patient) -> Finding:
    """Say which files were read, or why they cannot be used."""
    if patient.misfit is not None:
        raise patient.misfit
    settings = patient.settings
    files = " and ".join(map(str, settings.sources))
    return ok(f"{files}; agents: {len(settings.agents)}, permissions: {len(settings.permissions)}")


def writers(patient: Patient) -> Finding:
    """Find who else may change the configuration, or the agents' code."""
    files = [*patient.settings.sources, *_code(patient.settings)]
    directories = {Path(os.path.realpath(file)).parent for file in files} | {file.parent for file in files}
    for path in [*files, *sorted(directories)]:
        status = path.stat()
        if writable_by_others(status) and not (path in directories and status.st_mode & stat.S_ISVTX):
            return fail(
                f"others may write {path}, and with it what runs here with the deployment's secret",
                f"chmod go-w {path}",
                exit_code=MISCONFIGURED,
            )
    strangers = {path: _user(uid) for path in files if (uid := path.stat().st_uid) not in own()}
    for path, user in strangers.items():
        return warn(f"{path} belongs to {user}", "chown it, unless you trust that user")
    return ok(f"only {_user(os.geteuid())} may write it and the agents' code")


def warnings(patient: Patient) -> Finding:
    """Repeat what a run would warn of."""
    found = patient.settings.warnings
    return warn("; ".join(found), "mend it, or leave it if it is meant") if found else ok("none")


def policies(patient: Patient) -> Finding:
    """Name the policies that are switched off."""
    off = patient.settings.gateway.switched_off
    if off:
        return warn(f"switched off: {', '.join(off)}", "switch it on in gateway.yaml, unless that is meant")
    return ok("all are on")


def _code(settings: Settings) -> Iterator[Path]:
    """Yield the files of agents that lie beside the configuration."""
    modules = {agent.class_path.partition(":")[0] for agent in settings.agents}
    for module in sorted(modules):
        path = settings.base.joinpath(*module.split("."))
        for candidate in (path.with_name(f"{path.name}.py"), path / "__init__.py"):
            if candidate.is_file():
                yield candidate


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
