"""A key is handed over once, whoever finishes it, and none is lost that the chain has named."""

import pytest

from mas.audit import EventKind, Filter
from mas.audit.keyfile import KeyFile
from mas.errors import ConfigurationError


@pytest.fixture
def file(tmp_path):
    file = KeyFile(tmp_path / "audit.key", tmp_path / "audit.pub")
    file.load()
    return file


def test_whoever_completes_a_handover_second_finds_it_done(file):
    successor = file.prepare()
    for _ in range(2):
        file.complete(successor.fingerprint)
        assert file.load_for(successor.fingerprint).fingerprint == successor.fingerprint


def test_a_key_that_the_chain_has_not_named_takes_no_place(file):
    """Somebody else has handed over meanwhile, and begun with the next one."""
    first = file.prepare()
    file.complete(first.fingerprint)
    second = file.prepare()
    file.complete(first.fingerprint)
    assert file.load().fingerprint == first.fingerprint
    assert file.load_for(second.fingerprint).fingerprint == second.fingerprint
    with pytest.raises(ConfigurationError, match="is signed by key"):
        file.load_for(first.fingerprint)


async def test_a_handover_that_the_sealer_completes_first_succeeds_and_is_on_record(desk, monkeypatch):
    await desk.write(10)
    await desk.seal_all()
    load_for, calls = KeyFile.load_for, []

    def overtaken(file, fingerprint):
        calls.append(fingerprint)
        if len(calls) == 2:
            # Between the link that names it and the deed of who announced it.
            load_for(file, fingerprint)
        return load_for(file, fingerprint)

    monkeypatch.setattr(KeyFile, "load_for", overtaken)
    successor = await desk.trail.rotate_key()
    assert calls[1:] == [successor.fingerprint]
    told = [found async for found in desk.trail.query(Filter(decision=EventKind.AUDIT_KEY))]
    assert [each.record["subject"] for each in told] == [successor.fingerprint]
    await desk.write(10)
    await desk.seal_all()
    assert (await desk.verify()).flaws == []
