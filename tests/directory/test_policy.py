"""Who may message whom: every kind of permission against a model of twenty lines."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mas.directory import Policy, Rule, read_policy, rules_of, write_policy
from mas.directory.policy import VERSION_BYTES
from mas.errors import IntegrityError
from mas.settings import Settings
from mas.settings.structure import structure
from tests.world import KEYRING, KEYS

AGENTS = ("a", "ab", "b", "c")


def matches(pattern: str, name: str) -> bool:
    if "*" not in pattern:
        return pattern == name
    first, *_, last = pattern.split("*")
    return len(name) >= len(first) + len(last) and name.startswith(first) and name.endswith(last)


def granted(permission: Any, sender: str, target: str, kind: str) -> bool:
    """Say, in plain words, what one permission grants."""
    match permission:
        case {"type": "allow", "from": f, "to": t}:
            types = permission.get("types", [])
            return sender in f and target in t and (not types or any(matches(p, kind) for p in types))
        case {"type": "allow_bidirectional", "agents": who}:
            return sender != target and {sender, target} <= set(who)
        case {"type": "allow_network", "agents": who, "bidirectional": False}:
            return (sender, target) in itertools.pairwise(who)
        case {"type": "allow_network", "agents": who}:
            return sender != target and {sender, target} <= set(who)
        case {"type": "allow_broadcast", "from": f, "to": t}:
            return bool(sender == f) and target in t
        case {"type": "allow_wildcard", "agent": who}:
            return bool(sender == who)
    return False


def model(permissions, sender, target, kind):
    roles = {p["role"]: p["permissions"] for p in permissions if p["type"] == "role"}
    if any(p["type"] == "block" and sender in p["from"] and target in p["to"] for p in permissions):
        return False
    return any(granted(p, sender, target, kind) for p in permissions) or any(
        p["type"] == "assign"
        and any(matches(who, sender) for who in p["agents"])
        and any(matches(to.removeprefix("send:"), target) for to in roles[p["role"]])
        for p in permissions
    )


some = st.lists(st.sampled_from(AGENTS), min_size=1, max_size=3, unique=True)
two_or_more = st.lists(st.sampled_from(AGENTS), min_size=2, max_size=4, unique=True)
patterns = st.sampled_from([*AGENTS, "*", "a*", "*b", "z*"])
kinds = st.sampled_from(["order.new", "order.old", "x"])
PERMISSION = st.one_of(
    st.fixed_dictionaries({"type": st.just("allow"), "from": some, "to": some}),
    st.fixed_dictionaries(
        {
            "type": st.just("allow"),
            "from": some,
            "to": some,
            "types": st.lists(
                st.sampled_from(["order.*", "order.new", "*", "*.old"]), min_size=1, max_size=2
            ),
        }
    ),
    st.fixed_dictionaries(
        {
            "type": st.just("allow_bidirectional"),
            "agents": st.lists(st.sampled_from(AGENTS), min_size=2, max_size=2, unique=True),
        }
    ),
    st.fixed_dictionaries({"type": st.just("allow_network"), "agents": two_or_more}),
    st.fixed_dictionaries(
        {"type": st.just("allow_network"), "agents": two_or_more, "bidirectional": st.just(False)}
    ),
    st.fixed_dictionaries({"type": st.just("allow_broadcast"), "from": st.sampled_from(AGENTS), "to": some}),
    st.fixed_dictionaries({"type": st.just("allow_wildcard"), "agent": st.sampled_from(AGENTS)}),
    st.fixed_dictionaries({"type": st.just("block"), "from": some, "to": some}),
    st.fixed_dictionaries(
        {
            "type": st.just("assign"),
            "agents": st.lists(patterns, min_size=1, max_size=2, unique=True),
            "role": st.sampled_from(["r", "s"]),
        }
    ),
)
ROLES = [
    {"type": "role", "role": "r", "permissions": ["send:b", "send:a*"]},
    {"type": "role", "role": "s", "permissions": ["send:*"]},
]


def decide(policy, sender, target, kind):
    return policy.decide(sender, target, kind)


def may_reach(policy, sender, target):
    return policy.may_reach(sender, target)


def policy_of(permissions):
    # As written, also what loading refuses because a block leaves nothing of it.
    settings = structure({"agents": [], "permissions": permissions}, Settings)
    return Policy(rules_of(settings.permissions))


@given(st.lists(PERMISSION, max_size=4), kinds)
def test_the_policy_decides_as_the_model_does(permissions, kind):
    permissions = [*permissions, *ROLES]
    policy = policy_of(permissions)
    for sender, target in itertools.product(AGENTS, repeat=2):
        expected = model(permissions, sender, target, kind)
        for _ in range(2):  # decided, and remembered
            ruling = decide(policy, sender, target, kind)
            assert ruling.allowed is expected, (permissions, sender, target, kind, ruling)
        if expected:
            assert may_reach(policy, sender, target)
            assert ruling.rule is not None


def test_nothing_granted_is_nothing_allowed():
    assert not decide(Policy(), "a", "b", "x").allowed
    assert decide(Policy(), "a", "b", "x").reason == "nothing grants it"
    assert not may_reach(Policy(), "a", "b")


@pytest.mark.parametrize("hostile", ["[ab]", "a?", "(a|b)", "a.b", ".*", "a|b", "a\\", "^a", "a$"])
def test_only_the_star_is_special_in_a_pattern(hostile):
    policy = Policy([Rule("allow", f"{hostile}*", "*"), Rule("allow", "x", "y", (hostile,))])
    assert decide(policy, f"{hostile}9", "b", "x").allowed
    assert not decide(policy, "a", "b", "x").allowed
    assert not decide(policy, "ab", "b", "x").allowed
    assert decide(policy, "x", "y", hostile).allowed
    assert not decide(policy, "x", "y", "ab").allowed


def test_a_pattern_matches_the_whole_name_and_its_case():
    policy = Policy([Rule("allow", "a*", "b")])
    for sender in ("xa", "A", "A1", "", "b\na"):
        assert not decide(policy, sender, "b", "x").allowed
    assert decide(policy, "a", "b", "x").allowed
    assert not decide(policy, "a1", "b\n", "x").allowed


def test_a_stored_policy_is_read_back_and_no_other_text_is():
    policy = Policy([Rule("allow", "a", "b"), Rule("block", "a", "c", (), "permissions[1] block")])
    stored = write_policy(KEYRING.record, KEYS, policy)
    again = read_policy(KEYRING.record, KEYS, stored)
    assert (again.rules, again.version) == (policy.rules, policy.version)
    assert len(policy.version) == VERSION_BYTES
    other_version = b"0" * VERSION_BYTES + stored[VERSION_BYTES:]
    for wrong in (b"", b"x" * 200, stored[:-1], other_version, stored.replace(b"block", b"allow")):
        with pytest.raises(IntegrityError):
            read_policy(KEYRING.record, KEYS, wrong)


def test_the_order_of_permissions_and_their_repetition_change_nothing():
    rules = [Rule("allow", "a", "b"), Rule("block", "a", "b"), Rule("allow", "b", "a")]
    assert Policy(rules).rules == Policy([*rules[::-1], rules[0]]).rules
    assert Policy(rules).version != Policy(rules).version
