"""What a teacher answers is data: what is read, what is refused, and with which reason."""

from __future__ import annotations

import json

import pytest

from pytest_upskill.generator.answers import MOST_BYTES, Refused, counted, read_case, read_skill
from pytest_upskill.generator.plans import read_plan
from pytest_upskill.records import MutationScore, Reply, SurvivingMutant
from tests import teacher_answers as answers

CASE = {"name": "twice", "operator": "doubles x", "difficulty": 1}


def planned(*cases: object, skill: object = "signal-kernels", **more: object) -> str:
    return f"```json\n{json.dumps({'skill': skill, 'cases': cases, **more})}\n```"


def refusal(read: object, text: str, *arguments: object, finish: str = "stop") -> str:
    with pytest.raises(Refused) as caught:
        read(Reply(text, finish=finish), *arguments)  # type: ignore[operator]
    return str(caught.value)


# ------------------------------------------------------------------------------------------ plans


@pytest.mark.parametrize(
    "text",
    [
        answers.plan(["twice", "square"]),
        "<think>```json\n{}\n```</think>" + answers.plan(["twice", "square"]),
        "```yaml\nskill: signal-kernels\ncases:\n- {name: twice, operator: doubles it, difficulty: 1}\n"
        "- name: square\n  operator: squares it\n  difficulty: 5\n```",
        "```markdown\n" + answers.plan(["twice", "square"]).replace("Here is the plan.", "") + "```",
    ],
)
def test_a_plan_is_read_from_json_or_yaml(text: str) -> None:
    plan = read_plan(Reply(text), 2)
    assert plan.skill == "signal-kernels"
    assert [one.name for one in plan.cases] == ["twice", "square"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("I would rather not.", "holds 0 fenced blocks"),
        ("", "is empty"),
        ("<think>hm</think>", "is empty"),
        (planned(CASE) + "\n" + planned(CASE), "holds 2 fenced blocks"),
        ("```json\n{\n```", "not valid JSON"),
        ("```yaml\na: !!python/object/apply:os.system [ls]\n```", "not valid YAML"),
        ("```json\n[1, 2]\n```", "the plan"),
        (f"```yaml\n{'[' * 50_000}\n```", "not valid YAML"),
        (f"```json\n{'[' * 50_000}\n```", "not valid JSON"),
        (planned(), "has 0 cases; 1 was asked for"),
        (planned(CASE, {**CASE, "name": "other"}), "has 2 cases; 1 was asked for"),
        (planned({**CASE, "name": "../../etc/passwd"}), "'name' of the plan's case 1"),
        (planned({**CASE, "name": "--force"}), "'name' of the plan's case 1"),
        (planned({**CASE, "name": "twice\n"}), "'name' of the plan's case 1"),
        (planned({**CASE, "name": "Twice"}), "'name' of the plan's case 1"),
        (planned({**CASE, "difficulty": 6}), "'difficulty' of the plan's case 1 ('twice')"),
        (planned({**CASE, "difficulty": "3"}), "'difficulty' of the plan's case 1 ('twice')"),
        (planned({**CASE, "path": "/tmp/x"}), "the key 'path' of the plan's case 1 ('twice') is not known"),
        (planned(CASE, command="rm -rf /"), "the key 'command' of the plan is not known"),
        (planned(CASE, skill="../skills"), "'skill' of the plan is '../skills': a name has"),
        (planned(CASE, skill="a" * 65), "skill"),
        (planned({**CASE, "name": "con"}), "'con' is the name of a device"),
        (planned({**CASE, "name": "readme"}), "would not be a case"),
        (planned(CASE, skill="lpt1"), "'lpt1' is the name of a device"),
        ('```json\n{"skill": "a", "skill": "b", "cases": []}\n```', "the key 'skill' is given twice"),
        (planned({**CASE, "operator": "doubles\n# System\nx"}), "operator of 'twice' is not one line"),
        (planned({**CASE, "operator": "doubles \x1b[2J x"}), "operator of 'twice' is not one line"),
        (planned({**CASE, "operator": "doubles \u202e x"}), "operator of 'twice' is not one line"),
        (planned({**CASE, "operator": "     "}), "operator of 'twice' is not one line"),
        (planned({**CASE, "operator": "日" * 201}), "operator of 'twice' has 603 bytes of UTF-8; at most 600"),
    ],
)
def test_a_plan_in_another_form_is_refused(text: str, reason: str) -> None:
    assert reason in refusal(read_plan, text, 1)


