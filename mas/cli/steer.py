"""Find what a name means wherever it runs, and have it do what an operator says."""

import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path

import anyio
import click

from mas.cli.complaint import complaint
from mas.cli.deployment import operating
from mas.cli.exits import FAILED
from mas.cli.printable import printable
from mas.errors import MasError, UnknownChild
from mas.settings.supervisors import DEFAULT
from mas.steering import Answer, Do, Node, Runner


def steer(config: Path | None, do: str, name: str, *, runner: str | None, timeout: float) -> int:
    """Steer all that a name means and print what came of it; return the exit code.

    :param config: agents.yaml, or None to search for it
    :param name: an agent, an instance, a supervisor, or a path
    :param runner: which runner alone is meant, if one is
    :param timeout: seconds to wait for each answer
    :raises UnknownChild: if nothing that runs has that name
    """
    return anyio.run(_steer, config, Do(do), name, runner, timeout, backend="trio")


async def _steer(config: Path | None, do: Do, name: str, only: str | None, timeout: float) -> int:
    code, done = 0, set[tuple[str, str]]()
    async with operating(config) as operator:
        runners = [each for each in await operator.runners() if only in {None, each.runner}]
        for runner, path in _meant(runners, name, only):
            if (runner.runner, path) in done:
                continue
            try:
                answer = await operator.command(runner.runner, do, path, within=timeout)
            except MasError as error:
                failure, became = "\n".join(complaint(error)), ""
            else:
                failure = "\n".join(complaint(MasError(answer.error))) if answer.error else ""
                became = _became(do, answer)
                # An instance that went along with another of its agent need not be told again.
                done |= {(runner.runner, each) for each in answer.along}
            if failure:
                click.echo(failure, err=True)
                code = FAILED
            else:
                click.echo(printable(f"{path} on {runner.runner}: {became}"))
    return code


def _became(do: Do, answer: Answer) -> str:
    along = ", ".join(path.rpartition("/")[2] for path in answer.along)
    return f"{answer.state or 'gone'}{f'; {_DONE[do]}: {along}' if along else ''}"


_DONE = {
    Do.RESTART: "restarted with it",
    Do.PAUSE: "paused below",
    Do.RESUME: "resumed below",
    Do.DRAIN: "drained below",
}


def _meant(runners: Iterable[Runner], name: str, only: str | None) -> list[tuple[Runner, str]]:
    """Return what a name means: the runners and the paths there."""
    known: dict[str, None] = {}
    found = []
    for runner in runners:
        for node in _steerable(runner.tree):
            names = {node.name, node.path, node.path.removeprefix(f"{DEFAULT}/"), node.agent}
            known |= dict.fromkeys(sorted(names - {""}))
            if name in names:
                found.append((runner, node.path))
    if not found:
        where = f"runner {only}" if only is not None else "anything that runs"
        raise UnknownChild(name, where, *difflib.get_close_matches(name, known, n=1))
    return found


def _steerable(tree: Node) -> Iterator[Node]:
    return (node for node in tree.walk() if node.path == DEFAULT or node.path.startswith(f"{DEFAULT}/"))
