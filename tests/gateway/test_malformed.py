"""What is no message is refused before it costs, audited, and never costs its neighbours."""

import json
import time
from typing import Any

import pytest

from mas import Agent
from mas.gateway.stages.caps import nests_too_much, unreadable
from mas.settings.gateway.limits import LimitSettings
from tests.hand import decided, enrolled
from tests.world import Tally, asking, audit, letters, running

WILDCARD = [{"type": "allow_wildcard", "agent": "hand"}]


class Receiver(Agent[dict[str, Any]]):
    def __init__(self, agent_id):
        super().__init__(agent_id)
        self.got = Tally()

    async def on_message(self, message):
        self.got.note(message.data)


def good(hand):
    return hand.fields(hand.envelope("b"))


def spelled(change):
    """Submit an envelope that was changed before it was signed."""

    def make(hand):
        envelope = json.loads(hand.envelope("b"))
        return hand.fields(change(envelope))

    return make


def with_payload(payload):
    return lambda hand: hand.fields(hand.envelope("b", data=payload))


def without(field):
    return lambda hand: {name: value for name, value in good(hand).items() if name != field}


def with_field(name, value):
    return lambda hand: {**good(hand), name: value}


def compact(envelope):
    return json.dumps(envelope, separators=(",", ":")).encode()


MALFORMED = {
    "no fields of ours": lambda hand: {"x": "y"},
    **{f"no {name.decode()}": without(name) for name in (b"envelope", b"agent", b"signature", b"sequence")},
    "fields in another order": lambda hand: dict(reversed(good(hand).items())),
    "a field too many": with_field(b"more", b"1"),
    "no JSON": lambda hand: hand.fields(b"{not json"),
    "empty": lambda hand: hand.fields(b""),
    "JSON that is no envelope": lambda hand: hand.fields(b"[1,2,3]"),
    "binary": lambda hand: hand.fields(bytes(range(256))),
    "a stranger's field": spelled(lambda e: compact({**e, "token": "x"})),
    "a stranger's field in meta": spelled(lambda e: compact({**e, "meta": {**e["meta"], "x": 1}})),
    "duplicate keys": spelled(lambda e: compact(e)[:-1] + b',"sender_id":"b"}'),
    "keys in another order": spelled(lambda e: compact(dict(reversed(e.items())))),
    "spaces": spelled(lambda e: json.dumps(e).encode()),
    "a wrong type": spelled(lambda e: compact({**e, "timestamp": "now"})),
    "NaN as time": spelled(lambda e: compact({**e, "timestamp": float("nan")})),
    "infinite time": spelled(lambda e: compact({**e, "timestamp": float("inf")})),
    "NaN in the payload": with_payload(b'{"n":NaN}'),
    "too large a float": with_payload(b'{"n":1e999}'),
    "too large a float, spelled at length": with_payload(b'{"n":1E+0000000999}'),
    "an integer of 5,000 digits": with_payload(b"9" * 5000),
    "a number of 129 digits": with_payload(b'{"n":' + b"7" * 129 + b"}"),
    "a key twice in the payload": with_payload(b'{"to":"us","to":"them"}'),
    "a key twice, deep in the payload": with_payload(b'[{"x":[{"to":1,"n":2,"to":3}]}]'),
    "a key twice, spelled in two ways": with_payload(b'{"to":1,"\\u0074o":2}'),
    "deep": with_payload(b"[" * 100 + b"]" * 100),
    "very deep": with_payload(b"[" * 100_000 + b"]" * 100_000),
    "deep behind brackets in a string": with_payload(b'["]]]]",' + b"[" * 100 + b"]" * 100 + b"]"),
    "too many keys": with_payload(b"{" + b",".join(b'"k%d":1' % n for n in range(10_001)) + b"}"),
    "invalid UTF-8": with_payload(b'{"t":"\xff\xfe"}'),
    "overlong UTF-8": with_payload(b'{"t":"\xc0\x80"}'),
    "half a surrogate": with_payload(b'{"t":"\\ud800"}'),
    "a surrogate in UTF-8": with_payload(b'{"t":"\xed\xa0\x80"}'),
    "a control character": with_payload(b'{"t":"\x00"}'),
    "an agent that is no id": with_field(b"agent", b"a:b"),
    "an agent in half a UTF-8": with_field(b"agent", b"\xff"),
    "an instance with a newline": with_field(b"instance", b"hand\n"),
    "an endless instance": with_field(b"instance", b"i" * 10_000),
    "no number as sequence": with_field(b"sequence", b"one"),
    "a negative sequence": with_field(b"sequence", b"-1"),
    "a sequence beyond 2^53": with_field(b"sequence", b"9007199254740993"),
    "an endless sequence": with_field(b"sequence", b"9" * 10_000),
    "a timestamp that is not a number": with_field(b"timestamp", b"nan"),
    "an infinite timestamp": with_field(b"timestamp", b"inf"),
    **{
        f"target {target[:20]!r}": spelled(lambda e, t=target: compact({**e, "target_id": t}))
        for target in ("", "a:b", "*", "b?", "[b]", "{b}", "b\n", "b\0", "../b", "ＡＢ", "b" * 10_000)
    },
    **{
        f"type {kind[:20]!r}": spelled(lambda e, k=kind: compact({**e, "message_type": k}))
        for kind in ("", "mas.decision", "a b", "=cmd", "a\r\nb", "a\0", "\x1b[31m", "t" * 10_000)
    },
    "a message id with a separator": spelled(lambda e: compact({**e, "message_id": "a:b"})),
    "a message id of 10 KB": spelled(lambda e: compact({**e, "message_id": "a" * 10_000})),
    "a correlation id that is none": spelled(
        lambda e: compact({**e, "meta": {**e["meta"], "correlation_id": "../x"}})
    ),
}


