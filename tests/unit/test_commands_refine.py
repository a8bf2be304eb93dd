"""``upskill-gen refine`` and ``ablate``: files, budget, resume and results. Student and teacher are HTTP servers."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pytest_upskill.cases.provenance import Provenance, WrittenCase, read_provenance, write_provenance
from pytest_upskill.commands.generate.main import main
from pytest_upskill.generator.case_parts import parts_of
from pytest_upskill.generator.skill_lock import alone
from pytest_upskill.students import families
from tests.llama.scripted import Endpoint, Refusal, Stream, endpoint, reply
from tests.unit import generator_cases as tiny
from tests.unit.simulated_students import answer, sections

OLD, BETTER = sections("Types", "Order"), sections("Types", "Order", "Barriers")
WORSE = sections("Order", "Style")
TRAINING, HELD_OUT = [f"train{number}" for number in range(4)], [f"exam{number}" for number in range(8)]
Ask = Callable[[str, str], "str | Refusal"]


def table(name: str, url: str, model: str, most: int) -> str:
    return (
        f'[tool.upskill.students.{name}]\nprovider = "openai"\nmodel = "{model}"\nbase_url = "{url}"\n'
        f"max_tokens = {most}\n"
        "price = {in = 1.0, out = 10.0}\nconcurrency = 1\n"
    )


class Project:
    """A project with the skill ``tiny``, whose cases ask for a word; held-out ones as the record says."""

    def __init__(self, root: Path, server: Endpoint) -> None:
        self.root, self.server = root, server
        names = [*TRAINING, *HELD_OUT]
        self.skill = tiny.make_skill(root, {name: tiny.text_case(f"word-{name}") for name in names}, OLD)
        cases = {name: WrittenCase(teacher="x", part="held-out" if name in HELD_OUT else "training") for name in names}
        write_provenance(self.skill.parent / "evals", Provenance(task="t", cases=cases))
        tables = table("pupil", server.url, "kimi-small", 2000) + table("master", server.url, "claude-large", 500)
        (root / "pyproject.toml").write_text("[tool.pytest.ini_options]\n" + tables)

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(main, [words[0], str(self.skill.parent), "--student=pupil", *words[1:]])

    def refine(self, *words: str) -> Result:
        return self.run("refine", "--teacher=master", *words)

    def asked(self, model: str) -> list[str]:
        """The questions so far, whole, as text."""
        return [json.dumps(one["messages"]) for one in self.server.questions if one["model"] == model]

    def history(self) -> list[Path]:
        return sorted((self.skill.parent / "evals" / "history").glob("*.md"))


def student(system: str, user: str) -> str:
    """Says the word of the task if the skill has a section on barriers; else of every fourth case."""
    word = user.strip().removeprefix("Say ").rstrip(".")
    return f"It is {word}." if "## Barriers" in system or word.endswith(("3", "7")) else "I do not know."


def served(teacher: Ask, pupil: Ask = student) -> Callable[[dict[str, Any]], Stream | Refusal]:
    def act(question: dict[str, Any]) -> Stream | Refusal:
        texts = [(one["role"], one["content"]) for one in question["messages"]]
        system = "".join(text for role, text in texts if role == "system")
        said = (teacher if question["model"] == "claude-large" else pupil)(system, texts[-1][1])
        return said if isinstance(said, Refusal) else reply(said)

    return act


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Project]]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UPSKILL_CACHE_DIR", str(tmp_path / "cache"))
    opened = []

    def begin(teacher: Ask, pupil: Ask = student) -> Project:
        context = endpoint(served(teacher, pupil), models=None)
        opened.append(context)
        return Project(tmp_path, context.__enter__())

    yield begin
    for context in opened:
        context.__exit__(None, None, None)


def test_a_better_version_replaces_the_skill_and_everything_is_on_record(start: Callable[..., Project]) -> None:
    project = start(lambda system, user: answer(BETTER))
    result = project.refine("--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 0 and found["kept"] and found["exit_status"] == 0, result.output
    assert project.skill.read_text() == BETTER
    (first,) = found["rounds"]
    assert first["ending"] == "kept" and first["held_out"] == {
        "better": 6, "worse": 0, "same": 2, "undecided": 0, "p": 0.015625,
    }  # fmt: skip
    (path,) = project.history()
    text = path.read_text()
    assert text.startswith("# Round 1 of 3: kept\n") and "+## Barriers" in text and "0.04688 after Holm's" in text
    assert "student: pupil (kimi-small)" in text and "teacher: master (claude-large), 1 answer" in text
    record = read_provenance(project.skill.parent / "evals")
    assert record and record.skill and record.skill.teacher == "master" and len(record.cases) == 12
    # 12 cases with both versions; afterwards no training case fails, so the teacher is asked once.
    assert len(project.asked("kimi-small")) == 24 and len(project.asked("claude-large")) == 1
    assert found["spent"]["answers"] == 25 and found["spent"]["usd"] > 0
    assert not any("exam" in one for one in project.asked("claude-large"))
    assert "3 failures in 3 cases: `train0`, `train1`, `train2`" in project.asked("claude-large")[0]


def test_a_version_that_is_no_better_leaves_the_old_one(start: Callable[..., Project]) -> None:
    versions = iter([answer(WORSE), answer(OLD.replace("Types", "Kinds")), answer(sections("Types", "Luck"))])
    project = start(lambda system, user: next(versions))
    result = project.refine()
    assert result.exit_code == 7 and "INCONCLUSIVE: 3 new versions tried, none kept" in result.stdout
    assert project.skill.read_text() == OLD and len(project.history()) == 3
    assert "inconclusive" in project.history()[0].read_text().splitlines()[0]
    again = project.refine("--rounds=1", "--dry-run")
    assert again.exit_code == 0 and "3 earlier rounds" in again.stderr


def test_few_held_out_cases_are_said_beforehand_and_nothing_is_asked(start: Callable[..., Project]) -> None:
    project = start(lambda system, user: answer(BETTER))
    result = project.refine("--held-out", ",".join(HELD_OUT[:5]))
    assert result.exit_code == 7 and "cannot be decided with 5 held-out cases: 1 more" in result.stdout
    assert "--rounds 1 needs 5" in result.stdout and not project.server.questions
    assert project.refine("--held-out", "exam0,exan1").exit_code == 2
    result = project.refine("--held-out", ",".join(HELD_OUT[:5]), "--rounds=1")
    assert result.exit_code == 7 and len(project.history()) == 1  # 4 of 5 gained


def test_a_dry_run_prices_and_asks_nothing(start: Callable[..., Project]) -> None:
    project = start(lambda system, user: answer(BETTER))
    result = project.refine("--dry-run", "--trials=2", "--json")
    found = json.loads(result.stdout)
    assert result.exit_code == 0 and not project.server.questions and not project.history()
    assert "96 questions at most, at most $" in found["student_estimate"]
    assert "9 questions at most, at most $" in found["teacher_estimate"]
    assert "of 8 held-out cases at least 6 must change" in found["decidable"]


@pytest.mark.parametrize(("letter", "language"), [("x", "en"), ("の", "ja")])
def test_the_estimate_is_no_less_than_three_full_rounds_cost(
    start: Callable[..., Project], letter: str, language: str
) -> None:
    """Versions of the largest size, each round with a refused answer; the server counts each byte as a token."""
    size = 40_000
    texts = [sections("Types", f"No {number}") for number in range(3)]
    padded = [text + letter * ((size - len(text.encode()) - 1) // len(letter.encode())) + "\n" for text in texts]
    answers = iter([said for text in padded for said in (answer(text).replace("name: tiny", "name: x"), answer(text))])
    project = start(lambda system, user: next(answers))

    def charged(question: dict[str, Any]) -> Stream | Refusal:
        sent = sum(len(one["content"].encode()) for one in question["messages"])
        said = next(answers) if question["model"] == "claude-large" else "x" * 2000
        received = len(said.encode())
        return reply(
            said, usage={"prompt_tokens": sent, "completion_tokens": received, "total_tokens": sent + received}
        )

    project.server.actions = [charged]
    path = project.root / "pyproject.toml"
    path.write_text(path.read_text().replace("max_tokens = 500", f"max_tokens = {len(answer(padded[0]).encode())}"))
    evals, record = project.skill.parent / "evals", read_provenance(project.skill.parent / "evals")
    assert record is not None
    write_provenance(evals, record.model_copy(update={"language": language}))
    project.skill.write_text(OLD.replace("Types", letter * 20))
    found = json.loads(project.refine("--json", "--attempts=2", f"--target={size // 4}").stdout)
    assert [len(one["refused"]) for one in found["rounds"]] == [1, 1, 1] and found["exit_status"] == 7
    bounds = [
        re.search(r"at most \$([\d.]+), ([\d,]+) tokens", found[f"{who}_estimate"]) for who in ("student", "teacher")
    ]
    usd = sum(float(one[1]) for one in bounds if one)
    tokens = sum(int(one[2].replace(",", "")) for one in bounds if one)
    # The rest is room in each of the six questions: for a full present text, and for 12,000 tokens of failures.
    assert found["spent"]["tokens"] <= tokens < found["spent"]["tokens"] + 6 * (size + 50_000) + 40_000
    assert found["spent"]["usd"] <= usd


def test_the_budget_covers_teacher_and_student_and_the_command_continues(start: Callable[..., Project]) -> None:
    project = start(lambda system, user: answer(BETTER))
    result = project.refine("--budget=0.0215")
    assert result.exit_code == 3 and "--budget=0.0215" in result.stdout, result.output
    assert "--upskill" not in result.output and project.skill.read_text() == OLD
    before = len(project.server.questions)
    assert 0 < before < 25
    assert project.refine().exit_code == 0
    assert len(project.server.questions) == 25 and project.skill.read_text() == BETTER


def test_a_person_may_be_the_teacher(start: Callable[..., Project], tmp_path: Path) -> None:
    project = start(lambda system, user: "unused")
    words = ("refine", f"--teacher=files:{tmp_path / 'desk'}")
    result = project.run(*words)
    (prompt,) = (tmp_path / "desk").glob("*.prompt.md")
    assert result.exit_code == 3 and prompt.name.startswith("refine-1-") and prompt.name in result.stdout
    prompt.with_name(prompt.name.replace("prompt", "answer")).write_text("I would rather not.")
    result = project.run(*words)
    (second,) = (tmp_path / "desk").glob("*.attempt2.prompt.md")
    assert result.exit_code == 3 and "no block for SKILL.md" in second.read_text()
    second.with_name(second.name.replace("prompt", "answer")).write_text(answer(BETTER))
    asked = len(project.server.questions)
    result = project.run(*words)
    assert result.exit_code == 0 and project.skill.read_text() == BETTER
    assert len(project.server.questions) == asked + 4 + 16
    assert "exam" not in prompt.read_text() + second.read_text()


def test_an_overloaded_server_is_asked_again_and_errors_are_no_losses(start: Callable[..., Project]) -> None:
    busy = iter([True])

    def pupil(system: str, user: str) -> str | Refusal:
        if next(busy, False):
            return Refusal(429, {"error": {"message": "slow down"}}, {"Retry-After": "0"})
        if "exam0." in user:
            return Refusal(400, {"error": {"message": "no"}})
        return student(system, user)

    project = start(lambda system, user: answer(BETTER), pupil)
    result = project.refine("--json")
    found = json.loads(result.stdout)
    assert found["rounds"][0]["held_out"]["undecided"] == 1 and found["rounds"][0]["held_out"]["worse"] == 0
    assert result.exit_code == 7 and found["rounds"][0]["ending"] == "inconclusive"  # 5 of 7 are better: 0.03 * 3


def test_teacher_and_student_of_one_family_give_a_warning(start: Callable[..., Project]) -> None:
    project = start(lambda system, user: answer(BETTER))
    pyproject = project.root / "pyproject.toml"
    assert "family" not in project.refine("--dry-run").stderr
    pyproject.write_text(pyproject.read_text().replace("claude-large", "moonshotai/Kimi-K3"))
    assert "warning: teacher (moonshotai/Kimi-K3) and student" in project.refine("--dry-run").stderr


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("claude-opus-5-5", "Claude"), ("us.anthropic.claude-haiku-5-5-v1:0", "Claude"), ("openai/gpt-6-mini", "GPT"),
        ("o4-mini", "GPT"), ("unsloth/GLM-4.7-Flash-GGUF:Q4_0", "GLM"), ("meta/Meta-Llama-3.1-8B-Instruct", "Llama"),
        ("codellama-7b", "Llama"), ("kimi-k2.6", "Kimi"), ("Qwen/Qwen3-Coder-30B", "Qwen"), ("codestral-25", "Mistral"),
        ("deepseek-ai/DeepSeek-R1-Distill-Llama-8B", "DeepSeek"), ("my-own-model", ""), ("", ""),
    ],
)  # fmt: skip
def test_the_family_of_a_model_is_read_from_its_name(model: str, family: str) -> None:
    assert families.family_of(model) == family


def test_without_a_record_the_names_decide_and_new_cases_change_nothing(tmp_path: Path) -> None:
    skill = tiny.make_skill(tmp_path, {name: tiny.text_case(name) for name in [*TRAINING, *HELD_OUT]})
    cases = tiny.cases_of(skill)
    training, held_out = ({case.name for case in part} for part in parts_of(cases))
    fewer, exam = ({case.name for case in part} for part in parts_of(cases[:-3]))
    assert training and held_out and fewer <= training and exam <= held_out
    record = Provenance(cases={"exam0": WrittenCase(teacher="x", part="held-out")})
    write_provenance(skill.parent / "evals", record)
    assert [case.name for case in parts_of(cases)[1]] == ["exam0"]


def test_a_missing_key_of_the_student_is_said_before_anything_is_asked(
    start: Callable[..., Project], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("PUPIL_KEY", raising=False)
    project = start(lambda system, user: "unused")
    pyproject = project.root / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace('"kimi-small"\n', '"kimi-small"\napi_key_env = "PUPIL_KEY"\n'))
    result = project.run("refine", f"--teacher=files:{tmp_path / 'desk'}")
    assert result.exit_code == 2 and "PUPIL_KEY, which is not set" in result.output and not project.server.questions


@pytest.mark.parametrize("spec", ["golden", "files:.", "nobody", "pupil,master"])
def test_only_one_student_with_a_model_can_be_asked(start: Callable[..., Project], spec: str) -> None:
    project = start(lambda system, user: "unused")
    result = CliRunner().invoke(main, ["refine", str(project.skill.parent), f"--student={spec}", "--teacher=master"])
    assert result.exit_code == 2 and "--student" in result.output and "--upskill-student" not in result.output


def test_killed_it_continues_and_pays_nothing_twice(start: Callable[..., Project]) -> None:
    killer: list[int] = []

    def pupil(system: str, user: str) -> str:
        if killer and len(project.asked("kimi-small")) >= 18:
            os.kill(killer.pop(), signal.SIGKILL)
        return student(system, user)

    project = start(lambda system, user: answer(BETTER), pupil)
    command = f"from pytest_upskill.commands.generate.main import main; main({refine_words(project)!r})"
    process = subprocess.Popen([sys.executable, "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    killer.append(process.pid)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL, output.decode()
    assert project.skill.read_text() == OLD and len(project.asked("claude-large")) == 1
    result = project.refine()
    assert result.exit_code == 0 and "interrupted command continues" in result.stderr
    assert project.skill.read_text() == BETTER
    questions = project.asked("kimi-small")
    # The one question whose answer the killed process never read may be asked again.
    assert len(project.asked("claude-large")) == 1 and len(questions) <= len(set(questions)) + 1
    assert len(set(questions)) == 24


def test_a_skill_that_was_edited_meanwhile_is_not_replaced(start: Callable[..., Project]) -> None:
    edited = OLD + "\nMy own note.\n"

    def teacher(system: str, user: str) -> str:
        project.skill.write_text(edited)
        return answer(BETTER)

    project = start(teacher)
    result = project.refine()
    assert result.exit_code == 2 and "was edited while the command ran" in result.stderr
    assert project.skill.read_text() == edited
    assert project.skill.with_name("SKILL.kept.md").read_text() == BETTER


def refine_words(project: Project) -> list[str]:
    return ["refine", str(project.skill.parent), "--student=pupil", "--teacher=master"]


def test_interrupted_it_ends_at_once_and_continues(start: Callable[..., Project]) -> None:
    interrupts = iter([False] * 5 + [True])

    def pupil(system: str, user: str) -> str:
        if next(interrupts, False):
            os.kill(os.getpid(), signal.SIGINT)
        return student(system, user)

    project = start(lambda system, user: answer(BETTER), pupil)
    result = project.refine("--json")
    assert result.exit_code == 130 and "the same command continues" in result.stderr, result.output
    assert json.loads(result.stdout)["exit_status"] == 130
    with alone(project.skill.parent):
        held = project.refine()
        assert held.exit_code == 2 and "another upskill-gen command writes to" in held.stderr
        assert project.refine("--dry-run").exit_code == 0
    assert project.refine().exit_code == 0 and project.skill.read_text() == BETTER
    assert len(set(project.asked("kimi-small"))) == 24 and len(project.asked("claude-large")) == 1


def test_after_a_version_was_kept_a_killed_command_repeats_its_rounds_for_free(
    start: Callable[..., Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if the process had ended after the first round: all steps are repeated with stored answers."""
    best = BETTER + "\n## More\n\nMore of it.\n"

    def pupil(system: str, user: str) -> str:
        return "No." if "train3" in user and "## More" not in system else student(system, user)

    project = start(lambda system, user: answer(best if "## Barriers" in user else BETTER), pupil)
    monkeypatch.setattr("pytest_upskill.generator.resume.Begun.end", lambda self: None)
    assert project.refine("--rounds=2").exit_code == 7 or project.skill.read_text() in (BETTER, best)
    before, rounds, kept = len(project.server.questions), len(project.history()), project.skill.read_text()
    assert kept == BETTER and rounds == 2
    result = project.refine("--rounds=2")
    assert "an interrupted command continues" in result.stderr and project.skill.read_text() == kept
    assert len(project.server.questions) == before and len(project.history()) == rounds


