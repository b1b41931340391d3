import io
import json
import logging

import pytest

from mas.cli import logs
from mas.cli.printable import printable
from mas.log import logger

HOSTILE = "a\r\nb\x1b[31m\x00\x85\u2028\ud800\u202e"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def configured():
    """Configure the log of this process for a stream, and put it back afterwards."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level

    def configure(stream, level="info"):
        logs.configure(level, stream=stream)
        return stream

    yield configure
    logging.captureWarnings(capture=False)
    root.handlers[:] = before
    root.setLevel(level)


def raise_hostile():
    raise ValueError(f"forged {HOSTILE}")


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_one_event_is_one_line_whatever_it_holds(configured, stream):
    out = configured(stream())
    logger("mas.test").warning(HOSTILE, agent=HOSTILE, others=[HOSTILE], **{HOSTILE: 1})
    logging.getLogger("stranger").warning("%s", HOSTILE)
    text = out.getvalue()
    assert text.count("\n") == len(text.splitlines()) == 2
    assert not {"\r", "\x00", "\x85", "\u2028", "\ud800", "\u202e"} & set(text)
    assert "\x1b[31mb" not in text
    text.encode()


def test_elsewhere_a_line_is_an_object(configured):
    out = configured(io.StringIO())
    logger("mas.test").error("it broke", agent="echo", count=3)
    (event,) = map(json.loads, out.getvalue().splitlines())
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "level": "error",
        "logger": "mas.test",
        "message": "it broke",
        "agent": "echo",
        "count": 3,
    }
    assert list(json.loads(out.getvalue()))[:4] == ["timestamp", "level", "logger", "message"]


def test_elsewhere_a_traceback_stays_within_its_object(configured):
    out = configured(io.StringIO())
    try:
        raise_hostile()
    except ValueError:
        logger("mas.test").exception("it broke")
    (line,) = out.getvalue().splitlines()
    assert "raise_hostile" in json.loads(line)["exception"]


def test_on_a_terminal_no_line_of_a_traceback_can_pass_for_an_event(configured):
    out = configured(Terminal())
    try:
        raise_hostile()
    except ValueError:
        logger("mas.test").exception("it broke")
    first, *more = out.getvalue().splitlines()
    assert "it broke" in first
    assert more
    assert all(line.startswith("    | ") for line in more)
    assert "\x1b" not in "".join(more)
    assert "raise_hostile" in "".join(more)


def test_a_traceback_shows_no_values(configured):
    out = configured(Terminal())
    password = f"CANARY{'-password'}"
    try:
        raise_hostile()
    except ValueError:
        logger("mas.test").exception("it broke")
    assert "raise_hostile" in out.getvalue()
    assert password not in out.getvalue()


def test_what_is_below_the_level_is_not_shown(configured):
    out = configured(io.StringIO(), level="warning")
    logger("mas.test").info("quiet")
    logger("mas.test").warning("loud")
    assert [json.loads(line)["message"] for line in out.getvalue().splitlines()] == ["loud"]


def test_what_cannot_be_json_is_shown_by_its_repr(configured):
    out = configured(io.StringIO())
    logger("mas.test").warning("odd", value={1, 2}, kind=int)
    assert json.loads(out.getvalue())["value"] == "{1, 2}"


@pytest.mark.parametrize(
    ("text", "shown"),
    [("plain ä ✓", "plain ä ✓"), ("a\nb", r"a\nb"), ("\x1b[2J", r"\x1b[2J"), ("\ud800", r"\ud800"), (5, "5")],
)
def test_printable(text, shown):
    assert printable(text) == shown
