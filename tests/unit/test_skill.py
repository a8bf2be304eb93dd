import pytest
import skills_ref

from pytest_upskill.errors import SkillError
from pytest_upskill.skills.skill import case_paths, load_skill, parse_skill, validate

GOOD = """\
---
name: my-skill
description: Writes kernels. Use it when a kernel is to be written.
license: Apache-2.0
compatibility: Requires CUDA 12
allowed-tools: Bash(git add:*) Read
metadata:
  author: somebody
  version: 1.0
---

# Kernels

See [the notes](references/notes.md).
"""


def write(tmp_path, text, folder="my-skill", name="SKILL.md"):
    path = tmp_path / folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def add(tmp_path, name, text="Text.\n"):
    path = tmp_path / "my-skill" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def skill(*lines, name="my-skill", description="Does something.", body="Do it."):
    top = [f"name: {name}"] if name is not None else []
    top += [f"description: {description}"] if description is not None else []
    return "\n".join(["---", *top, *lines, "---", "", body, ""])


def problems(tmp_path, text, severity, folder="my-skill"):
    found = validate(write(tmp_path, text, folder).parent)
    return [str(problem) for problem in found if problem.severity == severity]


# ------------------------------------------------------------------------------------------------------------ reading


def test_a_skill_is_read_with_all_that_it_says(tmp_path):
    path = write(tmp_path, GOOD)
    add(tmp_path, "references/notes.md")
    found = load_skill(path.parent)
    assert found.path == path
    assert found.body == "# Kernels\n\nSee [the notes](references/notes.md).\n"
    assert validate(path) == ()


@pytest.mark.parametrize("name", ["SKILL.md", "skill.md"])
def test_a_skill_is_found_by_its_folder_or_its_file(tmp_path, name):
    path = write(tmp_path, skill(), name=name)
    assert load_skill(path.parent).path == load_skill(path).path == path


def test_a_skill_can_be_read_from_text_alone(tmp_path):
    alone = parse_skill(skill(), tmp_path / "my-skill" / "SKILL.md")
    assert alone == load_skill(write(tmp_path, skill()))


def test_a_skill_with_a_flaw_can_still_be_read(tmp_path):
    path = write(tmp_path, skill("author: me", name="Other-Name"))
    assert load_skill(path).path == path
    assert {problem.severity for problem in validate(path)} == {"error"}


@pytest.mark.parametrize(
    ("text", "line", "piece"),
    [
        ("# Kernels\n", 1, "must be exactly '---'"),
        ("---\nname: a\n", 1, "has no end"),
        (skill(name=None), 1, "'name' is missing"),
        (skill(description=None), 1, "'description' is missing"),
        (skill(name="''"), 2, "'name' is empty"),
        (skill(description="[a]"), 3, "'description' is '[a]'; it must be a text"),
        (skill("license: MIT", "license: MIT"), 5, "key 'license' is given twice"),
    ],
)
def test_what_cannot_be_read_is_an_error_with_its_line(tmp_path, text, line, piece):
    path = write(tmp_path, text)
    with pytest.raises(SkillError) as caught:
        load_skill(path)
    assert (caught.value.path, caught.value.line) == (path, line)
    assert piece in caught.value.message
    assert [problem.line for problem in validate(path) if piece in problem.message] == [line]


def test_a_folder_without_a_skill_says_so(tmp_path):
    with pytest.raises(SkillError, match=r"the folder holds no SKILL\.md"):
        load_skill(tmp_path)
    with pytest.raises(SkillError, match="there is no such skill"):
        load_skill(tmp_path / "none")
    assert validate(tmp_path)[0].severity == "error"


def test_cases_are_the_markdown_files_in_evals(tmp_path):
    for name in ("b.md", "a.md", "README.md", ".hidden.md", "notes.txt", "deeper/c.md"):
        add(tmp_path, f"evals/{name}")
    assert [path.name for path in case_paths(tmp_path / "my-skill")] == ["a.md", "b.md"]
    assert case_paths(tmp_path / "none") == []


