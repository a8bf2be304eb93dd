"""Cases that upskill-gen lists: until they are accepted, none of their Python runs in pytest's process."""

from __future__ import annotations

import builtins
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from pytest_upskill.cases import acceptance
from pytest_upskill.cases.case_file import load_case
from pytest_upskill.cases.provenance import FILE, Provenance, WrittenCase, write_provenance
from pytest_upskill.commands.main import main
from pytest_upskill.judging import signatures
from pytest_upskill.oracle.reference_process import hides_enough
from pytest_upskill.sandbox import confinement
from tests.integration.conftest import Workbench, case

GOLDEN = ("skills", "--upskill", "-k", "scale and golden")
NOTE = "run untrusted, in a sandbox of its own, until you run 'upskill-gen accept skills/tiny'"
ESCAPES = """
    import builtins
    builtins.upskill_was_here = True
    try:
        open({path!r}, "w").close()
    except OSError:
        pass
"""

pytestmark = pytest.mark.skipif(not hides_enough(confinement.strongest()), reason="untrusted cases are refused here")


@pytest.fixture
def listed(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    """The case ``scale`` is listed, and its reference leaves marks where it can: in the process, and in a file."""
    monkeypatch.setenv("UPSKILL_STATE_DIR", str(bench.root / "state"))
    monkeypatch.setattr(builtins, "upskill_was_here", False, raising=False)
    head = "def scale(x, factor):"
    text = case("scale").replace(head, head + ESCAPES.format(path=str(bench.root / "mark")))
    bench.write("skills/tiny/evals/scale.md", text)
    write_provenance(bench.skill / "evals", Provenance(cases={"scale": WrittenCase(teacher="t")}))
    return bench


def marks(bench: Workbench) -> tuple[bool, bool]:
    """Whether the reference has run in this process, and whether it could write a file."""
    return builtins.upskill_was_here, (bench.root / "mark").exists()  # type: ignore[attr-defined]


def output(result: pytest.RunResult) -> str:
    return " ".join(result.stdout.str().split())


def test_a_listed_case_runs_in_a_sandbox_with_the_same_verdict_until_it_was_accepted(listed: Workbench) -> None:
    reports = []
    for accepted in (False, True):
        if accepted:
            acceptance.accept(load_case(listed.skill / "evals" / "scale.md", "tiny"))
        result = listed.run(*GOLDEN, "--upskill-seed=3", "--upskill-report=out.json", "-p", "no:cacheprovider")
        result.assert_outcomes(passed=1)
        assert (NOTE in output(result)) is not accepted
        assert ("untrusted: 1 case in a sandbox; upskill-gen accept skills/tiny" in output(result)) is not accepted
        assert marks(listed) == (accepted, accepted)
        (item,) = json.loads((listed.root / "out.json").read_text(encoding="utf-8"))["items"]
        reports.append({key: item[key] for key in ("verdict", "assertions") if key in item})
    assert reports[0] == reports[1] and reports[0]["verdict"] == "passed"


def test_rendering_a_prompt_and_checking_the_case_leave_no_mark_either(
    listed: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    signatures._known.clear()
    listed.run("skills", "--upskill-prompts=out", "-k", "scale and baseline")
    (prompt,) = (listed.root / "out" / "tiny").glob("scale.baseline*")
    assert "void scale(scalar_t* out, const scalar_t* x, float factor, int64_t n" in prompt.read_text(encoding="utf-8")
    monkeypatch.chdir(listed.root)
    done = CliRunner().invoke(main, ["check", "skills/tiny/evals/scale.md", "--example=n=7 dtype=float32 seed=1"])
    assert done.exit_code == 0, done.output
    assert NOTE in " ".join(done.output.split())
    assert marks(listed) == (False, False)


def test_where_nothing_can_confine_it_the_item_is_an_error_with_the_next_step(
    listed: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confinement, "strongest", lambda: confinement.Confinement("process"))
    signatures._known.clear()
    result = listed.run("skills", "--upskill-student=files:answers", "-k", "none")
    listed.right_with_the_skill()
    result = listed.run("skills", "--upskill-student=files:answers", "--upskill-arms=skill", "-k", "scale")
    result.assert_outcomes(errors=1)
    assert "the case is not trusted" in output(result) and "run 'upskill-gen accept'" in output(result)
    assert marks(listed) == (False, False)


def test_a_record_that_cannot_be_read_is_a_failed_item_and_all_cases_are_untrusted(listed: Workbench) -> None:
    (listed.skill / "evals" / FILE).write_text("{", encoding="utf-8")
    result = listed.run("skills", "--upskill", "-k", "upskill-gen")
    result.assert_outcomes(failed=1)
    assert f"{FILE} cannot be read" in output(result) and "restore it from git" in output(result)
    done = CliRunner().invoke(main, ["lint", str(listed.skill)])
    assert done.exit_code == 1 and "cannot be read" in done.output


@pytest.mark.full
def test_a_full_check_says_once_that_the_case_runs_in_a_sandbox(
    listed: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(listed.root)
    done = CliRunner().invoke(main, ["check", "skills/tiny/evals/scale.md", "--full"])
    text = " ".join(done.output.split())
    assert done.exit_code == 0 and "mutants of its solution killed" in text
    assert text.count(NOTE) == 1


@pytest.mark.full
def test_the_whole_self_check_is_the_same_in_both_modes(listed: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for accepted in (False, True):
        monkeypatch.setenv("UPSKILL_CACHE_DIR", str(listed.root / f"cache-{accepted}"))
        if accepted:
            acceptance.accept(load_case(listed.skill / "evals" / "scale.md", "tiny"))
        listed.run("skills", "--upskill", "-k", "scale", "--upskill-seed=3", "--upskill-report=out.json")
        items = json.loads((listed.root / "out.json").read_text(encoding="utf-8"))["items"]
        found.append([{key: item.get(key) for key in ("id", "verdict", "assertions", "mutants")} for item in items])
        assert marks(listed)[1] is accepted
    assert found[0] == found[1] and len(found[0]) == 2


def test_the_marks_can_be_left(listed: Workbench) -> None:
    """The other tests would pass if the reference could not do this at all."""
    path = Path(listed.skill / "evals" / "scale.md")
    acceptance.accept(load_case(path, "tiny"))
    trusted = load_case(path, "tiny")
    signatures._known.clear()
    signatures.signature_of(trusted)
    assert marks(listed) == (True, True)
