"""The key ``gradients``: a case's gradients as an operator of their own, and an operator's against the reference's.

The builds are Python, as in ``test_torch_extension``.
"""

# ruff: noqa: E501 - one line for each mistake and what is said of it

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pytest_upskill.build.cache import Cache
from pytest_upskill.case_quality.self_check import SelfCheck
from pytest_upskill.cases.case import Case
from pytest_upskill.cases.case_file import parse_case
from pytest_upskill.contracts.kernel_builder.contract import KernelBuilderContract, derive
from pytest_upskill.devices.choose import choose
from pytest_upskill.errors import CaseError
from pytest_upskill.execution.case_gate import subject_of
from pytest_upskill.judging.judge import Prepared, _gradients
from pytest_upskill.judging.signatures import contract_of
from pytest_upskill.languages.torch_extension.executor import ExtensionExecutor
from pytest_upskill.languages.torch_extension.language import TorchExtensionLanguage
from pytest_upskill.oracle.gradients import gradient_case
from pytest_upskill.oracle.reference import Reference
from pytest_upskill.records import Assertion, Build, ResultFacts
from pytest_upskill.sandbox.confinement import strongest
from tests.unit import kernel_builder_cases as cases
from tests.unit.test_torch_extension import LIMITS, MODULE, WorkerServer, plan, server

__all__ = ["server"]

HEAD = cases.HEAD.replace("dtypes: [float32, float64]", "dtypes: [float32]\ngradients: [weight, x]")
HEAD = HEAD.replace("rows: 0..64, cols: 1..256", "rows: 1..8, cols: 1..16")
FACTS = ResultFacts({"out": None}, {"out": ("rows", "cols")})


def case_of(text: str) -> Case:
    return parse_case(text, Path("scale_rows.md"), "scaling")


def gradients_of(case: Case) -> tuple[Case, ResultFacts]:
    return gradient_case(case, [one for one in derive(case, FACTS).layout.tensors if one.role == "output"])


def test_the_gradients_of_a_case_are_a_case() -> None:
    made, facts = gradients_of(case_of(cases.text(HEAD)))
    assert made.op is not None
    assert made.op.text == (
        "scale_rows_gradients(Tensor x, Tensor weight, float factor, Tensor grad_out) -> (Tensor grad_weight, Tensor grad_x)"
    )
    assert facts.shapes == {"grad_weight": ("rows",), "grad_x": ("rows", "cols")}
    x, weight, out = torch.rand(2, 3), torch.rand(2), torch.rand(2, 3)
    arguments = {"x": x, "weight": weight, "factor": 3.0, "grad_out": out}
    found = Reference(made).run(arguments, {"rows": 2, "cols": 3}, torch.float32, "")
    torch.testing.assert_close(found["grad_x"], out * weight[:, None] * 3.0)
    torch.testing.assert_close(found["grad_weight"], (out * x * 3.0).sum(1))


def test_one_gradient_is_one_result() -> None:
    made, facts = gradients_of(case_of(cases.text(HEAD.replace("[weight, x]", "[x]"))))
    assert made.op is not None
    assert made.op.text.endswith(" -> Tensor grad_x")
    assert facts.shapes == {"grad_x": ("rows", "cols")}
    arguments = {"x": torch.rand(2, 3), "weight": torch.rand(2), "factor": 3.0, "grad_out": torch.ones(2, 3)}
    found = Reference(made).run(arguments, {"rows": 2, "cols": 3}, torch.float32, "")
    torch.testing.assert_close(found["grad_x"], (arguments["weight"][:, None] * 3.0).expand(2, 3))  # type: ignore[index]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("gradients: [weight, x]", "gradients: [weights]", "'gradients' names 'weights', no tensor of 'op'; did you mean 'weight'?"),
        ("gradients: [weight, x]", "gradients: [x, x]", "'gradients' holds 'x' twice; keep one"),
        ("  x: [rows, cols]", "  x: {shape: [rows, cols], dtype: int64}", "'gradients' names 'x', whose dtype has no gradients"),
    ],
)  # fmt: skip
def test_what_has_no_gradients(old: str, new: str, says: str) -> None:
    with pytest.raises(CaseError) as raised:
        case_of(cases.text(HEAD).replace(old, new))
    assert says in str(raised.value)


def test_other_contracts_have_no_gradients() -> None:
    case = replace(case_of(cases.text(HEAD)), contract="launcher", language="cuda")
    with pytest.raises(CaseError, match="'gradients' has no meaning in contract 'launcher'"):
        contract_of(case)


