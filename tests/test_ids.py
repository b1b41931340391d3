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


@pytest.mark.parametrize("good", ["x", "triage level 2", "übersetzen", "x" * 128])
def test_a_capability_is_text_on_one_line(good):
    assert ids.capability(good) == good


@pytest.mark.parametrize("bad", ["", " x", "x ", "x" * 129, "a\nb", "a\0", "\x1b[2J", "a\u200bb", None, 7])
def test_what_is_no_capability_is_refused(bad):
    with pytest.raises(InvalidId, match="is not a valid capability") as refusal:
        ids.capability(bad)
    assert str(refusal.value).isprintable()


def test_minted_ids_are_valid_and_differ():
    minted = {ids.new_instance_id() for _ in range(100)} | {ids.new_message_id() for _ in range(100)}
    assert len(minted) == 200
    assert all(map(ids.is_valid, minted))
