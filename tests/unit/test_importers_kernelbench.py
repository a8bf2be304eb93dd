"""``import-kernelbench``: which sizes of a problem vary, which problems are refused and why, what the cases hold."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pytest_upskill.cases.case import Case, Choices, Named, Range, ScalarSpec
from pytest_upskill.cases.case_file import load_case, parse_case
from pytest_upskill.commands.generate.main import main
from pytest_upskill.generator import proving
from pytest_upskill.importers import kernelbench, sandbox
from pytest_upskill.importers.foreign import Foreign, NotImported
from pytest_upskill.importers.problem_source import read_problem
from pytest_upskill.judging.signatures import contract_of
from pytest_upskill.oracle.prepare import Preparation, Prepared
from pytest_upskill.oracle.reference import smallest_example, various_examples
from pytest_upskill.oracle.shapes import OutputSize
from tests.unit.in_process_sandbox import InProcess, InProcessReferences
from tests.unit.kernelbench_problems import BAD, GOOD, problem
from tests.unit.unproven import Unproven

SKILL = Path("skills/kernelbench")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("problems/level1").mkdir(parents=True)


def in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "Sandbox", InProcess)
    monkeypatch.setattr(proving, "References", InProcessReferences)


def run(*more: str) -> Result:
    return CliRunner().invoke(main, ("import-kernelbench", "problems", *more))


def made(name: str, source: str, folder: Path) -> Case:
    """The case that a problem becomes."""
    path = folder / f"1_{name}.py"
    path.write_text(source, encoding="utf-8")
    (found,) = kernelbench.problems(path)
    text = kernelbench.read(found, name, InProcess(lambda: None))  # type: ignore[arg-type]
    return parse_case(text, folder / f"{name}.md", "kernelbench")


def sizes(case: Case) -> dict[str, str]:
    return {
        one.name: f"{one.sizes.low.text}..{one.sizes.high.text}"
        if isinstance(one.sizes, Range)
        else str(one.sizes.options)
        for one in case.dims
    }


@pytest.mark.parametrize("name", GOOD)
def test_sizes_that_can_vary_become_dims_and_weights_arguments(name: str, tmp_path: Path) -> None:
    source, expected = GOOD[name]
    case = made(name, source, tmp_path)
    assert sizes(case) == expected["dims"]
    shapes = {one.name: ", ".join(size.text for size in one.shape) for one in case.tensors}
    assert shapes == expected["args"]
    assert [one.text for one in case.where] == expected.get("where", [])
    for tensor in case.tensors:
        told = expected.get("values", {}).get(tensor.name)
        found = tensor.values
        if isinstance(found, Range):
            assert f"{found.low.text}..{found.high.text}" == told
        else:
            assert (
                list(found.options) if isinstance(found, Choices) else found.name if isinstance(found, Named) else None
            ) == told


@pytest.mark.parametrize("name", [pytest.param("grouped", marks=pytest.mark.full), "classes"])
def test_the_reference_works_on_the_smallest_sizes_and_on_others(name: str, tmp_path: Path) -> None:
    case = made(name, GOOD[name][0], tmp_path)
    preparation = Preparation(case)
    preparation.layout = contract_of(case).signature(case, preparation.results()).layout
    examples = [smallest_example(case, "float32"), *various_examples(case, "x", 3, OutputSize(), "float32", "normal")]
    assert all(isinstance(preparation.prepare(one), Prepared) for one in examples)


def test_the_result_is_that_of_the_module_with_these_weights(tmp_path: Path) -> None:
    import torch

    case = made("grouped", GOOD["grouped"][0], tmp_path)
    scope: dict[str, Any] = {}
    assert case.reference is not None
    exec(case.reference.source, scope)
    x, weight, bias = torch.randn(2, 8, 5), torch.randn(12, 2, 3), torch.randn(12)
    got = scope["grouped"](x=x, conv_weight=weight, conv_bias=bias, batch=2, channels=8, out_size=12, length=5)
    assert torch.allclose(got, torch.nn.functional.conv1d(x, weight, bias, groups=4), atol=1e-5)


def test_an_input_that_the_module_changes_is_passed_as_a_copy(tmp_path: Path) -> None:
    case = made("in_place", problem("x.mul_(2)", "torch.rand(n, 4)", "n = 32"), tmp_path)
    assert case.reference is not None
    assert "_model(x.clone())" in case.reference.source


def test_a_number_among_the_inputs_is_drawn_around_its_value(tmp_path: Path) -> None:
    (scalar,) = [one for one in made("number", GOOD["number"][0], tmp_path).arguments if isinstance(one, ScalarSpec)]
    assert isinstance(scalar.values, Range)
    assert (scalar.values.low.text, scalar.values.high.text) == ("1.5", "6")


@pytest.mark.parametrize("name", BAD)
def test_a_problem_that_makes_no_case_is_refused_with_the_reason(name: str, tmp_path: Path) -> None:
    with pytest.raises(NotImported) as refused:
        made(name, BAD[name][0], tmp_path)
    assert BAD[name][1] in str(refused.value)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"def get_inputs(:\n", "it is not Python"),
        (b"def get_inputs(): return []\ndef get_init_inputs(): return []\n", "it defines no 'Model'"),
        (b"class Model: pass\n", "it defines no 'get_inputs'"),
        (b"class Model: '\xff'\n", "it is not UTF-8 (byte 14)"),
        ("class Model: '\u202e'\n".encode(), "U+202E"),
        (b"class Model: pass\n" + b"#" * 200_000, "it has more than 150,000 bytes"),
        (b"x = 1\ny = " + b" + ".join([b"x"] * 900) + b"\n", "it nests more than 100 levels in line 2"),
        (b"x = " + b"-" * 5000 + b"1\n", "nested"),
    ],
)
def test_a_broken_file_is_refused_before_anything_runs(data: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "1_x.py"
    path.write_bytes(data)
    with pytest.raises(NotImported) as refused:
        kernelbench.read(Foreign("x", "x", path), "x", None)  # type: ignore[arg-type]
    assert reason in str(refused.value)


def test_what_only_runs_as_a_program_is_left_out() -> None:
    source = 'n = 8\nif __name__ == "__main__":\n    print(1)\nm = 4 * n\n'
    found = read_problem(source)
    assert "print" not in found.code
    assert [(site.name, site.value) for site in found.sites] == [("n", 8)]
    scope: dict[str, Any] = {}
    exec(found.code + found.resize({0: "_n"}, [8]), scope)
    scope["_resize"](5)
    assert (scope["n"], scope["m"]) == (5, 20)


def test_cases_are_written_in_the_order_of_their_numbers_and_the_rest_is_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    in_process(monkeypatch)
    folder = Path("problems/level1")
    (folder / "10_Scan.py").write_text(GOOD["tuple_shape"][0], encoding="utf-8")
    (folder / "2_Matmul_.py").write_text(GOOD["matmul"][0], encoding="utf-8")
    (folder / "3_Zero.py").write_text(BAD["zero"][0], encoding="utf-8")
    (folder / "4_Wide.py").write_text(GOOD["square"][0], encoding="utf-16")
    (folder / "utils.py").write_text("print('no problem')\n", encoding="utf-8")
    done = run("--no-prove")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [
        "skills/kernelbench: 2 new cases",
        "  matmul",
        "  scan",
        f"not imported: level1/3_Zero.py: {_CONSTANT}",
        "not imported: level1/4_Wide.py: it is not UTF-8 (byte 0)",
    ]
    case = load_case(SKILL / "evals/matmul.md", "kernelbench")
    assert not case.trusted  # until it is accepted
    again = run("--no-prove")
    assert "0 new cases, 2 were there" in again.stdout


_CONSTANT = "its result is the same whatever the inputs are, so a kernel that ignores them passes"


def test_cases_that_fail_their_self_check_are_refused_and_unproven_ones_proven_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    in_process(monkeypatch)
    monkeypatch.setattr(proving, "Prover", Unproven)
    monkeypatch.setattr(Unproven, "proven", [])
    bad = GOOD["square"][0].replace("import torch\n", "import torch  # BAD\n", 1)
    Path("problems/1_square.py").write_text(bad, encoding="utf-8")
    Path("problems/2_scan.py").write_text(GOOD["tuple_shape"][0], encoding="utf-8")
    assert run("--no-prove").exit_code == 0
    assert Unproven.proven == []
    found = json.loads(run("--json").stdout)
    assert Unproven.proven == ["square", "scan"]
    assert found["were_there"] == ["scan"]
    assert "fails its self-check" in found["not_imported"]["1_square.py"]
    assert "stays as --no-prove wrote it" in found["not_imported"]["1_square.py"]
    run("--json")
    assert Unproven.proven == ["square", "scan", "square"]  # what is proven is not proven again


TWICE = {
    "1_Twice.py": problem("x * 2", "torch.rand(n, m)", "n = 64\nm = 32"),
    "2_Thrice.py": problem("x * 3", "torch.rand(n, m)", "n = 64\nm = 32"),
    "3_Sum.py": problem("self.k * y", "torch.rand(a, b)", "a = 16\nb = 128", "self.k = 1.0 + 1.0", arguments="y"),
    "4_Scan.py": GOOD["tuple_shape"][0],
}


@pytest.mark.parametrize("proves", [False, True])
def test_a_problem_that_asks_for_the_same_as_another_is_imported_with_a_note(
    monkeypatch: pytest.MonkeyPatch, proves: bool
) -> None:
    in_process(monkeypatch)
    monkeypatch.setattr(proving, "Prover", Unproven)
    for name, source in TWICE.items():
        Path("problems", name).write_text(source, encoding="utf-8")
    options = ["--json"] if proves else ["--json", "--no-prove"]
    done = run(*options)
    assert done.exit_code == 0, (done.output, done.exception)
    found = json.loads(done.stdout)
    assert found["new"] == ["twice", "thrice", "sum", "scan"]
    assert (found["same_as"], found["not_imported"]) == ({"sum": "twice"}, {})
    again = json.loads(run(*options).stdout)
    assert (again["new"], again["were_there"]) == ([], found["new"])
    Path("problems/5_Double.py").write_text(problem("x + x", "torch.rand(n)", "n = 64"), encoding="utf-8")
    assert json.loads(run(*options).stdout)["same_as"] == {"double": "twice"}


@pytest.mark.full
def test_cases_are_compared_in_the_sandbox() -> None:
    for name, source in TWICE.items():
        Path("problems", name).write_text(source, encoding="utf-8")
    found = json.loads(run("--no-prove", "--json").stdout)
    assert (found["new"], found["same_as"]) == (["twice", "thrice", "sum", "scan"], {"sum": "twice"})


def test_a_folder_without_problems_is_a_usage_error() -> None:
    Path("problems/a.py").write_text("x = 1\n", encoding="utf-8")
    done = run()
    assert (done.exit_code, "holds no problem of KernelBench" in done.output) == (2, True)


def test_hostile_code_reaches_nothing_and_does_not_stop_the_others() -> None:
    """In the real sandbox: the problems write a file, end their process, do not end, and print too much."""
    target = Path("written").absolute()
    writes = f"open({str(target)!r}, 'w')\n" + GOOD["square"][0]
    Path("problems/1_writes.py").write_text(writes, encoding="utf-8")
    Path("problems/2_ends.py").write_text("import os\nos._exit(0)\n" + GOOD["square"][0], encoding="utf-8")
    Path("problems/3_square.py").write_text(GOOD["square"][0], encoding="utf-8")
    found = json.loads(run("--no-prove", "--json").stdout)
    assert found["new"] == ["square"]
    assert "Error" in found["not_imported"]["1_writes.py"]
    assert "it ended the process that runs it" in found["not_imported"]["2_ends.py"]
    assert not target.exists()


@pytest.mark.full
def test_imported_problems_pass_the_self_check() -> None:
    for name in ("derived", "classes", "batch_norm", "logarithm"):
        Path(f"problems/{name}.py").write_text(GOOD[name][0], encoding="utf-8")
    found = json.loads(run("--json").stdout)
    assert sorted(found["new"]) == ["batch_norm", "classes", "derived", "logarithm"], found


@pytest.mark.full
def test_a_hundred_problems_take_less_than_a_minute_of_processor_time(monkeypatch: pytest.MonkeyPatch) -> None:
    in_process(monkeypatch)
    sources = [source for source, _ in GOOD.values()] + [source for source, _ in BAD.values()]
    for number in range(100):  # a factor makes them different operators
        source = sources[number % len(sources)].replace("        return ", f"        return {1 + number} * ", 1)
        Path(f"problems/{number}_problem.py").write_text(source, encoding="utf-8")
    began = time.process_time()
    found = json.loads(run("--no-prove", "--json").stdout)
    assert len(found["new"]) + len(found["not_imported"]) == 100
    assert len(found["new"]) > 40
    assert time.process_time() - began < 60
