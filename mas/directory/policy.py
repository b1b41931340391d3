"""Who may message whom: the rules as one document, and the question asked of it.

A rule names a sender and a target, each an id or a pattern with `*`, and optionally the message types
it is limited to. A block wins over every grant. What no rule grants is denied. The same document holds the
settings that all gateways share, so that both change in one step.
"""

import re
import secrets
from collections.abc import Iterable, Iterator
from fnmatch import translate
from typing import Literal

import msgspec

from mas.errors import ConfigurationError, IntegrityError
from mas.ids import AgentId
from mas.keys import Keys
from mas.settings import GatewaySettings, read_shared
from mas.trust import protect, unprotect

VERSION_BYTES = 32
"""Hex digits of a version; the commit compares just these."""
_CACHED = 100_000


class Rule(msgspec.Struct, frozen=True, omit_defaults=True):
    """One line of the policy."""

    effect: Literal["allow", "block", "role"]
    """role: the sender holds the role that stands as target; it grants nothing by itself."""
    sender: str
    target: str
    types: tuple[str, ...] = ()
    """Message types, patterns allowed; empty for all."""
    origin: str = ""
    """Which entry of the configuration says so."""

    def __str__(self) -> str:
        limited = f" ({', '.join(self.types)})" if self.types else ""
        by = f" by {self.origin}" if self.origin else ""
        return f"{self.effect} {self.sender} -> {self.target}{limited}{by}"


class Ruling(msgspec.Struct, frozen=True):
    """The answer, and the rule that gives it; no rule means nothing grants it."""

    allowed: bool
    rule: Rule | None = None

    @property
    def reason(self) -> str:
        """Say why, for the sender and the audit."""
        return str(self.rule) if self.rule else "nothing grants it"


