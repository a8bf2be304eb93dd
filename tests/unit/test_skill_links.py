"""Advice on the files that a SKILL.md names: on resolved paths, once for each file, and none on placeholders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_upskill.skills.skill import validate

NOTES = {"references/notes.md": "Text.", "references/chain.md": "See [more](notes.md)."}
LEADS_ON = "'{}' leads on to '{}': link that from SKILL.md, one level deep"
DANGLING = "'{}' does not exist: add the file, or correct the link"


def advice(tmp_path: Path, body: str, files: dict[str, str] | None = None) -> list[str]:
    folder = tmp_path / "trees"
    head = "---\nname: trees\ndescription: Grows trees.\n---\n"
    for name, text in {**(files or {}), "SKILL.md": head + body + "\n"}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    assert not [problem for problem in validate(folder) if problem.severity == "error"]
    return [problem.message for problem in validate(folder)]


@pytest.mark.parametrize(
    "further",
    [
        "[the skill](../SKILL.md), [the same](../../trees/SKILL.md#top)",
        "[itself](./chain.md) and [again](../references/chain.md)",
        "[elsewhere](../../oaks/references/leaves.md), [above](../../../README.md)",
        "[gone](gone.md)",
        "[a page](https://example.org/notes.md)",
        "[code](../scripts/plant.py)",
    ],
)
def test_a_reference_may_name_what_is_no_further_reference(tmp_path: Path, further: str) -> None:
    assert advice(tmp_path, "[x](references/chain.md)", {**NOTES, "references/chain.md": further}) == []


@pytest.mark.parametrize(
    "also",
    [
        "[y](./references/notes.md)",
        "[y](references/../references/notes.md#part)",
        "[y](../trees/references/notes.md)",
        "[y](<references/notes.md> 'Notes')",
        "[y][notes]\n\n[notes]: references/notes.md",
        "`{baseDir}/references/notes.md`",
        "[y](${CLAUDE_SKILL_DIR}/references/notes.md)",
        "Read `notes.md`, too.",
        "```\ntrees/\n└── references/\n    ├── chain.md\n    └── notes.md\n```",
        "[all](references/)",
        "Read all of references/*.md.",
        "Load references/{chain,notes}.md, or all that is in references/.",
        "[[notes]]",
        "See references/notes.",
        "__SKILL_DIR__/references/notes.md",
        "python3 skills/trees/references/notes.md",
    ],
)
def test_a_file_that_the_skill_names_in_any_way_is_not_told_of(tmp_path: Path, also: str) -> None:
    assert advice(tmp_path, f"[x](references/chain.md)\n{also}", NOTES) == []


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("[more](notes.md)", "notes.md"),
        ("[more](./notes.md#part)", "./notes.md"),
        ("[more](../references/notes.md)", "../references/notes.md"),
        ("Then references/notes.md.", "references/notes.md"),
        ("[more](<notes.md>) and again [more](./notes.md)", "notes.md"),
        ("[more][n]\n\n[n]: notes.md", "notes.md"),
    ],
)
@pytest.mark.parametrize("also", ["", "Not other/references/notes.md, nor my-notes.md or notes.mdx."])
def test_a_further_reference_is_told_of_once(tmp_path: Path, written: str, shown: str, also: str) -> None:
    files = {**NOTES, "references/chain.md": written, "references/second.md": written}
    found = advice(tmp_path, f"[x](references/chain.md), [y](references/second.md)\n{also}", files)
    assert found == [LEADS_ON.format("references/chain.md", shown)]


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("[x](references/gone.md), ./references/gone.md\n\n[z](references/./gone.md#a) references/gone.md", None),
        ("{baseDir}/references/gone.md", "{baseDir}/references/gone.md"),
        ("Run `python <skill-path>/scripts/gone.py --all`.", "<skill-path>/scripts/gone.py"),
        ("$SKILL_ROOT/scripts/gone.sh", "$SKILL_ROOT/scripts/gone.sh"),
        ("[![a tree](tree.png)](https://example.org)", "tree.png"),
        ("[x][y]\n\n[y]: gone.md 'Gone'", "gone.md"),
        ("[x](gone_(old).md)", "gone_(old).md"),
        (f"[x]({'g' * 300}.md)", f"{'g' * 300}.md"),
        ("[x](gone.md?plain=1)", "gone.md?plain=1"),
        ("[x](scripts/gone.py:12-20), scripts/gone.py", "scripts/gone.py"),
    ],
)
def test_a_file_that_does_not_exist_is_told_of_once(tmp_path: Path, body: str, shown: str | None) -> None:
    assert advice(tmp_path, body) == [DANGLING.format(shown or "references/gone.md")]


@pytest.mark.parametrize(
    "body",
    [
        "[x](references/{topic}.md), [y](references/$TOPIC.md), references/<topic>.md, [z](references/*.md)",
        "[x]({{url}}), [y](<link>), [z](url), [v](path/to/file.md), [w](...)",
        "[x](${CLAUDE_PLUGIN_ROOT}/gone.md), `{project}/scripts/gone.py`, <repo>/assets/gone.png",
        "[x](~/.claude/gone.md), [y](mailto:a@b.org), [z](/docs/page)",
        "``[x](gone.md)`` and ` [y](gone.md) `",
        "[x](references/my%20notes.md), [y](<references/my notes.md>), [z](references/my\\_notes.md)",
        "[^1]: A footnote.md",
        "<!-- [x](gone.md) -->\n<!--\nreferences/gone.md\n-->",
        "[x](references/[topic].md), [y](assets/YOUR_LOGO.png), [z](www.example.org/a.md)",
        "[f](int x) and [y](scripts/plant.py:12) and scripts/plant.py:12",
        "{baseDir}/scripts/plant.py and [y](scripts/plant.py?raw=1)",
    ],
)
def test_placeholders_and_other_spellings_are_no_dangling_links(tmp_path: Path, body: str) -> None:
    files = {"references/my notes.md": "", "references/my_notes.md": "", "scripts/plant.py": ""}
    assert advice(tmp_path, body, files) == []


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (
            "../oaks/leaves.md",
            "'../oaks/leaves.md' is outside the skill's folder and is not copied with it: move it there",
        ),
        ("${CLAUDE_SKILL_DIR}/../../README.md", "'${CLAUDE_SKILL_DIR}/../../README.md' is outside the skill's folder"),
        (
            "../oaks/SKILL.md",
            "'../oaks/SKILL.md' is another skill, which may not be installed: refer to it by its name",
        ),
        ("../oaks", "'../oaks' is another skill"),
        (
            "/references/notes.md",
            "'/references/notes.md' begins at the root of the file system: write 'references/notes",
        ),
    ],
)
def test_a_file_outside_the_skill_has_its_own_advice(tmp_path: Path, target: str, expected: str) -> None:
    (tmp_path / "oaks").mkdir()
    (tmp_path / "oaks" / "SKILL.md").touch()
    (found,) = advice(tmp_path, f"[x]({target}) and [again]({target}#part)", NOTES)
    assert found.startswith(expected)


def test_a_reference_that_cannot_be_read_is_no_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, **kwargs: object) -> Iterator[str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)
    assert advice(tmp_path, "[x](references/chain.md)", NOTES) == []
