"""What can be typed: every command, its options and its line of help."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from mas.cli.audit import audit
from mas.cli.circuits import circuits
from mas.cli.dlp import dlp
from mas.cli.dlq import dlq
from mas.cli.policy import policy

Command = TypeVar("Command", bound=Callable[..., Any])

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


def _config(command: Command) -> Command:
    option = click.option(
        "--config",
        "-c",
        metavar="FILE",
        type=click.Path(path_type=Path),
        help="agents.yaml, or its directory. Default: MAS_CONFIG, else the nearest one upward from here.",
    )
    return option(command)


def _debug(command: Command) -> Command:
    option = click.option("--debug", is_flag=True, help="Log more, and show tracebacks of errors.")
    return option(command)


def _backend(command: Command) -> Command:
    option = click.option(
        "--backend",
        type=click.Choice(["trio", "asyncio"]),
        default="trio",
        show_default=True,
        help="The event loop.",
    )
    return option(command)


@app.command()
@_config
@click.option(
    "--only",
    type=click.Choice(["gateway", "service", "agents"]),
    multiple=True,
    help="Run this part alone; may be repeated. Parts elsewhere share the Redis and MAS_SECRET.",
)
@_backend
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error", "critical"]),
    default="info",
    show_default=True,
    help="The least that is logged.",
)
@_debug
def run(config: Path | None, only: tuple[str, ...], backend: str, log_level: str, *, debug: bool) -> None:
    """Run the system until it is told to stop.

    The first SIGINT (Ctrl-C) or SIGTERM lets work in flight finish, the second stops at once. SIGHUP reads
    the permissions again.
    """
    from mas.cli import logs
    from mas.cli.complaint import told
    from mas.cli.run import run_system

    with told(debug=debug):
        logs.configure("debug" if debug else log_level)
        run_system(config, only, backend=backend)


@app.command()
@_config
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option("--verbose", "-v", is_flag=True, help="Name every setting and where it comes from.")
@_debug
def check(config: Path | None, *, as_json: bool, verbose: bool, debug: bool) -> None:
    """Validate the configuration; start nothing.

    Imports and makes the agents as a run would, and says what was found.
    """
    from mas.cli.check import examine
    from mas.cli.complaint import told
    from mas.cli.report import show

    with told(debug=debug):
        show(examine(config, verbose=verbose), as_json=as_json)


@app.command()
@_config
@click.option("--json", "as_json", is_flag=True, help="Print the trees as JSON.")
@_debug
def ps(config: Path | None, *, as_json: bool, debug: bool) -> None:
    """Show the supervision trees of all runners that share the Redis."""
    from mas.cli import logs
    from mas.cli.complaint import told
    from mas.cli.ps import show_runners

    with told(debug=debug):
        logs.configure("debug" if debug else "warning")
        show_runners(config, as_json=as_json)


@app.group()
def agents() -> None:
    """Steer agents, and say who may run; each command is audited."""


def _who(command: Command) -> Command:
    return click.argument("who", metavar="ID[:INSTANCE]")(command)


def _json(command: Command) -> Command:
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


@agents.command("list")
@_config
@_json
@_debug
def list_agents(config: Path | None, *, as_json: bool, debug: bool) -> None:
    """Show who is enrolled, who lives, and who was revoked."""
    from mas.cli import identity, logs
    from mas.cli.complaint import told

    with told(debug=debug):
        logs.configure("debug" if debug else "warning")
        identity.show_agents(config, as_json=as_json)


@agents.command()
@_who
@_config
@click.option("--reason", default="", help="Kept with the tombstone and in the audit trail.")
@_debug
def revoke(who: str, config: Path | None, reason: str, *, debug: bool) -> None:
    """Shut an agent out, or one instance of it.

    Binds the very next commit, closes the Redis connections of one that runs elsewhere, and holds over
    restarts until it is lifted.
    """
    from mas.cli import identity, logs
    from mas.cli.complaint import told

    with told(debug=debug):
        logs.configure("debug" if debug else "warning")
        identity.revoke_agent(config, who, reason=reason)


@agents.command()
@_who
@_config
@_debug
def lift(who: str, config: Path | None, *, debug: bool) -> None:
    """Let what was revoked enrol again; its tokens do not come back."""
    from mas.cli import identity, logs
    from mas.cli.complaint import told

    with told(debug=debug):
        logs.configure("debug" if debug else "warning")
        identity.lift_agent(config, who)


@agents.command()
@_who
@_config
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The credentials file. Default: ID.INSTANCE.credentials.json here.",
)
@click.option(
    "--redis-url",
    envvar="MAS_OUTSIDE_REDIS_URL",
    help="How the agent reaches Redis, where it differs from how this command does; without a user.",
)
@click.option(
    "--days",
    type=click.FloatRange(0.01, 3650),
    default=30.0,
    show_default=True,
    help="How long the credentials are good; enrolling the same instance again renews them.",
)
@click.option("--capability", "capabilities", multiple=True, help="What it offers; may be repeated.")
@_debug
def enroll(
    who: str,
    config: Path | None,
    output: Path | None,
    redis_url: str | None,
    days: float,
    capabilities: tuple[str, ...],
    *,
    debug: bool,
) -> None:
    """Enrol an agent that runs elsewhere, and write its credentials.

    The file opens a Redis user and an ingress stream of its own, and nothing else: hand it to whoever runs
    the agent, with mas.connect(FILE, ItsClass). An instance is named by you, or at random.
    """
    from mas.cli import identity, logs
    from mas.cli.complaint import told

    with told(debug=debug):
        logs.configure("debug" if debug else "warning")
        identity.enrol_agent(
            config, who, output=output, redis_url=redis_url, days=days, capabilities=capabilities
        )


@agents.command()
@_who
@_config
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The grant's file. Default: ID.grant.json here.",
)
@click.option("--redis-url", envvar="MAS_OUTSIDE_REDIS_URL", help="How its holder reaches Redis.")
@click.option(
    "--minutes",
    type=click.FloatRange(0.1, 100_000),
    default=60.0,
    show_default=True,
    help="How long it may be redeemed.",
)
@click.option(
    "--days",
    type=click.FloatRange(0.01, 3650),
    default=30.0,
    show_default=True,
    help="How long the credentials are good from then on.",
)
@click.option("--capability", "capabilities", multiple=True, help="What the agent offers; may be repeated.")
@_debug
def grant(
    who: str,
    config: Path | None,
    output: Path | None,
    redis_url: str | None,
    minutes: float,
    days: float,
    capabilities: tuple[str, ...],
    *,
    debug: bool,
) -> None:
    """Let somebody enrol one instance of an agent.

    Once, and without the secret: whoever holds the file redeems it where the agent is to run. A grant that
    names the instance also renews its credentials; any other is good for a new instance only.
    """
    from mas.cli import identity, logs
    from mas.cli.complaint import told

    with told(debug=debug):
        logs.configure("debug" if debug else "warning")
        identity.grant_agent(
            config,
            who,
            output=output,
            redis_url=redis_url,
            minutes=minutes,
            days=days,
            capabilities=capabilities,
        )


@agents.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--instance", help="The instance's name. Default: the grant's, else a random one.")
@click.option(
    "--output",
    "-o",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The credentials file. Default: ID.INSTANCE.credentials.json here.",
)
@click.option("--allow-plaintext", is_flag=True, help="Use a Redis on another machine without TLS.")
@_debug
def redeem(
    file: Path, instance: str | None, output: Path | None, *, allow_plaintext: bool, debug: bool
) -> None:
    """Turn a grant into credentials.

    Needs no configuration and no secret, only the file that mas agents grant wrote.
    """
    from mas.cli import identity, logs
    from mas.cli.complaint import told

    with told(debug=debug):
        logs.configure("debug" if debug else "warning")
        identity.redeem_grant(file, instance, output=output, allow_plaintext=allow_plaintext)


def _steering(do: str, does: str) -> None:
    """Add a command that steers what it is given."""

    @agents.command(do, help=does)
    @click.argument("name", metavar="ID")
    @_config
    @click.option("--runner", help="Only where this runner has it; as `mas ps` calls it.")
    @click.option(
        "--timeout",
        type=click.FloatRange(0.1, 86_400),
        default=60.0,
        show_default=True,
        metavar="SECONDS",
        help="How long to wait for each answer; what was asked for goes on all the same.",
    )
    @_debug
    def command(name: str, config: Path | None, runner: str | None, timeout: float, *, debug: bool) -> None:
        from mas.cli import logs
        from mas.cli.agents import steer
        from mas.cli.complaint import told

        with told(debug=debug):
            logs.configure("debug" if debug else "warning")
            sys.exit(steer(config, do, name, runner=runner, timeout=timeout))


for _do, _does in {
    "restart": "Stop an agent and start it, with those that its supervisor restarts with it.",
    "start": "Start an agent that is down.",
    "stop": "Let an agent finish what is under way and stop; it stays down until it is started.",
    "pause": "Have an agent begin nothing more; what is under way goes on.",
    "resume": "Undo a pause or a drain.",
    "drain": "Pause an agent and wait until nothing is under way.",
}.items():
    _steering(
        _do,
        f"{_does}\n\nID is an agent, one of its instances (agent-2), a supervisor with all below it, or a "
        "path as `mas ps --json` shows it.",
    )


@app.command()
@_backend
@_debug
def demo(backend: str, *, debug: bool) -> None:
    """Play a reply, a refusal and a crash.

    Needs no Redis, no configuration and no key.
    """
    from mas.cli import logs
    from mas.cli.complaint import told
    from mas.cli.demo import show_demo

    with told(debug=debug):
        logs.configure("debug" if debug else "critical")
        sys.exit(show_demo(backend=backend))


app.add_command(audit)
app.add_command(circuits)
app.add_command(dlp)
app.add_command(dlq)
app.add_command(policy)