# -------------------------------------------------------------------------------------------------- the specification

LONG = "x" * 64

AGREED = [
    (skill(), "my-skill"),
    (GOOD, "my-skill"),
    (skill(name="a"), "a"),
    (skill(name="1-2-3"), "1-2-3"),
    (skill(name="'123'"), "123"),
    (skill(name="123"), "123"),
    (skill(name="größe"), "größe"),
    (skill(name="技能"), "技能"),
    (skill(name=LONG), LONG),
    (skill(name="My-Skill"), "My-Skill"),
    (skill(name="my-skill"), "other"),
    (skill(name="-my-skill"), "-my-skill"),
    (skill(name="my-skill-"), "my-skill-"),
    (skill(name="my--skill"), "my--skill"),
    (skill(name="my_skill"), "my_skill"),
    (skill(name="my skill"), "my skill"),
    (skill(name="my.skill"), "my.skill"),
    (skill(name="x" * 65), "x" * 65),
    (skill(name=None), "my-skill"),
    (skill(name=""), "my-skill"),
    (skill(description=None), "my-skill"),
    (skill(description=""), "my-skill"),
    (skill(description="yes"), "my-skill"),
    (skill(description="y" * 1024), "my-skill"),
    (skill(description="y" * 1025), "my-skill"),
    (skill("compatibility: " + "z" * 500), "my-skill"),
    (skill("compatibility: " + "z" * 501), "my-skill"),
    (skill("compatibility:\n  cuda: 12"), "my-skill"),
    (skill("metadata:\n  author: me\n  version: 2"), "my-skill"),
    (skill("author: me"), "my-skill"),
    (skill("descripton: x"), "my-skill"),
    (skill("name: again"), "my-skill"),
    ("no frontmatter\n", "my-skill"),
    ("---\nname: my-skill\n", "my-skill"),
    ("---\n- a\n---\n", "my-skill"),
    ("---\nname: [my\n---\n", "my-skill"),
]


@pytest.mark.parametrize(("text", "folder"), AGREED)
def test_errors_are_what_the_reference_validator_refuses(tmp_path, text, folder):
    ours = problems(tmp_path, text, "error", folder)
    theirs = skills_ref.validate(tmp_path / folder)
    assert bool(ours) == bool(theirs), (ours, theirs)


@pytest.mark.parametrize(
    "text",
    [
        skill("user-invocable: true"),
        "\ufeff" + skill(),
        skill(description="'a --- b'"),
        skill("metadata: {author: me}"),
    ],
    ids=["an agent's own key", "a byte order mark", "hyphens in a value", "a flow mapping"],
)
def test_where_the_reference_validator_is_stricter_we_accept_on_purpose(tmp_path, text):
    assert problems(tmp_path, text, "error") == []
    assert skills_ref.validate(tmp_path / "my-skill") != []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (skill(name="My-Skill"), "line 2: name 'My-Skill' must be in lower case: write 'my-skill'"),
        (skill(name="-a"), "line 2: name '-a' begins or ends with a hyphen: write 'a'"),
        (skill(name="a--b"), "line 2: name 'a--b' doubles a hyphen: keep one"),
        (skill(name="a_b.c"), "line 2: name 'a_b.c' has '.' '_'; only letters, digits and hyphens are allowed"),
        (skill(name="a"), "line 2: name 'a' differs from its folder's name, 'my-skill': rename one of them"),
        (skill(name="x" * 65), f"line 2: name '{'x' * 65}' has 65 characters; at most 64: shorten it"),
        (skill(description="y" * 1025), "line 3: 'description' has 1025 characters; at most 1024: shorten it"),
        (skill("compatibility: " + "z" * 501), "line 4: 'compatibility' has 501 characters; at most 500: shorten it"),
        (skill("compatibility: [a]"), "line 4: 'compatibility' must be a text, such as 'Requires CUDA 12'"),
        (
            skill("licence: MIT"),
            "line 4: unknown key 'licence'; the specification has name, description, license, compatibility, metadata, "
            "allowed-tools; did you mean 'license'?",
        ),
        (
            skill("version: 1"),
            "line 4: unknown key 'version'; the specification has name, description, license, compatibility, metadata, "
            "allowed-tools; put your own under 'metadata'",
        ),
    ],
)
def test_errors_name_the_line_the_value_and_the_next_step(tmp_path, text, expected):
    assert expected in problems(tmp_path, text, "error")