def test_names_in_a_plan_are_new_and_unique_and_the_skill_keeps_its_name() -> None:
    assert "two cases of the name 'twice'" in refusal(read_plan, planned(CASE, CASE), 2)
    assert "already has a case 'twice'" in refusal(read_plan, planned(CASE), 1, ["twice"])
    assert "its name is 'other'" in refusal(read_plan, planned(CASE), 1, [], "other")


def test_all_that_is_wrong_in_a_plan_is_said_at_once() -> None:
    bad = {"name": "Gain", "operator": "x", "difficulty": "hard", "file": "gain.md"}
    said = refusal(read_plan, planned(CASE, bad, "rows", {"name": "twice"}), 3, ["twice"])
    for part in (
        "'name' of the plan's case 2 ('Gain') is 'Gain': a name has lower-case letters",
        "'operator' of the plan's case 2 ('Gain') is 'x': a text of 3 to 600 characters",
        "'difficulty' of the plan's case 2 ('Gain') is 'hard': a whole number from 1 to 5",
        "the key 'file' of the plan's case 2 ('Gain') is not known: remove it",
        "the plan's case 3 is not an object, but 'rows'",
        "the key 'operator' of the plan's case 4 ('twice') is missing",
        "the plan has 4 cases; 3 were asked for",
        "two cases of the name 'twice'",
        "already has a case 'twice'",
        "the form is one ```json block",
    ):
        assert part in said
    assert said.count("the form is") == 1
    both = refusal(read_plan, planned({**CASE, "name": "con"}, CASE), 1, ["twice"], "other")
    assert all(part in both for part in ("2 cases; 1 was", "already has a case", "a device", "its name is 'other'"))
    many = [{**CASE, "name": f"n{at}", "difficulty": 9} for at in range(40)]
    assert "28 more problems like these" in refusal(read_plan, planned(*many), 40)


@pytest.mark.parametrize("read", [lambda reply: read_plan(reply, 1), read_skill, lambda reply: read_case(reply, "one")])
def test_long_cut_off_and_disguised_answers_are_refused(read: object) -> None:
    assert f"at most {MOST_BYTES:,} are read" in refusal(read, "x" * 5_000_000)
    assert "cut off" in refusal(read, planned(CASE), finish="length")
    for char in ("\u202e", "\u200b", "\x1b", "\x00", "\ufeff", "\xad", "\u3164", "\ufe00", "\U000e0041", "\U000e0141"):
        assert f"line 2 of the answer holds U+{ord(char):04X}" in refusal(read, f"a\nb{char}c")


def test_joiners_and_the_selectors_of_emoji_belong_to_texts() -> None:
    for text in ("می\u200cشود", "क्\u200dष", "\u26a0\ufe0f", "👩\u200d💻"):
        assert text in read_skill(Reply(answers.skill(body=f"# A\n\n{text}\n")))["SKILL.md"]


# ------------------------------------------------------------------------------------------ skills


def file(path: str, text: str = "text\n") -> str:
    return f"~~~~~~markdown {path}\n{text}~~~~~~\n"


def test_a_skill_has_its_file_and_references_with_code_in_them() -> None:
    code = "# Rows\n\n```cuda\n__syncthreads();\n```\n"
    found = read_skill(Reply(answers.skill(more=file("references/rows.md", code))))
    assert list(found) == ["SKILL.md", "references/rows.md"]
    assert found["references/rows.md"] == code


@pytest.mark.parametrize("opening", ["~~~~~~markdown", "~~~~~~", "```markdown", "```md", "~~~~~~markdown SKILL.md"])
def test_a_block_that_begins_with_frontmatter_needs_no_path(opening: str) -> None:
    text = answers.skill().partition("\n")[2].removesuffix("~~~~~~\n")
    block = f"Here it is:\n\n{opening}\n{text}{opening.partition('m')[0]}\n"
    assert read_skill(Reply(block)) == {"SKILL.md": text}
    assert list(read_skill(Reply(block + file("references/a.md")))) == ["SKILL.md", "references/a.md"]
    code = f"{text}\n```cuda\n__syncthreads();\n```\n"
    assert read_skill(Reply(f"\n{code}")) == {"SKILL.md": code}
    assert "block 1 has no path; each file is one block, whose first line is ~~~~~~markdown SKILL.md" in refusal(
        read_skill, f"{opening.partition(' ')[0]}\n# A\n{opening.partition('m')[0]}\n"
    )
    assert "no block for SKILL.md" in refusal(read_skill, text + file("references/a.md"))


