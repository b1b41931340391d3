"""What a running system says of itself when it is asked."""

import os
import re
import socket
import ssl
import stat
from html import unescape
from pathlib import Path
from typing import Any

import anyio
import pytest
import trustme

from mas import Agent, ConfigurationError, open_system
from mas.decision import Decision
from mas.ops.talk import IDLE, STALLED
from mas.supervision import State
from mas.testing.server import free_port
from tests.house import rows
from tests.ops.asking import PATHS, ask, names, series, shown, until_said
from tests.redis.waiting import until
from tests.test_system import nothing_left  # noqa: F401 - a fixture
from tests.world import ENVIRON, deployment, running


class Echo(Agent[dict[str, Any]]):
    @Agent.on("ask")
    async def asked(self, message, payload):
        await message.reply("answer", message.data)


class Fails(Agent[dict[str, Any]]):
    @Agent.on("tell")
    async def told(self, message, payload):
        raise ValueError("no")


@pytest.mark.usefixtures("nothing_left")
async def test_a_system_at_work_says_so(redis_url):
    async with shown(redis_url, a=Echo, b=Echo) as (system, port):
        for n in range(5):
            await system.agent("a").request("b", "ask", n, timeout=5)
        assert (await ask(port, "/healthz")).json == {"alive": True}
        ready = await ask(port, "/readyz")
        assert (ready.status, ready.json) == (200, {"ready": True, "not_well": []})
        metrics = series((await ask(port, "/metrics")).text)
        assert metrics['mas_decisions_total{decision="ALLOWED"}'] == 10
        assert metrics['mas_handlers_total{outcome="handled"}'] == 5
        assert metrics["mas_gateway_batch_messages_sum"] == 10
        assert metrics["mas_gateway_batch_seconds_count"] == metrics["mas_gateway_batch_messages_count"] >= 2
        assert metrics["mas_redis_up"] == metrics["mas_ready"] == metrics["mas_policy_valid"] == 1
        assert metrics["mas_instances_alive"] == metrics["mas_agents_registered"] == 2
        assert metrics["mas_gateways_alive"] == 1
        assert metrics['mas_children{state="running"}'] == len(list(system.root.tree().walk())) - 1
        assert {f'mas_decisions_total{{decision="{each}"}}' for each in Decision} <= metrics.keys()
        assert {f'mas_children{{state="{each}"}}' for each in State} <= metrics.keys()
        board = (await ask(port, "/api/state")).json
        assert board["ready"] is True
        facts = {each["key"]: each for each in board["facts"]}
        assert facts["alive"]["value"] == 2
        page = unescape((await ask(port, "/")).text)
        assert all(each["label"] in page and each["text"] in page for each in board["facts"])
        (tree,) = [table for table in board["tables"] if table["key"] == "tree"]
        assert {row["cells"][0] for row in tree["rows"]} >= {"gateway", "ops", "a", "b"}


async def test_records_are_sealed_in_view(redis_url):
    async with shown(redis_url, gateway={"audit": {"seal_interval": 0.1}}, a=Echo, b=Echo) as (system, port):
        await system.agent("a").request("b", "ask", 1, timeout=5)

        def sealed(said):
            found = series(said.text)
            return found["mas_audit_seals_total"] and not found['mas_audit_unsealed{trail="messages"}']

        assert series((await until_said(port, "/metrics", sealed)).text)["mas_audit_seal_age_seconds"] < 30


async def test_who_signed_off_is_not_missed(redis_url):
    for _ in range(2):
        async with shown(redis_url, a=Echo, b=Echo) as (_, port):
            metrics = series((await ask(port, "/metrics")).text)
            assert metrics["mas_instances_alive"] == metrics["mas_instances_registered"] == 2


