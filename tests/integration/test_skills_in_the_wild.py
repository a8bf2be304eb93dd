"""Skills as they lie about in repositories: in hidden folders of agents, behind links, several of one name."""

from __future__ import annotations

import json
import shutil

from click.testing import CliRunner

from pytest_upskill.commands.prune import command as prune
from pytest_upskill.replies.cassette import Cassette
from tests.integration.conftest import Workbench
from tests.integration.text_skill import text_skill
from tests.llama.scripted import Stream, endpoint, reply

FILE = "---  \nname: {}\ndescription: Writes very small kernels. Use it in tests.\n---\n# Kernels of {}\n"
CASE = "---\nexpect: {contains: [answer]}\n---\nSay the word.\n"


def skill(bench: Workbench, place: str) -> None:
    name = place.rpartition("/")[2]
    bench.write(f"{place}/SKILL.md", FILE.format(name, place))
    bench.write(f"{place}/evals/word.md", CASE)


def collected(bench: Workbench, *arguments: str) -> tuple[list[str], str]:
    result = bench.run("--upskill", "--upskill-student=golden", "--collect-only", "-q", *arguments)
    return [line for line in result.stdout.lines if "::" in line and "Warning" not in line], result.stdout.str()


def test_a_bare_run_collects_the_skills_of_agents_and_no_other_file_of_theirs(bench: Workbench) -> None:
    shutil.rmtree(bench.root / "skills")
    bench.pytester.makeini("[pytest]\nnorecursedirs = .* build\n")
    places = (".agents/skills/a", ".claude/skills/group/b", "apps/one/.cursor/skills/c", "skills/d")
    others = (".private/skills/e", ".claude/commands/f", ".gemini/skills/.system/g", "build/skills/h")
    for place in (*places, *others):
        skill(bench, place)
    for name in (".claude/test_hook.py", ".claude/skills/group/b/scripts/test_b.py", ".agents/test_agents.py"):
        bench.write(name, "def test_that_is_not_collected():\n    pass\n")
    (bench.root / ".claude/skills/a").symlink_to("../../.agents/skills/a")
    (bench.root / ".claude/skills/gone").symlink_to("../../.agents/skills/gone")
    (bench.root / ".claude/skills/group/all").symlink_to("..")
    items, output = collected(bench)
    assert items == [f"{place}/SKILL.md::spec" for place in places]
    gone = (
        "'.claude/skills/gone' is a link to '../../.agents/skills/gone', which does not exist: install the skill again"
    )
    assert output.count(gone) == output.count("the skills in '.private/skills' are not collected") == 1
    assert "skills are called" not in output

    assert collected(bench, ".private", ".gemini/skills/.system")[0] == [
        ".private/skills/e/SKILL.md::spec", ".gemini/skills/.system/g/SKILL.md::spec",
    ]  # fmt: skip
    items, output = collected(bench, ".claude/skills/a", ".claude/skills/group/b")
    assert ".claude/skills/a/SKILL.md::spec" in items, "named by its link"
    assert ".claude/skills/group/b/scripts/test_b.py::test_that_is_not_collected" in items, "as pytest does"
    assert gone not in output and "not collected" not in output
    assert collected(bench, "--ignore=.claude", "--ignore=apps")[0] == [
        ".agents/skills/a/SKILL.md::spec", "skills/d/SKILL.md::spec",
    ]  # fmt: skip


