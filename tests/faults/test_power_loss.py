"""F6: the machine of Redis loses its power: the end of what it wrote never reached the disk."""

import random
from collections import Counter

import anyio

from mas.testing.server import redis_server
from tests.faults.checker import check, losses
from tests.faults.test_redis_faults import Receiver, Sender
from tests.redis.waiting import until
from tests.world import KEYS, audit, entries, own_files, running

ALL = [{"type": "allow_network", "agents": ["a", "b"]}]
COUNT = 400
CUTS = 12


def numbers(client, stream):
    """Return the payloads of a stream's messages, in order."""
    envelopes = [entry["envelope"] for entry in entries(client, stream)]
    return [int(envelope.partition('"data":')[2].partition(",")[0]) for envelope in envelopes]


def half_applied(client):
    """Return what a commit did and what it left undone, where the two do not agree."""
    waiting, delivered = numbers(client, KEYS.ingress), numbers(client, "agent.stream:b")
    told = Counter(record["message_id"] for record in audit(client) if record["target"] == "b")
    put = Counter(
        entry["envelope"].partition('"message_id":"')[2][:32] for entry in entries(client, "agent.stream:b")
    )
    marks = sum(client.bitcount(key) for key in client.scan_iter("mas.replay:a:*"))
    flaws = []
    if told != put:
        flaws.append("delivered without a record, or recorded and not delivered")
    if marks != len(delivered):
        flaws.append(f"{marks} sequence numbers marked, {len(delivered)} delivered")
    if delivered + waiting != list(range(len(delivered) + len(waiting))):
        flaws.append("something in the middle is lost, twice there or out of order")
    return flaws


async def test_a_cut_off_end_of_the_log_halves_no_batch_and_what_is_left_goes_on(tmp_path):
    chance = random.Random(6)
    with redis_server(directory=tmp_path, port=0, appendonly="yes") as server, own_files(server.url):
        async with running(server.url, a=Sender, b=Receiver):
            pass
        with server.client() as client:
            async with (
                running(server.url, a=Sender, permissions=ALL) as system,
                anyio.create_task_group() as tasks,
            ):
                tasks.start_soon(system.agent("a").say, COUNT)
                await until(lambda: client.xlen("agent.stream:b") >= COUNT // 2)
                # A prefix of the log is what a disk may have got of it, wherever it ends.
                (log,) = (tmp_path / "appendonlydir").glob("*.incr.aof")
                written = log.read_bytes()
        server.stop()
        begin = written.rindex(b"XGROUP", 0, written.index(b'"data":1,'))
        ends = [*sorted(chance.sample(range(begin, len(written)), CUTS - 1)), len(written)]
        kept = 0
        for end in ends:
            log.write_bytes(written[:end])
            server.start()
            with server.client() as client:
                assert half_applied(client) == [], end
                left = len(numbers(client, KEYS.ingress)) + len(numbers(client, "agent.stream:b"))
            # The more of the log there is, the more is left; and of the whole log nothing is missing.
            assert left >= kept
            kept = left
            if end != ends[-1]:
                server.kill()
        assert kept >= COUNT // 2
        with server.client() as client:
            async with running(server.url, b=Receiver, permissions=ALL) as system:
                b = system.agent("b")
                await b.got.reaches(kept)
                await until(lambda: client.xlen(KEYS.ingress) == client.xlen("agent.stream:b") == 0)
            report = check(client, range(kept), b.journal, "b")
            gone, altered = losses(client)
    # Seals outside Redis may be ahead of it. That is told, and makes what was sealed by them look inserted.
    assert gone or not altered, altered
    assert report._replace(forged=0, broken=0) == (kept, kept, 0, kept, *[0] * 8), report