async def test_what_waits_what_failed_and_what_was_given_up_is_counted(redis_url):
    gateway = {
        "delivery": {"max_attempts": 2, "backoff_first": 0.001, "backoff_cap": 0.001},
        "circuit_breaker": {"failure_threshold": 2, "failure_share": 0.1},
    }
    async with shown(redis_url, gateway=gateway, a=Echo, b=Fails) as (system, port):
        for n in range(3):
            await system.agent("a").send("b", "tell", n)
        said = await until_said(port, "/metrics", lambda said: series(said.text)["mas_dead_letters"] == 3)
        await until_said(port, "/metrics", lambda said: series(said.text)['mas_circuits{state="open"}'] == 1)
        metrics = series(said.text)
        assert metrics['mas_handlers_total{outcome="given_up"}'] == 3
        assert metrics['mas_handlers_total{outcome="failed"}'] == 6
        assert metrics['mas_handlers_total{outcome="retried"}'] == 3
        assert metrics['mas_decisions_total{decision="DEAD_LETTERED"}'] == 3
        await system.root.stop("agents/b")
        await until_said(port, "/readyz", lambda said: said.status == 503)
        ready = (await ask(port, "/readyz")).json
        assert ready == {"ready": False, "not_well": [{"what": "agents/b", "why": "stopped"}]}


class Falls(Agent[dict[str, Any]]):
    async def on_start(self):
        raise ValueError("no")


async def test_restarts_and_what_they_could_not_mend_are_counted(redis_url):
    front = {"name": "front", "children": ["b"], "max_restarts": 1, "within": 60}
    spec = {"class_path": Falls, "max_restarts": 1}
    options = {"supervisors": [front]}
    async with shown(redis_url, options=options, a=spec, b=Falls) as (_, port):
        child, other = (f'{{child="agents/{name}"}}' for name in ("a", "front/b"))

        def given_up(said):
            found = series(said.text)
            return found["mas_children_given_up_total"] and found["mas_escalations_total"]

        metrics = series((await until_said(port, "/metrics", given_up)).text)
        assert metrics[f"mas_child_restarts_total{child}"] == 1
        assert metrics[f"mas_child_failures_total{child}"] == 2
        assert metrics[f"mas_child_up{child}"] == 0
        assert metrics[f"mas_child_restarts_total{other}"] >= 1
        assert metrics['mas_children{state="failed"}'] >= 1


async def test_a_backlog_is_shown_by_agent(redis_url):
    spec = {"class_path": Echo}
    async with shown(redis_url, a=Echo, b=spec) as (system, port):
        await system.root.pause("agents/b")
        for n in range(7):
            await system.agent("a").send("b", "ask", n)
        label = 'mas_delivery_backlog{agent="b"}'
        await until_said(port, "/metrics", lambda said: series(said.text).get(label) == 7)
        assert (await ask(port, "/readyz")).json["not_well"] == [{"what": "agents/b", "why": "paused"}]


async def test_nothing_can_be_changed_and_nothing_is_kept(redis_url):
    async with shown(redis_url, a=Echo) as (_, port):
        for path in PATHS:
            said = await ask(port, path)
            assert said.status == 200
            assert "'unsafe" not in said.headers["content-security-policy"]
            assert "default-src 'none'" in said.headers["content-security-policy"]
            assert said.headers["x-content-type-options"] == "nosniff"
            assert said.headers["cache-control"] == "no-store"
            head = await ask(port, path, "HEAD")
            assert (head.status, head.text) == (200, "")
            assert head.headers["content-length"] != "0"
            for method in ("POST", "PUT", "DELETE", "OPTIONS"):
                assert (await ask(port, path, method)).status == 405
        assert (await ask(port, "/../etc/passwd")).status == 404
        assert (await ask(port, "/static/dashboard.js")).status == 404


async def test_the_page_fetches_nothing_from_elsewhere_and_holds_no_script_of_its_own(redis_url):
    async with shown(redis_url, a=Echo) as (_, port):
        page = (await ask(port, "/")).text
        assert set(re.findall(r'(?:src|href)="([^"]*)"', page)) == {
            "/dashboard.css",
            "/dashboard.js",
            "/metrics",
            "/readyz",
            "/api/state",
        }
        used = set(
            re.findall(r'at\("(\w+)"\)|getElementById\("(\w+)"\)', (await ask(port, "/dashboard.js")).text)
        )
        assert {one or other for one, other in used} <= set(re.findall(r'id="(\w+)"', page))
        assert not re.search(r"<script(?! src=)|<style| style=| on\w+=", page)
        for path in ("/dashboard.css", "/dashboard.js"):
            text = (await ask(port, path)).text
            assert "://" not in text
            assert "innerHTML" not in text


