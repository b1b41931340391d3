"""A labelled corpus from templates and a seed; what is tuned on and what is only scored share no template."""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from tests.dlp.held_templates import HELD_CLEAN, HELD_SENSITIVE
from tests.dlp.templates import CLEAN, SENSITIVE
from tests.dlp.values import Values

Split = Literal["tuning", "held"]
HELD: Split = "held"
TUNING: Split = "tuning"
_SLOT = re.compile(r"(?<!\{)\{([a-z0-9_]+)\}")


class Sample(NamedTuple):
    """A text and the classes in it; none for a clean one."""

    text: str
    label: list[str]


def corpus(split: Split, *, seed: int = 2024, each: int = 6) -> Iterator[Sample]:
    """Yield every template of a split, filled `each` times.

    Clean templates without slots come once, so that no single phrase weighs more than another.
    """
    values = Values(seed + (split == HELD))
    sensitive, clean = (HELD_SENSITIVE, HELD_CLEAN) if split == HELD else (SENSITIVE, CLEAN)
    for kind, templates in sensitive.items():
        for template in templates:
            for _ in range(each):
                yield Sample(filled(template, values), [kind])
    for template in clean:
        for _ in range(each if _SLOT.search(template) else 1):
            yield Sample(filled(template, values), [])


def filled(template: str, values: Values) -> str:
    """Return a template with its slots filled."""
    return _SLOT.sub(lambda slot: values.of(slot[1]), template).replace("{{", "{").replace("}}", "}")