def test_files_of_other_tools_beside_cases_are_a_note_and_mistakes_in_cases_are_failures(bench: Workbench) -> None:
    skill(bench, "skills/wood")
    (bench.root / "skills/wood/evals/word.md").unlink()
    bench.write("skills/wood/evals/My eval.md", "---\nprompt: Say it.\n---\n# An eval\n")
    bench.write("skills/wood/evals/plan.md", "# A plan\n")
    bench.write("skills/wood/SKILL.md", FILE.format("wood", "wood") + "[x](gone.md), [y](./gone.md)\n")
    result = bench.run("skills/wood", "--upskill")
    result.assert_outcomes(passed=1, warnings=2)
    output = result.stdout.str()
    note = "no case, and not judged: no frontmatter with 'op' or 'expect': wood/evals/My eval.md, wood/evals/plan.md"
    assert output.count(note) == 1
    assert output.count("'gone.md' does not exist") == 1
    bench.write("skills/wood/evals/plan.md", CASE.removeprefix("---\n"))
    bench.run("skills/wood", "--upskill", "-k", "plan").assert_outcomes(failed=1)


def test_two_skills_of_one_name_have_rows_replies_prompts_and_cassettes_of_their_own(bench: Workbench) -> None:
    def answer(question: dict[str, object]) -> Stream:
        return reply("no" if ".codex" in json.dumps(question) else "the answer")

    with endpoint(answer) as server:
        text_skill(bench, server, 0)
        places = ("skills/tiny", ".codex/skills/tiny")
        for place in places:
            skill(bench, place)
        run = ("-k", "word", "--upskill-student=pupil", "--upskill-replies=record", "--upskill-report=out.json")
        result = bench.run(*run)
        result.assert_outcomes(passed=3, failed=1)
        assert result.stdout.str().count("two skills are called 'tiny'; reports name them by their folders") == 1
        report = json.loads((bench.root / "out.json").read_text(encoding="utf-8"))
        rows = {(row["skill"], row["arm"]): (row["passed"], row["total"]) for row in report["summary"]}
        assert rows == {
            ("skills/tiny", "skill"): (1, 1), ("skills/tiny", "baseline"): (1, 1),
            (".codex/skills/tiny", "skill"): (0, 1), (".codex/skills/tiny", "baseline"): (1, 1),
        }  # fmt: skip
        assert {row["skill"]: row["lift"] for row in report["lift"]} == {"skills/tiny": 0, ".codex/skills/tiny": -1}
        for place in places:
            recordings = Cassette(bench.root / place / "cassettes/pupil.jsonl").recordings()
            assert [one.reply.text for one in recordings if one.arm == "skill"] == [
                "no" if place.startswith(".") else "the answer"
            ]
        for place in places:  # each alone, as its replay command does
            kept = f"--upskill-student=files:pupil={bench.root}/.upskill/replies/pupil"
            wrong = place.startswith(".")
            bench.run(f"{place}/SKILL.md::word[pupil-skill]", kept).assert_outcomes(passed=not wrong, failed=wrong)
        assert CliRunner().invoke(prune, ["skills/tiny"]).output == "0 replies removed\n"
        bench.run(*run[:-2], "--upskill-replies=live", "--upskill-prompts=out").assert_outcomes(skipped=4)
        assert len(server.questions) == 3, "the baseline of both is the same question"
    prompts = {path.relative_to(bench.root / "out").as_posix() for path in (bench.root / "out").rglob("*.md")}
    assert prompts == {
        f"{place}/word.{arm}.md" for place in ("skills/tiny", "_codex/skills/tiny") for arm in ("skill", "baseline")
    }


def test_replies_of_two_skills_in_one_folder_are_not_called_unused_for_the_other(bench: Workbench) -> None:
    shutil.rmtree(bench.root / "skills")
    for place, case in (("one/tiny", "word"), ("two/tiny", "phrase")):
        bench.write(f"{place}/SKILL.md", FILE.format("tiny", place))
        bench.write(f"{place}/evals/{case}.md", CASE)
    for name in ("word.skill", "phrase.skill", "phrase.skil"):
        bench.write(f"typed/tiny/{name}.md", "the answer\n")
    result = bench.run("one", "two", "--upskill-student=files:typed")
    output = result.stdout.str()
    assert "typed/tiny: phrase.skil.md; a reply is called" in output and "word.skill.md" not in output, output