async def test_two_systems_in_one_process_do_not_mix(redis_url):
    async with (
        shown(redis_url, options={"namespace": "one"}, a=Echo, b=Echo) as (one, first),
        shown(redis_url, options={"namespace": "two"}, c=Echo) as (_, second),
    ):
        await one.agent("a").request("b", "ask", 1, timeout=5)
        here, there = [series((await ask(port, "/metrics")).text) for port in (first, second)]
        assert here['mas_decisions_total{decision="ALLOWED"}'] == 2
        assert there['mas_decisions_total{decision="ALLOWED"}'] == 0
        assert 'mas_child_up{child="agents/c"}' in there.keys() - here.keys()


async def test_a_part_without_a_gateway_has_no_decisions_and_is_ready(redis_url):
    port = free_port()
    config = deployment(redis_url, options={"ops": {"port": port}}, a=Echo)
    async with (
        running(redis_url, a=Echo, parts=frozenset({"gateway", "service"})),
        open_system(config, parts=frozenset({"agents"}), environ=ENVIRON),
    ):
        assert (await ask(port, "/readyz")).status == 200
        assert "mas_decisions_total" not in names((await ask(port, "/metrics")).text)


@pytest.mark.usefixtures("nothing_left")
async def test_a_port_that_is_taken_ends_the_start_and_is_named(redis_url):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = deployment(redis_url, options={"ops": {"port": port}}, a=Echo)
        with pytest.raises(ConfigurationError, match=rf"127\.0\.0\.1 port {port}: .*in use"):
            async with open_system(config, environ=ENVIRON):
                pytest.fail("it started")


@pytest.mark.usefixtures("nothing_left")
async def test_no_connection_holds_up_the_end(redis_url):
    """One is idle, one is half a request, one asks for much and reads nothing."""
    held = []
    try:
        async with shown(redis_url, a=Echo) as (_, port):
            for text in (b"", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", b"GET / HT"):
                held.append(socket.create_connection(("127.0.0.1", port)))
                held[-1].sendall(text)
            glutton = socket.socket()
            held.append(glutton)
            glutton.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            glutton.connect(("127.0.0.1", port))
            glutton.settimeout(0.2)
            with pytest.raises(TimeoutError):
                while True:  # until its answers fill all buffers on the way, and its requests too
                    await anyio.to_thread.run_sync(
                        glutton.sendall, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000
                    )
            began = anyio.current_time()
        # Each of them would be waited for that long, or longer, if it were waited for at all.
        assert anyio.current_time() - began < min(IDLE, STALLED) / 2
    finally:
        for each in held:
            each.close()


def break_listener(port):
    """Make the socket that listens at a port useless, as only a fault would; say whether it was there."""
    for number in sorted(int(path.name) for path in Path("/proc/self/fd").iterdir()):
        try:
            if not stat.S_ISSOCK(os.fstat(number).st_mode):
                continue
            found = socket.socket(fileno=number)
        except OSError:
            continue  # closed as we looked
        try:
            listens = found.family == socket.AF_INET and found.getsockopt(
                socket.SOL_SOCKET, socket.SO_ACCEPTCONN
            )
            if listens and found.getsockname()[1] == port:
                found.shutdown(socket.SHUT_RDWR)
                return True
        finally:
            found.detach()
    return False


async def test_a_crash_is_mended_like_that_of_any_child(redis_url):
    async with shown(redis_url, a=Echo) as (system, port):
        assert break_listener(port)
        await until(lambda: system.counts.restarts["ops"] == 1)
        metrics = series((await ask(port, "/metrics")).text)
        assert metrics['mas_child_restarts_total{child="ops"}'] == 1
        assert metrics['mas_child_failures_total{child="ops"}'] == 1


async def test_pages_that_are_given_up_take_nobody_along(redis_url):
    async with shown(redis_url, a=Echo, b=Echo) as (system, port):
        with socket.socket() as thief, anyio.fail_after(60):
            thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            while True:
                break_listener(port)
                try:
                    thief.bind(("127.0.0.1", port))
                    thief.listen()
                except OSError:
                    await anyio.sleep(0.001)
                else:
                    break
            await until(lambda: system.root.tree().find("ops").state is State.FAILED, within=60)
        assert (await system.agent("a").request("b", "ask", 1, timeout=5)).data == 1
        assert system.root.tree().state is State.RUNNING


async def test_pages_can_be_stopped_and_started(redis_url):
    async with shown(redis_url, a=Echo) as (system, port):
        await system.root.stop("ops")
        with pytest.raises(ConnectionRefusedError):
            await ask(port, "/healthz")
        await system.root.start("ops")
        assert (await ask(port, "/healthz")).status == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GARBAGE\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nGET /", 200),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 40_000 + b"\r\n\r\n", 431),
        (b"GET /healthz HTTP/1.0\r\n\r\n", 200),
        (b"CONNECT example.org:443 HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
            200,
        ),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n", 405),
        (b"GET http://example.org/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET /healthz?a=b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 200),
    ],
)
async def test_odd_requests_get_one_answer_and_the_next_is_served(redis_url, sent, status):
    def tell(port):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as stream:
            stream.sendall(sent)
            if b"upgrade" in sent or b"http:" in sent:
                stream.shutdown(socket.SHUT_WR)  # the connection would stay open for the next request
            said = b""
            while more := stream.recv(65536):
                said += more
            return said

    async with shown(redis_url, a=Echo) as (_, port):
        said = await anyio.to_thread.run_sync(tell, port)
        assert said.startswith(b"HTTP/1.1 %d " % status)
        assert said.count(b"HTTP/1.1") == 1
        assert (await ask(port, "/healthz")).status == 200


