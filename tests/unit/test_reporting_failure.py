"""A failing item on one screen, as whole texts."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from typing import Any

import pytest

from pytest_upskill.execution.outcome import with_source
from pytest_upskill.languages.cuda.language import CudaLanguage
from pytest_upskill.records import Assertion, Counterexample, Outcome, Verdict, VerdictKind, WorstElement
from pytest_upskill.reporting.failure import SCREEN, failure_lines, one_line
from pytest_upskill.reporting.text_style import measure
from tests.unit.reporting_outcomes import SOURCE, counterexample, outcome, spec

REPLAY = (
    "pytest 'skills/cuda-kernels/SKILL.md::rms_norm[glm-4.7-skill]'"
    " --upskill-student=files:glm-4.7=.upskill/replies/glm-4.7"
    " --upskill-seed=7 --upskill-example='rows=1 cols=33 dtype=float16 seed=7'"
)
UNTRIED = {"runs": "not tried: it does not compile", "memory": "not tried: it does not compile"}


def shown(item: Outcome, **more: Any) -> str:
    return "\n".join(failure_lines(item, **more)) + "\n"


def wrong_tail(found: Counterexample | None = None, **more: Any) -> Outcome:
    failed = {"correct[float16]": "1 of 33 elements is off", "memory": "reads x[33]", "inputs": "not tried: x"}
    return outcome(failed=failed, counterexample=found or counterexample(), source=SOURCE, replay=REPLAY, **more)


def not_compiled() -> Outcome:
    message = """kernel.cu: In function 'void rms_norm(scalar_t*, const scalar_t*)':
kernel.cu:12:25: error: 'rsqrtff' was not declared in this scope; did you mean 'rsqrtf'?
   12 |     const float scale = rsqrtff(sum / cols + eps);
      |                         ^~~~~~~
      |                         rsqrtf
kernel.cu:12:25: error: 'rsqrtff' was not declared in this scope; did you mean 'rsqrtf'?
""" + "\n".join(f"kernel.cu:{line}:5: error: expected ';'" for line in range(13, 18))
    return outcome(failed={"compiles": message, **UNTRIED}, source=SOURCE, replay=REPLAY)


def no_contract() -> Outcome:
    message = """no block defines the function asked for
expected:
  template <typename scalar_t>
  void rms_norm(scalar_t* out, const scalar_t* x, const scalar_t* weight,
                float eps, int64_t rows, int64_t cols, cudaStream_t stream);
found:
  void rmsnorm(float* out)"""
    return outcome(failed={"contract": message, "compiles": "not tried: no kernel"})


WRONG_TAIL = """\
rms_norm · glm-4.7 · with skill                                     cuda-kernels
✗ correct[float16]  1 of 33 elements is off

  example   rows=1 cols=33 dtype=float16 seed=7
  worst     out[0, 32]
  expected  0.53125
  got       nan
  error     nan, where 0.0011 is allowed

  kernel.cu:14, where y is written
    12 │     const float scale = rsqrtf(sum / cols + eps);
    13 │     for (int i = threadIdx.x; i < cols / 32 * 32; i += 32) {
  ▶ 14 │         y[row * cols + i] =
       │         static_cast<scalar_t>(static_cast<float>(x[row * cols + i]) *
       │         scale * float(w[i]));
    15 │     }
    16 │ }

  also failed: memory
  not tried: inputs
  replay: pytest 'skills/cuda-kernels/SKILL.md::rms_norm[glm-4.7-skill]' \\
          --upskill-student=files:glm-4.7=.upskill/replies/glm-4.7 \\
          --upskill-seed=7 \\
          --upskill-example='rows=1 cols=33 dtype=float16 seed=7'
