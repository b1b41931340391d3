"""Read overrides from the environment: `MAS_GATEWAY__RATE_LIMIT__PER_MINUTE=100`.

The name is `MAS_`, then the path of keys with `__` between them. A value is read as YAML reads a
scalar, except where text, a path or a secret is wanted: those are taken as they stand. For a
secret, the same name with `_FILE` names a file that holds it. Lists and mappings have no variable.
"""

import typing
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any, Literal

import attrs

from mas.errors import ConfigurationError
from mas.ids import AgentId
from mas.settings import document
from mas.settings.fields import Path, keys_of, nearest, unwrapped
from mas.settings.misfit import Problem
from mas.settings.model import DERIVED, Settings
from mas.settings.search import at_home, read_secret
from mas.settings.secret import Secret

PREFIX = "MAS_"
RESERVED = {
    "MAS_CONFIG": "the configuration file, or its directory",
    "MAS_SECRET": "the deployment's secret itself",
    "MAS_OUTSIDE_REDIS_URL": "how agents that run elsewhere reach Redis, for mas agents enroll and grant",
}
"""Variables that are no setting, and what they hold."""

_AS_IT_STANDS = (str, AgentId, FilePath)


def variables(cls: type = Settings, path: Path = ()) -> Iterator[tuple[str, Path, type]]:
    """Yield name, path of keys and bare type of every setting that has a variable."""
    return (each for each in _named(cls, path) if not _is_compound(each[2]))


def _named(cls: type, path: Path) -> Iterator[tuple[str, Path, Any]]:
    for field in attrs.fields(cls):
        if field.name not in DERIVED:
            below = (*path, keys_of(field)[0])
            bare, _ = unwrapped(field.type)
            yield PREFIX + "__".join(map(str, below)).upper(), below, bare
            if attrs.has(bare):
                yield from _named(bare, below)


def _is_compound(bare: Any) -> bool:
    return attrs.has(bare) or typing.get_origin(bare) in {tuple, dict}


def overrides(environ: Mapping[str, str]) -> tuple[dict[Path, tuple[str, Any]], list[Problem]]:
    """Return what the environment sets, by path of keys, with the variable's name; and what is wrong."""
    known = {name: (path, bare) for name, path, bare in variables()}
    files = {f"{name}_FILE": name for name, (_, bare) in known.items() if _is_secret(bare)}
    found: dict[Path, tuple[str, Any]] = {}
    problems: list[Problem] = []
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name in RESERVED:
            continue
        if name in known:
            path, bare = known[name]
            found[path] = (name, _value(environ[name], bare))
        elif name in files:
            path, _ = known[files[name]]
            if files[name] in environ:
                problems.append(Problem((name,), f"{files[name]} is set as well", "keep one of them"))
                continue
            try:
                found[path] = (name, read_secret(FilePath(environ[name]), least=1))
            except ConfigurationError as error:
                problems.append(Problem((name,), str(error)))
        else:
            problems.append(_unknown(name, [*known, *files, *RESERVED]))
    if "MAS_SECRET" in environ and "MAS_SECRET_FILE" in environ:
        problems.append(Problem(("MAS_SECRET",), "MAS_SECRET_FILE is set as well", "keep one of them"))
    return found, problems


def _unknown(name: str, known: list[str]) -> Problem:
    if name in {each for each, _, bare in _named(Settings, ()) if _is_compound(bare)}:
        return Problem((name,), "this setting is more than one value", "set it in the file")
    hint = nearest(name, known)
    return Problem(
        (name,),
        "no setting has this name",
        hint if hint.startswith("did") else "mas check --verbose lists them all",
    )


def _value(text: str, bare: type) -> Any:
    if _is_secret(bare) or typing.get_origin(bare) is Literal:
        return text or None
    if bare is FilePath:
        return at_home(FilePath(text)).absolute() if text else None
    if bare in _AS_IT_STANDS:
        return text
    try:
        return document.scalar(text)
    except ValueError:
        return text


def _is_secret(bare: Any) -> bool:
    return isinstance(bare, type) and issubclass(bare, Secret)
