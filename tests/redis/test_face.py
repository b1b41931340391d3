import ast
from pathlib import Path

import mas.redis
from mas.redis.backoff import full_jitter


def test_the_face_is_sorted_and_exact():
    assert mas.redis.__all__ == sorted(mas.redis.__all__)
    [module] = [ast.parse(Path(mas.redis.__file__).read_text())]
    imported = {
        alias.name for node in module.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert imported == set(mas.redis.__all__)


def test_nothing_here_knows_one_event_loop():
    for source in Path(mas.redis.__file__).parent.glob("*.py"):
        assert "asyncio" not in source.read_text()
        assert "import trio" not in source.read_text()


def test_waits_grow_to_their_cap_and_are_spread():
    longest = [max(full_jitter(failures, 2) for _ in range(300)) for failures in (0, 3, 40)]
    assert longest[0] < 0.05 < longest[1] < 0.4 < longest[2] < 2
    assert min(full_jitter(40, 2) for _ in range(300)) < 0.2
