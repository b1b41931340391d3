"""Does everyone run who must, and are they who they should be?"""

from mas.audit import Places, chain
from mas.audit.author import signer_after
from mas.audit.signing import SealKey
from mas.cli.doctor.finding import CannotLook, Finding, fail, ok, warn
from mas.cli.doctor.patient import Patient
from mas.directory import Policy, read_policy, rules_of
from mas.errors import IntegrityError
from mas.gateway.breakers import circuits
from mas.registry.listing import list_agents
from mas.settings import share
from mas.steering import Operator, Runner
from mas.steering.bulletin import INTERVAL
from mas.supervision import State

_RUN = "mas run, or mas run --only gateway"
_SILENT = INTERVAL + 1.0
_BAD = frozenset({State.FAILED, State.OVERRUN})


async def runners(patient: Patient) -> Finding:
    """Say which processes run the system, and what of theirs has failed."""
    found = await _runners(patient)
    if not found:
        return warn("no process runs this system", "mas run")
    failed = [
        f"{node.path} on {runner.runner}: {node.last_error or node.state}"
        for runner in found
        for node in runner.tree.walk()
        if node.state in _BAD
    ]
    if failed:
        return fail(
            f"failed: {'; '.join(failed)}", "mas ps shows it all; mas agents start ID starts one again"
        )
    silent = [runner.runner for runner in found if runner.silent > _SILENT]
    if silent:
        return warn(f"silent: {', '.join(silent)}", "see whether they run, and reach Redis")
    return ok("; ".join(f"{runner.runner} ({', '.join(runner.parts)})" for runner in found))


async def policy(patient: Patient) -> Finding:
    """Compare the policy in force with the files, and with the secret."""
    redis, keys, settings = patient.redis, patient.keys, patient.settings
    stored = await redis.call("GET", keys.policy)
    if stored is None:
        return ok("none is in force yet; the first gateway puts it there")
    try:
        there = read_policy(patient.keyring.record, keys, stored)
    except IntegrityError as error:
        return fail(
            f"the one in force is not what this deployment's secret vouches for: {error}",
            "use the secret that the system runs with; if that is this one, somebody changed the policy",
        )
    written = Policy(rules_of(settings.permissions, roles=settings.gateway.features.rbac))
    if written.rules != there.rules or share(settings.gateway) != there.gateway:
        return warn("what is in force is not what the files say", "mas policy reload, if the files are right")
    return ok(f"in force as the files have it, {len(there.rules)} rules")


async def gateways(patient: Patient) -> Finding:
    """Say which gateways live; without one, nothing is decided."""
    redis, keys = patient.redis, patient.keys
    alive, silent = await _gateways(patient)
    gone = f"; {', '.join(silent)} fell silent" if silent else ""
    if alive:
        return ok(f"{', '.join(alive)}{gone}")
    waiting = await redis.call("XLEN", keys.ingress)
    if waiting or await redis.call("SCARD", keys.runners):
        return fail(f"none runs{gone}; {waiting:,} messages wait, and all that come will", _RUN)
    return warn(f"none runs{gone}", _RUN)


async def sealer(patient: Patient) -> Finding:
    """See whether somebody seals what is recorded."""
    if await patient.redis.call("EXISTS", patient.keys.audit_sealer):
        return ok("one seals what is recorded")
    alive, _ = await _gateways(patient)
    if alive:
        return fail("none runs, and gateways go on recording", "see in the gateways' log why none can seal")
    return warn("none runs", _RUN)


async def seals(patient: Patient) -> Finding:
    """See whether the key here is the one that the chain of seals asks for."""
    settings = patient.settings
    tip = await chain.tip(patient.redis, patient.keys)
    if tip.link is None:
        if tip.there:
            return fail("what stands last in the chain is no seal", "mas audit verify")
        return ok("none yet")
    path = Places.of(settings.gateway.audit, settings.data_dir, settings.base, settings.namespace).key
    wanted = signer_after(tip.link.seal)
    candidates = [each for each in (path, path.with_name(f"{path.name}.next")) if each.exists()]
    if not candidates:
        raise CannotLook("the key that signs seals is not on this machine")
    if wanted not in {SealKey.load(each).fingerprint for each in candidates}:
        return fail(
            f"the chain is signed by key {wanted}, and another is in {path}: nothing can be sealed from here",
            "give every machine that runs gateways the same audit.key_file",
        )
    return ok(f"{tip.link.seal.sequence:,}; mas audit verify proves them")


async def instances(patient: Patient) -> Finding:
    """Say who is enrolled, and who of them gives no sign of life."""
    listed = await list_agents(patient.redis, patient.keys, patient.keyring)
    if untrusted := [agent.agent_id for agent in listed if agent.status == "untrusted"]:
        return fail(
            f"the registration of {', '.join(untrusted)} is not what enrolment wrote",
            "find who changed it, with mas audit query; restart the agent to enrol it anew",
        )
    # One that runs elsewhere comes and goes as it likes.
    here = [(agent.agent_id, one) for agent in listed if not agent.outside for one in agent.instances]
    dead = [
        f"{agent}:{one.instance_id}"
        for agent, one in here
        if not one.alive and not one.left and one.revoked is None
    ]
    if dead:
        return warn(
            f"no sign of life from {', '.join(dead)}", "mas ps; a registry takes it off the books: mas run"
        )
    alive = sum(one.alive for agent in listed for one in agent.instances)
    return ok(f"{alive} alive, of {len(listed)} agents")


async def breakers(patient: Patient) -> Finding:
    """Name the agents that are left alone because they keep failing."""
    found = [each.agent for each in await circuits(patient.redis, patient.keys) if each.state == "open"]
    if found:
        return warn(f"open: {', '.join(found)} kept failing", "see mas dlq list; mas circuits reset ID")
    return ok("none is open")


async def _runners(patient: Patient) -> list[Runner]:
    return await Operator(patient.redis, patient.keys, patient.keyring, actor="").runners()


async def _gateways(patient: Patient) -> tuple[list[str], list[str]]:
    """Return those that live, and those that fell silent without leaving."""
    redis, keys = patient.redis, patient.keys
    names = sorted(name.decode("utf-8", "replace") for name in await redis.call("SMEMBERS", keys.gateways))
    asked = [(name, redis.post("EXISTS", keys.gateway_lease(name))) for name in names]
    found: dict[bool, list[str]] = {True: [], False: []}
    for name, reply in asked:
        found[bool(await reply.result())].append(name)
    return found[True], found[False]
