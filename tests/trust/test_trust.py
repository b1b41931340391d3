"""Every part that a key vouches for, flipped one by one: nothing else opens."""

import hmac
import pickle
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mas.errors import IntegrityError
from mas.ids import AgentId, InstanceId
from mas.trust import Keyring, Permit, protect, prove, seal, unprotect
from mas.trust.keyring import token_hash

SECRET = b"CANARY-0123456789abcdef"
RING = Keyring(SECRET)
A, B, ONE, TWO = AgentId("a"), AgentId("b"), InstanceId("1"), InstanceId("2")


def flipped(data: bytes):
    """Yield the bytes with each bit of each byte flipped."""
    for at, byte in enumerate(data):
        for bit in range(8):
            yield data[:at] + bytes([byte ^ 1 << bit]) + data[at + 1 :]


def test_every_key_serves_one_purpose():
    keys = [
        RING.permit, RING.record, RING.audit, RING.digest, RING.seal(A), RING.seal(B),
        RING.token(A, ONE, "e"), RING.token(A, TWO, "e"), RING.token(B, ONE, "e"), RING.token(A, ONE, "f"),
    ]  # fmt: skip
    assert len(set(keys)) == len(keys)
    assert all(len(key) == 32 for key in keys)
    assert {Keyring(SECRET).permit, Keyring(SECRET + b"x").permit} - {RING.permit} != set()
    assert Keyring(SECRET).token(A, ONE, "e") == RING.token(A, ONE, "e")


def test_a_short_secret_is_no_secret():
    with pytest.raises(ValueError, match="16 bytes"):
        Keyring(b"x" * 15)


def test_keys_show_in_no_repr_and_leave_by_no_pickle():
    credential = RING.credential(A, ONE, "e")
    for holder in (RING, credential):
        shown = f"{holder!r} {holder} {[holder]}"
        assert "CANARY" not in shown
        assert credential.token.hex() not in shown
        with pytest.raises(TypeError):
            pickle.dumps(holder)
        assert not hasattr(holder, "__dict__")


def test_redis_keeps_of_a_token_what_does_not_tell_it():
    token = RING.token(A, ONE, "e")
    assert token.hex() not in token_hash(token)
    assert len(token_hash(token)) == 64


@given(st.binary(min_size=32, max_size=64), st.binary(max_size=300))
def test_a_proof_is_the_hmac_of_what_it_covers(token, envelope):
    expected = hmac.digest(token, envelope + b"\n1.5\n7", "sha256").hex()
    assert prove(token, envelope, b"1.5", b"7") == expected


def test_a_proof_covers_envelope_time_and_number_and_belongs_to_one_token():
    token = RING.token(A, ONE, "e")
    parts: list[bytes] = [b'{"x":1}', b"1.5", b"7"]
    proof = prove(token, *parts)
    assert proof == prove(token, *parts)
    for at in range(3):
        for other in flipped(parts[at]):
            assert prove(token, *[*parts[:at], other, *parts[at + 1 :]]) != proof
    assert prove(RING.token(A, TWO, "e"), *parts) != proof


def test_a_seal_covers_target_instance_route_and_envelope_and_belongs_to_one_key():
    parts = ("a", "1", "5-1 99 permit", b'{"x":1}')
    sealed = seal(RING.seal(A), *parts)
    assert sealed == seal(RING.seal(A), *parts)
    others = [
        ("b", *parts[1:]), ("a", "", *parts[2:]), ("a", "2", *parts[2:]),
        ("a", "1", "5-2 99 permit", parts[3]), ("a", "1", "5-1 98 permit", parts[3]),
        ("a", "1", "5-1 99 ", parts[3]),
    ]  # fmt: skip
    for other in others:
        assert seal(RING.seal(A), *other) != sealed
    for envelope in flipped(parts[3]):
        assert seal(RING.seal(A), *parts[:3], envelope) != sealed
    assert seal(RING.seal(B), *parts) != sealed


WHO = {"requester": "a", "responder": "b", "correlation": "c"}


def test_a_permit_opens_for_the_answer_it_was_minted_for():
    permit = Permit(ONE, 42, 99)
    text = permit.mint(RING.permit, **WHO)
    assert Permit.open(RING.permit, text, **WHO) == permit
    for part in WHO:
        assert Permit.open(RING.permit, text, **{**WHO, part: "x"}) is None
    assert Permit.open(RING.record, text, **WHO) is None


def test_no_other_text_opens_as_a_permit():
    text = Permit(ONE, 42, 99).mint(RING.permit, **WHO)
    head, _, proof = text.rpartition("/")
    wrong = [
        "", "/", "///", "a/b/c/d", head, f"{head}/", text + "0", text + "/", f"2/42/99/{proof}",
        f"1/43/99/{proof}", f"1/42/100/{proof}", f"1/042/99/{proof}", f"1/42/ 99/{proof}",
        f"1/4_2/99/{proof}", f"1/４２/99/{proof}", f"../42/99/{proof}", f"1/{'9' * 5000}/99/{proof}",
        text.upper(), "ä" + text,
    ]  # fmt: skip
    for other in wrong:
        assert Permit.open(RING.permit, other, **WHO) is None
    for at in range(len(text)):
        other = text[:at] + ("0" if text[at] != "0" else "1") + text[at + 1 :]
        assert Permit.open(RING.permit, other, **WHO) is None


@given(st.text(string.printable + "\0ä\ud7ff", max_size=200))
def test_whatever_is_taken_for_a_permit_opens_nothing(text):
    assert Permit.open(RING.permit, text, **WHO) is None


def test_a_record_opens_where_it_was_put_and_unchanged():
    stored = protect(RING.record, "agent:a record", b'{"x":1}')
    assert unprotect(RING.record, "agent:a record", stored) == b'{"x":1}'
    for wrong in (b"", b"x", stored[:-1], stored + b" ", stored[65:], *flipped(stored)):
        with pytest.raises(IntegrityError, match="agent:a record"):
            unprotect(RING.record, "agent:a record", wrong)
    for place in ("agent:b record", "agent:a status", ""):
        with pytest.raises(IntegrityError):
            unprotect(RING.record, place, stored)
    with pytest.raises(IntegrityError):
        unprotect(RING.audit, "agent:a record", stored)
