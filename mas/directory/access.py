"""Who may talk to whom, as a table: every pair that a rule touches, with what holds between the two."""

from collections.abc import Iterable, Iterator

import msgspec

from mas.directory.policy import Policy, Rule
from mas.ids import AgentId


class Access(msgspec.Struct, frozen=True):
    """What holds from one agent, or pattern, to another."""

    sender: str
    target: str
    allowed: bool
    types: tuple[str, ...]
    """Message types, patterns among them; empty for all."""
    by: tuple[str, ...]
    """The entries of the configuration that say so."""


def accesses(policy: Policy, agents: Iterable[str] = ()) -> Iterator[Access]:
    """Yield what holds between all agents and patterns; pairs that no rule touches are left out.

    :param agents: ids that the rules may name by patterns alone
    """
    named = {end for rule in policy.rules if rule.effect != "role" for end in (rule.sender, rule.target)}
    everyone = sorted(named.union(agents))
    for sender in everyone:
        for target in everyone:
            if (found := _between(policy, sender, target)) is not None:
                yield found


def _between(policy: Policy, sender: str, target: str) -> Access | None:
    if sender == target and "*" not in sender and not _says_so(policy, sender):
        return None
    block = policy.blocks(AgentId(sender), AgentId(target), "*")
    if block is not None:
        return Access(sender, target, allowed=False, types=block.types, by=_origins([block]))
    grants = policy.grants(AgentId(sender), AgentId(target))
    if not grants:
        return None
    everything = [rule for rule in grants if not rule.types]
    types = () if everything else tuple(sorted({each for rule in grants for each in rule.types}))
    return Access(sender, target, allowed=True, types=types, by=_origins(everything or grants))


def _says_so(policy: Policy, agent: str) -> bool:
    """Say whether a rule names an agent as its own target, and not by a pattern."""
    return any(rule.sender == rule.target == agent for rule in policy.rules)


def _origins(rules: Iterable[Rule]) -> tuple[str, ...]:
    return tuple(sorted({rule.origin for rule in rules}))
