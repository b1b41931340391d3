"""Read YAML into plain data and remember the line of every key; nothing in it can run or explode.

Only the tags of plain data are known. Size, depth and the number of values are bounded, aliases
and merge keys counted as what they expand to, and a key written twice in one mapping is refused.
"""

from typing import Any, Final, NoReturn

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import Resolver
from yaml.scanner import Scanner

from mas.errors import ConfigurationError
from mas.settings.fields import Path
from mas.settings.origin import key_path

MAX_BYTES: Final = 1_048_576
MAX_DEPTH: Final = 64
MAX_VALUES: Final = 100_000
_TOO_DEEP: Final = f"more than {MAX_DEPTH} levels of nesting"

_SCALARS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "timestamp")
)
_MERGE = "tag:yaml.org,2002:merge"


class _TooDeep(yaml.YAMLError):
    """More levels than `MAX_DEPTH`."""


class _Composing(Composer):
    """Compose nodes no deeper than the bound, so that no input can exhaust the stack."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise _TooDeep
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


if yaml.__with_libyaml__:
    _CParser: Any = vars(yaml.cyaml)["CParser"]  # the stubs leave it out

    class _Loader(_Composing, _CParser, SafeConstructor, Resolver):  # type: ignore[misc]
        """Events from libyaml, nodes and scalars from PyYAML's safe classes."""

        def __init__(self, text: str) -> None:
            _CParser.__init__(self, text)
            Composer.__init__(self)
            SafeConstructor.__init__(self)
            Resolver.__init__(self)

else:  # pragma: no cover  (wheels carry libyaml; a build from source may not)

    class _Loader(Reader, Scanner, Parser, _Composing, SafeConstructor, Resolver):  # type: ignore[no-redef]
        """The same without libyaml."""

        def __init__(self, text: str) -> None:
            Reader.__init__(self, text)
            Scanner.__init__(self)
            Parser.__init__(self)
            Composer.__init__(self)
            SafeConstructor.__init__(self)
            Resolver.__init__(self)


def read(content: bytes, name: str) -> tuple[dict[str, Any], dict[Path, int]]:
    """Return a YAML document's mapping and the line, from 1, of each path of keys in it.

    An empty document is an empty mapping.

    :param name: the file's name, for messages
    :raises ConfigurationError: if it is no YAML, too large, or anything but plain data in a mapping
    """
    if len(content) > MAX_BYTES:
        raise ConfigurationError(f"the file is larger than {MAX_BYTES:,} bytes", where=name)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problem = "the file is not UTF-8 text"
    else:
        return _read(text, name)
    raise ConfigurationError(problem, where=f"{name}:{line}")


def scalar(text: str) -> Any:
    """Return what a text means as a YAML scalar.

    :raises ValueError: if it looks like a number or a date but is none
    """
    loader: Any = _Loader("")
    tag = loader.resolve(yaml.ScalarNode, text, (True, False))
    if tag not in _SCALARS:
        return text
    return loader.construct_object(yaml.ScalarNode(tag, text))


def _read(text: str, name: str) -> tuple[dict[str, Any], dict[Path, int]]:
    # Errors of the parser carry lines of the file, which may hold secrets: none of them is chained.
    fault: tuple[str, int] | None = None
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = error.problem or error.context or "not valid YAML"
        # libyaml reads ahead, and may meet a bound of its own before ours.
        too_deep = "nesting depth" in problem
        fault = (_TOO_DEEP if too_deep else problem, mark.line + 1 if mark else 0)
    except _TooDeep:
        fault = (_TOO_DEEP, 0)
    except yaml.YAMLError:
        fault = ("not valid YAML: it holds a character that YAML does not allow", 0)
    finally:
        if loader is not None:
            loader.dispose()
    if fault is not None:
        problem, line = fault
        tab = "\t" in "".join(text.splitlines()[line - 1 : line]) if line else False
        hint = "indent with spaces: YAML takes no tabs" if tab else ""
        raise ConfigurationError(problem, where=f"{name}:{line}" if line else name, hint=hint)
    builder = _Builder(name, _Loader(""))
    if node is None or node.tag == "tag:yaml.org,2002:null":
        return {}, {}
    if not isinstance(node, yaml.MappingNode):
        raise ConfigurationError(
            "the file does not hold a mapping",
            where=f"{name}:1",
            hint="begin with lines of the form key: value",
        )
    return builder.mapping(node, (), 0), builder.lines


