"""Who may see a system's pages."""

import base64
from typing import Any

import pytest

from mas import Agent
from mas.ops.door import Door
from mas.ops.talk import Request
from mas.settings import Secret
from tests.ops.asking import PATHS, ask, series, shown

TOKEN = "CANARY-token-0123456789"


class Idle(Agent[dict[str, Any]]):
    """Does nothing."""


def basic(password, user="anyone"):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


async def test_only_health_is_told_without_the_token(redis_url):
    async with shown(redis_url, ops={"token": TOKEN}, a=Idle) as (_, port):
        for path in (*PATHS, "/nowhere"):
            for headers in ({}, {"authorization": f"Bearer {TOKEN}x"}, {"authorization": basic("")}):
                said = await ask(port, path, **headers)
                assert said.status == (200 if path == "/healthz" else 401)
                assert TOKEN not in said.text + str(said.headers)
            for shows in (f"Bearer {TOKEN}", f"bearer  {TOKEN}", basic(TOKEN)):
                said = await ask(port, path, authorization=shows)
                assert said.status == (404 if path == "/nowhere" else 200)
                assert TOKEN not in said.text + str(said.headers)
        metrics = await ask(port, "/metrics", authorization=f"Bearer {TOKEN}")
        assert series(metrics.text)["mas_ops_refused_total"] == 3 * len(PATHS)


@pytest.mark.parametrize(
    "shown_as",
    [
        "",
        "Bearer",
        "Bearer ",
        TOKEN,
        f"Digest {TOKEN}",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN}{TOKEN}",
        f"Bearer {TOKEN.lower()}",
        "Bearer \u00ff\u00fe",
        "Basic ====",
        "Basic \u00ff",
        basic(TOKEN.upper()),
        basic("", TOKEN),
    ],
)
def test_what_is_not_the_token_is_turned_away(shown_as):
    answer = Door(Secret(TOKEN)).turned_away(Request("GET", "/", {"authorization": shown_as}))
    assert answer is not None
    assert answer.status == 401


@pytest.mark.parametrize("host", ["localhost", "localhost:9090", "127.0.0.1:9090", "[::1]:9090", "LOCALHOST"])
def test_without_a_token_this_machine_is_answered(host):
    assert Door(None).turned_away(Request("GET", "/", {"host": host})) is None


@pytest.mark.parametrize(
    "host", ["", "evil.example", "evil.example:9090", "localhost.evil.example", "192.0.2.1", "[", "a@b:x"]
)
def test_without_a_token_no_other_name_is_answered(host):
    answer = Door(None).turned_away(Request("GET", "/", {"host": host}))
    assert answer is not None
    assert answer.status == 421
    assert Door(None).turned_away(Request("GET", "/healthz", {"host": host})) is None
