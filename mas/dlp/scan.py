"""Judge a payload: one pass over its bytes and, where that stirs something, a closer look at each string."""

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

import attrs

from mas.dlp.candidate import Candidate
from mas.dlp.classes import Action
from mas.dlp.finding import CLEAN, Finding, Verdict, refused
from mas.dlp.first_pass import FirstPass
from mas.dlp.fold import fold, folded, is_plain
from mas.dlp.policy import Actions, Policy, strictest, wildcard
from mas.dlp.redact import encoded, masked, rebuilt, replaced
from mas.dlp.resolve import Find, most_specific
from mas.dlp.rule import Rule, compiled
from mas.dlp.rules import RULES
from mas.dlp.unwrap import unwrapped
from mas.dlp.view import View
from mas.dlp.walk import Leaf, Unreadable, leaves, parse, path_of

_DEEPEST_WRAPPING = 3
_MOST_READINGS = 6
_RUN = 32
_BETWEEN = " \x1e\n "
_SEPARATORS = re.compile(r"[\s.\-/()]")


class _OverBudget(Exception):
    """The payload takes longer to judge than the policy allows."""


class Scanner:
    """Finds what a policy forbids; compiled once, used from any thread.

    :param policy: what to do about what is found
    :param key: keys the digests of findings and the names of tokens, at least 16 bytes; where none is given a
        random one is taken, and the digests of two scanners then differ
    :raises ValueError: for a key shorter than 16 bytes
    """

    def __init__(self, policy: Policy | None = None, *, key: bytes = b"") -> None:
        if key and len(key) < 16:
            raise ValueError("a key for digests has at least 16 bytes")
        self._policy = policy if policy is not None else Policy()
        self._key = key or secrets.token_bytes(32)
        self._rules = (*(pattern.rule() for pattern in self._policy.custom), *RULES)
        self._first = FirstPass(self._rules)
        self._is_clean = self._first.is_clean
        self._regexes = {rule: _Regex(rule) for rule in self._rules}
        self._max_bytes = self._policy.max_bytes
        self._unscanned = frozenset(self._policy.allow.senders)
        self._allowed = frozenset(self._policy.allow.values)
        self._is_allowed_path = wildcard(self._policy.allow.paths)
        self._tables: dict[tuple[str, tuple[str, ...]], Actions] = {}

    def __repr__(self) -> str:
        return f"Scanner({len(self._rules)} rules)"

    @property
    def patterns(self) -> tuple[bytes, ...]:
        """What the first pass looks for, in a syntax RE2 and the standard library's `re` share."""
        return self._first.patterns

    def is_clean(self, payload: bytes) -> bool:
        """Say whether a JSON value holds nothing that any rule could start from: what `scan` asks first.

        False only says that a closer look is due.
        """
        return len(payload) <= self._max_bytes and self._is_clean(payload)

    def scan(
        self, payload: bytes, *, target: str = "", sender: str = "", roles: Iterable[str] = ()
    ) -> Verdict:
        """Judge one JSON value as it stands in an envelope.

        A payload that cannot be judged (too large, too slow, not JSON where a closer look is due) is refused
        with BLOCK: see `Verdict.refusal`. Never raises for what is in the payload.

        :param target: the agent it is for, :param sender: and from, as far as the policy tells them apart
        :param roles: the sender's
        """
        if len(payload) > self._max_bytes:
            return refused(f"over the size budget: more than {self._max_bytes} bytes")
        if self._is_clean(payload) or sender in self._unscanned:
            return CLEAN
        try:
            value = parse(payload)
            return self._judged(value, leaves(value), self._table(target, tuple(roles)))
        except Unreadable as problem:
            return refused(f"the payload cannot be judged: {problem}")
        except _OverBudget:
            return refused(f"over the time budget: more than {self._policy.max_milliseconds:g} ms")

    def scan_text(self, text: str) -> Verdict:
        """Judge a bare text; offsets of findings count its characters."""
        if len(text) > self._max_bytes:
            return refused(f"over the size budget: more than {self._max_bytes} bytes")
        try:
            return self._judged(text, [Leaf(text, "", ())], self._table("", ()))
        except _OverBudget:
            return refused(f"over the time budget: more than {self._policy.max_milliseconds:g} ms")

    def digest(self, kind: str, value: str) -> str:
        """Return the keyed hash under which findings report a value: 32 hex digits."""
        return hmac.digest(self._key, f"{kind}\0{_canonical(kind, value)}".encode(), "sha256").hex()[:32]

    def _judged(self, value: Any, scalars: Iterable[Leaf], table: Actions) -> Verdict:
        deadline = time.thread_time() + self._policy.max_milliseconds / 1000
        findings: list[Finding] = []
        new_keys: dict[tuple[str | int, ...], str] = {}
        new_values: dict[tuple[str | int, ...], str] = {}
        sensitive_keys: dict[str, str] = {}
        for leaf in self._stirring(scalars, deadline):
            finds = self._finds(leaf.text, leaf.context, deadline)
            if not finds:
                continue
            if leaf.is_key:
                sensitive_keys[str(leaf.steps[-1])] = finds[0].kind
            path = path_of(leaf.steps, sensitive_keys, is_key=leaf.is_key)
            if self._is_allowed_path(path):
                continue
            finds = [find for find in finds if not self._is_allowed(find)]
            findings += (self._finding(find, path, table) for find in finds)
            masks = [find for find in finds if table.get(find.kind) is Action.REDACT]
            if masks:
                (new_keys if leaf.is_key else new_values)[leaf.steps] = replaced(leaf.text, masks, self._mask)
        if not findings:
            return CLEAN
        action = strictest(finding.action for finding in findings)
        redacted = encoded(rebuilt(value, new_keys, new_values)) if action is Action.REDACT else None
        return Verdict(action, tuple(findings), redacted)

    def _stirring(self, scalars: Iterable[Leaf], deadline: float) -> Iterator[Leaf]:
        """Leave out runs of scalars in which nothing stirs: most of a large payload."""
        remaining = iter(scalars)
        while run := list(islice(remaining, _RUN)):
            _check(deadline)
            joined = _BETWEEN.join(leaf.context + _plain(leaf.text) for leaf in run)
            if self._first.wakes(joined.encode()) is not None:
                yield from run

    def _finding(self, find: Find, path: str, table: Actions) -> Finding:
        digest = self.digest(find.kind, find.value)
        return Finding(
            find.kind, path, find.start, find.end, find.confidence, digest, table.get(find.kind), find.rule
        )

    def _mask(self, text: str, find: Find) -> str:
        if self._policy.redaction == "token":
            return f"[{find.kind}:{self.digest(find.kind, find.value)[:16]}]"
        return masked(text, find)

    def _is_allowed(self, find: Find) -> bool:
        if not self._allowed:
            return False
        bare = hashlib.sha256(_canonical(find.kind, find.value).encode()).hexdigest()
        return self.digest(find.kind, find.value) in self._allowed or f"sha256:{bare}" in self._allowed

    def _table(self, target: str, roles: tuple[str, ...]) -> Actions:
        table = self._tables.get((target, roles))
        if table is None:
            if len(self._tables) >= 4096:
                self._tables.clear()
            table = self._tables[target, roles] = self._policy.table(target, roles)
        return table

    def _finds(self, text: str, context: str, deadline: float, depth: int = 0) -> list[Find]:
        """Return what is in one text, in any reading of it, overlaps settled."""
        found: list[Find] = []
        views = [fold(text, context)]
        for view in views:
            data = view.text.encode()
            woken = self._first.wakes(data)
            if woken is None:
                continue
            for rule in woken.rules:
                found += self._regexes[rule].finds(view, data, deadline)
            if len(views) < _MOST_READINGS:
                views += (other for reading in woken.readings if (other := reading.read(view)) is not view)
            if woken.wrapped and depth < _DEEPEST_WRAPPING:
                for start, end, inner in unwrapped(view):
                    _check(deadline)
                    span = view.origin(start, end)
                    inside = self._finds(inner, context, deadline, depth + 1)
                    found += (attrs.evolve(find, start=span[0], end=span[1]) for find in inside)
        least = self._policy.min_confidence
        return most_specific([find for find in found if find.confidence >= least])


