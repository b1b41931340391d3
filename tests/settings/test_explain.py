from mas.settings import explain, load

from .conftest import write


def test_every_value_is_shown_with_its_origin(project):
    write(project / "gateway.yaml", "delivery:\n  lease: 5\nmessage_signing: {max_timestamp_drift: 9}\n")
    told = {
        line.key: (line.value, line.origin)
        for line in explain(load(project, environ={"MAS_GATEWAY__BATCH": "3", "MAS_SHUTDOWN_GRACE": "1"}))
    }
    agents, gateway = project / "agents.yaml", project / "gateway.yaml"
    assert told["agents[1].agent_id"] == ("greeter", f"{agents}:10")
    assert told["agents[1].instances"] == ("1 instances", "default")
    assert told["permissions[0].type"] == ("allow_bidirectional", f"{agents}:3")
    assert told["permissions[0].agents"] == ("[echo, greeter]", f"{agents}:4")
    assert told["gateway.delivery.lease"] == ("5 s", f"{gateway}:2")
    assert told["gateway.message_signing.max_timestamp_drift"] == ("9 s", f"{gateway}:3")
    assert told["gateway.batch"] == ("3 messages", "MAS_GATEWAY__BATCH")
    assert told["gateway.limits.max_envelope"] == ("1,048,576 bytes", "default")
    assert told["gateway.rate_limit.per_minute"] == ("none", "default")
    assert told["shutdown_grace"] == ("1 s", "MAS_SHUTDOWN_GRACE")
    assert told["start_service"] == ("true", f"{agents}:1")
    assert told["data_dir"] == (str(project / ".mas"), "default")
    assert told["namespace"] == ("''", "default")


def test_synonyms_are_named_as_they_were_written():
    source = {"permissions": [{"type": "allow", "sender": "a", "to": "b"}]}
    told = [line[:2] for line in explain(load(source, environ={})) if line.key.startswith("perm")]
    assert told == [
        ("permissions[0].type", "allow"),
        ("permissions[0].sender", "[a]"),
        ("permissions[0].to", "[b]"),
        ("permissions[0].types", "[]"),
    ]


def test_limits_of_single_agents_are_told():
    source = {"gateway": {"rate_limit": {"overrides": {"echo": {"burst": 3}}}}}
    told = {line.key: line.value for line in explain(load(source, environ={}))}
    assert told["gateway.rate_limit.overrides.echo.burst"] == "3 messages"


def test_no_secret_is_told():
    source = {
        "service_redis_url": "redis://:canary@localhost",
        "agents": [
            {"agent_id": "a", "class_path": "m:A", "init_kwargs": {"key": "canary", "more": {"x": "canary"}}}
        ],
    }
    told = explain(load(source, environ={}))
    assert "canary" not in repr(told)
    assert ("service_redis_url", "redis://:***@localhost") in {line[:2] for line in told}
    assert {line.key for line in told if line.value == "********"} == {
        "agents[0].init_kwargs.key",
        "agents[0].init_kwargs.more",
    }
