"""After every scenario: no key is left that has no end and no owner."""

import re

import pytest

from tests.world import asking

KEPT = re.compile(
    r"mas\.(agents|outsiders|confined|gateways|policy|tombstones|capability:.+)"
    # A registration stays until an operator says otherwise: mail may wait for an agent that is away.
    r"|agent:[\w.-]+(:instances)?|agent\.(stream|state):[\w.-]+"
    r"|mas\.gateway\.ingress(:[\w.-]+)?"
    # Archived when there is too much of it.
    r"|audit:(messages|security_events|seals|sealed)|dlq:messages"
)
OF_AN_INSTANCE = re.compile(r"agent\.stream:([\w.-]+):([\w.-]+)")


@pytest.fixture(autouse=True)
def nothing_without_an_end(request):
    """Fail if a key neither expires nor is known to be kept."""
    yield
    if "redis_url" not in request.fixturenames:
        return
    with asking(request.getfixturevalue("mas_redis_server").url) as client:
        lasting = [key.decode() for key in client.scan_iter() if client.ttl(key) == -1]
        left = [key for key in lasting if not KEPT.fullmatch(key) and not _is_on_the_books(client, key)]
    planted = request.node.get_closest_marker("plants")
    assert sorted(left) == sorted(planted.args if planted else ())


def _is_on_the_books(client, key):
    """Say whether its instance is registered: the registry ends what is left of the dead."""
    found = OF_AN_INSTANCE.fullmatch(key)
    return found is not None and client.sismember(f"agent:{found[1]}:instances", found[2])
