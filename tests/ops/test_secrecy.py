"""What must stand on no page, and what must not run on one."""

import json
import logging
from typing import Any

import anyio

from mas import Agent
from mas.supervision import State
from mas.testing.server import redis_server
from tests.ops.asking import PATHS, ask, shown, until_said
from tests.world import SECRET

TOKEN, PASSWORD, PAYLOAD = "CANARY-token-0123456789", "CANARY-password", "CANARY-payload"
SCRIPT = "</td><script>alert('x')</script><img src=x onerror=alert(1)>\"'&"


class Desk(Agent[dict[str, Any]]):
    @Agent.on("fail")
    async def fail(self, message, payload):
        raise ValueError

    @Agent.on("take")
    async def take(self, message, payload):
        await message.reply("taken", message.data)


class Breaks(Agent[dict[str, Any]]):
    def get_metadata(self):
        return {"name": SCRIPT}

    async def on_start(self):
        raise ValueError(SCRIPT)


async def test_no_page_and_no_log_holds_a_secret(caplog, anyio_backend):
    caplog.set_level(logging.DEBUG)
    gateway = {"delivery": {"max_attempts": 2, "backoff_first": 0.001, "backoff_cap": 0.001}}
    with redis_server(port=0, password=PASSWORD) as server:
        async with shown(server.url, ops={"token": TOKEN}, gateway=gateway, a=Desk, b=Desk) as (system, port):
            a = system.agent("a")
            assert SECRET.startswith("CANARY")
            await a.request("b", "take", {"text": PAYLOAD}, timeout=5)
            for kind in ("fail", f"{PAYLOAD}.type"):
                await a.send("b", kind, {"text": PAYLOAD})
            letters = "mas_dead_letters 2"
            bearer = f"Bearer {TOKEN}"
            await until_said(port, "/metrics", lambda said: letters in said.text, authorization=bearer)

            async def look():
                said = ""
                for path in (*PATHS, f"/{TOKEN}", "/"):
                    for method in ("GET", "POST"):
                        answer = await ask(port, path, method, authorization=bearer)
                        said += answer.text + json.dumps(answer.headers)
                    said += json.dumps((await ask(port, path, authorization=f"Bearer {TOKEN}x")).headers)
                return said

            said = await look()
            server.kill()
            await until_said(port, "/readyz", lambda said: said.status == 503, authorization=bearer)
            said += await look()
            assert len(said) > 50_000
            server.start()
    for text in (
        said,
        caplog.text,
        *(str(vars(record)) for record in caplog.records if "ops" in record.name),
    ):
        assert "CANARY" not in text


async def test_what_agents_and_redis_say_is_text_and_no_markup(redis_url):
    spec = {"class_path": Breaks, "max_restarts": 0}
    async with shown(redis_url, a=Desk, broken=spec) as (system, port):
        with anyio.fail_after(20):
            while system.root.tree().find("agents/broken").state is not State.FAILED:
                await anyio.sleep(0.02)
        page = (await ask(port, "/")).text
        assert "ValueError: &lt;/td&gt;&lt;script&gt;alert" in page
        assert "<script>" not in page
        assert "<img" not in page
        assert page.count("<script") == page.count("</script>") == 1
        state = await ask(port, "/api/state")
        assert state.headers["content-type"] == "application/json"
        (tree,) = [table for table in state.json["tables"] if table["key"] == "tree"]
        (row,) = [row for row in tree["rows"] if row["cells"][0] == "broken"]
        assert row["cells"][-1] == f"ValueError: {SCRIPT}"
        assert row["mood"] == "bad"
        ready = await ask(port, "/readyz")
        assert ready.status == 503
        assert ready.json["not_well"] == [{"what": "agents/broken", "why": "failed"}]
        assert "alert" not in (await ask(port, "/metrics")).text
