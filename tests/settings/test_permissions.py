import pytest

from mas.errors import ConfigurationError
from mas.ids import AgentId
from mas.settings import (
    Allow,
    AllowBidirectional,
    AllowBroadcast,
    AllowNetwork,
    AllowWildcard,
    Assign,
    Block,
    Role,
    load,
)

A, B = AgentId("a"), AgentId("b")


def permissions(*written):
    return load({"permissions": list(written)}, environ={}).permissions


def refused(*written) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        permissions(*written)
    return caught.value


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (
            {"type": "allow", "from": "a", "to": ["b", "c"]},
            (Allow, {"senders": ("a",), "targets": ("b", "c")}),
        ),
        ({"type": "allow", "sender": "a", "targets": ["b"]}, (Allow, {"senders": ("a",), "targets": ("b",)})),
        (
            {"type": "allow", "from": ["a", "b"], "to": "c", "types": ["x.*", "y"]},
            (Allow, {"senders": ("a", "b"), "targets": ("c",), "types": ("x.*", "y")}),
        ),
        ({"type": "allow_bidirectional", "agents": ["a", "b"]}, (AllowBidirectional, {"agents": ("a", "b")})),
        ({"type": "allow_network", "agents": ["a", "b", "c"]}, (AllowNetwork, {"agents": ("a", "b", "c")})),
        (
            {"type": "allow_network", "agents": ["a", "b"], "bidirectional": False},
            (AllowNetwork, {"agents": ("a", "b"), "bidirectional": False}),
        ),
        (
            {"type": "allow_broadcast", "from": "a", "to": ["b"]},
            (AllowBroadcast, {"sender": "a", "targets": ("b",)}),
        ),
        (
            {"type": "allow_broadcast", "sender": "a", "receivers": ["b"]},
            (AllowBroadcast, {"sender": "a", "targets": ("b",)}),
        ),
        ({"type": "allow_wildcard", "agent": "a"}, (AllowWildcard, {"agent": "a"})),
        ({"type": "allow_wildcard", "agent_id": "a"}, (AllowWildcard, {"agent": "a"})),
        ({"type": "allow_wildcard", "from": "a"}, (AllowWildcard, {"agent": "a"})),
        ({"type": "block", "from": "a", "to": "b"}, (Block, {"senders": ("a",), "targets": ("b",)})),
        (
            {"type": "role", "role": "r", "permissions": ["send:patient*"]},
            (Role, {"role": "r", "permissions": ("send:patient*",)}),
        ),
    ],
)
def test_each_kind_reads_its_keys_in_every_spelling(written, read):
    kind, values = read
    assert permissions(written) == (kind(**values),)


def test_an_assignment_names_agents_by_id_or_pattern():
    role = {"type": "role", "role": "r", "permissions": "send:*"}
    expected = Assign(agents=("doctor*", "nurse"), role="r")
    assert permissions({"type": "assign", "agents": ["doctor*", "nurse"], "role": "r"}, role)[0] == expected
    assert permissions({"type": "assign", "agent": "nurse", "role": "r"}, role)[0].agents == ("nurse",)


