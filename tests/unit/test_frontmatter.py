import math
from pathlib import Path

import pytest

from pytest_upskill.documents.frontmatter import parse, read_text
from pytest_upskill.errors import CaseError, SkillError

PATH = Path("evals/x.md")


def plain(value):
    if isinstance(value.data, dict):
        return {key: plain(child) for key, child in value.data.items()}
    if isinstance(value.data, list):
        return [plain(child) for child in value.data]
    return value.data


def read(yaml):
    return plain(parse(f"---\n{yaml}\n---\n", PATH, CaseError).frontmatter)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 1e-3),
        ("1.0e-6", 1e-6),
        ("-.inf", -math.inf),
        (".INF", math.inf),
        ("1.", 1.0),
        (".5", 0.5),
        ("+7", 7),
        ("010", 10),
        ("0x1F", 31),
        ("0o17", 15),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("1..512", "1..512"),
        ("0..vocab-1", "0..vocab-1"),
        ("1.0e-6..1.0e-3", "1.0e-6..1.0e-3"),
        ("12:30", "12:30"),
        ("2024-01-01", "2024-01-01"),
        ("1_000", "1_000"),
        ("'1'", "1"),
        ("!!str 1", "1"),
        ("!!float 1", 1.0),
        ("&anchor 1", 1),
        ("9" * 500, "9" * 500),
        ("[rows, 1]", ["rows", 1]),
        ("{a: 1, b: [2]}", {"a": 1, "b": [2]}),
    ],
)
def test_scalars_follow_yaml_1_2(text, value):
    assert read(f"key: {text}") == {"key": value}


def test_nan_is_a_number():
    assert math.isnan(read("key: .nan")["key"])


def test_values_know_their_lines_in_the_file():
    document = parse("---\na: 1\nb:\n  c: |\n    x\n  d:\n    - 5\n---\n\nbody\n", PATH, CaseError)
    top = document.frontmatter.data
    assert (top["a"].line, top["b"].line) == (2, 3)
    assert (top["b"].data["c"].line, top["b"].data["d"].line) == (4, 6)
    assert top["b"].data["d"].data[0].line == 7
    assert (document.body, document.body_line) == (["", "body"], 9)


def test_a_scalar_keeps_its_spelling_for_messages():
    value = parse("---\na: [1.0e-6, {b: no}]\n---\n", PATH, CaseError).frontmatter.data["a"]
    assert value.shown == "[1.0e-6, {b: no}]"


@pytest.mark.parametrize("text", ["---\r\na: 1\r\n---\r\nx\r\n", "---\na: 1\n---\nx\n"])
def test_line_ends_of_any_platform_are_read(text):
    document = parse(text, PATH, CaseError)
    assert plain(document.frontmatter) == {"a": 1}
    assert document.body == ["x"]


@pytest.mark.parametrize("blanks", ["  ", "\t", " \t ", "\u00a0"])
def test_blanks_after_a_delimiter_are_accepted(blanks):
    document = parse(f"---{blanks}\na: 1\n---{blanks}\nbody\n---\n", PATH, CaseError)
    assert (plain(document.frontmatter), document.body, document.body_line) == ({"a": 1}, ["body", "---"], 4)


def test_a_delimiter_is_a_line_of_three_hyphens_and_nothing_else():
    document = parse("---\na: x --- y\nb: |\n  ---\n----: 1\n---\nbody\n---\n", PATH, CaseError)
    assert plain(document.frontmatter) == {"a": "x --- y", "b": "---\n", "----": 1}
    assert document.body == ["body", "---"]


@pytest.mark.parametrize(
    ("text", "line", "piece"),
    [
        ("", 1, "line 1 must be exactly '---'"),
        ("# Title\n", 1, "not '# Title'"),
        (" ---\na: 1\n---\n", 1, "must be exactly '---'"),
        ("---x\na: 1\n---\n", 1, "must be exactly '---'"),
        ("---\na: 1\n", 1, "has no end"),
        ("---\na: 1\n ---\n", 1, "line 3 has blanks before it"),
        ("---\n---\n", 2, "the frontmatter is empty"),
        ("---\n# nothing\n---\n", 2, "the frontmatter is empty"),
        ("---\n- a\n---\n", 2, "must be a mapping of keys to values, not '[a]'"),
        ("---\nword\n---\n", 2, "not 'word'"),
        ("---\na: 1\nb: 2\na: 3\n---\n", 4, "key 'a' is given twice, first in line 2"),
        ("---\na: &x 1\nb: *x\n---\n", 3, "alias '*x'"),
        ("---\na: &x [*x]\n---\n", 2, "alias '*x'"),
        ("---\nb:\n  <<: {a: 1}\n---\n", 3, "'<<' cannot be a key"),
        ("---\n? [a]\n: 1\n---\n", 2, "'[a]' cannot be a key"),
        ("---\na: !foo 1\n---\n", 2, "tag '!foo'"),
        ("---\na: !!python/object:os.system {}\n---\n", 2, "tag '!!python/object:os.system'"),
        ("---\na: !!int x\n---\n", 2, "'x' is not of the type of its YAML tag '!!int'"),
        ("---\na: !!int 1.5\n---\n", 2, "'1.5' is not of the type of its YAML tag '!!int'"),
        ("---\na: 1\n--- !!map\nb: 2\n---\n", 3, "a second YAML document begins here"),
        ("---\na: 1\nb: [1, 2\n---\n", 3, "did not find expected ',' or ']'"),
        ("---\na: 1\nb: c: d\n---\n", 3, "near 'b: c: d'"),
        ("---\na: 1\n\tb: 2\n---\n", 3, "not YAML"),
        ("---\na: 1\nb: \x01\n---\n", 3, "control characters"),
        ("---\na: 1\n...\nb: 2\n---\n", 4, "did not find expected <document start>"),
        ("---\na: " + "[" * 50_000 + "\n---\n", 2, "nested more than 40 deep"),
        ("---\na:\n" + "- " * 40_000 + "\n---\n", 3, "nested more than 40 deep"),
        ("---\na: " + "x" * 100_001 + "\n---\n", 2, "at most 100000"),
    ],
)
def test_an_error_names_its_line(text, line, piece):
    with pytest.raises(CaseError) as caught:
        parse(text, PATH, CaseError)
    assert caught.value.line == line
    assert piece in str(caught.value)


def test_the_caller_says_which_error_is_raised():
    with pytest.raises(SkillError):
        parse("", PATH, SkillError)


def test_a_byte_order_mark_is_skipped(tmp_path):
    path = tmp_path / "x.md"
    path.write_bytes(b"\xef\xbb\xbf---\na: 1\n---\n")
    assert plain(parse(read_text(path, CaseError), path, CaseError).frontmatter) == {"a": 1}


def test_another_encoding_is_told_with_its_byte_and_line(tmp_path):
    path = tmp_path / "x.md"
    path.write_bytes(b"---\na: 1\nb: \xe4\n---\n")
    with pytest.raises(CaseError, match=r"x\.md:3: byte 0xe4 is not UTF-8"):
        read_text(path, CaseError)


def test_a_missing_file_is_told_with_its_path(tmp_path):
    with pytest.raises(CaseError, match=r"none\.md: cannot be read: No such file"):
        read_text(tmp_path / "none.md", CaseError)
