"""Where a value was written, for messages and for `mas check`."""

from collections.abc import Mapping

from attrs import frozen

from mas.settings.fields import Path


@frozen
class Origin:
    """A place that a user can open and change.

    :param source: a file, a variable, or "argument"
    :param line: counted from 1; 0 where there are no lines
    :param root: how many leading keys of a path the source itself does not spell
    """

    source: str
    line: int = 0
    root: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


Origins = Mapping[Path, Origin]


def key_path(path: Path) -> str:
    """Return a path of keys as `agents[1].init_kwargs.agent_id`."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{_one_line(key)}" if text else _one_line(key)
    return text


def origin_of(path: Path, origins: Origins) -> Origin | None:
    """Return where a path or the nearest thing around it was written."""
    for length in range(len(path), -1, -1):
        if origin := origins.get(path[:length]):
            return origin
    return None


def where(path: Path, origins: Origins) -> str:
    """Return source, line and key path in one text, as far as they are known."""
    origin = origin_of(path, origins)
    if origin is None:
        return key_path(path)
    return ": ".join(filter(None, (str(origin), key_path(path[origin.root :]))))


def _one_line(key: object) -> str:
    text = str(key)
    return text if text.isprintable() and len(text) <= 60 else f"{ascii(text)[:57]}..."
