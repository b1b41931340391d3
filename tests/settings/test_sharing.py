"""What all gateways share survives the journey; what is one's own or waits for a restart is told apart."""

from operator import attrgetter

import attrs
import pytest

from mas import ConfigurationError
from mas.settings import changed_keys, kept_until_restart, load, read_shared, share, wait_for_restart
from mas.settings.gateway import GatewaySettings
from mas.settings.sharing import AT_START, OWN

FULL = {
    "features": {"dlp": False},
    "rate_limit": {
        "per_minute": 60,
        "overrides": {"a": {"burst": 2}},
        "pairs": {"a -> b": {"per_hour": 3}},
    },
    "circuit_breaker": {"window_seconds": 9},
    "dlp": {
        "actions": {"ssn": None, "email": "block"},
        "targets": {"b*": {"jwt": "alert"}},
        "custom": [{"name": "code", "pattern": "x[0-9]", "action": None, "must_match": ["x1"]}],
    },
    "limits": {"max_hops": 3},
    "redis": {"url": "redis://:CANARY@127.0.0.1:1/0", "connect_timeout": 1},
    "audit": {"sink": "command", "sink_command": ["CANARY"], "max_unsealed": 5000},
}


def gateway(**sections):
    return load({"gateway": sections}, environ={}).gateway


def test_what_is_shared_is_read_back_as_it_was_but_for_what_is_ones_own():
    told = gateway(**FULL)
    read = read_shared(share(told))
    (custom,) = told.dlp.custom
    expected = attrs.evolve(
        told,
        redis=GatewaySettings().redis,
        audit=attrs.evolve(told.audit, sink="file", sink_command=()),
        dlp=attrs.evolve(told.dlp, custom=(attrs.evolve(custom, must_match=()),)),
    )
    assert read == expected
    assert read.dlp.custom[0].action is None
    assert b"CANARY" not in share(told)
    assert share(read) == share(told)


def test_every_key_that_is_set_apart_is_a_key_of_gateway_yaml():
    for path in (*OWN, *AT_START):
        attrgetter(".".join(map(str, path)))(GatewaySettings())


@pytest.mark.parametrize("text", [b"{", b"[]", b'{"features":{"telepathy":true}}', b'{"batch":65}'])
def test_what_are_no_settings_is_refused(text):
    with pytest.raises(ConfigurationError):
        read_shared(text)


def test_keys_that_differ_are_named_and_those_that_wait_told_apart():
    keys = changed_keys(share(gateway()), share(gateway(**FULL, delivery={"lease": 9})))
    assert {"features.dlp", "rate_limit.per_minute", "limits.max_hops", "delivery.lease"} <= set(keys)
    assert "rate_limit.pairs.a -> b.per_hour" in keys
    assert kept_until_restart(keys) == ["delivery.lease"]
    assert changed_keys(b"", b"") == changed_keys(share(gateway()), share(gateway())) == []


def test_what_a_reload_leaves_is_named_by_its_path_and_never_by_its_value():
    running = load({"gateway": {}, "shutdown_grace": 1}, environ={})
    newer = load(
        {
            "permissions": [{"type": "allow_wildcard", "agent": "a"}],
            "gateway": {**FULL, "delivery": {"lease": 9}},
            "agents": [{"agent_id": "a", "class_path": "x:Y"}],
        },
        environ={},
    )
    assert wait_for_restart(running, running) == []
    assert wait_for_restart(running, newer) == [
        "agents",
        "shutdown_grace",
        "gateway.audit.sink",
        "gateway.audit.sink_command",
        "gateway.delivery.lease",
        "gateway.redis.connect_timeout",
        "gateway.redis.url",
    ]