@pytest.mark.parametrize(
    "path",
    [
        "../SKILL.md", "/etc/cron.d/x.md", "references/../../x.md", "references/a/b.md", "scripts/run.sh", "evals/x.md",
        "references/.hidden.md", "references/a.py", "evals/.upskill-gen.json", "CLAUDE.md", "--force",
        "references/a.md\\",
    ],
)  # fmt: skip
def test_no_other_path_is_written(path: str) -> None:
    assert repr(path) in refusal(read_skill, answers.skill(more=file(path)))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Just a text.", "no block for SKILL.md"),
        (file("references/a.md"), "no block for SKILL.md"),
        (answers.skill() + answers.skill(), "two blocks for SKILL.md"),
        (answers.skill(more=file("references/NUL.md")), "references/NUL.md is the name of a device"),
        (answers.skill(more=file("references/a.md", " \n")), "the block of references/a.md is empty"),
        (answers.skill(more=file("references/a.md") + file("references/A.md")), "two blocks for references/A.md"),
        (answers.skill().removesuffix("~~~~~~\n"), "never closed"),
        ("```markdown SKILL.md\n# A\n```cuda\nint x;\n```\n", "block 2 has no path"),
        (answers.skill(more="".join(file(f"references/a{at}.md") for at in range(13))), "has 13 references"),
    ],
)
def test_a_skill_in_another_form_is_refused(text: str, reason: str) -> None:
    if reason.startswith("block 2"):
        text += "```\n"
    assert reason in refusal(read_skill, text)


# ------------------------------------------------------------------------------------------ cases


@pytest.mark.parametrize("before", ["", "\n\n", "<think>hm</think>\n"])
def test_a_case_is_the_whole_answer_or_its_only_block_of_markdown(before: str) -> None:
    text = answers.case("twice")
    assert read_case(Reply(before + text), "twice") == text
    for info in ("markdown", "md twice.md", "markdown evals/twice.md"):
        assert read_case(Reply(f"{before}Here it is:\n\n~~~~~~{info}\n{text}~~~~~~\nDone."), "twice") == text


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("No.", "holds 0 case files"),
        (f"~~~~~~md\n{answers.case('a')}~~~~~~\n~~~~~~md\n{answers.case('b')}~~~~~~\n", "holds 2 case files"),
        (f"~~~~~~md evals/other.md\n{answers.case('a')}~~~~~~\n", "'evals/other.md'"),
        (f"~~~~~~md ../../x\n{answers.case('a')}~~~~~~\n", "'../../x'"),
        (f"~~~~~~md\n{answers.case('a')}", "never closed"),
        (f"Here:\n\n```md\n{answers.case('a')}```\n", "line 3: the block of the case file opens with ```, and blocks"),
        (f"1. ```md\n{answers.case('a')}```\n", "opens with ```, and blocks inside it"),
        ("~~~~~~md\n# Title\n~~~~~~\n", "does not begin with the line '---'"),
    ],
)
def test_a_case_in_another_form_is_refused(text: str, reason: str) -> None:
    assert reason in refusal(read_case, text, "twice")


# --------------------------------------------------------------------------------------- mutants


def test_mutants_that_were_not_detected_are_named_with_their_lines_and_the_advice() -> None:
    assert counted(MutationScore(12, 12)) == "12 of 12 mutants killed"
    survived = (
        SurvivingMutant(25, "'128' -> '129'", True, "let n exceed 128"),
        SurvivingMutant(27, "'<' -> '<='", False),
    )
    assert counted(MutationScore(10, 12, 1, survived)) == (
        "10 of 12 mutants killed; not detected: line 25: '128' -> '129' (let n exceed 128), line 27: '<' -> '<='"
    )
