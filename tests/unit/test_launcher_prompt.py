import dataclasses

import pytest

from pytest_upskill.cases.case import Case, Choices, Dim, Expectation, Range, ScalarSpec, TensorSpec
from pytest_upskill.cases.operator_schema import parse_operator
from pytest_upskill.contracts.launcher.signature import declaration, derive
from pytest_upskill.documents.expression import parse
from pytest_upskill.errors import CaseError
from pytest_upskill.execution.prompt_rendering import build_prompt

GUIDANCE = "Use $shared memory. ${This} costs $5.\n"


@pytest.fixture
def case(tmp_path):
    return Case(
        "rms_norm",
        "skill",
        tmp_path / "rms_norm.md",
        "Normalise each row of `x`; it costs $3.",
        parse_operator("rms_norm(Tensor(a!) x, Tensor weight, float eps, int groups, bool causal) -> Tensor", ()),
        dims=(
            Dim("rows", Range(parse(0), parse(512))),
            Dim("cols", Range(parse(1), parse("2 * rows"))),
            Dim("heads", Choices((2, 4))),
            Dim("width", Choices((64,))),
        ),
        where=(parse("cols % heads == 0"), parse("cols > 1")),
        arguments=(
            TensorSpec("x", (parse("rows"), parse("cols + 1"))),
            TensorSpec("weight", (parse("cols"),), values=Range(parse(0), parse(3))),
            ScalarSpec("eps", "float", Range(parse("1.0e-6"), parse("1.0e-3"))),
            ScalarSpec("groups", "int", Choices((1, 2))),
            ScalarSpec("causal", "bool", Choices((True,))),
        ),
        dtypes=("float32", "float16", "bfloat16"),
    )


def user_text(case, **changes):
    case = dataclasses.replace(case, **changes)
    return build_prompt(case, derive(case, {"out": None}), None).user


def test_the_task_and_the_exact_declaration_are_in_the_prompt(case):
    text = user_text(case)
    assert text.startswith("Normalise each row of `x`; it costs $3.\n")
    assert f"```cuda\n{declaration(derive(case, {}))}\n```\n" in text


@pytest.mark.parametrize(
    "piece",
    [
        "`scalar_t` is called with `float`, `__half` and `__nv_bfloat16`.",
        "`x`: shape [rows, cols + 1], read and written in place. Values: finite.",
        "`weight`: shape [cols], only read. Values: 0 to 3.",
        "`eps`: 1.0e-6 to 1.0e-3.",
        "`groups`: one of 1, 2.",
        "`causal`: always true.",
        "`rows`: a size, 0 to 512; it may be 0.",
        "`cols`: a size, 1 to 2 * rows; it is never 0.",
        "`heads`: a size, one of 2, 4.",
        "`width`: a size, always 64.",
        "`cols % heads == 0`; `cols > 1`",
        "contiguous, row-major device memory",
        "aligned to 16 bytes; rows need not be",
        "`cuda_runtime.h`, `cuda_fp16.h`, `cuda_bf16.h`, `cooperative_groups.h` and the C++17 standard library",
        "do not overlap",
        "without fast-math",
        "outputs are not initialised",
        "The same input must give the same bits each time.",
        "All work goes to `stream`, without synchronising.",
        "`cudaMallocAsync` and several launches are allowed",
        "Accumulate inputs of low precision in float, unless the task says otherwise.",
        "Answer with one fenced ```cuda block",
    ],
)
def test_the_prompt_says_what_a_kernel_may_rely_on(case, piece):
    assert piece in user_text(case)


def test_a_case_may_allow_float_atomics_and_empty_tensors(case):
    assert "Float atomics are allowed" in user_text(case, atomics=True)
    assert "The same input must give" not in user_text(case, atomics=True)
    assert "`cols`: a size, 1 to 2 * rows, or 0." in user_text(case, zero=True)


def test_sizes_at_which_a_kernel_is_timed_are_told_where_they_exceed_the_range(case):
    text = user_text(case, speed={"rows": 8192, "cols": 7, "heads": 8, "width": 64})
    assert "`rows`: a size, 0 to 512, or 8192; it may be 0." in text
    assert "`heads`: a size, one of 2, 4, 8." in text


def test_one_dtype_and_no_conditions_leave_no_gap(case):
    text = user_text(case, dtypes=("float32",), where=())
    assert "scalar_t" not in text
    assert "conditions" not in text
    assert "\n\n\n" not in text


def test_guidance_is_added_to_the_system_text_and_changes_nothing_else(case):
    signature = derive(case, {})
    baseline, skill = (build_prompt(case, signature, text) for text in (None, GUIDANCE))
    placebo = build_prompt(case, signature, "Gardening.")
    assert baseline.user == skill.user == placebo.user
    assert skill.system.startswith(baseline.system)
    assert GUIDANCE.strip() in skill.system
    assert skill.system.replace(GUIDANCE.strip(), "Gardening.") == placebo.system


def test_no_guidance_leaves_no_trace_of_any(case):
    system = build_prompt(case, derive(case, {}), None).system
    assert system.strip().count("\n") == 0
    assert "$" not in system


def test_a_text_case_is_asked_with_its_task_alone(tmp_path):
    case = Case("why", "skill", tmp_path, "Why $1?", None, expect=Expectation(("x",)))
    assert build_prompt(case, None, None) == dataclasses.replace(build_prompt(case, None, GUIDANCE), system="")
    assert build_prompt(case, None, GUIDANCE).system == GUIDANCE
    assert build_prompt(case, None, None).user == "Why $1?\n"


def test_a_contract_that_is_not_known_is_an_error_of_the_case(case):
    project = dataclasses.replace(case, contract="wheel")
    with pytest.raises(CaseError, match="contract 'wheel' is not known"):
        build_prompt(project, derive(project, {}), None)
