"""Is this machine fit to run MAS: Python, packages, a server to embed, open files?"""

import re
import resource
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution, version
from typing import Final

from mas.cli.doctor.finding import CannotLook, Finding, fail, ok, warn
from mas.cli.doctor.patient import Patient
from mas.redis import find_server

_US: Final = "mas-runtime"
_NEEDED: Final = re.compile(r"([A-Za-z0-9._-]+)\s*>=\s*([0-9.]+)")
_FILES: Final = 128  # descriptors of a process without agents of their own process, with some to spare
_FILES_EACH: Final = 8  # more for each agent's process


def python(_: Patient) -> Finding:
    """Compare the interpreter with what the package asks for."""
    here = ".".join(map(str, sys.version_info[:3]))
    asked = _metadata().metadata["Requires-Python"] or ""
    least = asked.removeprefix(">=")
    if _older(here, least):
        return fail(f"{here} is older than {least}", f"run MAS with Python {least} or later")
    return ok(f"{here}; {least} or later is asked for")


def packages(_: Patient) -> Finding:
    """Compare what is installed with what the package asks for."""
    asked = [line for line in _metadata().requires or () if ";" not in line]
    found = [_NEEDED.fullmatch(line.strip()) for line in asked]
    wrong = [problem for each in found if each and (problem := _wrong(each[1], each[2]))]
    if wrong:
        names = " ".join(f"'{each[1]}>={each[2]}'" for each in found if each and _wrong(each[1], each[2]))
        return fail("; ".join(wrong), f"pip install --upgrade {names}")
    return ok(f"{len(asked)} are here, and new enough")


def server_program(patient: Patient) -> Finding:
    """Look for a server to embed, where one is needed."""
    try:
        url = patient.settings.redis_url
    except CannotLook:
        url = None
    if url is not None:
        return ok("none is needed: the configuration names a Redis")
    return ok(f"{find_server()}, to be embedded")


def open_files(patient: Patient) -> Finding:
    """Compare the limit of open files with what the agents need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        apart = sum(agent.instances for agent in patient.settings.agents if agent.process)
    except CannotLook:
        apart = 0
    needed = _FILES + _FILES_EACH * apart
    if soft != resource.RLIM_INFINITY and soft < needed:
        how = (
            f"ulimit -n {needed}"
            if hard in {resource.RLIM_INFINITY, max(hard, needed)}
            else "raise it as root"
        )
        return warn(f"at most {soft:,}, and {needed:,} may be needed", f"{how}; for a service, LimitNOFILE=")
    return ok("no limit" if soft == resource.RLIM_INFINITY else f"at most {soft:,}; {needed:,} may be needed")


def _metadata() -> Distribution:
    try:
        return distribution(_US)
    except PackageNotFoundError:
        raise CannotLook(f"{_US} is not installed as a package here") from None


def _wrong(name: str, least: str) -> str:
    """Say what is wrong with a package; nothing if it is there and new enough."""
    try:
        here = version(name)
    except PackageNotFoundError:
        return f"{name} is not installed"
    return f"{name} {here} is older than {least}" if _older(here, least) else ""


def _older(here: str, least: str) -> bool:
    return _numbers(here) < _numbers(least)


def _numbers(text: str) -> tuple[int, ...]:
    """Return the numbers a version begins with, without zeros at the end: 4.16 is 4.16.0."""
    begin = re.match(r"[0-9.]*", text)
    numbers = [int(each) for each in begin[0].split(".") if each] if begin else []
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)