"""

NOT_COMPILED = """\
rms_norm · glm-4.7 · with skill                                     cuda-kernels
✗ compiles
  kernel.cu:12:25: error: 'rsqrtff' was not declared in this scope; did you mean
  'rsqrtf'?
  kernel.cu:13:5: error: expected ';'
  kernel.cu:14:5: error: expected ';'
  … and 3 more errors

  kernel.cu:12
     9 │     sum += v * v;
    10 │ }
    11 │ for (int offset = 16; offset > 0; offset /= 2) sum +=
       │ __shfl_xor_sync(0xffffffff, sum, offset);
  ▶ 12 │ const float scale = rsqrtf(sum / cols + eps);
    13 │ for (int i = threadIdx.x; i < cols / 32 * 32; i += 32) {
    14 │     y[row * cols + i] = static_cast<scalar_t>(static_cast<float>(x[row
       │     * cols + i]) * scale * float(w[i]));
    15 │ }

  not tried: runs, memory
  replay: pytest 'skills/cuda-kernels/SKILL.md::rms_norm[glm-4.7-skill]' \\
          --upskill-student=files:glm-4.7=.upskill/replies/glm-4.7 \\
          --upskill-seed=7 \\
          --upskill-example='rows=1 cols=33 dtype=float16 seed=7'
"""

NO_CONTRACT = """\
rms_norm · glm-4.7 · with skill                                     cuda-kernels
✗ contract
  no block defines the function asked for
  expected:
    template <typename scalar_t>
    void rms_norm(scalar_t* out, const scalar_t* x, const scalar_t* weight,
                  float eps, int64_t rows, int64_t cols, cudaStream_t stream);
  found:
    void rmsnorm(float* out)

  not tried: compiles
"""


def test_a_wrong_element_is_shown_with_its_input_and_its_line() -> None:
    assert shown(wrong_tail()) == WRONG_TAIL


def test_a_compiler_is_quoted_with_its_first_errors_and_our_own_view_of_the_line() -> None:
    assert shown(not_compiled()) == NOT_COMPILED


def test_a_broken_contract_shows_what_was_asked_and_what_was_found() -> None:
    assert shown(no_contract()) == NO_CONTRACT


def test_a_missing_reply_shows_no_source() -> None:
    text = shown(outcome(failed={"reply": "the reply holds no fenced block"}, source=SOURCE))
    assert "✗ reply  the reply holds no fenced block\n" in text
    assert "kernel.cu" not in text


def test_a_known_line_is_the_one_that_is_marked() -> None:
    found = counterexample("memory", line=8, worst=None)
    text = shown(outcome(failed={"memory": "reads x[33]"}, counterexample=found, source=SOURCE))
    assert "kernel.cu:8\n" in text
    assert re.search(r"▶ +8 │ +const float v", text)


def test_a_line_in_the_message_is_found() -> None:
    text = shown(outcome(failed={"memory": "reads x[33] (kernel.cu:9)"}, source=SOURCE))
    assert re.search(r"▶ +9 │ +sum \+= v \* v;", text)


def test_a_line_that_the_kernel_does_not_have_is_not_believed() -> None:
    text = shown(outcome(failed={"runs": "crashed at kernel.cu:900"}, source=SOURCE))
    assert "kernel.cu:14, where y is written" in text


def test_the_ratio_to_the_bound_is_said() -> None:
    worst = WorstElement("out", (3,), "1", "1.5", "0.5", "0.001")
    text = shown(outcome(failed={"correct[float16]": "off"}, counterexample=counterexample(worst=worst)))
    assert "  worst     out[3]\n  expected  1\n  got       1.5\n" in text
    assert "  error     0.5, where 0.001 is allowed: 500 times the bound\n" in text


@pytest.mark.parametrize("bound", ["0", "nan", "exact"])
def test_a_bound_that_cannot_divide_is_shown_alone(bound: str) -> None:
    worst = WorstElement("out", (2, 1), "1", "inf", "inf", bound)
    text = shown(outcome(failed={"correct[float16]": "off"}, counterexample=counterexample(worst=worst)))
    assert "out[2, 1]" in text
    assert f"error     inf, where {bound} is allowed\n" in text


def test_what_is_shown_below_is_not_said_twice() -> None:
    message = "1 of 33 elements of 'out' is wrong (the last column); the worst is out[0, 32]: expected 0.53, got nan"
    text = shown(outcome(failed={"correct[float16]": message}, counterexample=counterexample()))
    assert "1 of 33 elements of 'out' is wrong (the last column)\n" in text
    assert "the worst is" not in text


def test_numbers_that_are_texts_have_a_ratio_and_what_is_missing_is_left_out() -> None:
    worst = WorstElement("loss", (), "1.5", "None", "0.5", "0.25")
    text = shown(outcome(failed={"correct[float16]": "off"}, counterexample=counterexample(worst=worst)))
    assert "  worst     loss\n  expected  1.5\n  error     0.5, where 0.25 is allowed: 2 times the bound\n" in text
    assert "got" not in text and "None" not in text


def out_of_bounds(**more: Any) -> Outcome:
    """A finding of the device, and the wrong values that it explains."""
    finding = "kernel.cu:8: out-of-bounds read of 2 bytes: element 33 of 'x'"
    failed = {"correct[float16]": "1 of 33 elements is off", "memory": finding}
    found = counterexample("memory", message=finding, line=8, **more)
    return outcome(failed=failed, counterexample=found, source=SOURCE, replay=REPLAY)


def test_a_finding_that_explains_wrong_values_comes_first_with_its_line_and_the_values_beside() -> None:
    assert shown(out_of_bounds()).startswith("""\
