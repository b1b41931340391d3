"""What does not fit: read cattrs' errors as a flat list of problems, each with its path of keys."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs
from attrs import frozen
from cattrs import ClassValidationError, ForbiddenExtraKeysError, IterableValidationError

from mas.errors import ConfigurationError
from mas.settings.fields import Path, Unfit, keys_of, nearest
from mas.settings.model import DERIVED


@frozen
class Problem:
    """One thing wrong with what was written."""

    path: Path
    text: str
    hint: str = ""


class Misfits(Exception):
    """Data does not fit its class; carries every problem found."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(len(self.problems))


def problems(error: Exception, data: Any, path: Path = ()) -> Iterator[Problem]:
    """Yield what lies at the leaves of cattrs' nested errors.

    :param data: what was structured, which knows the spelling of each key
    :param path: where in the whole the data stands
    """
    match error:
        case ClassValidationError():
            for inner in error.exceptions:
                name = _noted(inner, "name")
                if name is None:
                    yield from problems(inner, data, path)
                    continue
                keys = keys_of(getattr(attrs.fields(error.cl), name))
                key = next((key for key in keys if isinstance(data, Mapping) and key in data), keys[0])
                if isinstance(inner, KeyError):
                    yield Problem(path, f"'{key}' is missing")
                else:
                    yield from problems(inner, _below(data, key), (*path, key))
        case IterableValidationError():
            for inner in error.exceptions:
                key = _noted(inner, "index")
                yield from problems(inner, _below(data, key), (*path, key))
        case ForbiddenExtraKeysError():
            known = [keys_of(field)[0] for field in attrs.fields(error.cl) if field.name not in DERIVED]
            for key in sorted(error.extra_fields):
                yield Problem((*path, key), "unknown key", nearest(key, known))
        case Unfit():
            yield Problem((*path, *error.below), error.problem, error.hint)
        case ConfigurationError():
            yield Problem(path, error.problem, error.hint)
        case _:
            raise error


def _noted(error: BaseException, what: str) -> Any:
    """Return the name of a field, or the index of a member, that cattrs noted on an error."""
    notes = getattr(error, "__notes__", ())
    return next((getattr(note, what) for note in notes if hasattr(note, what)), None)


def _below(data: Any, key: Any) -> Any:
    return data[key] if isinstance(data, Mapping | list | tuple) else None
