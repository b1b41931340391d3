"""What a check came to, and how to mend it."""

from enum import StrEnum

import msgspec

from mas.cli.exits import FAILED


class Verdict(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    """It works, and will not for ever, or promises less than it could."""
    FAIL = "fail"
    UNKNOWN = "unknown"
    """The check could not be made; what stands in its way has a finding of its own, or says so here."""


class Finding(msgspec.Struct, frozen=True):
    """One line of the report.

    :param check: which; filled in by who makes it
    :param mend: what to do; empty where nothing is to be done
    :param exit_code: what the process ends with if this is the first that fails
    """

    check: str
    verdict: Verdict
    said: str
    mend: str = ""
    exit_code: int = 0


def ok(said: str) -> Finding:
    """Say that nothing is to be done."""
    return Finding("", Verdict.OK, said)


def warn(said: str, mend: str = "") -> Finding:
    """Say what should be mended."""
    return Finding("", Verdict.WARN, said, mend)


def fail(said: str, mend: str = "", *, exit_code: int = FAILED) -> Finding:
    """Say what must be mended."""
    return Finding("", Verdict.FAIL, said, mend, exit_code)


def unknown(said: str) -> Finding:
    """Say why nobody knows."""
    return Finding("", Verdict.UNKNOWN, said)


class CannotLook(Exception):
    """What a check looks at is not there; its text says why."""
