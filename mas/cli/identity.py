"""`mas agents list|revoke|lift|forget|enroll|grant|redeem`: who may run, here and elsewhere."""

from pathlib import Path

import anyio
import click
import msgspec
from redis.exceptions import ResponseError

from mas.audit import EventKind
from mas.cli.deployment import Deployment, reaching
from mas.cli.printable import printable
from mas.cli.table import columns
from mas.clock import SYSTEM
from mas.directory import AgentRecord, Tombstones, tombstone_field
from mas.errors import ConfigurationError, EnrolmentRefused
from mas.ids import AgentId, InstanceId, agent_id, instance_id, new_instance_id
from mas.registry import (
    GrantFile,
    Lives,
    TombstoneFile,
    enrol_outsider,
    forget,
    issue_grant,
    lift,
    list_agents,
    redeem,
    revoke,
    shut_out,
)
from mas.registry.credentials import Credentials, default_file, refuse_unwritable
from mas.registry.listing import ListedAgent
from mas.settings import RedisUrl

_DAY = 86_400.0


def show_agents(config: Path | None, *, as_json: bool) -> None:
    """Print who is enrolled, alive and revoked."""
    found = anyio.run(_list, config, backend="trio")
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found), indent=2))
        return
    rows = [["AGENT", "INSTANCE", "WHERE", "STATUS", "TOKEN", "AWAY", "MAIL", "OFFERS"]]
    for agent in found:
        once = ["" if agent.away_seconds is None else _span(agent.away_seconds), str(agent.mail or "")]
        for *row, offers in _rows(agent):
            rows.append([*row, *once, offers])
            once = ["", ""]
    for line in columns(rows):
        click.echo(line)


def revoke_agent(config: Path | None, who: str, *, reason: str) -> None:
    """Shut an agent or an instance out, and say what that did."""
    agent, instance = _named(who)
    anyio.run(_revoke, config, agent, instance, reason, backend="trio")


def lift_agent(config: Path | None, who: str) -> None:
    """Let an agent or an instance enrol again."""
    agent, instance = _named(who)
    anyio.run(_lift, config, agent, instance, backend="trio")


def forget_agent(config: Path | None, name: str, *, with_state: bool, with_mail: float) -> None:
    """End an agent's registration, and say what was kept.

    :param with_mail: seconds that gateways may take to bury what waits for it; 0: it must not wait
    """
    agent = agent_id(name)

    async def ended() -> bool:
        async with reaching(config) as at:
            return await forget(
                at.redis,
                at.keys,
                at.keyring,
                agent,
                with_state=with_state,
                with_mail=with_mail,
                actor=at.actor,
            )

    kept = anyio.run(ended, backend="trio")
    click.echo(printable(f"{agent} is forgotten{'; its state is kept' if kept else ''}"))


def enrol_agent(
    config: Path | None,
    who: str,
    *,
    output: Path | None,
    redis_url: str | None,
    days: float,
    capabilities: tuple[str, ...],
) -> None:
    """Enrol an agent that runs elsewhere, and write its credentials file.

    :param redis_url: how it reaches Redis; None: as this command does
    :raises EnrolmentRefused: if it may not join
    """
    agent, instance = _named(who)
    instance = instance or new_instance_id()
    url = None if redis_url is None else RedisUrl(redis_url)
    record = AgentRecord(agent, tuple(dict.fromkeys(capabilities)), outside=True)
    file = output or default_file(agent, instance)
    refuse_unwritable(file)
    anyio.run(_enrol, config, record, instance, file, url, days, backend="trio")
    click.echo(file)


def grant_agent(
    config: Path | None,
    who: str,
    *,
    output: Path | None,
    redis_url: str | None,
    minutes: float,
    days: float,
    capabilities: tuple[str, ...],
) -> None:
    """Write a grant for one agent, or for just one instance of it."""
    agent, instance = _named(who)
    url = None if redis_url is None else RedisUrl(redis_url)
    record = AgentRecord(agent, tuple(dict.fromkeys(capabilities)), outside=True)
    file = output or Path(f"{agent}.grant.json")
    refuse_unwritable(file)
    anyio.run(_grant, config, record, instance, file, url, minutes * 60, days * _DAY, backend="trio")
    click.echo(file)


def redeem_grant(file: Path, instance: str | None, *, output: Path | None, allow_plaintext: bool) -> None:
    """Write the credentials that a grant is good for."""
    grant = GrantFile.read(file)
    name = instance_id(instance or grant.instance_id or new_instance_id())
    written = output or default_file(AgentId(grant.agent_id), name)
    refuse_unwritable(written)

    async def ask() -> Credentials:
        return await redeem(grant, name, allow_plaintext=allow_plaintext)

    anyio.run(ask, backend="trio").write(written)
    click.echo(written)


async def _list(config: Path | None) -> list[ListedAgent]:
    async with reaching(config) as at:
        return await list_agents(at.redis, at.keys, at.keyring)