async def test_each_kind_of_malformed_entry_is_refused_and_its_neighbours_arrive(redis_url):
    with asking(redis_url) as client:
        async with running(redis_url, permissions=WILDCARD, b=Receiver) as system:
            hand = await enrolled(system, client, "hand")
            for number, make in enumerate(MALFORMED.values()):
                hand.send("b", data=number)
                hand.submit(make(hand))
            await decided(client)
            got = await system.agent("b").got.reaches(len(MALFORMED))
            assert sorted(got) == list(range(len(MALFORMED)))
            refused = [record for record in audit(client) if record["decision"] != "ALLOWED"]
            shown = dict(zip(MALFORMED, ((r["decision"], r["stage"]) for r in refused), strict=True))
            assert shown == dict.fromkeys(MALFORMED, ("MALFORMED", "shape"))
            assert len(letters(client)) == len(MALFORMED)
            assert hand.mail() == []


async def test_what_is_too_large_is_refused_unparsed(redis_url):
    small = {"limits": {"max_envelope": 2048}}
    with asking(redis_url) as client:
        async with running(redis_url, permissions=WILDCARD, gateway=small, b=Receiver) as system:
            hand = await enrolled(system, client, "hand")
            hand.send("b", data="x" * 3000)
            hand.send("b", data="x" * 1000)
            await decided(client)
            assert [record["decision"] for record in audit(client)] == ["TOO_LARGE", "ALLOWED"]
            assert len(letters(client)[0].get("envelope") or "") == 0


async def test_odd_but_right_text_arrives_as_it_was_sent(redis_url):
    odd = [
        "\0", "\ud7ff\ue000", "\U0010ffff", "\u2028\u202e", "{[(\"'\\", "9" * 5000, "e999", "x\r\n\x1b[31m",
        {"": {"": []}}, [[[[[1]]]]], -0.0, 1e308, 5e-324, 2**63, "ÿ" * 1000, int("7" * 128),
        {"a": {"x": 1}, "b": {"x": 1}}, {"x:": ':":', "x": {"x:": 1}},
    ]  # fmt: skip
    with asking(redis_url) as client:
        async with running(redis_url, permissions=WILDCARD, b=Receiver) as system:
            hand = await enrolled(system, client, "hand")
            for value in odd:
                hand.send("b", data=value)
                hand.send("b", data=json.dumps(value).encode())
            assert await system.agent("b").got.reaches(2 * len(odd)) == [v for o in odd for v in (o, o)]


@pytest.mark.alone
@pytest.mark.parametrize(
    "pump",
    [
        b"[]" * 70 + b'"' + b'\\"' * 500_000,
        b"[" * 70 + b"]" * 70 + b'"' * 1_000_001,
        b'"' + b"\\" * 1_000_001 + b"[]" * 70,
        b"1" * 1_000_000 + b'"' + b'\\"1' * 300_000,
        b"[]" * 500_000,
        b":" * 1_000_000,
    ],
)
def test_no_text_takes_the_caps_longer_than_its_length(pump):
    limits = LimitSettings(max_depth=64)
    begin = time.perf_counter()
    nests_too_much(pump, limits)
    unreadable(pump, limits)
    whole = time.perf_counter() - begin
    begin = time.perf_counter()
    for _ in range(8):
        nests_too_much(pump[: len(pump) // 8], limits)
        unreadable(pump[: len(pump) // 8], limits)
    # Eight eighths take about as long as the whole; a square would take an eighth of it.
    assert whole < 4 * (time.perf_counter() - begin) + 0.05