rms_norm · glm-4.7 · with skill                                     cuda-kernels
✗ memory  kernel.cu:8: out-of-bounds read of 2 bytes: element 33 of 'x'

  example   rows=1 cols=33 dtype=float16 seed=7
  wrong     out[0, 32] is nan, expected 0.53125

  kernel.cu:8
""")
    text = shown(out_of_bounds())
    assert re.search(r"▶ +8 │ +const float v", text) and "  also failed: correct[float16]\n  replay: pytest" in text


def test_wrong_values_of_another_example_are_shown_with_their_assertion() -> None:
    text = shown(out_of_bounds(worst=None))
    assert "  wrong     on another example, correct[float16]: 1 of 33 elements is off\n" in text
    item = out_of_bounds(worst=None)
    wrong = "2 of 40 elements of 'out' are wrong; the worst is out[3]: expected 1, got 2"
    assertions = [replace(one, message=wrong) if one.name == "correct[float16]" else one
                  for one in item.verdict.assertions]  # fmt: skip
    item = replace(item, verdict=replace(item.verdict, assertions=tuple(assertions)))
    assert "  wrong     on another example, correct[float16]: out[3]: expected 1, got 2\n" in shown(item)


def test_a_finding_without_wrong_values_says_nothing_of_them() -> None:
    found = counterexample("memory", line=8, worst=None)
    assert "wrong " not in shown(outcome(failed={"memory": "reads x[33]"}, counterexample=found, source=SOURCE))


@pytest.mark.parametrize("width", [60, 80, 140])
def test_values_of_small_inputs_are_shown_whole(width: int) -> None:
    inputs = {"x": "[[0.5, -1.25]]", "weight": f"[{', '.join(['-0.333333'] * 14)}]"}
    text = shown(wrong_tail(found=counterexample(inputs=inputs)), width=width)
    assert "  inputs    x = [[0.5, -1.25]]\n            weight = [-0.333333, -0.333333, " in text
    assert text.count("-0.333333") == 14
    assert "inputs    " not in shown(wrong_tail(), width=width)


def test_a_replay_command_that_the_terminal_breaks_leaves_room_for_the_source() -> None:
    long = REPLAY.replace("rows=1 cols=33", "rows=1 cols=33 " + " ".join(f"scale_{n}=0.33333334" for n in range(9)))
    item = outcome(failed={"correct[float16]": "m " * 300}, source=SOURCE, replay=long,
                   counterexample=counterexample(inputs=dict.fromkeys("abcdefgh", "[1]")))  # fmt: skip
    lines = list(failure_lines(item))
    assert sum(-(-measure(line) // 80) for line in lines) <= SCREEN
    assert any("▶" in line for line in lines)


def test_what_did_not_come_back_is_said() -> None:
    found = counterexample(reproducible=False)
    text = shown(outcome(failed={"correct[float16]": "1 element is off"}, counterexample=found))
    assert "  again     not reproducible: the same input passed when run again; the kernel\n" in text


def test_an_invalid_skill_shows_its_reason() -> None:
    text = shown(spec(reason="SKILL.md:3: name 'CUDA' has capital letters"))
    assert "✗ failed  SKILL.md:3: name 'CUDA' has capital letters\n" in text
    assert text.startswith("spec ")


def test_the_replay_command_is_one_command_for_a_shell() -> None:
    text = shown(wrong_tail())
    command = text[text.index("replay:") + len("replay:") :]
    assert shlex.split(command.replace(chr(92) + "\n", "")) == shlex.split(REPLAY)


LONG: dict[str, dict[str, Any]] = {
    "message": {"failed": {"memory": "element 5 of 'x' " * 30}},
    "assertions": {"failed": {"reply": "none", **dict.fromkeys(("runs", "memory", "correct[float32]"), "not tried")}},
    "note": {"failed": {"memory": "bad"}, "notes": ("the reply was cut off; " * 8, "not executed: kernel.cu:41 " * 4)},
    "names": {
        "failed": {"memory": "bad"},
        "case": "fused_" * 9 + "norm",
        "student": "a-model-of-a-size-" * 4,
        "skill": "cuda-kernels-" * 5,
    },
    "source": {"failed": {"memory": "kernel.cu:1: bad"}, "source": "float a = f(" + "x, " * 50 + "0);\nint b = 1;\n"},
    "assertion": {"failed": {}, "verdict_of": "matches[" + "(shared|global) memory.*" * 5 + "]"},
}
"""By kind: a text that takes several lines at any of the widths."""


@pytest.mark.parametrize("kind", LONG)
@pytest.mark.parametrize("width", [60, 80, 140])
def test_what_can_be_wrapped_is_not_cut(kind: str, width: int) -> None:
    more: dict[str, Any] = {**LONG[kind]}
    name = more.pop("verdict_of", "")
    item = outcome(**more)
    if name:
        item = replace(item, verdict=Verdict(VerdictKind.FAILED, None, (Assertion(name, False, "nothing matches"),)))
    lines = failure_lines(item, width=width)
    assert max(map(measure, lines)) <= width and len(lines) <= SCREEN
    flat = "".join("".join(lines).replace("│", "").split())
    texts = [name, *more["failed"], *more["failed"].values(), *more.get("notes", ()), more.get("case", ""),
             more.get("student", ""), more.get("skill", ""), *more.get("source", "").splitlines()]  # fmt: skip
    assert "…" not in flat
    assert [text for text in texts if text != "not tried" and "".join(text.split()) not in flat] == []


@pytest.mark.parametrize("unicode", [True, False])
def test_errors_of_a_compiler_that_are_not_shown_are_counted(unicode: bool) -> None:
    text = "\n".join(f"kernel.cu:{line}:5: error: expected ';'" for line in range(1, 6))
    assert ("… and 2 more errors" if unicode else "... and 2 more errors") in shown(
        outcome(failed={"compiles": text}), unicode=unicode
    )
    assert "and 1 more line\n" in shown(outcome(failed={"compiles": "ld: a\nld: b\nld: c\nld: d"}))


def test_the_solution_of_a_case_is_shown_with_the_lines_of_the_case() -> None:
    item = replace(wrong_tail(), source_name="skills/cuda-kernels/evals/rms_norm.md", source_start=31)
    text = shown(item)
    assert "  skills/cuda-kernels/evals/rms_norm.md:44, where y is written\n" in text
    assert re.search(r"▶ 44 │ +y\[row", text) and re.search(r"  43 │ +for", text)


def test_an_assertion_of_a_project_shows_a_line_only_if_it_names_one() -> None:
    item = outcome(failed={}, source=SOURCE)
    for message, expected in (("no comment at all", 0), ("kernel.cu:8: a cast", 1)):
        verdict = Verdict(VerdictKind.FAILED, None, (*item.verdict.assertions, Assertion("style", False, message)))
        text = shown(with_source(replace(item, verdict=verdict), CudaLanguage(), SOURCE))
        assert f"✗ style  {message}" in text
        assert text.count("▶") == expected


def test_the_line_of_an_error_is_shown_not_that_of_its_context() -> None:
    message = "kernel.cu: In instantiation of 'void k(T*) [with T = float]':\nkernel.cu:14:3:   required from here\n" \
              "kernel.cu:6:11: error: 'summ' was not declared"  # fmt: skip
    text = shown(outcome(failed={"compiles": message}, source=SOURCE))
    assert "\n  kernel.cu:6\n" in text and re.search(r"▶ +6 │", text)


ONE_LINE = [
    ("compiles", "kernel.cu: In function 'void f()':\nkernel.cu:12:25: error: 'rsqrtff' was not declared",
     "compiles: 'rsqrtff' was not declared (kernel.cu:12:25)"),
    ("compiles", "kernel.cu:3: fatal error: cub/cub.cuh: No such file or directory",
     "compiles: cub/cub.cuh: No such file or directory (kernel.cu:3)"),
    ("compiles", "ld: cannot find -lcublas", "compiles: ld: cannot find -lcublas"),
    ("memory", "my skills/a b/evals/scale.md:24: out-of-bounds read of 4 bytes",
     "memory: out-of-bounds read of 4 bytes (my skills/a b/evals/scale.md:24)"),
    ("contract", "the only fenced block does not define 'f'; asked for:\n  void f(float* out)",
     "contract: the only fenced block does not define 'f'"),
    ("runs", "still\x1b[2J running: 3:4", "runs: still running: 3:4"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "message", "line"), ONE_LINE)
def test_in_one_line_the_reason_comes_before_its_place(name: str, message: str, line: str) -> None:
    verdict = Verdict(VerdictKind.FAILED, None, (Assertion(name, False, message),))
    assert one_line(replace(outcome(), verdict=verdict)) == line


def test_a_reason_without_an_assertion_is_one_line_too() -> None:
    assert one_line(spec(reason="a/SKILL.md:3: name 'CUDA' has capital letters\nb")) == (
        "name 'CUDA' has capital letters (a/SKILL.md:3)"
    )
    assert one_line(outcome(kind=VerdictKind.INFRASTRUCTURE_ERROR)) == "infrastructure-error"


def crowded() -> Outcome:
    """Everything at once, and all of it long."""
    failed = {"correct[float16]": "word " * 200, "memory": "m " * 90, "deterministic": "d", "inputs": "not tried"}
    worst = WorstElement("o " * 90, (1,) * 90, "e " * 90, "g " * 90, "x " * 90, "b " * 90)
    found = counterexample(reproducible=False, worst=worst, inputs=dict.fromkeys("abcdefgh", "[1, 2] " * 40))
    source = "\n".join("\t" * 9 + f"line_{number}(" + "x, " * 60 for number in range(2000))
    return outcome("c" * 90, "s" * 90, failed=failed, counterexample=found, source=f"{source}\n{SOURCE}",
                   replay=REPLAY, notes=("cut off " * 30,), trial=3)  # fmt: skip


@pytest.mark.parametrize("make", [wrong_tail, out_of_bounds, not_compiled, no_contract, crowded])
@pytest.mark.parametrize("width", [72, 80, 120])
@pytest.mark.parametrize("unicode", [True, False])
def test_a_failure_fits_on_a_screen(make: Any, width: int, unicode: bool) -> None:
    lines = list(failure_lines(make(), width=width, unicode=unicode))
    assert max(map(measure, lines)) <= width
    assert unicode or all(map(str.isascii, lines))
    assert len(lines) <= SCREEN


@pytest.mark.parametrize("make", [wrong_tail, not_compiled, no_contract])
def test_colour_changes_no_letter(make: Any) -> None:
    coloured = shown(make(), color=True)
    assert "\x1b[31;1m✗ " in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == shown(make())


def test_what_a_model_wrote_cannot_steer_the_terminal() -> None:
    evil = "__global__ void k(float* y) { y[0] = 1; /* \x1b[2J\x1b]0;owned\x07 \u202e */ }"
    text = shown(outcome(failed={"memory": "bad \x1b[1A\r\x9b2J"}, source=evil, replay="pytest \x1b[2J"))
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