class _Builder:
    """Turn nodes into data; what an alias refers to is built anew each time, and counted."""

    def __init__(self, name: str, loader: Any) -> None:
        self.name, self.loader = name, loader
        self.lines: dict[Path, int] = {}
        self.values = 0

    def value(self, node: yaml.Node, path: Path, depth: int) -> Any:
        self.values += 1
        if self.values > MAX_VALUES:
            self.refuse(f"more than {MAX_VALUES:,} values, counting what aliases expand to", node, ())
        if depth > MAX_DEPTH:
            self.refuse(_TOO_DEEP, node, ())
        if isinstance(node, yaml.MappingNode):
            return self.mapping(node, path, depth)
        if isinstance(node, yaml.SequenceNode):
            if node.tag != "tag:yaml.org,2002:seq":
                self.refuse("this tag is not supported", node, path)
            return [self.item(item, (*path, place), depth) for place, item in enumerate(node.value)]
        return self.scalar(node, path)

    def item(self, node: yaml.Node, path: Path, depth: int) -> Any:
        self.lines.setdefault(path, node.start_mark.line + 1)
        return self.value(node, path, depth + 1)

    def mapping(self, node: yaml.MappingNode, path: Path, depth: int) -> dict[Any, Any]:
        if node.tag != "tag:yaml.org,2002:map":
            self.refuse("this tag is not supported", node, path)
        result: dict[Any, Any] = {}
        merged: list[yaml.Node] = []
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                merged.append(value_node)
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                self.refuse("a key must be a single word", key_node, path)
            key = self.scalar(key_node, path)
            below: Path = (*path, key if isinstance(key, str | int) else str(key))
            if key in result:
                self.refuse(f"this key is written twice, first in line {self.lines[below]}", key_node, below)
            self.lines[below] = key_node.start_mark.line + 1
            result[key] = self.value(value_node, below, depth + 1)
        for value_node in merged:
            self.merge(result, value_node, path, depth)
        return result

    def merge(self, result: dict[Any, Any], node: yaml.Node, path: Path, depth: int) -> None:
        """Add the keys of `<<`, which never replace what is written or was merged before."""
        for source in node.value if isinstance(node, yaml.SequenceNode) else [node]:
            if not isinstance(source, yaml.MappingNode):
                self.refuse("'<<' needs a mapping, or a list of mappings", node, path)
            others = _Builder(self.name, self.loader)
            others.values = self.values
            for key, value in others.value(source, (), depth + 1).items():
                if key not in result:
                    result[key] = value
                    head = key if isinstance(key, str | int) else str(key)
                    self.lines.update(
                        {(*path, *tail): line for tail, line in others.lines.items() if tail[0] == head}
                    )
            self.values = others.values

    def scalar(self, node: yaml.Node, path: Path) -> Any:
        kind = node.tag.rpartition(":")[2]
        if node.tag in _SCALARS:
            try:
                return self.loader.construct_object(node)
            except (ValueError, KeyError, AttributeError, OverflowError, yaml.YAMLError):
                problem = f"this is not a valid {kind}"
        else:
            problem = "this tag is not supported"
        return self.refuse(problem, node, path)

    def refuse(self, problem: str, node: yaml.Node, path: Path) -> NoReturn:
        where = ": ".join(filter(None, (f"{self.name}:{node.start_mark.line + 1}", key_path(path))))
        raise ConfigurationError(problem, where=where)
