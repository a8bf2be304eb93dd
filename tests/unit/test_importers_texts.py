"""``import-upskill`` and ``import-evals``: text cases from files of these formats, good and broken; what is kept."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import load_case
from pytest_upskill.cases.provenance import read_provenance
from pytest_upskill.commands.generate.main import main
from pytest_upskill.generator.skill_lock import alone
from pytest_upskill.importers import keeping
from pytest_upskill.importers.case_text import prose
from pytest_upskill.importers.names import case_name, operator_name

SKILL = Path("skills/questions")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def upskill(tests: Any, *more: str) -> dict[str, Any]:
    Path("tests.json").write_text(json.dumps(tests), encoding="utf-8")
    return result(run("import-upskill", "tests.json", f"--into={SKILL}", "--json", *more))


def evals(listed: Any, *more: str) -> dict[str, Any]:
    Path("evals.json").write_text(json.dumps({"skill_name": "x", "evals": listed}), encoding="utf-8")
    return result(run("import-evals", "evals.json", f"--into={SKILL}", "--json", *more))


def result(done: Result) -> dict[str, Any]:
    assert done.stdout, done.output
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["exit_status"] == done.exit_code
    return found


def case(name: str) -> Case:
    return load_case(SKILL / "evals" / f"{name}.md", "questions")


def good(asked: str = "Name a barrier", contains: object = "__syncthreads") -> dict[str, Any]:
    return {"input": asked, "expected": {"contains": contains}}


# ------------------------------------------------------------------------------------------ upskill


HARD = [
    "feat: x",
    "# no comment",
    "- item",
    "{a}",
    "it's",
    'a "quote"',
    "tab\there",
    "日本",
    "null",
    "1e3",
    "a\\b",
    "&x *y",
]


def test_contains_is_taken_over_as_it_is() -> None:
    found = upskill(
        [good("Which barrier?\n\n## Hints\n```\n## kept\n```", HARD), good(contains="x", asked="日本語だけ")]
    )
    assert found["new"] == ["which_barrier_hints_kept", "test_2"]
    made = case("which_barrier_hints_kept")
    assert made.expect is not None
    assert list(made.expect.contains) == HARD
    assert made.task == "Which barrier?\n\n### Hints\n```\n## kept\n```"
    assert case("test_2").task == "日本語だけ"


@pytest.mark.parametrize(
    "form", [lambda tests: {"tests": tests, "metadata": {"version": "1.0"}}, lambda tests: {"cases": tests}]
)
def test_tests_may_lie_below_a_key(form: Any) -> None:
    assert upskill(form([good()]))["new"] == ["name_a_barrier"]


def test_both_versions_are_read_and_empty_fields_say_nothing() -> None:
    first = {**good(), "context": None, "output_file": None, "validator": None, "validator_config": None}
    second = {
        "id": "barrier-2",
        "prompt": "Name one",
        "verifiers": [{"type": "contains", "values": ["a", "b"]}],
        "context": {"files": {}},
    }
    assert upskill([first, second])["new"] == ["name_a_barrier", "barrier_2"]
    made = case("barrier_2").expect
    assert made is not None
    assert made.contains == ("a", "b")


@pytest.mark.parametrize(
    ("test", "reason"),
    [
        ({**good("x"), "context": {"files": {"a.cu": "x"}}}, "needs files (a.cu)"),
        ({**good("x"), "context": {"env": {"A": "b"}}}, "'context' that a student here cannot be given"),
        ({**good("x"), "output_file": "out.yaml"}, "'output_file'"),
        ({**good("x"), "validator": "hf_eval_yaml"}, "'validator'"),
        ({**good("x"), "surprise": 1}, "the key 'surprise', which is not known"),
        ({"input": "x", "verifiers": [{"type": "file_exists", "path": "a"}]}, "type 'file_exists', which needs files"),
        ({"input": "x", "expected": {"matches": "a"}}, "'expected' has 'matches'"),
        ({"input": "x", "expected": "a"}, "'expected' is str"),
        ({"input": "x"}, "expects nothing"),
        ({"input": "x", "expected": {"contains": []}}, "expects nothing"),
        ({"input": " ", "expected": {"contains": "a"}}, "'input' is ' '; it must be a text"),
        ({"input": 3, "expected": {"contains": "a"}}, "'input' is 3; it must be a text"),
        ({"input": "x", "expected": {"contains": ["a", 4]}}, "an entry of 'contains' is 4"),
        ({"input": "a\u202eb", "expected": {"contains": "a"}}, "U+202E, RIGHT-TO-LEFT OVERRIDE"),
        ({"input": "lone \ud800", "expected": {"contains": "a"}}, "U+D800"),
        ("text", "not an object but str"),
    ],
)
def test_a_test_that_cannot_run_is_listed_with_the_reason_and_the_others_are_kept(test: Any, reason: str) -> None:
    found = upskill([test, good()])
    assert found["new"] == ["name_a_barrier"]
    assert found["exit_status"] == 0
    (told,) = found["not_imported"].items()
    assert told[0] == "test 1"
    assert reason in told[1]


def test_an_expectation_that_an_empty_answer_meets_is_refused_by_the_self_check() -> None:
    found = upskill([good(contains="\n")])
    assert found["new"] == []
    assert found["exit_status"] == 1
    assert "'contains'" in found["not_imported"]["test 1"]
    assert not SKILL.exists()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "tests.json is not JSON"),
        ("[]", "an empty list"),
        ('{"a": 1}', "holds no tests of upskill"),
        ("3", "holds no tests of upskill"),
    ],
)
def test_a_file_that_is_no_list_of_tests_is_a_usage_error(text: str, problem: str) -> None:
    Path("tests.json").write_text(text, encoding="utf-8")
    done = run("import-upskill", "tests.json", f"--into={SKILL}")
    assert done.exit_code == 2
    assert problem in done.output
    assert not SKILL.exists()


def test_a_file_with_another_encoding_and_a_missing_one_are_usage_errors() -> None:
    Path("tests.json").write_bytes("[é]".encode("latin-1"))
    assert "not UTF-8 (byte 1)" in run("import-upskill", "tests.json", f"--into={SKILL}").output
    done = run("import-evals", "nowhere", f"--into={SKILL}")
    assert (done.exit_code, "there is no file or folder nowhere" in done.output) == (2, True)


def test_cases_go_into_the_skill_that_the_file_is_in() -> None:
    folder = Path("mine/my-skill")
    folder.mkdir(parents=True)
    (folder / "SKILL.md").write_text("---\nname: my-skill\ndescription: x\n---\nText.\n", encoding="utf-8")
    (folder / "skill_meta.json").write_text(json.dumps({"tests": [good()]}), encoding="utf-8")
    assert run("import-upskill", str(folder)).exit_code == 0
    assert (folder / "evals/name_a_barrier.md").is_file()
    assert "Text." in (folder / "SKILL.md").read_text(encoding="utf-8")
    Path("loose.json").write_text(json.dumps([good()]), encoding="utf-8")
    done = run("import-upskill", "loose.json")
    assert (done.exit_code, "--into SKILL" in done.output) == (2, True)


# ------------------------------------------------------------------------------------------ evals.json


def test_expectations_and_assertions_become_rubrics() -> None:
    found = evals(
        [
            {
                "id": 1,
                "prompt": "Explain races",
                "expected_output": "An example",
                "files": [],
                "expectations": ["Names\nthe race"],
            },
            {"id": "two", "prompt": "Explain banks", "assertions": ["Is short", {"text": "Has: a colon"}]},
            {"id": 3, "prompt": "Explain warps", "assertions": [{"type": "contains", "value": "32"}]},
            {"id": 4, "prompt": "Explain grids", "expected_output": "Says what a grid is"},
        ]
    )  # fmt: skip
    assert found["new"] == ["explain_races", "two", "explain_warps", "explain_grids"]
    races, two, warps, grids = (case(name).expect for name in found["new"])
    assert races and two and warps and grids
    assert (races.rubric, races.contains) == (("Names the race",), ())
    assert two.rubric == ("Is short", "Has: a colon")
    assert (warps.rubric, warps.contains) == ((), ("32",))
    assert grids.rubric == ("The answer matches this description: Says what a grid is",)
    assert "Expected output: An example" in case("explain_races").text
    assert "An example" not in case("explain_races").task


@pytest.mark.parametrize(
    ("one", "reason"),
    [
        ({"id": 2, "prompt": "x", "files": ["a.pdf"], "expectations": ["y"]}, "needs files (a.pdf)"),
        ({"id": 2, "prompt": "x"}, "expects nothing"),
        ({"id": 2, "prompt": None, "expectations": ["y"]}, "'prompt' is missing"),
        ({"id": 2, "prompt": "x", "expectations": {"a": 1}}, "'expectations' is dict, not a list"),
        (
            {"id": 2, "prompt": "x", "assertions": [{"type": "regex", "value": "a"}]},
            "type 'regex', which is not imported",
        ),
        ({"id": 2, "prompt": "x", "assertions": [7]}, "an entry of 'assertions' is 7"),
        ([1], "not an object but list"),
    ],
)
def test_an_eval_that_cannot_be_judged_is_listed_with_the_reason(one: Any, reason: str) -> None:
    found = evals([one, {"id": 9, "prompt": "Fine", "expectations": ["y"]}])
    assert found["new"] == ["fine"]
    assert reason in found["not_imported"]["eval 2" if isinstance(one, dict) else "eval 1"]


# ------------------------------------------------------------------------------------------ what is kept


def test_the_record_lists_each_case_before_it_is_there_and_splits_all_of_them() -> None:
    upskill([good(f"Question {number}") for number in range(6)])
    record = read_provenance(SKILL / "evals")
    assert record is not None
    assert {one.teacher for one in record.cases.values()} == {"import-upskill"}
    assert len(record.names("training")) == len(record.names("held-out")) == 3
    assert record.skill is not None
    assert run("lint", "skills").exit_code == 0


def test_the_same_import_changes_nothing_and_another_text_is_replaced_only_on_request() -> None:
    upskill([good()])
    before = {path: path.read_bytes() for path in SKILL.rglob("*") if path.is_file()}
    again = upskill([good()])
    assert (again["new"], again["were_there"]) == ([], ["name_a_barrier"])
    assert {path: path.read_bytes() for path in SKILL.rglob("*") if path.is_file()} == before
    other = upskill([good(contains="__syncwarp")])
    assert other["exit_status"] == 1
    assert "exists and holds another text; --replace" in other["not_imported"]["test 1"]
    assert {path: path.read_bytes() for path in SKILL.rglob("*") if path.is_file()} == before
    replaced = upskill([good(contains="__syncwarp")], "--replace")
    assert replaced["replaced"] == ["name_a_barrier"]
    made = case("name_a_barrier").expect
    assert made is not None
    assert made.contains == ("__syncwarp",)


def test_an_interrupted_import_keeps_what_it_has_and_the_same_command_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    write = keeping.write_atomically

    def interrupted(path: Path, text: str) -> None:
        if path.name == "question_1.md":
            raise KeyboardInterrupt
        write(path, text)

    tests = [good(f"Question {number}") for number in range(3)]
    with monkeypatch.context() as context:
        context.setattr(keeping, "write_atomically", interrupted)
        first = upskill(tests)
    assert first["exit_status"] == 130
    assert first["new"] == ["question_0"]
    record = read_provenance(SKILL / "evals")
    assert record is not None
    assert "question_1" in record.cases  # before its file
    second = upskill(tests)
    assert (second["new"], second["were_there"]) == (["question_1", "question_2"], ["question_0"])


def test_a_folder_that_is_no_skill_and_a_bad_name_are_refused() -> None:
    Path("full").mkdir()
    Path("full/a.txt").write_text("x", encoding="utf-8")
    Path("tests.json").write_text(json.dumps([good()]), encoding="utf-8")
    done = run("import-upskill", "tests.json", "--into=full")
    assert (done.exit_code, "is not empty and has no SKILL.md" in done.output) == (2, True)
    done = run("import-upskill", "tests.json", "--into=skills/No_Name")
    assert (done.exit_code, "'No_Name' is not a skill name" in done.output) == (2, True)
    assert not Path("skills").exists()


def test_a_second_command_at_the_same_skill_ends_with_a_message() -> None:
    Path("tests.json").write_text(json.dumps([good()]), encoding="utf-8")
    with alone(SKILL):
        done = run("import-upskill", "tests.json", f"--into={SKILL}")
    assert (done.exit_code, "another upskill-gen command writes to" in done.output) == (2, True)


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        ("Conv3d_GroupNorm", "conv3d_group_norm"),
        ("", "case"),
        ("README", "case_readme"),
        ("con", "case_con"),
        ("3x", "case_3x"),
        ("x" * 90, "x" * 48),
        ("../../etc", "etc"),
    ],
)
def test_any_text_gives_a_name_that_a_case_can_have(wanted: str, name: str) -> None:
    assert case_name(wanted) == name
    assert case_name(wanted, {name}) != name
    assert operator_name("const") == "run_const"


def test_a_task_can_neither_open_a_section_nor_leave_a_block_open() -> None:
    assert prose("# A\n## Reference\n~~~python\n## x\n~~~\n## B") == "### A\n### Reference\n~~~python\n## x\n~~~\n### B"
    assert prose("```cuda\n## x") == "```cuda\n## x\n```"


@pytest.mark.parametrize(
    "text", ["> ```\n## Solution\nx", "``` a`b\n## Solution\nx", "  ~~~\n```\n  ~~~\n## Solution\nx"]
)
def test_a_heading_outside_of_a_block_begins_no_section(text: str) -> None:
    asked = good(text, "x")
    assert not upskill([asked])["not_imported"]
    (path,) = (SKILL / "evals").glob("*.md")
    found = case(path.stem)
    assert found.task.endswith("### Solution\nx") and found.solution is None


def test_a_block_in_a_list_is_closed_where_the_case_is_read() -> None:
    assert prose("- ```\n## x\n  ```") == "- ```\n## x\n  ```"


@pytest.mark.parametrize("checks", [5, True, "contains", {"type": "contains"}])
def test_checks_that_are_no_list_are_a_reason_and_no_crash(checks: object) -> None:
    found = upskill([{"input": "Ask", "verifiers": checks}, good()])
    assert "'verifiers' is " in found["not_imported"]["test 1"]
    assert found["new"] == ["name_a_barrier"]


def test_half_a_letter_in_an_id_is_a_reason_and_no_crash() -> None:
    ill = {"id": "a\ud800", "prompt": "First", "expectations": ["It is short."]}
    found = evals([ill, {"id": 2, "prompt": "Second", "expectations": ["It is short."]}])
    assert "U+D800" in found["not_imported"]["eval a\ud800"]
    assert found["new"] == ["second"]


# ------------------------------------------------------------------------------------------ the same twice


def test_what_asks_for_the_same_as_another_case_is_imported_with_a_note() -> None:
    found = upskill([good(), good("name  a Barrier"), good("Name a barrier", ["__syncwarp"]), good("Name a fence")])
    assert found["new"] == ["name_a_barrier", "name_a_barrier_2", "name_a_barrier_3", "name_a_fence"]
    assert (found["same_as"], found["not_imported"]) == ({"name_a_barrier_2": "name_a_barrier"}, {})
    other = upskill([{**good("Name a FENCE"), "name": "fence"}])  # another file, in the same skill
    assert other["same_as"] == {"fence": "name_a_fence"}
    orders = upskill([good("Two", ["a", "b"]), good("two", ["B", "a"]), good("Two", ["a"])])
    assert orders["same_as"] == {"two_2": "two"}


def test_every_reason_is_listed_also_of_two_with_the_same_label() -> None:
    found = evals([{"id": 1, "prompt": ""}, {"id": 1, "prompt": "x"}, {"id": 1, "prompt": 3}])
    assert list(found["not_imported"]) == ["eval 1", "eval 1 (2)", "eval 1 (3)"]