async def test_several_requests_on_one_connection(redis_url):
    def tell(port):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as stream:
            stream.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3)
            stream.shutdown(socket.SHUT_WR)
            said = b""
            while more := stream.recv(65536):
                said += more
            return said

    async with shown(redis_url, a=Echo) as (_, port):
        assert (await anyio.to_thread.run_sync(tell, port)).count(b'{"alive":true}') == 3


async def test_over_tls(redis_url, tmp_path):
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    ops = {"tls_certificate": str(tmp_path / "cert.pem"), "tls_key": str(tmp_path / "key.pem")}
    context = ssl.create_default_context()
    authority.configure_trust(context)

    def tell(port):
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as stream,
        ):
            stream.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return stream.recv(65536)

    async with shown(redis_url, ops=ops, a=Echo) as (_, port):
        with socket.create_connection(("127.0.0.1", port)) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert (await anyio.to_thread.run_sync(tell, port)).startswith(b"HTTP/1.1 200")


async def test_a_tls_file_that_cannot_be_used_ends_the_start(redis_url, tmp_path):
    (tmp_path / "bad.pem").write_text("CANARY")
    ops = {"tls_certificate": str(tmp_path / "bad.pem"), "tls_key": str(tmp_path / "bad.pem")}
    with pytest.raises(ConfigurationError, match=r"ops\.tls_certificate") as refused:
        async with shown(redis_url, ops=ops, a=Echo):
            pytest.fail("it started")
    assert "CANARY" not in str(refused.value)


async def test_without_a_port_nothing_listens(redis_url):
    async with running(redis_url, a=Echo) as system:
        await until(lambda: system.root.tree().find("gateway"))
        assert system.root.tree().find("ops") is None


async def test_every_metric_is_documented_with_its_label(redis_url):
    cells = [row[0] for row in rows("DOCUMENTATION.md", "Health, metrics, dashboard")]
    listed = {name for cell in cells for name in re.findall(r"`([a-z][\w{}]*)`", cell)} - {"mas_"}
    gateway = {"audit": {"seal_interval": 0.1}}
    async with shown(redis_url, gateway=gateway, a=Echo, b=Echo) as (system, port):
        await system.agent("a").request("b", "ask", 1, timeout=5)
        said = await until_said(port, "/metrics", lambda said: "mas_audit_seal_age_seconds" in said.text)
    found = set()
    for each in series(said.text):
        name, _, labels = each.removesuffix("}").partition("{")
        name = re.sub(r"(mas_gateway_batch_\w+?)_(bucket|count|sum)$", r"\1", name)
        label = labels.partition("=")[0]
        if name.startswith("mas_"):
            found.add(
                name.removeprefix("mas_") + (f"{{{label}}}" if label not in {"", "le", "version"} else "")
            )
    assert found == listed