class Policy:
    """A set of rules under one version, with the settings that gateways share.

    :param version: 32 hex digits, fresh at every change: a counter would repeat itself after a flush
        or a failover
    :param gateway: the settings as `share` writes them; b"" where there are none, and a gateway keeps its own
    """

    __slots__ = ("_allow", "_block", "_decided", "_roles", "gateway", "rules", "version")

    def __init__(self, rules: Iterable[Rule] = (), version: str = "", gateway: bytes = b"") -> None:
        self.gateway = gateway
        self.rules = tuple(sorted(set(rules), key=msgspec.json.encode))
        self.version = version or secrets.token_hex(VERSION_BYTES // 2)
        self._allow = _Index(rule for rule in self.rules if rule.effect == "allow")
        self._block = _Index(rule for rule in self.rules if rule.effect == "block")
        self._roles: dict[AgentId, tuple[str, ...]] = {}
        self._decided: dict[tuple[str, str, str], Ruling] = {}

    @property
    def settings(self) -> GatewaySettings | None:
        """Return the settings that gateways share, None where there are none.

        :raises ConfigurationError: if they are not settings of this release
        """
        return read_shared(self.gateway) if self.gateway else None

    def decide(self, sender: AgentId, target: AgentId, message_type: str) -> Ruling:
        """Say whether the sender may send a message of this type to the target."""
        asked = (sender, target, message_type)
        ruling = self._decided.get(asked)
        if ruling is None:
            if len(self._decided) >= _CACHED:
                self._decided.clear()
            ruling = self._decided[asked] = self._decide(*asked)
        return ruling

    def blocks(self, sender: AgentId, target: AgentId, message_type: str) -> Rule | None:
        """Return the block that stands between them, if one does."""
        return self._block.find(sender, target, message_type)

    def grants(self, sender: AgentId, target: AgentId) -> list[Rule]:
        """Return every rule that lets some message pass between them, blocks left aside."""
        return list(self._allow.between(sender, target))

    def roles_of(self, agent: AgentId) -> tuple[str, ...]:
        """Return the roles an agent holds."""
        roles = self._roles.get(agent)
        if roles is None:
            held = {r.target for r in self.rules if r.effect == "role" and _pattern(r.sender).match(agent)}
            roles = self._roles[agent] = tuple(sorted(held))
        return roles

    def may_reach(self, sender: AgentId, target: AgentId) -> bool:
        """Say whether any message type at all may pass: what discovery shows."""
        return self._allow.touches(sender, target) and self._block.find(sender, target, None) is None

    def _decide(self, sender: str, target: str, message_type: str) -> Ruling:
        if (rule := self._block.find(sender, target, message_type)) is not None:
            return Ruling(allowed=False, rule=rule)
        if (rule := self._allow.find(sender, target, message_type)) is not None:
            return Ruling(allowed=True, rule=rule)
        return Ruling(allowed=False)


class _Index:
    """Rules by sender and target; those with a pattern in either are walked."""

    __slots__ = ("_exact", "_patterns")

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._exact: dict[tuple[str, str], list[Rule]] = {}
        self._patterns: list[tuple[re.Pattern[str], re.Pattern[str], Rule]] = []
        for rule in rules:
            if "*" in rule.sender or "*" in rule.target:
                self._patterns.append((_pattern(rule.sender), _pattern(rule.target), rule))
            else:
                self._exact.setdefault((rule.sender, rule.target), []).append(rule)

    def find(self, sender: str, target: str, message_type: str | None) -> Rule | None:
        """Return the first rule that covers the three; with no type, one that covers all types."""
        return next((r for r in self.between(sender, target) if _covers(r, message_type)), None)

    def touches(self, sender: str, target: str) -> bool:
        return next(self.between(sender, target), None) is not None

    def between(self, sender: str, target: str) -> Iterator[Rule]:
        yield from self._exact.get((sender, target), ())
        for senders, targets, rule in self._patterns:
            if senders.match(sender) and targets.match(target):
                yield rule


def _covers(rule: Rule, message_type: str | None) -> bool:
    if not rule.types:
        return True
    return message_type is not None and any(_pattern(t).match(message_type) for t in rule.types)


def _pattern(text: str) -> re.Pattern[str]:
    """Compile an id pattern, in which only `*` is special."""
    return re.compile(translate(text.replace("[", "[[]").replace("?", "[?]")))


def described(policy: Policy, keys: Iterable[str]) -> str:
    """Say in a line what a change came to, for the trail.

    :param keys: which keys of gateway.yaml it changed
    """
    settings = ", ".join(keys)
    return f"{len(policy.rules)} rules{f'; changed: {settings}' if settings else ''}"


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rules: tuple[Rule, ...]
    gateway: msgspec.Raw


_NONE = msgspec.Raw(b"null")


def write_policy(key: bytes, keys: Keys, policy: Policy) -> bytes:
    """Return the policy as `mas.policy` holds it: the version, then the MACed rules and settings."""
    version = policy.version.encode()
    document = _Document(policy.rules, msgspec.Raw(policy.gateway) if policy.gateway else _NONE)
    return version + b" " + protect(key, f"{keys.policy} {policy.version}", msgspec.json.encode(document))


def read_policy(key: bytes, keys: Keys, stored: bytes) -> Policy:
    """Return the stored policy.

    :raises IntegrityError: if no holder of the deployment secret wrote it, or none of this release
    """
    version = stored[:VERSION_BYTES].decode("ascii", "replace")
    body = unprotect(key, f"{keys.policy} {version}", stored[VERSION_BYTES + 1 :])
    try:
        document = msgspec.json.decode(body, type=_Document)
    except msgspec.DecodeError as error:
        raise IntegrityError(keys.policy, "it does not decode") from error
    gateway = b"" if document.gateway == _NONE else bytes(document.gateway)
    policy = Policy(document.rules, version, gateway)
    try:
        _ = policy.settings
    except ConfigurationError as error:
        raise IntegrityError(keys.policy, f"its settings cannot be used: {error}") from error
    return policy
