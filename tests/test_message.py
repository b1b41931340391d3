"""The envelope has one encoding, and whatever is not it is told apart."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mas.ids import AgentId, InstanceId, MessageId
from mas.message import Message, Meta, decode, encode, is_canonical

PAYLOAD = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def message(data, **meta):
    return Message(
        AgentId("a"), AgentId("b"), "kind", data, Meta(InstanceId("i"), **meta), 1.5, MessageId("m1")
    )


@given(PAYLOAD)
def test_what_is_encoded_decodes_to_the_same_and_is_canonical(data):
    body = encode(message(data))
    again = decode(body)
    # A float without a finite value has no JSON; it travels as null.
    if "Infinity" not in json.dumps(data):
        assert msgspec.json.decode(again.data) == data
    assert is_canonical(again, body)
    assert encode(again) == body


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.replace(b'"sender_id":"a"', b'"sender_id": "a"'),
        lambda body: body.replace(b'"sender_id":"a"', b'"sender_id":"\\u0061"'),
        lambda body: body.replace(b'{"sender_id"', b'{"sender_id":"x","sender_id"'),
        lambda body: body + b" ",
        lambda body: b"\n" + body,
        lambda body: body.replace(b"1.5", b"15e-1"),
        lambda body: body.replace(b"1.5", b"1.50"),
        lambda body: body.replace(b'"meta":{', b'"meta":{"confirm":false,'),
    ],
)
def test_another_spelling_of_the_same_is_not_canonical(change):
    body = encode(message({"x": 1}))
    changed = change(body)
    assert changed != body
    again = decode(changed)
    assert not is_canonical(again, changed)


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b"null", b'{"sender_id":1}', b"\xff", b"{" * 10_000, encode(message(1))[:-1]],
)
def test_what_is_no_envelope_does_not_decode(body):
    with pytest.raises((msgspec.DecodeError, RecursionError)):
        decode(body)


def test_defaults_of_the_meta_are_not_spelled_out():
    assert b'"meta":{"sender_instance_id":"i"}' in encode(message(None))