def test_a_result_of_unknown_shape_has_no_gradients() -> None:
    with pytest.raises(CaseError, match="'gradients' needs the shape of 'out'"):
        gradient_case(
            case_of(cases.text(HEAD)), derive(case_of(cases.text(HEAD)), ResultFacts({"out": None}, {})).results
        )


def test_only_a_case_with_the_key_asks_for_gradients() -> None:
    contract, plain = KernelBuilderContract(), case_of(cases.text())
    without = contract.user_text(plain, derive(plain, FACTS))
    asked = contract.user_text(replace(plain, gradients=("x",)), derive(plain, FACTS))
    assert "differentiable" not in without
    assert "differentiable with respect to `x`: with `torch.library.register_autograd`" in asked
    assert "gradients" not in json.loads(derive(plain, FACTS).entry)


BACKWARD = """\
import torch

from ._ops import add_op_namespace_prefix, ops


def keep(ctx, inputs, output):
    ctx.save_for_backward(inputs[0], inputs[1])
    ctx.factor = inputs[2]


def backward(ctx, out):
    x, weight = ctx.saved_tensors
    return out * weight[:, None] * ctx.factor, {weight}, None


torch.library.register_autograd(add_op_namespace_prefix("scale_rows"), backward, setup_context=keep)


def scale_rows(x, weight, factor):
    return ops.scale_rows(x, weight, factor)
"""
RIGHT = "(out * x).sum(1) * ctx.factor"


def differentiable(folder: Path, module: str) -> Path:
    """The plan of a build whose gradients are asked for."""
    path = plan(folder, module=module)
    whole = json.loads(path.read_text())
    whole["entry"]["gradients"] = ["weight", "x"]
    path.write_text(json.dumps(whole))
    return path


@pytest.fixture
def judged(server: WorkerServer, tmp_path: Path) -> Iterator[object]:
    case = case_of(cases.text(HEAD))

    def assertion(module: str) -> Assertion:
        path = differentiable(tmp_path, module)
        prepared = Prepared(case, None, derive(case, FACTS), None, None)  # type: ignore[arg-type]
        with ExtensionExecutor(path, server, LIMITS, filtered=strongest().filtered) as executor:
            return _gradients(prepared, executor, 1, wanted=True)

    return iter([assertion])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "says"),
    [
        (BACKWARD.format(weight=RIGHT), ""),
        (BACKWARD.format(weight="(out * x).sum(1)"), "grad_weight"),
        (BACKWARD.format(weight="None"), "no gradient of 'weight'"),
        (MODULE, "without gradients; register them with torch.library.register_autograd"),
    ],
)
def test_the_gradients_of_an_operator_are_those_of_the_reference(
    judged: Iterator[object], module: str, says: str
) -> None:
    found = next(judged)(module)  # type: ignore[operator]
    assert found.passed == (not says), found
    assert says in found.message


WITHOUT_TORCH = BACKWARD.replace("import torch", "import ctypes\n\nimport torch").replace(
    "    return out * weight[:, None] * ctx.factor, {weight}, None",
    """\
    made = torch.empty_like(x), torch.empty_like(weight)
    ones = (x, weight, out.contiguous(), *made)
    x, weight, out, grad_x, grad_weight = ((ctypes.c_float * one.numel()).from_address(one.data_ptr()) for one in ones)
    cols = len(x) // len(weight)
    for row in range(len(weight)):
        places = range(row * cols, row * cols + cols)
        grad_weight[row] = sum(out[place] * x[place] for place in places) * {factor}
        for place in places:
            grad_x[place] = out[place] * weight[row] * ctx.factor
    return *made, None""",
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "assertion", "says"),
    [
        (WITHOUT_TORCH.format(factor="ctx.factor"), "", ""),
        (WITHOUT_TORCH.format(factor="2"), "gradients", "grad_weight"),
        (BACKWARD.format(weight=RIGHT), "contract", "it calls the operator 'aten::mul' of torch, which computes"),
    ],
)
def test_the_self_check_judges_the_gradients_of_a_solution(
    server: WorkerServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, assertion: str, says: str
) -> None:
    path = differentiable(tmp_path, module)
    monkeypatch.setattr(TorchExtensionLanguage, "build", lambda *ignored, **also: Build(path))
    monkeypatch.setattr(TorchExtensionLanguage, "server", lambda *ignored: server)
    case, machine = replace(case_of(cases.text(HEAD)), trusted=True), choose("cpu")
    found = SelfCheck(lambda _: machine, 60.0, Cache(tmp_path / "cache")).quality(subject_of(case)).problem
    assert (found is None) == (not assertion), found
    assert found is None or (assertion in found and says in found)
