"""``upskill-gen new`` with real proofs: what a teacher wrote runs in sandboxes, and what proves wrong goes back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from pytest_upskill.commands.generate.main import main
from pytest_upskill.devices.choose import choose
from pytest_upskill.generator import proving
from pytest_upskill.generator.questions import teaching_of
from pytest_upskill.oracle.reference_process import hides_enough
from pytest_upskill.sandbox import confinement
from tests import teacher_answers as answers
from tests.unit.test_generator_writing import written

pytestmark = pytest.mark.skipif(
    not hides_enough(confinement.strongest()),
    reason=f"untrusted references are refused here: {confinement.strongest()}",
)

INTRUDER = "    open('/etc/passwd').read()\n"
READS = answers.case("reads", before=INTRUDER)
BAD = {
    "raises": (answers.case("raises", before="    raise ValueError('no')\n"), "raised ValueError: no"),
    "writes": (answers.case("writes", before="    open('/tmp/x', 'w')\n"), "the reference raised"),
    "home": (answers.case("home", before="    import os\n    os.listdir(os.path.expanduser('~'))\n"), "raised"),
    "network": (
        answers.case("network", before="    import socket\n    socket.create_connection(('127.0.0.1', 80))\n"),
        "raised PermissionError",
    ),
    "starts": (answers.case("starts", before="    import subprocess\n    subprocess.run(['ls'])\n"), "raised"),
    "exits": (answers.case("exits", before="    import os\n    os._exit(3)\n"), "ended its process twice"),
    "floods": (answers.case("floods", before="    print('x' * 5_000_000)\n"), "printed more than the limit"),
    "constant": (answers.case("constant", "x * 0 + 1", "1.0f"), "a kernel that writes ones passes"),
    "same_input": (answers.case("same_input", "x * 1", "value"), "passes"),
    "no_kernel": (answers.case("no_kernel").replace("void no_kernel(", "void other("), "contract"),
    "broken": (answers.case("broken", kernel="value +"), "does not compile"),
    "hangs": (answers.case("hangs", kernel="0; while (true) { }"), "its own solution fails"),
    "stray": (answers.case("stray", kernel="value * 2.0f; out[i + 1000000] = 1.0f"), "fails memory: line 2"),
    "loose": (answers.case("loose", head="tolerance: {rtol: 1, atol: 100}\n"), "self-check"),
}
"""By name: the case, and a part of the reason."""


def run(names: list[str], cases: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(proving, "LIMITS", replace(proving.LIMITS, seconds=6.0))
    monkeypatch.setattr(proving, "CALL_SECONDS", 2.0)
    made = {**answers.good(names), **{f"case-{name}": text for name, text in cases.items()}}
    answers.write(Path("talk"), made)
    arguments = ["new", answers.TASK, f"--cases={len(names)}", "--attempts=1", "--json", "--teacher=files:talk"]
    result = CliRunner().invoke(main, [*arguments, "--device=cpu"])
    found: dict[str, object] = json.loads(result.stdout)
    return found


def test_a_right_case_is_kept_and_a_wrong_one_an_intruder_and_a_duplicate_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    again = answers.case("again", "y + y", "value + value", argument="y", task="Add `y` to itself.")
    cases = {"wrong": answers.case("wrong", "x + 4", "value + 4.5f"), "reads": READS, "again": again}
    found = run(["twice", *cases], cases, tmp_path, monkeypatch)
    assert [one["name"] for one in found["cases"]] == ["twice"]  # type: ignore[attr-defined, index]
    left_out = found["left_out"]
    assert "its own solution fails correct[float32]" in left_out["case-wrong"]  # type: ignore[index]
    assert "No such file or directory: '/etc/passwd'" in left_out["case-reads"]  # type: ignore[index]
    assert "the same operator as case 'twice'" in left_out["case-again"]  # type: ignore[index]


@pytest.mark.full
@pytest.mark.parametrize("turns", [("skill", "case-again", "case-twice"), ("case-again", "case-twice", "skill")])
def test_the_later_case_of_the_plan_is_withdrawn_if_it_was_proven_first(turns: tuple[str, ...], tmp_path: Path) -> None:
    again = answers.case("again", "y + y", "value + value", argument="y", task="Add `y` to itself.")
    result, _ = written(
        {"case-again": again},
        turns,
        tmp_path,
        1,
        ("twice", "again"),
        lambda skill: proving.Prover(choose("cpu"), skill),
    )
    assert result.kept == ["twice"] and "the same operator as case 'twice'" in result.left_out["case-again"]
    assert {path.stem for path in tmp_path.rglob("evals/*.md")} == {"twice"}


@pytest.mark.full
@pytest.mark.parametrize("contract", ["function", "kernel-builder"])
def test_the_example_of_another_contract_is_proven(
    contract: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(proving, "CALL_SECONDS", 5.0)
    example = teaching_of(contract).example.replace("examples: 15", "examples: 3")
    made = {**answers.good(["scale_rows"]), "case-scale_rows": f"~~~~~~markdown\n{example}~~~~~~\n"}
    answers.write(Path("talk"), made)
    arguments = ["new", answers.TASK, "--cases=1", "--attempts=1", "--teacher=files:talk", f"--contract={contract}"]
    result = CliRunner().invoke(main, [*arguments, "--device=cpu"])
    assert result.exit_code == 0, result.output
    assert "case-scale_rows: kept" in result.stderr


@pytest.mark.full
def test_every_kind_of_bad_case_goes_back_with_its_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loops = answers.case("loops", before="    while True:\n        pass\n")
    cases = {name: text for name, (text, _) in BAD.items()} | {"loops": loops}
    found = run([*cases, "twice"], cases, tmp_path, monkeypatch)
    assert [one["name"] for one in found["cases"]] == ["twice"]  # type: ignore[attr-defined, index]
    left_out: dict[str, str] = found["left_out"]  # type: ignore[assignment]
    reasons = {name: reason for name, (_, reason) in BAD.items()} | {"loops": "did not finish within 6 s"}
    wrong = {
        name: left_out[f"case-{name}"] for name, reason in reasons.items() if reason not in left_out[f"case-{name}"]
    }
    assert wrong == {}
