"""``upskill-gen triggers``: queries and descriptions. Student and teacher are HTTP servers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pytest_upskill.cases.triggers import parse_triggers
from pytest_upskill.commands.generate.main import main
from pytest_upskill.generator.descriptions import DescriptionChecks, DescriptionRefiner, halves, with_description
from pytest_upskill.generator.refine import Options
from pytest_upskill.records import Reply
from tests.llama.scripted import Stream, endpoint, reply
from tests.unit.test_commands_refine import table

OLD = "---\nname: sums\ndescription: Adds numbers. Use for sums.  # short\nlicense: MIT\n---\n# Sums\n\nAdd in pairs.\n"
YES = [f"Total column {number} of this table." for number in range(14)]
NO = [f"Sort column {number} of this table." for number in range(10)]
QUERIES = [*((one, True) for one in YES), *((one, False) for one in NO)]
BETTER = "Adds numbers: sums, totals, subtotals. Use it for rows and columns of figures: not for sorting."
Ask = Callable[[str, str], str]


def as_json(queries: list[tuple[str, bool]]) -> str:
    return json.dumps([{"query": query, "should_trigger": wanted} for query, wanted in queries])


def pupil(system: str, user: str) -> str:
    """Goes by words that the description and the query share."""
    (own,) = re.findall(r"(?m)^- `sums`: (.*)$", system)
    return "skill: sums" if "total" in own and "Total" in user else "skill: none"


def described(text: str) -> str:
    return f"Better:\n\n~~~~~~text\n{text}\n~~~~~~\n"


class Project:
    def __init__(self, root: Path, url: str) -> None:
        self.root, self.skill = root, root / "skills" / "sums" / "SKILL.md"
        self.skill.parent.mkdir(parents=True)
        self.skill.write_text(OLD)
        self.queries = self.skill.parent / "evals" / "triggers.json"
        self.questions: list[dict[str, Any]] = []
        tables = table("pupil", url, "kimi-small", 200) + table("master", url, "claude-large", 500)
        (root / "pyproject.toml").write_text("[tool.pytest.ini_options]\n" + tables)

    def write_queries(self, queries: list[tuple[str, bool]] = QUERIES) -> None:
        self.queries.parent.mkdir()
        self.queries.write_text(as_json(queries))

    def run(self, *words: str, student: str = "pupil") -> Result:
        named = [f"--student={student}"] if student else []
        return CliRunner().invoke(main, ["triggers", str(self.skill.parent), "--teacher=master", *named, *words])

    def asked(self, model: str) -> list[str]:
        return [json.dumps(one["messages"]) for one in self.questions if one["model"] == model]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Project]]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UPSKILL_CACHE_DIR", str(tmp_path / "cache"))
    opened = []

    def begin(teacher: Ask, student: Ask = pupil) -> Project:
        def act(question: dict[str, Any]) -> Stream:
            texts = [(one["role"], one["content"]) for one in question["messages"]]
            system = "".join(text for role, text in texts if role == "system")
            return reply((teacher if question["model"] == "claude-large" else student)(system, texts[-1][1]))

        context = endpoint(act, models=None)
        opened.append(context)
        server = context.__enter__()
        project = Project(tmp_path, server.url)
        project.questions = server.questions
        return project

    yield begin
    for context in opened:
        context.__exit__(None, None, None)


def test_a_description_that_helps_replaces_the_old_one_and_nothing_else(start: Callable[..., Project]) -> None:
    project = start(lambda system, user: described(BETTER))
    project.write_queries()
    result = project.run("--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 0 and found["kept"] and found["command"] == "triggers", result.output
    assert project.skill.read_text() == OLD.replace(
        "description: Adds numbers. Use for sums.  # short", f"description: {json.dumps(BETTER)}"
    )
    assert found["rounds"][0]["held_out"] == {"better": 7, "worse": 0, "same": 5, "undecided": 0, "p": 0.0078125}
    (path,) = (project.skill.parent / "evals" / "history").glob("*.md")
    assert f"+description: {json.dumps(BETTER)}" in path.read_text()
    (question,) = project.asked("claude-large")
    training, held_out = halves(parse_triggers(project.queries.read_text(), project.queries, "sums"))
    assert (len(training), len(held_out)) == (12, 12)
    assert all(repr(case.task) in question for case in training)
    assert not any(case.task in question for case in held_out)
    assert "for which it was not chosen:" in question and "(chosen: none)" in question and "Add in pairs." in question
    assert len(re.findall(r"- `[\w-]+`: ", question)) == 20
    assert len(project.asked("kimi-small")) == 48  # both halves with both descriptions


def test_a_description_that_does_not_help_leaves_the_old_one(start: Callable[..., Project]) -> None:
    texts = iter(["Adds up. Use for sums.", "Sums things. Use for sums.", "Numbers. Use for sums."])
    project = start(lambda system, user: described(next(texts)))
    project.write_queries()
    result = project.run()
    assert result.exit_code == 7 and "INCONCLUSIVE: 3 new versions tried" in result.stdout
    assert project.skill.read_text() == OLD
    last = project.asked("claude-large")[-1]
    assert "Other descriptions" in last and "Sums things." in last and "right in 5 of 12 answers" in last


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (described(" "), "the description is empty"),
        (described("x" * 1025), "1025 characters; at most 1024"),
        (described(BETTER) * 2, "exactly one block"),
        ("~~~~~~text\nAdds", "exactly one block"),
        (described("Adds numbers: use it for Total column 0 of this table, and more."), "repeats a request"),
        (described("Adds numbers. Use for sums."), "unchanged"),
        (described("Adds. Use it to total column 1 of this table, and so on."), "repeats a request: name kinds"),
        (
            described("\u0421\u043a\u043b\u0430\u0434\u044b\u0432\u0430\u0435\u0442 \u0447\u0438\u0441\u043b\u0430"),
            "not in English",
        ),
    ],
)
def test_an_answer_that_cannot_be_a_description_is_refused_with_the_reason(answer: str, said: str) -> None:
    path = Path("sums/SKILL.md")
    training, held_out = halves(parse_triggers(as_json(QUERIES), path, "sums"))
    problems = DescriptionChecks(path, [*training, *held_out], "en").problems
    unused: Any = None
    refiner = DescriptionRefiner(unused, unused, training, held_out, Options(), problems, skill_path=path)
    assert said in refiner._checked(Reply(answer), OLD)[1]
    assert refiner._checked(Reply(described(BETTER)), OLD) == (with_description(OLD, BETTER, path), "")


def test_the_reason_for_a_refused_answer_goes_back_to_the_teacher(start: Callable[..., Project]) -> None:
    answers = iter([described("Adds. Use it to total column 1 of this table, and so on."), described(BETTER)])
    project = start(lambda system, user: next(answers))
    project.write_queries()
    found = json.loads(project.run("--json", "--rounds=1").stdout)
    assert found["kept"] and "column 1" not in found["rounds"][0]["refused"][0]  # which is held out
    assert "repeats a request" in project.asked("claude-large")[1]


def test_too_few_held_out_queries_are_told_before_anything_is_asked(start: Callable[..., Project]) -> None:
    project = start(lambda system, user: described(BETTER))
    project.write_queries([*QUERIES[:4], *QUERIES[-4:]])
    result = project.run()
    assert result.exit_code == 7 and "cannot be decided with 4 held-out" in result.output
    assert "add queries to evals/triggers.json" in result.output and project.questions == []


def test_without_queries_the_teacher_writes_them_first(start: Callable[..., Project]) -> None:
    lists = iter(["I would rather not.", as_json(QUERIES[:4]), f"~~~~~~json\n{as_json(QUERIES)}\n~~~~~~"])
    project = start(lambda system, user: next(lists) if "read by a program" in system else described(BETTER))
    result = project.run("--queries=24", student="")
    assert result.exit_code == 0 and "evals/triggers.json has 24 queries; read them" in result.output, result.output
    assert "refused: all 4 queries have 'should_trigger': true" in result.output
    written = parse_triggers(project.queries.read_text(), project.queries, "sums")
    assert [(case.task, case.should_trigger) for case in written] == QUERIES
    assert project.queries.read_text().count("\n") == 26
    again = project.run(student="")
    assert again.exit_code == 2 and "has its queries already" in again.output
    assert project.run("--rounds=1").exit_code == 0 and BETTER in project.skill.read_text()


@pytest.mark.parametrize(
    ("queries", "said"),
    [
        (QUERIES[:20], "only 6 of 20 queries have 'should_trigger': false"),
        ([*QUERIES[5:], ("Use the skill SUMS, please.", True)], "names the skill"),
        (QUERIES[8:20], "the list has 12 queries; write 20"),
        ([*QUERIES[4:23], ("y" * 2001, True)], "more than 2000 characters"),
    ],
)
def test_a_list_that_measures_little_is_refused(
    start: Callable[..., Project], queries: list[tuple[str, bool]], said: str
) -> None:
    project = start(lambda system, user: as_json(queries))
    result = project.run("--queries=20", "--attempts=1")
    assert result.exit_code == 3 and said in result.output, result.output
    assert not project.queries.exists() and project.asked("kimi-small") == []


def test_a_person_is_the_teacher_by_files(start: Callable[..., Project]) -> None:
    project = start(lambda system, user: "")
    ask = ("--teacher=files:desk", "--rounds=1", "--queries=24")
    first = project.run(*ask)
    assert first.exit_code == 3 and "answer desk/triggers-queries.prompt.md" in first.output
    (project.root / "desk/triggers-queries.answer.md").write_text(as_json(QUERIES))
    second = project.run(*ask)
    (prompt,) = (project.root / "desk").glob("triggers-1-*.prompt.md")
    assert second.exit_code == 3 and prompt.name in second.output
    prompt.with_name(prompt.name.replace("prompt", "answer")).write_text(BETTER)
    assert project.run(*ask).exit_code == 0
    assert BETTER in project.skill.read_text()


def test_a_dry_run_and_a_small_budget_ask_nothing(start: Callable[..., Project]) -> None:
    project = start(lambda system, user: described(BETTER))
    dry = project.run("--dry-run", student="")
    assert dry.exit_code == 0 and "Write 40 requests" in dry.output and "queries: master: 3 questions" in dry.output
    project.write_queries()
    dry = project.run("--dry-run")
    assert dry.exit_code == 0 and "of 12 held-out cases at least 6 must change" in dry.output
    assert "12 training queries, 12 held out" in dry.output
    assert "pupil: 96 questions at most" in dry.output and "master: 9 questions at most" in dry.output
    poor = project.run("--budget=0.0001")
    assert poor.exit_code == 3 and "the budget is too small" in poor.output and project.questions == []


def test_broken_queries_end_the_command_with_their_line(start: Callable[..., Project]) -> None:
    project = start(lambda system, user: described(BETTER))
    project.queries.parent.mkdir()
    project.queries.write_text('[\n{"query": "a"}]')
    result = project.run()
    assert result.exit_code == 2 and "triggers.json:2: an entry has no 'should_trigger'" in result.output
    assert project.run("--noise=many").exit_code == 2
