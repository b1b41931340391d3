"""`mas agents`: steer agents, and say who may run."""

import sys
from pathlib import Path

import click

from mas.cli.frame import framed
from mas.cli.options import config_option, debug_option, json_option

who_argument = click.argument("who", metavar="ID[:INSTANCE]")


@click.group()
def agents() -> None:
    """Steer agents, and say who may run; each command is audited."""


@agents.command("list")
@config_option
@json_option
@debug_option
def list_agents(config: Path | None, *, as_json: bool, debug: bool) -> None:
    """Show who is enrolled, who lives, who is away and for how long, what waits, and who was revoked."""
    from mas.cli import identity

    with framed(debug=debug):
        identity.show_agents(config, as_json=as_json)


@agents.command()
@who_argument
@config_option
@click.option("--reason", default="", help="Kept with the tombstone and in the audit trail.")
@debug_option
def revoke(who: str, config: Path | None, reason: str, *, debug: bool) -> None:
    """Shut an agent out, or one instance of it.

    Binds the very next commit, closes the Redis connections of one that runs elsewhere, and holds over
    restarts until it is lifted.
    """
    from mas.cli import identity

    with framed(debug=debug):
        identity.revoke_agent(config, who, reason=reason)


@agents.command()
@who_argument
@config_option
@debug_option
def lift(who: str, config: Path | None, *, debug: bool) -> None:
    """Let what was revoked enrol again; its tokens do not come back."""
    from mas.cli import identity

    with framed(debug=debug):
        identity.lift_agent(config, who)


@agents.command()
@click.argument("name", metavar="ID")
@config_option
@click.option("--with-state", is_flag=True, help="Delete what the agent stored, too.")
@click.option("--with-mail", is_flag=True, help="Have what waits for it made dead letters first.")
@click.option(
    "--timeout",
    type=click.FloatRange(0.1, 86_400),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How long the gateways may take for that.",
)
@debug_option
def forget(
    name: str, config: Path | None, *, with_state: bool, with_mail: bool, timeout: float, debug: bool
) -> None:
    """End the registration of an agent that is not to come back.

    Refused while an instance of it lives, or anything waits that it was sent or that it sent. Its state is
    kept, and so is a revoke. Should it come back all the same, it enrols anew.
    """
    from mas.cli import identity

    with framed(debug=debug):
        identity.forget_agent(config, name, with_state=with_state, with_mail=timeout if with_mail else 0)


@agents.command()
@who_argument
@config_option
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
@debug_option
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
    from mas.cli import identity

    with framed(debug=debug):
        identity.enrol_agent(
            config, who, output=output, redis_url=redis_url, days=days, capabilities=capabilities
        )


@agents.command()
@who_argument
@config_option
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
@debug_option
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
    from mas.cli import identity

    with framed(debug=debug):
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
@debug_option
def redeem(
    file: Path, instance: str | None, output: Path | None, *, allow_plaintext: bool, debug: bool
) -> None:
    """Turn a grant into credentials.

    Needs no configuration and no secret, only the file that mas agents grant wrote.
    """
    from mas.cli import identity

    with framed(debug=debug):
        identity.redeem_grant(file, instance, output=output, allow_plaintext=allow_plaintext)


def _steering(do: str, does: str) -> None:
    """Add a command that steers what it is given."""

    @agents.command(do, help=does)
    @click.argument("name", metavar="ID")
    @config_option
    @click.option("--runner", help="Only where this runner has it; as `mas ps` calls it.")
    @click.option(
        "--timeout",
        type=click.FloatRange(0.1, 86_400),
        default=60.0,
        show_default=True,
        metavar="SECONDS",
        help="How long to wait for each answer; what was asked for goes on all the same.",
    )
    @debug_option
    def command(name: str, config: Path | None, runner: str | None, timeout: float, *, debug: bool) -> None:
        from mas.cli.steer import steer

        with framed(debug=debug):
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
