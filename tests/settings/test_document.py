import datetime as dt

import pytest

from mas.errors import ConfigurationError
from mas.settings.document import MAX_BYTES, MAX_VALUES, read, scalar


def refused(text: str | bytes) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        read(text.encode() if isinstance(text, str) else text, "f.yaml")
    return caught.value


def test_data_comes_with_the_line_of_each_key():
    data, lines = read(b"a: 1\nb:\n  - c: x\n  - [y, {d: 2.5}]\n", "f.yaml")
    assert data == {"a": 1, "b": [{"c": "x"}, ["y", {"d": 2.5}]]}
    assert lines == {
        ("a",): 1,
        ("b",): 2,
        ("b", 0): 3,
        ("b", 0, "c"): 3,
        ("b", 1): 4,
        ("b", 1, 0): 4,
        ("b", 1, 1): 4,
        ("b", 1, 1, "d"): 4,
    }


@pytest.mark.parametrize("text", ["", "---\n", "# x\n", "\ufeff", "~\n"])
def test_an_empty_document_is_an_empty_mapping(text):
    assert read(text.encode(), "f.yaml") == ({}, {})


def test_a_byte_order_mark_is_passed_over():
    assert read("\ufeffa: ä".encode(), "f.yaml")[0] == {"a": "ä"}


def test_a_key_written_twice_is_refused_with_both_lines():
    error = refused("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n")
    assert error.where == "f.yaml:5: b.c"
    assert error.problem == "this key is written twice, first in line 3"


@pytest.mark.parametrize(
    "text",
    [
        "x: !!python/object/apply:os.system ['exit 1']",
        "x: !!python/name:os.system",
        "x: !!python/module:os",
        "x: !!set {a, b}",
        "x: !!omap [a: 1]",
        "x: !!binary aGk=",
        "x: !custom y",
        "!custom {x: y}",
        "x: !custom [y]",
        "x: =",
    ],
)
def test_a_tag_beyond_plain_data_is_refused(text):
    assert refused(text).problem == "this tag is not supported"


@pytest.mark.parametrize(
    "text",
    [
        "x: !!int y",
        "x: !!float y",
        "x: !!bool y",
        "x: !!timestamp y",
        "x: 2024-99-99",
        f"x: {'1' * 5000}",
        "x: 0b_",
    ],
)
def test_a_scalar_that_is_not_what_it_claims_is_refused(text):
    assert refused(text).problem.startswith("this is not a valid ")


@pytest.mark.parametrize(
    "text", ["a: [", "a: b: c", "a: *nobody", "\t- x", "a: 'x", "--- a: b\n--- c", "a: \0", "%"]
)
def test_what_is_no_yaml_is_refused(text):
    assert "f.yaml" in refused(text).where


@pytest.mark.parametrize("text", ["- a", "just words", "3"])
def test_a_document_must_be_a_mapping(text):
    assert refused(text).problem == "the file does not hold a mapping"


def test_a_key_must_be_a_scalar():
    assert refused("{[a]: b}").problem == "a key must be a single word"


def test_bytes_that_are_no_utf8_are_refused_with_their_line():
    error = refused(b"a: 1\nb: \xff\n")
    assert (error.where, error.problem) == ("f.yaml:2", "the file is not UTF-8 text")


def test_a_file_that_is_too_large_is_refused_unparsed():
    assert "larger than" in refused(b"[" * (MAX_BYTES + 1)).problem


@pytest.mark.parametrize("text", ["x: " + "[" * 100_000, "x: " + "{a: " * 10_000, "- " * 10_000])
def test_nesting_is_bounded(text):
    assert "levels of nesting" in refused(text).problem


def test_an_alias_stands_for_a_copy_of_its_own():
    data, _ = read(b"a: &x [1]\nb: *x\n", "f.yaml")
    assert data == {"a": [1], "b": [1]}
    assert data["a"] is not data["b"]


def test_an_alias_to_its_own_container_is_refused():
    assert "levels of nesting" in refused("a: &x [*x]").problem


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)
MERGE_BOMB = "a0: &a0 {x: 1}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}], y{n}: 1}}\n" for n in range(1, 12)
)


@pytest.mark.parametrize("text", [BOMB, MERGE_BOMB])
def test_aliases_count_as_what_they_expand_to(text):
    assert f"more than {MAX_VALUES:,} values" in refused(text).problem


def test_a_merge_adds_keys_and_replaces_none():
    data, lines = read(b"base: &b\n  x: 1\n  y: {z: 1}\nmine:\n  x: 2\n  <<: *b\n", "f.yaml")
    assert data["mine"] == {"x": 2, "y": {"z": 1}}
    assert lines["mine", "x"] == 5
    assert lines["mine", "y", "z"] == 3


def test_of_several_merged_mappings_the_first_wins():
    assert read(b"m: {<<: [{x: 1}, {x: 2, y: 3}]}", "f.yaml")[0] == {"m": {"x": 1, "y": 3}}


@pytest.mark.parametrize("text", ["m: {<<: 3}", "m: {<<: [3]}"])
def test_only_mappings_can_be_merged(text):
    assert "'<<' needs a mapping" in refused(text).problem


def test_a_date_is_a_date():
    assert read(b"x: 2024-02-03", "f.yaml")[0] == {"x": dt.date(2024, 2, 3)}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("5", 5),
        ("0.5", 0.5),
        ("", None),
        ("null", None),
        ("text", "text"),
        ("[1", "[1"),
        ("<<", "<<"),
    ],
)
def test_a_scalar_means_what_yaml_says(text, value):
    assert scalar(text) == value
