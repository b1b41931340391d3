"""Run each fault many times over and say what became of every message: `python -m tests.faults.chaos`.

Prints a line a trial, and at the end for each scenario how many trials there were, their worst and their
median. The exit code is 1 if in any trial a message was lost, unaudited, delivered twice or left pending, or
a seal did not fit.
"""

import argparse
import logging
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import anyio

from tests.faults.outcome import Outcome, summary
from tests.faults.play import trial
from tests.faults.scenarios import SCENARIOS


async def _trial(name: str, backend: str, seed: int, count: int) -> Outcome:
    scenario = SCENARIOS[name]
    with tempfile.TemporaryDirectory(prefix="mas-chaos-") as directory:
        return await trial(
            scenario.faults,
            directory=Path(directory),
            backend=backend,
            seed=seed,
            count=count * scenario.times,
            fsync=scenario.fsync,
            over_proxy=scenario.over_proxy,
            eager=scenario.eager,
            kinds=scenario.kinds,
        )


def run(names: Sequence[str], *, trials: int, messages: int, backends: Sequence[str], seed: int) -> int:
    """Run the scenarios, each so often, the backends in turn; return the exit code."""
    ended: dict[str, list[Outcome]] = {name: [] for name in names}
    failed = False
    for number in range(trials):
        backend = backends[number % len(backends)]
        for name in names:
            try:
                found = anyio.run(partial(_trial, name, backend, seed + number, messages), backend=backend)
            except Exception as error:
                logging.getLogger(__name__).exception("%s could not be played to its end", name)
                _say(f"{name} {backend} seed={seed + number} FAILED {type(error).__name__}")
                failed = True
                continue
            ended[name].append(found)
            failed |= not found.stands
            verdict = "" if found.stands else "FAILED "
            _say(f"{name} {backend} seed={seed + number} {verdict}{found.line()}")
    for name, outcomes in ended.items():
        if outcomes:
            _say(summary(name, outcomes))
    return int(failed)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(words: Sequence[str] | None = None) -> int:
    """Read the command line, and run what it asks for."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.chaos", description=__doc__)
    parser.add_argument("--trials", type=int, default=2, help="of each scenario (%(default)s)")
    parser.add_argument("--messages", type=int, default=4_000, help="sent in a trial, at least (%(default)s)")
    parser.add_argument("--only", default=",".join(SCENARIOS), help="scenarios, with commas between them")
    parser.add_argument("--backend", choices=["asyncio", "trio"], help="one only, not both in turn")
    parser.add_argument("--seed", type=int, default=1, help="of the first trial (%(default)s)")
    parser.add_argument("--verbose", action="store_true", help="show what the processes log")
    given = parser.parse_args(words)
    names = given.only.split(",")
    if unknown := set(names) - SCENARIOS.keys():
        parser.error(f"no such scenario: {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    logging.basicConfig(level=logging.WARNING if given.verbose else logging.CRITICAL + 1)
    return run(
        names,
        trials=given.trials,
        messages=given.messages,
        backends=[given.backend] if given.backend else ["asyncio", "trio"],
        seed=given.seed,
    )


if __name__ == "__main__":
    sys.exit(main())
