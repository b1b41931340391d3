"""`mas send` and `mas request`: one message from the shell, through the gateway like any other."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from mas.cli.frame import framed
from mas.cli.options import operator_options
from mas.cli.payload import Payload

if TYPE_CHECKING:
    from mas.cli.speaker import Speaker

Command = TypeVar("Command", bound=Callable[..., Any])
_LONGEST = 86_400.0


class _MessageType(click.ParamType[str]):
    name = "type"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        # The gateway calls a message with such a type malformed, and that it tells nobody.
        from mas.ids import RESERVED
        from mas.message import is_message_type

        if not is_message_type(value) or value.startswith(RESERVED):
            rule = f"use 1 to 128 letters, digits or '_.:/-', not beginning with {RESERVED!r}"
            self.fail(f"{value[:60]!r} is no message type: {rule}", param, ctx)
        return str(value)


def _spoken(command: Command) -> Command:
    """Give a command what a message and its sender are made of."""
    for option in reversed(
        (
            click.argument("target"),
            click.argument("kind", metavar="TYPE", type=_MessageType()),
            click.argument("payload", metavar="[PAYLOAD]", type=Payload(), default=b"{}"),
            click.option("--as", "sender", metavar="AGENT", help="Speak as a guest of this agent."),
            click.option(
                "--credentials",
                type=click.Path(path_type=Path, dir_okay=False),
                help="Speak as the agent that mas agents enroll wrote this for.",
            ),
            click.option(
                "--allow-plaintext",
                is_flag=True,
                help="With --credentials: use a Redis on another machine without TLS.",
            ),
        )
    ):
        command = option(command)
    return command


def _timeout(what: str) -> Callable[[Command], Command]:
    return click.option(
        "--timeout",
        type=click.FloatRange(0.01, _LONGEST),
        default=30.0,
        show_default=True,
        metavar="SECONDS",
        help=f"How long to wait for {what}.",
    )


@click.command()
@_spoken
@click.option("--no-wait", is_flag=True, help="Return once Redis has the message.")
@_timeout("the decision")
@operator_options
def send(
    target: str,
    kind: str,
    payload: bytes,
    sender: str | None,
    credentials: Path | None,
    config: Path | None,
    timeout: float,
    *,
    allow_plaintext: bool,
    no_wait: bool,
    as_json: bool,
    debug: bool,
) -> None:
    """Send one message, and say what the gateway decided.

    PAYLOAD is JSON, @FILE, or - for standard input; {} if left out. The sender is a guest of an agent,
    enrolled with the deployment's secret for the moment, or one that has credentials. Permissions decide
    as for any message; a refusal exits with 77.
    """
    with framed(debug=debug):
        from mas.cli.exchange import send_message

        speaker = _speaker(config, sender, credentials, allow_plaintext=allow_plaintext)
        sys.exit(
            send_message(speaker, target, kind, payload, wait=not no_wait, timeout=timeout, as_json=as_json)
        )


@click.command()
@_spoken
@_timeout("the reply")
@operator_options
def request(
    target: str,
    kind: str,
    payload: bytes,
    sender: str | None,
    credentials: Path | None,
    config: Path | None,
    timeout: float,
    *,
    allow_plaintext: bool,
    as_json: bool,
    debug: bool,
) -> None:
    """Send one message, and print the payload of the reply.

    PAYLOAD and sender are those of mas send. With --json, all of the reply is printed. No reply in time
    exits with 1, and so does a receiver that fails; a refusal exits with 77.
    """
    with framed(debug=debug):
        from mas.cli.exchange import request_reply

        speaker = _speaker(config, sender, credentials, allow_plaintext=allow_plaintext)
        sys.exit(request_reply(speaker, target, kind, payload, timeout=timeout, as_json=as_json))


def _speaker(
    config: Path | None, sender: str | None, credentials: Path | None, *, allow_plaintext: bool
) -> "Speaker":
    from mas.cli.speaker import Speaker
    from mas.ids import agent_id

    if (sender is None) is (credentials is None):
        raise click.UsageError("say who speaks: --as AGENT, or --credentials FILE")
    if credentials is not None and config is not None:
        raise click.UsageError("--credentials need no --config: they say where Redis is")
    if credentials is None and allow_plaintext:
        raise click.UsageError("--allow-plaintext goes with --credentials; gateway.yaml has its own setting")
    return Speaker(config, None if sender is None else agent_id(sender), credentials, allow_plaintext)
