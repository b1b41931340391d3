"""A labelled corpus from templates and a seed; what is tuned on and what is only scored share no template."""

import re
from collections.abc import Iterator
from typing import Literal, NamedTuple

from tests.dlp.templates import CLASS_OF, CLEAN, SENSITIVE
from tests.dlp.values import Values

Split = Literal["tuning", "held"]
_SLOT = re.compile(r"(?<!\{)\{([a-z0-9_]+)\}")


class Sample(NamedTuple):
    """A text and the classes in it; none for a clean one."""

    text: str
    label: list[str]


def corpus(split: Split, *, seed: int = 2024, each: int = 6) -> Iterator[Sample]:
    """Yield every template of a split, filled `each` times.

    Clean templates without slots come once, so that no single phrase weighs more than another.
    """
    values = Values(seed + (split == "held"))
    for kind, templates in SENSITIVE.items():
        for template in _half(templates, split):
            for _ in range(each):
                yield Sample(filled(template, values), [kind])
    for template in _half(CLEAN, split):
        for _ in range(each if _SLOT.search(template) else 1):
            yield Sample(filled(template, values), [])


def filled(template: str, values: Values) -> str:
    """Return a template with its slots filled."""
    return _SLOT.sub(lambda slot: values.of(slot[1]), template).replace("{{", "{").replace("}}", "}")


def labels(template: str, kind: str) -> set[str]:
    """Return the classes of a template's slots, for checking that it belongs to its table."""
    return {CLASS_OF.get(slot, slot) for slot in _SLOT.findall(template)} & {*SENSITIVE, kind}


def _half(templates: tuple[str, ...], split: Split) -> tuple[str, ...]:
    return templates[0::2] if split == "tuning" else templates[1::2]
