"""What can be typed: the commands that belong to no group, and all groups."""

import sys
from pathlib import Path

import click

from mas.cli.agents import agents
from mas.cli.audit import audit
from mas.cli.circuits import circuits
from mas.cli.dlp import dlp
from mas.cli.dlq import dlq
from mas.cli.frame import framed
from mas.cli.options import backend_option, config_option, debug_option, json_option, operator_options
from mas.cli.policy import policy
from mas.cli.tail import tail
from mas.cli.talk import request, send

_OWN = frozenset({"--help", "-h", "--version"})


class _RunByDefault(click.Group):
    """A group whose options, but for its own, are those of `run`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in _OWN):
            args = ["run", *args]
        return super().parse_args(ctx, args)


def main() -> None:
    """Run the command line; ends the process with its exit code."""
    app(prog_name="mas")


@click.group(cls=_RunByDefault, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="mas-runtime", message="mas %(version)s")
def app() -> None:
    """Run agents that talk through a gateway, which authenticates, authorizes and audits.

    Without a command: run.
    """


@app.command()
@config_option
@click.option(
    "--only",
    type=click.Choice(["gateway", "service", "agents"]),
    multiple=True,
    help="Run this part alone; may be repeated. Parts elsewhere share the Redis and MAS_SECRET.",
)
@backend_option
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error", "critical"]),
    default="info",
    show_default=True,
    help="The least that is logged.",
)
@debug_option
def run(config: Path | None, only: tuple[str, ...], backend: str, log_level: str, *, debug: bool) -> None:
    """Run the system until it is told to stop.

    The first SIGINT (Ctrl-C) or SIGTERM lets work in flight finish, the second stops at once. SIGHUP puts
    permissions and gateway settings in force again, as the files have them by then.
    """
    from mas.cli.run import run_system

    with framed(debug=debug, log=log_level):
        run_system(config, only, backend=backend)


@app.command()
@click.argument("directory", type=click.Path(path_type=Path), default=Path())
@json_option
@debug_option
def init(directory: Path, *, as_json: bool, debug: bool) -> None:
    """Write two agents, their configuration and a test.

    Into DIRECTORY, or here. No file that is there already is touched: if one is in the way, none is written.
    """
    from mas.cli.init import show_beginning

    with framed(debug=debug):
        show_beginning(directory, as_json=as_json)


@app.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--verbose", "-v", is_flag=True, help="Name every setting and where it comes from.")
@debug_option
def check(config: Path | None, *, as_json: bool, verbose: bool, debug: bool) -> None:
    """Validate the configuration; start nothing.

    Imports and makes the agents as a run would, and says what was found.
    """
    from mas.cli.check import examine
    from mas.cli.report import show

    with framed(debug=debug):
        show(examine(config, verbose=verbose), as_json=as_json)


@app.command()
@operator_options
def doctor(config: Path | None, *, as_json: bool, debug: bool) -> None:
    """Say what is wrong here, and how to mend it.

    Looks at this machine, the configuration, Redis and whatever runs; changes nothing. Ends with 0 if nothing
    fails, else with the exit code that a run would end with for the first check that does, or 1.
    """
    from mas.cli.doctor import show_findings

    with framed(debug=debug, log="critical"):
        sys.exit(show_findings(config, as_json=as_json))


@app.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print the trees as JSON.")
@debug_option
def ps(config: Path | None, *, as_json: bool, debug: bool) -> None:
    """Show the supervision trees of all runners that share the Redis."""
    from mas.cli.ps import show_runners

    with framed(debug=debug):
        show_runners(config, as_json=as_json)


@app.command("redis", context_settings={"allow_interspersed_args": False})
@config_option
@json_option
@debug_option
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[COMMAND [ARGUMENT]...]")
def redis_by_hand(words: tuple[str, ...], config: Path | None, *, as_json: bool, debug: bool) -> None:
    """Open Redis by hand, or give it one command.

    The Redis of the deployment, whose password nobody gets to see. Without COMMAND redis-cli or valkey-cli
    runs, which must be installed; what begins with a dash is for it: mas redis -- --bigkeys. The audit trail
    says who came.
    """
    from mas.cli.console import open_console, run_command

    with framed(debug=debug):
        if words and not words[0].startswith("-"):
            run_command(config, words, as_json=as_json)
        elif as_json:
            raise click.UsageError("--json goes with a COMMAND")
        else:
            open_console(config, words)


@app.command()
@backend_option
@debug_option
def demo(backend: str, *, debug: bool) -> None:
    """Play a reply, a refusal and a crash.

    Needs no Redis, no configuration and no key.
    """
    from mas.cli.demo import show_demo

    with framed(debug=debug, log="critical"):
        sys.exit(show_demo(backend=backend))


@app.command()
@click.argument("what", nargs=-1, type=click.Choice(["one-way", "requests", "sealing", "verify"]))
@click.option(
    "--messages",
    type=click.IntRange(1000, 10_000_000),
    default=20_000,
    show_default=True,
    help="Sent in the largest measurement; the others take a share of as many.",
)
@click.option(
    "--redis-url",
    metavar="URL",
    envvar="MAS_BENCH_REDIS_URL",
    help="Measure on this server. Default: MAS_BENCH_REDIS_URL (not seen by others), else one of its own.",
)
@backend_option
@json_option
@debug_option
def bench(
    what: tuple[str, ...], messages: int, redis_url: str | None, backend: str, *, as_json: bool, debug: bool
) -> None:
    """Measure the message path on this machine, everything on.

    WHAT is one or more of one-way, requests, sealing, verify; without it, all. The floor is what the same
    sockets and streams allow with nothing decided, proved or recorded: compare shares of it, taken in one
    run, rather than rates of different times.

    Heeds no configuration. On a server that is not its own it leaves nothing behind.
    """
    from mas.cli.bench import measure

    with framed(debug=debug, log="error"):
        measure(redis_url, messages, what, backend=backend, as_json=as_json)


app.add_command(agents)
app.add_command(audit)
app.add_command(circuits)
app.add_command(dlp)
app.add_command(dlq)
app.add_command(policy)
app.add_command(request)
app.add_command(send)
app.add_command(tail)