class _Regex:
    """A rule's pattern, compiled, and the groups that mark its value."""

    __slots__ = ("_groups", "_rule", "_search")

    def __init__(self, rule: Rule) -> None:
        regex = compiled(rule.pattern)
        self._rule, self._search = rule, regex.search
        self._groups = [regex.groupindex[name] for name in ("v", "u") if name in regex.groupindex] or [0]

    def finds(self, view: View, data: bytes, deadline: float) -> Iterator[Find]:
        """Yield what the pattern matches and the rule confirms.

        :param data: the view's text as bytes
        """
        rule, at = self._rule, 0
        while (match := self._search(data, at)) is not None:
            _check(deadline)
            start, end = next(match.span(group) for group in self._groups if match.start(group) >= 0)
            if start < view.prefix:
                at = match.start() + 1
                continue
            at = max(match.end(), match.start() + 1)
            candidate = Candidate(view, start, end, match.start())
            if rule.fit is not None:
                fitted = rule.fit(candidate)
                if fitted is None:
                    at = match.start() + 1
                    continue
                candidate, at = fitted, max(fitted.end, match.start() + 1)
            confidence = rule.confirm(candidate)
            if confidence:
                first, last = view.origin(candidate.start, candidate.end)
                yield Find(rule.kind, rule.name, first, last, confidence, candidate.value)


def _plain(text: str) -> str:
    return text if is_plain(text) else folded(text)


def _check(deadline: float) -> None:
    if time.thread_time() > deadline:
        raise _OverBudget


def _canonical(kind: str, value: str) -> str:
    """Return a value as it is hashed: the same for every way to group or case it."""
    if kind in {"password", "secret", "api_key", "aws_key", "private_key", "jwt", "bearer_token", "db_url"}:
        return value
    return _SEPARATORS.sub("", value) if kind not in {"email", "postal_address"} else value.lower()