def test_a_teacher_behind_anthropics_interface_answers_again(
    start: Callable[..., Project], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Overloaded, cut off, and of a wrong form: in the end the third answer counts, and none is paid for twice."""
    pytest.importorskip("anthropic", reason="needs the package 'anthropic'")
    from tests.llama.scripted_anthropic import message

    monkeypatch.setenv("TEACHER_KEY", "sk-ant-secret")
    overloaded = Refusal(529, {"error": {"type": "overloaded_error", "message": "busy"}}, {"Retry-After": "0"})
    answers = (overloaded, message(answer(BETTER)[:60], stop="max_tokens"), message("No."), message(answer(BETTER)))
    with endpoint(*answers) as server:
        project = start(lambda system, user: "unused")
        base_url = server.url.removesuffix("/v1")
        more = (
            f'[tool.upskill.students.sage]\nprovider = "anthropic"\nmodel = "claude-large"\nbase_url = "{base_url}"\n'
            'api_key_env = "TEACHER_KEY"\nprice = {in = 1.0, out = 10.0}\n'
        )
        pyproject = project.root / "pyproject.toml"
        pyproject.write_text(pyproject.read_text() + more)
        result = project.run("refine", "--teacher=sage", "--json")
        assert result.exit_code == 0 and project.skill.read_text() == BETTER, result.output
        refused = json.loads(result.stdout)["rounds"][0]["refused"]
        assert "cut off" in refused[0] and "no block for SKILL.md" in refused[1] and len(server.questions) == 4


@pytest.mark.full
def test_what_a_teacher_wrote_runs_untrusted_and_the_kernel_is_shown_whole(start: Callable[..., Project]) -> None:
    """With a generated case, which is judged: the teacher gets the counterexample and the function."""

    def pupil(system: str, user: str) -> str:
        if "called twice" in user:
            return tiny.function("twice", 2 if "## Barriers" in system else 3)
        return student(system, user)

    project = start(lambda system, user: answer(BETTER), pupil)
    evals = project.skill.parent / "evals"
    for name in TRAINING:
        (evals / f"{name}.md").unlink()
    (evals / "twice.md").write_text(tiny.case_text("twice"))
    record = read_provenance(evals)
    assert record is not None
    cases = {**record.cases, "twice": WrittenCase(teacher="x")}
    write_provenance(evals, record.model_copy(update={"cases": cases}))
    result = project.refine("--device=cpu", "--json")
    assert result.exit_code == 0 and project.skill.read_text() == BETTER, result.output
    (question,) = project.asked("claude-large")
    assert "smallest input that shows it: n = 1" in question and "return x * 3" in question
    assert "- failed: correct[float32]" in question and not any(name in question for name in HELD_OUT)
    assert [case.trusted for case in tiny.cases_of(project.skill) if case.name == "twice"] == [False]


# ------------------------------------------------------------------------------------------------------------- ablate


def with_rubrics(project: Project, names: list[str]) -> None:
    """A judge, and cases whose answers only it can judge."""
    path = project.root / "pyproject.toml"
    if "gemma-judge" not in path.read_text():
        path.write_text(path.read_text() + table("judge", project.server.url, "gemma-judge", 300))
    for name in names:
        text = f"---\nexpect: {{rubric: [It says word-{name}.]}}\n---\nSay word-{name}.\n"
        (project.skill.parent / "evals" / f"{name}.md").write_text(text)


def judging(project: Project) -> None:
    """The judge finds the word of its statement in the answer between the marks, or not."""
    (act,) = project.server.actions

    def with_judge(question: dict[str, Any]) -> Any:
        if question["model"] != "gemma-judge":
            return act(question)
        user = question["messages"][-1]["content"]
        inside = re.findall(r"the answer begins ====\n(.*?)\n====", user, re.DOTALL)[0]
        word = re.findall(r"1\. It says (\S+)\.", user)[0]
        return reply("1: yes - it does" if word in inside else "1: no - it says no word")

    project.server.actions = [with_judge]


def test_a_judge_decides_cases_with_a_rubric(start: Callable[..., Project]) -> None:
    project = start(lambda system, user: answer(BETTER))
    with_rubrics(project, [*TRAINING, *HELD_OUT])
    judging(project)
    dry = json.loads(project.refine("--judge=judge", "--dry-run", "--json").stdout)
    assert "pupil, judged by judge: 336 questions at most" in dry["student_estimate"]  # 48 answers, each judged by 6
    assert dry["judges"] == ["judge"] and not project.server.questions
    found = json.loads(project.refine("--judge=judge", "--json").stdout)
    assert found["rounds"][0]["held_out"]["better"] == 6 and project.skill.read_text() == BETTER
    assert len(project.asked("kimi-small")) == 24 and len(project.asked("gemma-judge")) == 42  # 21 replies differ
    assert "it says no word" in project.asked("claude-large")[0]
    assert found["spent"]["answers"] == 67


def test_without_a_judge_cases_with_a_rubric_are_left_out_with_a_line(start: Callable[..., Project]) -> None:
    project = start(lambda system, user: answer(BETTER))
    with_rubrics(project, TRAINING[:1])
    result = project.refine("--dry-run", "--json")
    assert json.loads(result.stdout)["training"] == TRAINING[1:]
    assert "left out: train0: it has a rubric; name a model that judges it with --judge=NAME" in result.stderr
    with_rubrics(project, [*TRAINING, *HELD_OUT])
    for words in (("refine", "--teacher=master"), ("ablate", "--yes")):
        result = project.run(*words)
        assert (result.exit_code, "every case of" in result.output) == (2, True), result.output
    assert not project.server.questions


@pytest.mark.parametrize(
    ("judge", "reason"),
    [("golden", "judges none"), ("nobody", "--judge"), (",", "names no model"), ("files:pupil=x", "of another model")],
)
def test_what_is_no_judge_is_a_usage_error(start: Callable[..., Project], judge: str, reason: str) -> None:
    project = start(lambda system, user: answer(BETTER))
    (project.root / "x").mkdir()
    result = project.refine(f"--judge={judge}", "--dry-run")
    assert (result.exit_code, reason in result.output) == (2, True), result.output
    assert "--upskill" not in result.output


def test_ablate_asks_the_judge_as_well(start: Callable[..., Project]) -> None:
    project = start(lambda system, user: "unused")
    with_rubrics(project, TRAINING)
    judging(project)
    project.skill.write_text(BETTER)
    result = project.run("ablate", "--judge=judge", "--yes", "--json")
    assert result.exit_code == 0, result.output
    rows = {one["title"]: one["drop"] for one in json.loads(result.stdout)["sections"]}
    assert rows["Barriers"] > 0.5 and project.asked("gemma-judge")


def test_ablate_names_the_section_that_carries_the_lift(start: Callable[..., Project]) -> None:
    project = start(lambda system, user: "unused")
    project.skill.write_text(sections("Types", "Barriers", "Style"))
    refused = project.run("ablate")
    assert refused.exit_code == 2 and "add --yes" in refused.output and not project.server.questions
    result = project.run("ablate", "--yes")
    assert result.exit_code == 0, result.output
    assert len(project.server.questions) == 12 * 6
    rows = {line.split()[0]: line for line in result.stdout.splitlines() if line}
    assert "+75" in rows["Barriers"] and "carries the lift" in rows["Barriers"]
    assert "no effect seen" in rows["Types"] and "may go, and save about" in result.stdout
    again = project.run("ablate", "--json")  # all answers are stored: nothing to confirm
    found = json.loads(again.stdout)
    assert found["may_go"] == ["Types", "Style"] and found["lift"] == 0.75 and found["spent"]["answers"] == 0
    assert found["together"]["effect"] == "no effect seen" and len(project.server.questions) == 12 * 6


def test_ablate_says_beforehand_what_it_costs_and_cannot_decide(start: Callable[..., Project]) -> None:
    project = start(lambda system, user: "unused")
    project.skill.write_text(sections("日本語の見出し", "Barriers"))
    result = project.run("ablate", "--dry-run")
    assert result.exit_code == 0 and "60 questions at most, at most $" in result.stderr
    assert "日本語の見出し" in result.stdout and not project.server.questions
    for path in (project.skill.parent / "evals").glob("exam*.md"):
        path.unlink()
    result = project.run("ablate", "--yes")
    assert result.exit_code == 7 and "cannot be decided with 4 cases: 3 more" in result.stderr
    assert not project.server.questions
