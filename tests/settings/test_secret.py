import copy
import json
import logging
import pickle
import traceback

import attrs
import pytest

from mas.settings import RedisUrl, Secret

CANARY = "canary-5f1b"
SECRETS = [Secret(CANARY), Secret(CANARY.encode()), RedisUrl(f"redis://me:{CANARY}@localhost/0?x={CANARY}")]


@attrs.frozen
class Holder:
    secret: Secret


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    "show",
    [
        repr,
        str,
        ascii,
        "{}".format,
        "{!r:>50}".format,
        lambda secret: "%s %r" % (secret, secret),  # noqa: UP031
        lambda secret: f"{secret:>40}",
        lambda secret: repr({"k": [secret]}),
        lambda secret: repr(Holder(secret)),
        lambda secret: repr(attrs.asdict(Holder(secret))),
        lambda secret: logging.LogRecord("n", 20, "p", 1, "%s", (secret,), None).getMessage(),
        lambda secret: "".join(traceback.format_exception(ValueError(secret))),
        lambda secret: json.dumps(secret, default=repr),
    ],
)
def test_a_secret_is_shown_nowhere(secret, show):
    assert CANARY not in show(secret)


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_is_not_pickled(secret, protocol):
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(secret, protocol)


def test_a_secret_is_no_json():
    with pytest.raises(TypeError):
        json.dumps(Secret(CANARY))


def test_only_reveal_and_encode_give_it_out():
    assert Secret(CANARY).reveal() == CANARY
    assert Secret(CANARY).encode() == CANARY.encode()


def test_bytes_that_are_no_text_are_kept():
    assert Secret(b"\xff\x00k").encode() == b"\xff\x00k"


def test_secrets_compare_by_value():
    assert Secret("a") == Secret(b"a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1


def test_a_copy_is_the_secret_itself():
    secret = Secret("a")
    assert copy.copy(secret) is secret
    assert copy.deepcopy({"k": secret})["k"] is secret
    assert Secret(secret) == secret


def test_a_secret_has_no_dictionary_to_look_into():
    assert not hasattr(Secret("a"), "__dict__")
    assert not hasattr(RedisUrl("redis://localhost"), "__dict__")