async def _revoke(config: Path | None, agent: AgentId, instance: InstanceId | None, reason: str) -> None:
    async with reaching(config) as at:
        done = await revoke(at.redis, at.keys, at.keyring, agent, instance, reason=reason, actor=at.actor)
        # Here too, in case that Redis forgets before anybody else has taken note.
        await anyio.to_thread.run_sync(_file(at).keep, [done.tombstone])
        trouble = ""
        try:
            await shut_out(at.redis, at.keys, agent, done.instances)
        except ResponseError as error:
            # A gateway does it as soon as it hears of the revoke, and so does every other.
            trouble = f"warning: its redis users are left to the gateways, since redis says: {error}"
        tokens = {0: "it had no token", 1: "its token is gone"}.get(
            done.tokens, f"its {done.tokens} tokens are gone"
        )
        click.echo(printable(f"{done.tombstone.field} revoked: {tokens}"))
        if trouble:
            click.echo(printable(trouble), err=True)


async def _lift(config: Path | None, agent: AgentId, instance: InstanceId | None) -> None:
    async with reaching(config) as at:
        kept = Tombstones(await anyio.to_thread.run_sync(_file(at).load))
        done = await lift(at.redis, at.keys, at.keyring, agent, instance, actor=at.actor)
        name = done.tombstone.field
        words = [each for each in (done.before, kept.known(name)) if each is not None]
        await anyio.to_thread.run_sync(_file(at).keep, [done.tombstone])
        again = max(words, key=lambda each: each.at, default=done.tombstone).revoked
        click.echo(printable(f"{name} may enrol again" if again else f"{name} was not revoked; it may enrol"))


async def _enrol(
    config: Path | None,
    record: AgentRecord,
    instance: InstanceId,
    file: Path,
    url: RedisUrl | None,
    days: float,
) -> None:
    async with reaching(config) as at:
        url = _way_in(at, record.agent_id, url)
        known = Tombstones(await anyio.to_thread.run_sync(_file(at).load))
        credentials = await enrol_outsider(
            at.redis,
            at.keys,
            at.keyring,
            record,
            instance,
            url,
            now=SYSTEM.wall(),
            lives=Lives(days * _DAY, at.settings.gateway.longest_in_flight),
            refuses=known.refuses,
        )
        credentials.write(file)
        subject = f"{record.agent_id}:{instance}"
        await at.events.write(EventKind.ENROLLED, subject, actor=at.actor, detail="it runs elsewhere")


async def _grant(
    config: Path | None,
    record: AgentRecord,
    instance: InstanceId | None,
    file: Path,
    url: RedisUrl | None,
    life: float,
    token_life: float,
) -> None:
    async with reaching(config) as at:
        grant = await issue_grant(
            at.redis,
            at.keys,
            at.keyring,
            record,
            _way_in(at, record.agent_id, url),
            now=SYSTEM.wall(),
            life=life,
            token_life=token_life,
            instance=instance,
        )
        grant.write(file)
        subject = tombstone_field(record.agent_id, instance)
        await at.events.write(EventKind.GRANTED, subject, actor=at.actor, detail=grant.grant_id)


def _way_in(at: Deployment, agent: AgentId, url: RedisUrl | None) -> RedisUrl:
    """Return how one that runs elsewhere reaches Redis: as told, else as this deployment does."""
    if any(listed.agent_id == agent for listed in at.settings.agents):
        raise EnrolmentRefused(agent, "agents.yaml lists it, so a runner runs it")
    if url is None and at.settings.redis_url is not None and at.settings.redis_url.leads_here:
        click.echo(f"note: {at.settings.redis_url} is this machine; for another, give --redis-url", err=True)
    url = url or at.settings.redis_url
    if url is None:
        raise EnrolmentRefused(
            agent, "the embedded server is this machine's own: give the deployment a Redis URL"
        )
    if url.crosses_network_in_clear and not at.settings.gateway.redis.allow_plaintext:
        raise ConfigurationError(
            f"the URL leads to another machine without TLS: {url}", hint="give a rediss:// URL"
        )
    return url


def _file(at: Deployment) -> TombstoneFile:
    return TombstoneFile(at.settings.data_dir, at.keys, at.keyring.record)


def _named(who: str) -> tuple[AgentId, InstanceId | None]:
    agent, colon, instance = who.partition(":")
    return agent_id(agent), instance_id(instance) if colon else None


def _rows(agent: ListedAgent) -> list[list[str]]:
    where = "elsewhere" if agent.outside else "" if agent.status == "gone" else "runner"
    offers = ", ".join(agent.capabilities)
    if agent.revoked is not None:
        status = f"revoked{f': {agent.revoked}' if agent.revoked else ''}"
        return [[agent.agent_id, "", where, status, "", offers]]
    rows = []
    for instance in agent.instances:
        status = "alive" if instance.alive else "left" if instance.left else "silent"
        if instance.revoked is not None:
            status = f"revoked{f': {instance.revoked}' if instance.revoked else ''}"
        token = _span(instance.token_seconds)
        place = "guest" if instance.guest else where
        rows.append([agent.agent_id, instance.instance_id, place, status, token, offers])
    return rows or [[agent.agent_id, "", where, agent.status, "", offers]]


def _span(seconds: float | None) -> str:
    if seconds is None:
        return "none"
    return f"{seconds / 3600:.1f} h" if seconds < 2 * _DAY else f"{seconds / _DAY:.0f} d"
