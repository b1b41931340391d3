"""Make each check in turn; none hides another, and none waits for a Redis that has stopped answering."""

import os
from collections.abc import Awaitable, Mapping
from pathlib import Path

import anyio
import msgspec
from redis.exceptions import ResponseError

from mas.cli.doctor.checks import CHECKS, Check
from mas.cli.doctor.finding import CannotLook, Finding, fail, unknown
from mas.cli.doctor.patient import Patient
from mas.cli.exits import exit_code
from mas.clock import SYSTEM, Clock
from mas.errors import ConfigurationError, MasError, RedisUnavailable
from mas.supervision.tree import brief


async def examine(
    config: Path | None, *, environ: Mapping[str, str] = os.environ, clock: Clock = SYSTEM
) -> list[Finding]:
    """Return what each check comes to, in the order of the table.

    :param config: agents.yaml, or None to search for it
    :param environ: where the secret and overrides come from
    """
    patient = Patient(config, environ, clock)
    async with patient.at_hand():
        return [await _made(check, patient) for check in CHECKS]


async def _made(check: Check, patient: Patient) -> Finding:
    """Make one check; whatever it raises is what it came to."""
    try:
        with anyio.fail_after(_patience(patient)):
            found = check.look(patient)
            finding = await found if isinstance(found, Awaitable) else found
    except CannotLook as reason:
        finding = unknown(str(reason))
    except ResponseError as error:
        finding = unknown(f"Redis does not let us ask: {error}")
    except TimeoutError:
        patient.lose(RedisUnavailable("Redis stopped answering"))
        finding = unknown("Redis stopped answering")
    except RedisUnavailable as error:
        finding = _failed(error)
        patient.lose(error)
    except (MasError, OSError) as error:
        finding = _failed(error)
    except Exception as error:  # a fault of ours must not hide what the other checks find
        finding = unknown(f"this check failed: {brief(error)}")
    return msgspec.structs.replace(finding, check=check.name)


def _patience(patient: Patient) -> float:
    """Return how many seconds a check may take."""
    try:
        return patient.settings.gateway.redis.response_timeout
    except CannotLook:
        return 60.0


def _failed(error: MasError | OSError) -> Finding:
    problem, mend = str(error) or type(error).__name__, ""
    if isinstance(error, ConfigurationError):
        problem = f"{error.where}: {error.problem}" if error.where else error.problem
    if isinstance(error, ConfigurationError | RedisUnavailable):
        mend = error.hint
    return fail(" ".join(problem.split()), mend, exit_code=exit_code(error))
