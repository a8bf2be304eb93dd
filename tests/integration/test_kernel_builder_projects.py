"""Projects of kernel-builder, built and judged: right ones pass, wrong ones fail with the reason that was planned."""

# ruff: noqa: E501 - one line for each mistake and what is said of it

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pytest_upskill import JudgeRequest, JudgeResult, judge
from pytest_upskill.judging.judge import machine_for
from pytest_upskill.languages.torch_extension.language import build_project
from pytest_upskill.records import VerdictKind
from tests.unit import kernel_builder_cases as cases
from tests.unit.kernel_builder_cases import FILES, changed, signature

pytest.importorskip("kernels")
pytestmark = pytest.mark.full  # PyTorch's headers take a minute on first use, each build several seconds

KERNEL, BINDING, MODULE = (
    "scale_rows_cpu/scale_rows.cpp",
    "torch-ext/torch_binding.cpp",
    "torch-ext/scale_rows/__init__.py",
)
STRIDED = (
    '  TORCH_CHECK(x.is_contiguous() && weight.is_contiguous(), "x and weight must be contiguous");\n',
    "from[r * cols + c]",
    "from[r * x.stride(0) + c * x.stride(1)]",
    "weights[r]",
    "weights[r * weight.stride(0)]",
)


def result_of(files: dict[str, str], **options: object) -> JudgeResult:
    request = {"contract": "kernel-builder", "language": "cpp", "seed": 3, "examples": 6, **options}
    return judge(JudgeRequest(case_text=cases.text(), case_name="scale_rows", sources=files, **request))  # type: ignore[arg-type]


def kernel(*replacements: tuple[str, str]) -> dict[str, str]:
    text = FILES[KERNEL]
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    return {**FILES, KERNEL: text}


def by_strides() -> dict[str, str]:
    check, *pairs = STRIDED
    return kernel(
        (check, ""), (pairs[0], pairs[1]), (pairs[2], pairs[3]), ("empty_like(x)", "empty(x.sizes(), x.options())")
    )


def fragments() -> dict[str, str]:
    old = '  ops.impl("scale_rows", torch::kCPU, &scale_rows);\n}'
    new = '}\n\nTORCH_LIBRARY_IMPL_EXPAND(TORCH_EXTENSION_NAME, CPU, m) {\n  m.impl("scale_rows", &scale_rows);\n}'
    return changed(BINDING, old, new)


@pytest.mark.parametrize("files", [FILES, by_strides(), fragments()], ids=["solution", "strides", "fragments"])
def test_right_projects_pass(files: dict[str, str]) -> None:
    found = result_of(files)
    assert found.verdict.kind is VerdictKind.PASSED, found
    names = [one.name for one in found.verdict.assertions]
    assert names == [
        "contract", "compiles", "abi", "loads", "runs", "correct[float32]", "correct[float64]", "memory", "deterministic", "inputs",
        "package", "opcheck", "strides", "empty", "rejects",
    ]  # fmt: skip


CHECKS = "  TORCH_CHECK(x.is_contiguous()"


@pytest.mark.parametrize(
    ("files", "assertion", "says"),
    [
        (kernel((CHECKS, "  (void)(x.is_contiguous()")), "strides", "with tensors that are not contiguous, 'out' has other values"),
        (kernel(("* scale *", "+ scale *")), "correct[float32]", ""),
        (kernel(("c < cols;", "c + 1 < cols;")), "correct[float32]", ""),
        (kernel(("  return out;", "  return out.mul(1.0);")), "contract", "it calls the operator 'mul_Scalar' of torch, which computes"),
        (kernel(("  return out;", '  throw std::runtime_error("no");')), "runs", "no"),
        (kernel(("  return out;", "  _exit(0);"), ("#include", "#include <unistd.h>\n#include")), "contract", "it calls '_exit'; kernels may not end the process"),
        (kernel(("  return out;", "  return x;")), "correct[float32]", ""),
        (kernel(("torch::empty_like(x)", "torch::emptylike(x)")), "compiles", "scale_rows.cpp:8:"),
        (kernel(("double factor) {", "double factor, int) {")), "loads", "undefined symbol"),
        (changed(MODULE, "import torch\n", "import torch\nopen('/usr/bin/env').close()\n"), "contract", "it opens '/usr/bin/env'"),
        (changed(MODULE, "import torch\n", "import torch\nimport socket\nsocket.socket()\n"), "contract", "it does 'socket.__new__'"),
        (kernel(("#include", "#include <Python.h>\n#include"), ("  return out;", "  Py_IsInitialized();\n  return out;")), "", ""),
    ],
)  # fmt: skip
def test_wrong_projects_fail_as_planned(files: dict[str, str], assertion: str, says: str) -> None:
    found = result_of(files)
    first = found.verdict.first_failed
    assert (first.name if first else "") == assertion, found.verdict
    assert says in (first.message if first else "")


def test_kernels_loads_a_build_in_a_fresh_process_without_our_package(tmp_path: Path) -> None:
    machine = machine_for(JudgeRequest("", "", {}, device="cpu"))
    asked = signature()
    variant = build_project(FILES, tmp_path, machine, name=asked.name, schema=asked.schema, backend="cpu")
    assert {"__init__.py", "_ops.py", "metadata.json"} < {file.name for file in variant.iterdir()}
    program = (
        "import sys, torch, kernels, pathlib\n"
        "found = kernels.get_local_kernel(pathlib.Path(sys.argv[1]), backend='cpu')\n"
        "print(found.scale_rows(torch.ones(1, 2), torch.ones(1), 3.0).tolist(), 'pytest_upskill' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.stdout == "[[3.0, 3.0]] False\n", done.stderr
