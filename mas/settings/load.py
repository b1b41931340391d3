"""Find, read, override and check: from files and environment to `Settings`."""

import logging
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import attrs

from mas.errors import ConfigurationError
from mas.settings import checks, document, search, variables
from mas.settings.fields import Path as KeyPath
from mas.settings.gateway import OBSOLETE
from mas.settings.misfit import Misfits, Problem
from mas.settings.model import Settings
from mas.settings.origin import Origin, Origins, where
from mas.settings.structure import structure

logger = logging.getLogger("mas.settings")

DEEPEST = 5  # gateway.rate_limit.overrides.<agent>.burst


def load(
    source: str | Path | Mapping[str, Any] | Settings | None = None,
    *,
    environ: Mapping[str, str] = os.environ,
    start: Path | None = None,
) -> Settings:
    """Return the settings of a file, a mapping, or the nearest agents.yaml.

    Every problem found is named in one error. A gateway.yaml beside agents.yaml is read with it.

    :param source: a file, its directory, or the same as a mapping; None is `MAS_CONFIG` or the search.
        Settings are checked and returned as they are
    :param environ: where overrides come from
    :param start: where the search begins and a mapping's relative paths lie; None is the working directory
    :raises ConfigurationError: if anything is missing, unknown, out of bounds, contradictory,
        or written by somebody who should not
    """
    if isinstance(source, Settings):
        _refuse(checks.problems(source), source.origins)
        return source
    draft = _Draft(start)
    if isinstance(source, Mapping):
        draft.take_mapping(source)
    elif source is not None or environ.get("MAS_CONFIG"):
        draft.take_file(Path(source if source is not None else environ["MAS_CONFIG"]), named=True)
    else:
        draft.take_file(search.find_config(start), named=False)
    return draft.settle(environ)


class _Draft:
    """Settings on their way: data, where each part was written, and what is wrong so far."""

    def __init__(self, start: Path | None) -> None:
        self.base = (start or Path.cwd()).absolute()
        self.data: dict[str, Any] = {}
        self.origins: dict[KeyPath, Origin] = {}
        self.sources: list[Path] = []
        self.beside: Path | None = None
        self.owners: frozenset[int] | None = None

    def take_mapping(self, mapping: Mapping[str, Any]) -> None:
        self.data = dict(mapping)
        _mark(self.data, (), Origin("argument"), self.origins)

    def take_file(self, path: Path, *, named: bool) -> None:
        path = search.at_home(path).absolute()
        if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises for what can be no path at all
            path /= search.NAME
        self.base = path.parent
        self.owners = None if named else search.own()
        self.data = self._read(path, ())
        self.beside = path.parent / search.GATEWAY_NAME

    def settle(self, environ: Mapping[str, str]) -> Settings:
        found, problems = variables.overrides(environ)
        self.origins.update({odd.path: Origin(str(odd.path[0]), root=1) for odd in problems})
        self._override({path: found[path] for path in found if path == ("gateway_config_file",)})
        self._take_gateway()
        self._override(found)
        notes = self._pass_over_obsolete()
        try:
            settings = structure(self.data, Settings)
        except Misfits as misfits:
            problems += misfits.problems
        else:
            problems += checks.problems(settings)
        _refuse(problems, self.origins)
        notes += [_line(warning, self.origins) for warning in checks.warnings(settings)]
        return attrs.evolve(
            settings,
            **{
                name: self.base / value
                for name in ("data_dir", "secret_file", "gateway_config_file")
                if (value := getattr(settings, name)) is not None
            },
            base=self.base,
            sources=tuple(self.sources),
            origins=self.origins,
            warnings=tuple(notes),
        )

    def _read(self, path: Path, root: KeyPath) -> dict[str, Any]:
        content = search.read_trusted(path, owners=self.owners)
        data, lines = document.read(content, str(path))
        self.origins[root] = Origin(str(path), root=len(root))
        for below, line in lines.items():
            self.origins[(*root, *below)] = Origin(str(path), line, len(root))
        self.sources.append(path)
        logger.info("configuration read from %s", path)
        return data

    def _take_gateway(self) -> None:
        """Read the gateway's file: the one named, else the one beside agents.yaml if there is one."""
        named = self.data.get("gateway_config_file")
        path = self.beside
        if isinstance(named, str | Path) and str(named):
            path = self.base / search.at_home(Path(named))
            self.owners = None
        elif path is None or not os.path.lexists(path):
            return
        if self.data.get("gateway") is not None:
            raise ConfigurationError(
                f"gateway settings stand here and in {path}",
                where=where(("gateway",), self.origins),
                hint="keep one of the two",
            )
        self.data["gateway"] = self._read(path, ("gateway",))

    def _override(self, found: Mapping[KeyPath, tuple[str, Any]]) -> None:
        for path, (variable, value) in found.items():
            inner = self.data
            *outer, last = map(str, path)
            for key in outer:
                below = inner.get(key)
                if below is None:
                    below = {}
                if not isinstance(below, Mapping):
                    break
                inner[key] = inner = dict(below)
            else:
                inner[last] = value
                self.origins[path] = Origin(variable, root=len(path))

    def _pass_over_obsolete(self) -> list[str]:
        notes = []
        gateway = self.data.get("gateway")
        for (name, key), reason in OBSOLETE.items():
            section = gateway.get(name) if isinstance(gateway, Mapping) else None
            if isinstance(gateway, Mapping) and isinstance(section, Mapping) and key in section:
                gateway = {**gateway, name: {other: section[other] for other in section if other != key}}
                self.data["gateway"] = gateway
                problem = Problem(("gateway", name, key), f"no longer needed: {reason}")
                notes.append(_line(problem, self.origins))
        return notes


def _mark(value: Any, path: KeyPath, origin: Origin, origins: dict[KeyPath, Origin]) -> None:
    """Note one origin for a value and all that lies below it, as deep as any setting lies.

    Below that are agents' own arguments, which may even contain themselves.
    """
    origins[path] = origin
    if len(path) == DEEPEST:
        return
    if isinstance(value, Mapping):
        for key, inner in value.items():
            _mark(inner, (*path, key if isinstance(key, int) else str(key)), origin, origins)
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            _mark(inner, (*path, place), origin, origins)


def _line(problem: Problem, origins: Origins) -> str:
    text = f"{where(problem.path, origins)}: {problem.text}"
    return f"{text} ({problem.hint})" if problem.hint else text


def _refuse(problems: Iterable[Problem], origins: Origins) -> None:
    """Raise one error for all problems, if there are any."""
    problems = list(problems)
    if len(problems) == 1:
        (only,) = problems
        raise ConfigurationError(only.text, where=where(only.path, origins), hint=only.hint)
    if problems:
        lines = "".join(f"\n  {_line(problem, origins)}" for problem in problems)
        raise ConfigurationError(f"{len(problems)} problems in the configuration:{lines}")