# ------------------------------------------------------------------------------------------------------------- advice


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            skill("user-invocable: true"),
            "line 4: 'user-invocable' is a key of a single agent: the specification does not have it, and other agents "
            "ignore it",
        ),
        (skill("allowed-tools: A, B"), "line 4: 'allowed-tools' should separate tools by blanks, not by commas"),
        (
            skill("allowed-tools: [A, B]"),
            "line 4: 'allowed-tools' should be one text, with the tools separated by blanks",
        ),
        (skill("metadata: words"), "line 4: 'metadata' should be a mapping of texts to texts"),
        (skill("metadata:\n  a: [b]"), "line 5: 'a' of 'metadata' should be a text"),
        (skill("license: [a]"), "line 4: 'license' should be a text: a name, or that of a file"),
        (skill(body=""), "line 5: the body is empty: write what an agent has to know"),
        (skill(body="a\n" * 501), "line 5: the body has 501 lines; move details to references/ above 500"),
        (skill(body="four" * 5001), "line 5: the body has about 5001 tokens; move details to references/ above 5000"),
        (
            skill(body="[x](references/none.md)"),
            "line 6: 'references/none.md' does not exist: add the file, or correct",
        ),
        (skill(body="Run `scripts/none.py` now."), "line 6: 'scripts/none.py' does not exist"),
        (skill(body='[x](<no%20file.md> "t")'), "line 6: 'no file.md' does not exist"),
        (skill(body="[x](../other/a.md)"), "line 6: '../other/a.md' is outside the skill's folder"),
        (skill(body="[x](/etc/passwd)"), "line 6: '/etc/passwd' is outside the skill's folder"),
        (
            skill(body="\n[x](references/deep/er.md#part)"),
            "line 7: 'references/deep/er.md' is more than one level deep: keep references next to SKILL.md",
        ),
        (
            skill(body="[x](references/chain.md)"),
            "line 6: 'references/chain.md' leads on to 'notes.md': link that from SKILL.md, one level deep",
        ),
    ],
)
def test_advice_is_a_warning_with_its_line(tmp_path, text, expected):
    add(tmp_path, "references/notes.md")
    add(tmp_path, "references/deep/er.md")
    add(tmp_path, "references/chain.md", "See [more](notes.md).\n")
    found = problems(tmp_path, text, "warning")
    assert any(message.startswith(expected[:70]) for message in found), found
    assert problems(tmp_path, text, "error") == []


@pytest.mark.parametrize(
    "body",
    [
        "[x](https://example.org/a.md) [y](#part) [z](mailto:a@b.org)",
        "`[x](none.md)`",
        "```\n[x](none.md) references/none.md\n```",
        "[x](references/notes.md) and references/notes.md.",
        "[x](references/chain.md), [y](references/notes.md)",
        "Files such as references/<name>.md, references/*.md and path/to/references/none.md.",
        "a\n" * 499,
    ],
)
def test_what_needs_no_advice_gets_none(tmp_path, body):
    add(tmp_path, "references/notes.md")
    add(tmp_path, "references/chain.md", "See [more](notes.md).\n")
    assert problems(tmp_path, skill(body=body), "warning") == []


def test_errors_come_before_warnings(tmp_path):
    text = skill("model: x", name="a", body="[x](none.md)")
    found = validate(write(tmp_path, text))
    assert [problem.severity for problem in found] == ["error", "warning", "warning"]
