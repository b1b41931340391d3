"""Payload models of every kind, on both ends, and what does not fit them."""

import dataclasses
import enum
import logging
from typing import Annotated, Any, Literal, TypedDict

import anyio
import attrs
import msgspec
import pydantic
import pytest

from mas import Agent, Decision, MessageRefused, PayloadInvalid
from mas.agent.models import model_of
from tests.world import asking, audit, letters, running

CANARY = "CANARY-payload"


class AsStruct(msgspec.Struct):
    name: str
    n: Annotated[int, msgspec.Meta(ge=0)] = 1


@attrs.frozen
class AsAttrs:
    name: str
    n: int = attrs.field(default=1, validator=attrs.validators.ge(0))


@dataclasses.dataclass
class AsDataclass:
    name: str
    n: Annotated[int, msgspec.Meta(ge=0)] = 1


class AsTypedDict(TypedDict):
    name: str
    n: Annotated[int, msgspec.Meta(ge=0)]


class AsPydantic(pydantic.BaseModel):
    name: str
    n: int = pydantic.Field(default=1, ge=0)


KINDS = [AsStruct, AsAttrs, AsDataclass, AsTypedDict, AsPydantic]


class Sender(Agent[dict[str, Any]]):
    pass


class Receiver(Agent[dict[str, Any]]):
    @Agent.on("AsStruct", model=AsStruct)
    @Agent.on("AsAttrs", model=AsAttrs)
    @Agent.on("AsDataclass", model=AsDataclass)
    @Agent.on("AsTypedDict", model=AsTypedDict)
    @Agent.on("AsPydantic", model=AsPydantic)
    async def take(self, message, payload):
        n = payload["n"] if isinstance(payload, dict) else payload.n
        # The same value goes back, as whatever model it is.
        await message.reply(f"{type(payload).__name__}.{n}", payload)


async def test_every_kind_of_model_arrives_as_itself_and_can_be_sent_back(redis_url):
    async with running(redis_url, a=Sender, b=Receiver) as system:
        for kind in KINDS:
            value = kind(name="x", n=3)
            reply = await system.agent("a").request("b", kind.__name__, value, timeout=5)
            assert reply.message_type == f"{'dict' if kind is AsTypedDict else kind.__name__}.3"
            assert reply.data == {"name": "x", "n": 3}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "bad", [{"name": CANARY, "n": -1}, {"n": CANARY}, {"name": CANARY, "n": CANARY}, CANARY, [CANARY]]
)
def test_what_does_not_fit_is_told_without_its_values(kind, bad):
    with pytest.raises(PayloadInvalid) as caught:
        model_of(kind).load(msgspec.json.encode(bad), "payload of it")
    assert kind.__name__ in str(caught.value)
    assert CANARY not in str(caught.value)
    assert caught.value.__cause__ is None


class Colour(enum.Enum):
    RED = "red"


class Told(msgspec.Struct, forbid_unknown_fields=True):
    colour: Colour = Colour.RED
    letter: Literal["a"] = "a"

    def __post_init__(self):
        if self.letter == "a" and self.colour is Colour.RED:
            raise ValueError(CANARY)


class ToldByPydantic(pydantic.BaseModel, extra="forbid"):
    table: dict[str, int] = {}
    name: str = ""

    @pydantic.field_validator("name")
    @classmethod
    def check(cls, value: str) -> str:
        if value:
            raise ValueError(f"what about {value}?")
        return value


@pytest.mark.parametrize(
    ("kind", "bad", "said"),
    [
        (Told, {"colour": CANARY}, "enum"),
        (Told, {"letter": f"{CANARY}'{CANARY}"}, "enum"),
        (Told, {CANARY: 1}, "a field it does not know"),
        (Told, {}, "ValueError"),
        (ToldByPydantic, {"table": {CANARY: "x"}}, "table: Input should be a valid integer"),
        (ToldByPydantic, {CANARY: 1}, "Extra inputs are not permitted"),
        (ToldByPydantic, {"name": CANARY}, "name: value_error"),
    ],
)
def test_neither_keys_nor_a_validators_words_leave_by_the_error(kind, bad, said):
    with pytest.raises(PayloadInvalid) as caught:
        model_of(kind).load(msgspec.json.encode(bad), "payload")
    assert said in str(caught.value)
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
async def test_an_invalid_payload_is_a_dead_letter_at_once_and_its_requester_is_told(redis_url, kind, caplog):
    caplog.set_level(logging.DEBUG)
    async with running(redis_url, a=Sender, b=Receiver) as system:
        with anyio.fail_after(5), pytest.raises(MessageRefused) as caught:
            await system.agent("a").request("b", kind.__name__, {"name": CANARY, "n": CANARY}, timeout=60)
        assert caught.value.decision is Decision.DEAD_LETTERED
        assert f"does not fit {kind.__name__}" in caught.value.reason
        good = {"name": "x", "n": 1}
        assert (await system.agent("a").request("b", kind.__name__, good, timeout=5)).data == good
    with asking(redis_url) as client:
        (letter,) = letters(client)
        assert letter["attempts"] == 1
        assert letter["envelope"]["data"]["name"] == CANARY
        assert CANARY not in letter["reason"]
        assert CANARY not in str(audit(client))
    assert CANARY not in caplog.text


async def test_what_cannot_be_encoded_raises_where_it_was_sent(redis_url):
    async with running(redis_url, a=Sender, b=Receiver) as system:
        with pytest.raises(TypeError, match="object cannot be sent as JSON"):
            await system.agent("a").send("b", "AsStruct", {"x": object()})
