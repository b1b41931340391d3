"""What `mas send` and `mas request` do: one message, as one agent, and what became of it."""

import sys
from typing import Any

import click
import msgspec

from mas.agent import AgentMessage, Voice
from mas.cli.exits import INTERRUPTED
from mas.cli.outcome import styled
from mas.cli.printable import printable
from mas.cli.speaker import Speaker
from mas.cli.told_to_stop import Stop, until_told
from mas.control import Notice
from mas.gateway.stages.caps import nests_too_much, unreadable
from mas.ids import agent_id
from mas.settings import LimitSettings


def send_message(
    speaker: Speaker, target: str, kind: str, payload: bytes, *, wait: bool, timeout: float, as_json: bool
) -> int:
    """Send one message, print its id and what was decided about it, and return the exit code.

    :param payload: JSON
    :param wait: for the gateway's decision; otherwise no longer than until Redis has the message
    :param timeout: seconds that the decision may take
    :raises MessageRefused: if the gateway decided against it
    """
    to = agent_id(target)

    async def say(stop: Stop) -> dict[str, Any]:
        async with speaker.speaking(stop, patience=timeout) as (voice, limits):
            _expect_readable(payload, limits)
            with stop.cuts_short():
                if not wait:
                    message_id = await voice.submit(to, kind, msgspec.Raw(payload))
                    return _sent(voice, target, kind, message_id, None)
                notice = await voice.say(to, kind, msgspec.Raw(payload), timeout=timeout)
                return _sent(voice, target, kind, notice.message_id, notice)

    with speaker.slips_told(target):
        told = until_told(say)
    if told is None:
        return INTERRUPTED
    if as_json:
        _print(msgspec.json.encode(told))
        return 0
    word = styled(told["decision"]) if told["decision"] else "submitted"
    why = printable(f": {told['reason']}") if told["reason"] else ""
    click.echo(f"{word} {told['message_id']}{why}")
    return 0


def request_reply(
    speaker: Speaker, target: str, kind: str, payload: bytes, *, timeout: float, as_json: bool
) -> int:
    """Send one message, print the payload of its reply, and return the exit code.

    :param payload: JSON
    :param timeout: seconds that the reply may take
    :param as_json: print the whole reply
    :raises MessageRefused: if the gateway decided against it, or its receiver gave it up
    :raises RequestTimeout: if nobody replied in time
    """
    to = agent_id(target)

    async def ask(stop: Stop) -> AgentMessage:
        async with speaker.speaking(stop, patience=timeout) as (voice, limits):
            _expect_readable(payload, limits)
            with stop.cuts_short():
                return await voice.ask(to, kind, msgspec.Raw(payload), timeout=timeout)

    with speaker.slips_told(target):
        reply = until_told(ask)
    if reply is None:
        return INTERRUPTED
    _print(msgspec.json.encode(_replied(reply)) if as_json else reply.raw)
    return 0


def _expect_readable(payload: bytes, limits: LimitSettings) -> None:
    """Refuse what the gateway would call malformed, of which it tells nobody.

    :raises click.UsageError: if that is so
    """
    if nests_too_much(payload, limits):
        raise click.UsageError(
            f"the payload is nested deeper than {limits.max_depth}, or has more than {limits.max_keys:,} keys"
        )
    if unreadable(payload, limits):
        raise click.UsageError(f"the payload holds a number of more than {limits.max_digits} digits")


def _sent(voice: Voice, target: str, kind: str, message_id: str, notice: Notice | None) -> dict[str, Any]:
    who = voice.credential
    return {
        "message_id": message_id,
        "decision": notice.decision if notice else None,
        "reason": notice.reason if notice else "",
        "sender": who.agent_id,
        "instance": who.instance_id,
        "target": target,
        "type": kind,
    }


def _replied(reply: AgentMessage) -> dict[str, Any]:
    return {
        "type": reply.message_type,
        "sender": reply.sender_id,
        "instance": reply.meta.sender_instance_id,
        "target": reply.target_id,
        "message_id": reply.message_id,
        "correlation_id": reply.meta.correlation_id,
        "timestamp": reply.timestamp,
        "payload": msgspec.Raw(reply.raw),
    }


def _print(body: bytes) -> None:
    """Print JSON: for people on a terminal, and on one line for everyone else."""
    if not sys.stdout.isatty():
        click.echo(body)
        return
    for line in msgspec.json.format(body, indent=2).decode().splitlines():
        click.echo(printable(line))
