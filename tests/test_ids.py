import pytest

from mas import ids
from mas.errors import InvalidId


@pytest.mark.parametrize("good", ["a", "A-1", "x" * 128, "billing.v2_eu"])
def test_an_ordinary_id_passes(good):
    assert ids.agent_id(good) == good
    assert ids.instance_id(good) == good


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "*",
        "a:b",
        "a?b",
        "a[b",
        "a{b",
        "a\n",
        "\na",
        "a\0",
        "..",
        ".a",
        "-a",
        "x" * 129,
        "x" * 10_000,
        "аgent",
        "a b",
        None,
        7,
    ],
)
def test_whatever_could_bend_a_key_is_refused_at_every_door(bad):
    for door in (ids.agent_id, ids.instance_id):
        with pytest.raises(InvalidId) as refusal:
            door(bad)
        assert len(str(refusal.value)) < 300
        assert str(refusal.value).isprintable()


def test_minted_ids_are_valid_and_differ():
    minted = {ids.new_instance_id() for _ in range(100)} | {ids.new_message_id() for _ in range(100)}
    assert len(minted) == 200
    assert all(map(ids.is_valid, minted))
