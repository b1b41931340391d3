"""What `mas policy` does: the policy of a configuration, or the one in force, asked and published."""

from collections.abc import Iterator
from pathlib import Path

import anyio
import click
import msgspec
import yaml

from mas.audit import EventKind
from mas.cli.deployment import reaching
from mas.cli.exits import FAILED, REFUSED
from mas.cli.printable import printable
from mas.cli.slips import tell_slips
from mas.cli.table import table
from mas.directory import Policy, PolicyKeeper, Rule, Ruling, accesses, described, read_policy, rules_of
from mas.errors import ConfigurationError
from mas.ids import AgentId, agent_id
from mas.settings import Settings, kept_until_restart, load, share


class Asked(msgspec.Struct, frozen=True):
    """One question to the policy, and its answer."""

    sender: str = msgspec.field(name="from")
    target: str = msgspec.field(name="to")
    type: str
    allowed: bool
    reason: str


class Expected(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of a test file."""

    sender: str = msgspec.field(name="from")
    target: str = msgspec.field(name="to")
    type: str
    expect: str


def show_accesses(config: Path | None, *, live: bool, as_json: bool) -> None:
    """Print who may talk to whom.

    :param config: agents.yaml, or None to search for it
    :param live: as the policy in Redis says
    """
    settings, policy = _policy(config, live=live)
    rows = list(accesses(policy, [agent.agent_id for agent in settings.agents]))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(rows), indent=2))
        return
    words = [
        (
            row.sender,
            row.target,
            "allowed" if row.allowed else "blocked",
            ", ".join(row.types) or "all",
            ", ".join(row.by),
        )
        for row in rows
    ]
    for line in table(("FROM", "TO", "", "TYPES", "BY"), words):
        click.echo(line)


def explain_ruling(
    config: Path | None, sender: str, target: str, kind: str, *, live: bool, as_json: bool
) -> int:
    """Print the rule that decides about one message, and return the exit code."""
    settings, policy = _policy(config, live=live)
    asked = _ask(policy, agent_id(sender), agent_id(target), kind)
    if not asked.allowed:
        tell_slips(settings, sender, target)
    if as_json:
        click.echo(msgspec.json.encode(asked))
    else:
        verdict = "allowed" if asked.allowed else "denied"
        click.echo(printable(f"{sender} -> {target} ({kind}): {verdict}, {asked.reason}"))
    return 0 if asked.allowed else REFUSED


def compare(config: Path | None, file: Path, *, live: bool, as_json: bool) -> int:
    """Print where the policy decides otherwise than a file expects, and return the exit code.

    :raises ConfigurationError: if the file cannot be used
    """
    expected = list(_expectations(file))
    _, policy = _policy(config, live=live)
    wrong = []
    for line in expected:
        asked = _ask(policy, agent_id(line.sender), agent_id(line.target), line.type)
        if asked.allowed is not (line.expect == "allow"):
            wrong.append(asked)
    if as_json:
        report = {"tested": len(expected), "mismatches": wrong}
        click.echo(msgspec.json.format(msgspec.json.encode(report), indent=2))
    else:
        for asked in wrong:
            verdict = "allowed" if asked.allowed else "denied"
            line_ = f"{asked.sender} -> {asked.target} ({asked.type}) is {verdict}: {asked.reason}"
            click.echo(printable(line_))
        click.echo(f"{len(expected) - len(wrong)} of {len(expected)} as expected")
    return FAILED if wrong else 0


def publish(config: Path | None, *, as_json: bool) -> None:
    """Put the configuration's permissions and gateway settings in force, and say what that changed.

    :raises RedisUnavailable: if Redis does not answer; the policy stays as it was
    """
    changed, rules, keys = anyio.run(_publish, config, backend="trio")
    waiting = kept_until_restart(keys)
    if as_json:
        report = {"changed": changed, "rules": rules, "settings": keys, "waiting": waiting}
        click.echo(msgspec.json.encode(report))
        return
    click.echo(f"{rules} rules in force" if changed else f"nothing to change: {rules} rules in force")
    for key in keys:
        click.echo(f"changed: {key}{' (waits for a restart)' if key in waiting else ''}")


async def _publish(config: Path | None) -> tuple[bool, int, list[str]]:
    told: list[str] = []
    async with reaching(config) as there:

        def note(policy: Policy, keys: list[str]) -> None:
            told.extend(keys)
            detail = described(policy, keys)
            there.events.post(EventKind.POLICY_CHANGED, policy.version, actor=there.actor, detail=detail)

        rules = _rules(there.settings)
        keeper = PolicyKeeper(
            there.redis, there.keys, there.keyring, rules, published=note, alarm=there.events.alarm
        )
        changed = await keeper.publish(rules, share(there.settings.gateway))
        await there.events.flush()
        return changed, len(set(rules)), told


def _policy(config: Path | None, *, live: bool) -> tuple[Settings, Policy]:
    if live:
        return anyio.run(_in_force, config, backend="trio")
    settings = load(config)
    return settings, Policy(_rules(settings))


async def _in_force(config: Path | None) -> tuple[Settings, Policy]:
    async with reaching(config) as there:
        stored = await there.redis.call("GET", there.keys.policy)
        policy = Policy() if stored is None else read_policy(there.keyring.record, there.keys, stored)
        return there.settings, policy


def _rules(settings: Settings) -> list[Rule]:
    return rules_of(settings.permissions, roles=settings.gateway.features.rbac)


def _ask(policy: Policy, sender: AgentId, target: AgentId, kind: str) -> Asked:
    ruling: Ruling = policy.decide(sender, target, kind)
    return Asked(sender, target, kind, ruling.allowed, ruling.reason)


def _expectations(file: Path) -> Iterator[Expected]:
    try:
        listed = yaml.safe_load(file.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {error.strerror}", where=str(file)) from None
    except yaml.MarkedYAMLError as error:
        place = f"{file}:{error.problem_mark.line + 1}" if error.problem_mark else str(file)
        raise ConfigurationError(f"it is no YAML: {error.problem}", where=place) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigurationError("it is no YAML", where=str(file)) from error
    if not isinstance(listed, list) or not listed:
        hint = "one line of it is: - {from: a, to: b, type: x, expect: deny}"
        raise ConfigurationError("expected a list of {from, to, type, expect}", where=str(file), hint=hint)
    for number, entry in enumerate(listed):
        where = f"{file}[{number}]"
        try:
            line = msgspec.convert(entry, Expected)
        except msgspec.ValidationError as error:
            raise ConfigurationError(str(error), where=where) from None
        if line.expect not in {"allow", "deny"}:
            raise ConfigurationError(f"expect is allow or deny, not {line.expect!r}", where=where)
        yield line
