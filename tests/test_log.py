"""What the house logs can be rendered: no field takes a name that a log record has already."""

import ast
import logging

import pytest

from mas.log import logger
from tests.house import MODULES, name_of, tree_of

TAKEN = {*vars(logging.makeLogRecord({})), "message", "asctime"}
METHODS = {"debug", "info", "warning", "error", "exception", "critical"}


def fields(path):
    """Yield the line and the name of every field that a module logs."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS:
            yield from ((node.lineno, word.arg) for word in node.keywords)


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_field_is_called_like_an_attribute_of_a_record(path):
    assert not [(line, name) for line, name in fields(path) if name in TAKEN - {"exc_info", "stack_info"}]


def test_a_record_carries_its_fields(caplog, monkeypatch):
    # Of its own: what other tests made of the loggers above it is not asked here.
    own = logging.getLogger("mas.test.fields")
    monkeypatch.setattr(own, "propagate", False)
    monkeypatch.setattr(own, "handlers", [caplog.handler])
    with caplog.at_level("INFO", logger=own.name):
        logger(own.name).info("it happened", agent="echo")
    (record,) = caplog.records
    assert (record.name, record.getMessage(), vars(record)["agent"]) == (own.name, "it happened", "echo")