@pytest.mark.parametrize(
    ("written", "where", "problem"),
    [
        ({"from": "a", "to": "b"}, "permissions[0]", "'type' is missing"),
        ({"type": "alow"}, "permissions[0].type", "no kind of permission"),
        ({"type": ["allow"]}, "permissions[0].type", "no kind of permission"),
        ({"type": "allow", "from": "a"}, "permissions[0]", "'to' is missing"),
        ({"type": "allow", "from": "a", "to": []}, "permissions[0].to", "0 given, at least 1 needed"),
        (
            {"type": "allow", "from": "a", "to": [f"a{n}" for n in range(10_001)]},
            "permissions[0].to",
            "at most 10,000",
        ),
        ({"type": "allow", "from": "a", "to": "*"}, "permissions[0].to", "not a valid id"),
        ({"type": "allow", "from": "a", "to": ["b", "b"]}, "permissions[0].to", "'b' is listed twice"),
        ({"type": "allow", "from": "a", "to": ["b", "c:d"]}, "permissions[0].to[1]", "not a valid id"),
        ({"type": "allow", "from": "a", "sender": "a", "to": "b"}, "permissions[0]", "mean the same"),
        ({"type": "allow", "from": "a", "to": "b", "typs": "x"}, "permissions[0].typs", "unknown key"),
        (
            {"type": "allow", "from": "a", "to": "b", "types": ["x y"]},
            "permissions[0].types[0]",
            "message type",
        ),
        ({"type": "allow_bidirectional", "agents": ["a"]}, "permissions[0].agents", "1 given, 2 needed"),
        (
            {"type": "allow_bidirectional", "agents": ["a", "b", "c"]},
            "permissions[0].agents",
            "3 given, 2 needed",
        ),
        ({"type": "allow_bidirectional", "agents": ["a", "a"]}, "permissions[0].agents", "listed twice"),
        ({"type": "allow_network", "agents": ["a"]}, "permissions[0].agents", "at least 2 needed"),
        ({"type": "allow_broadcast", "from": ["a"], "to": ["b"]}, "permissions[0].from", "expected text"),
        ({"type": "allow_wildcard", "agent": "*"}, "permissions[0].agent", "not a valid id"),
        (
            {"type": "block", "from": "a", "to": {"b": 1}},
            "permissions[0].to",
            "expected a list, not a mapping",
        ),
        (
            {"type": "role", "role": "r", "permissions": ["read:x"]},
            "permissions[0].permissions[0]",
            "send:ID",
        ),
        ({"type": "role", "role": "r", "permissions": []}, "permissions[0].permissions", "at least 1"),
        ({"type": "assign", "agents": "a", "role": "r"}, "permissions[0].role", "there is no role r"),
        ("allow", "permissions[0]", "expected a mapping, not 'allow'"),
    ],
)
def test_a_misfit_is_named_by_its_key(written, where, problem):
    error = refused(written)
    assert error.where == f"argument: {where}"
    assert problem in error.problem


def test_a_role_is_defined_once():
    role = {"type": "role", "role": "r", "permissions": "send:*"}
    assert refused(role, role).problem == "role r is already permissions[0]"


def test_a_misspelt_role_is_told_its_nearest():
    error = refused(
        {"type": "role", "role": "clinician", "permissions": "send:*"},
        {"type": "assign", "agents": "a", "role": "clinican"},
    )
    assert error.hint == "did you mean clinician?"


PAIR = {"from": "a", "to": "b"}


@pytest.mark.parametrize(
    ("granted", "blocked"),
    [
        ({"type": "allow", **PAIR}, PAIR),
        ({"type": "allow", **PAIR, "types": "x"}, PAIR),
        ({"type": "allow", "from": "a", "to": ["b", "c"]}, {"from": "a", "to": ["b", "c", "d"]}),
        ({"type": "allow_broadcast", "from": "a", "to": ["b", "c"]}, {"from": "a", "to": ["b", "c"]}),
        ({"type": "allow_bidirectional", "agents": ["a", "b"]}, {"from": ["a", "b"], "to": ["a", "b"]}),
    ],
)
def test_a_grant_of_which_a_block_leaves_nothing_is_refused_whatever_their_order(granted, blocked):
    block = {"type": "block", **blocked}
    for written, place in (((granted, block), 0), ((block, granted), 1)):
        error = refused(*written)
        assert error.where == f"argument: permissions[{place}]"
        assert f"{granted['type']} has no effect: permissions[{1 - place}] blocks a -> b" in error.problem


def test_all_but_some_is_no_contradiction():
    block = {"type": "block", **PAIR}
    assert permissions({"type": "allow", "from": "a", "to": ["b", "c"]}, block) == (
        Allow(senders=(A,), targets=(B, AgentId("c"))),
        Block(senders=(A,), targets=(B,)),
    )
    for wide in (
        {"type": "allow_network", "agents": ["a", "b"]},
        {"type": "allow_wildcard", "agent": "a"},
        {"type": "allow_bidirectional", "agents": ["a", "b"]},
    ):
        assert len(permissions(wide, block)) == 2


def test_an_agent_that_is_not_listed_is_a_warning_with_the_nearest_id():
    loaded = load(
        {
            "agents": [{"agent_id": "greeter", "class_path": "m:A"}],
            "permissions": [
                {"type": "allow", "from": "greter", "to": "greeter"},
                {"type": "role", "role": "r", "permissions": "send:*"},
                {"type": "assign", "agents": ["gree*", "doctor*"], "role": "r"},
            ],
        },
        environ={},
    )
    elsewhere = "which no agent here has as its id; it may run elsewhere"
    assert loaded.warnings == (
        f"argument: permissions[0]: names greter, {elsewhere} (did you mean greeter?)",
        f"argument: permissions[2]: names doctor*, {elsewhere}",
    )
