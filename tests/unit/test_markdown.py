import pytest

from pytest_upskill.documents.markdown import fences, lines_of, sections


def blocks(text):
    return [(fence.info, fence.source, fence.line, fence.closed) for fence in fences(lines_of(text))]


def test_a_fenced_block_has_its_info_its_source_and_the_line_of_its_first_line():
    assert blocks("text\n\n```cuda a/b.cu\nint x;\nint y;\n```\nmore\n") == [
        ("cuda a/b.cu", "int x;\nint y;\n", 4, True)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("~~~\nx\n~~~\n", [("", "x\n", 2, True)]),
        ("```\nx\n", [("", "x\n", 2, False)]),
        ("```\n```\n", [("", "", 2, True)]),
        ("````\n```\nx\n```\n````\n", [("", "```\nx\n```\n", 2, True)]),
        ("```\nx\n`````  \n", [("", "x\n", 2, True)]),
        ("```\nx\n~~~\n```\n", [("", "x\n~~~\n", 2, True)]),
        ("```\nx\n``` y\n```\n", [("", "x\n``` y\n", 2, True)]),
        ("   ```\n     x\n   y\n z\n  ```\n", [("", "  x\ny\nz\n", 2, True)]),
        ("    ```\n    x\n    ```\n", []),
        ("``\nx\n``\n", []),
        ("``` a`b\nx\n", []),
        ("~~~ a`b\nx\n~~~\n", [("a`b", "x\n", 2, True)]),
        ("inline ``` is no fence\n", []),
        ("```\nx\n    ```\n```\n", [("", "x\n    ```\n", 2, True)]),
        ("```a\r\nx\r\n```\r\ny", [("a", "x\n", 2, True)]),
        ("```a\rx\r```\r", [("a", "x\n", 2, True)]),
        ("```\nx\x0c\u2028y\n```\n", [("", "x\x0c\u2028y\n", 2, True)]),
    ],
)
def test_fences_follow_commonmark(text, expected):
    assert blocks(text) == expected


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("1. first\n\n   ```\n   x\n   ```\n", "x\n"),
        ("10. tenth\n\n    ```\n    x\n    ```\n", "x\n"),
        ("- a\n  - b\n\n      ```\n      x\n      ```\n", "x\n"),
        ("- ```\n  x\n  ```\n", "x\n"),
        ("- a:\n\n  ```\nx\n  ```\n", "x\n"),
    ],
)
def test_a_fence_may_stand_in_a_list_item(text, source):
    assert [fence.source for fence in fences(lines_of(text))] == [source]


def test_a_line_that_leaves_the_list_ends_its_indentation():
    assert blocks("10. tenth\n\nparagraph\n\n    ```\n    x\n    ```\n") == []


def test_sections_are_cut_at_level_two_headings_outside_fences():
    text = "task\n\n```\n## no heading\n```\n\n## One ##\nbody\n### deeper\n  ## Two\n#two\n"
    found = sections(lines_of(text), first=10)
    assert [(section.title, section.line) for section in found] == [(None, 10), ("One", 16), ("Two", 19)]
    assert found[0].fences[0].source == "## no heading\n"
    assert found[0].fences[0].opening == 12
    assert found[1].text == "body\n### deeper"


@pytest.mark.parametrize("line", ["##no blank", "    ## indented code", "### deeper", "text ## text"])
def test_what_commonmark_takes_for_no_heading_is_none(line):
    assert [section.title for section in sections([line])] == [None]
