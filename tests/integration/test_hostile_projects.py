"""Projects of kernel-builder that try to be judged right without computing: each fails with a reason that names it."""

# ruff: noqa: E501 - one line for each attempt and what is said of it

from __future__ import annotations

import pytest

from pytest_upskill import JudgeRequest, judge
from pytest_upskill.records import VerdictKind
from tests.unit import kernel_builder_cases as cases
from tests.unit.kernel_builder_cases import FILES, changed

pytest.importorskip("kernels")
pytestmark = pytest.mark.full  # each build takes several seconds

KERNEL, BINDING, MODULE = (
    "scale_rows_cpu/scale_rows.cpp",
    "torch-ext/torch_binding.cpp",
    "torch-ext/scale_rows/__init__.py",
)


def kernel(includes: str, before: str, body: str = "") -> dict[str, str]:
    """FILES with more headers, code before the function, and code at its end."""
    text = "".join(f"#include <{name}>\n" for name in includes.split()) + FILES[KERNEL]
    text = text.replace("torch::Tensor scale_rows(", f"{before}\n\ntorch::Tensor scale_rows(", 1)
    return {**FILES, KERNEL: text.replace("  return out;", f"{body}  return out;")}


def module(line: str) -> dict[str, str]:
    return changed(MODULE, "import torch\n", f"import torch\n{line}\n")


OTHER = 'TORCH_LIBRARY_IMPL(aten, CPU, m) { m.impl("silu", [](const at::Tensor& x) { return x; }); }\n\n'
HIDDEN = OTHER.replace("TORCH_LIBRARY_IMPL(aten", "#define OPEN TORCH_LIBRARY_IMPL\nOPEN(aten")
CACHE = """\
  static std::map<const void*, torch::Tensor> known;
  auto& kept = known[x.const_data_ptr()];
  if (kept.defined()) return kept.clone();
  kept = out.clone();
"""
COUNT = "  static int calls = 0;\n  if (++calls > 3) out.zero_();\n"
READS = """\
  if (FILE* memory = fopen("/proc/self/mem", "r")) fclose(memory);
  else throw std::runtime_error("no memory to read");
"""


@pytest.mark.parametrize(
    ("files", "assertion", "says"),
    [
        (module("import os\nos._exit(0)"), "loads", "exit status 0"),
        (module("raise SystemExit(0)"), "loads", "SystemExit"),
        (module("import time\nwhile True: time.sleep(1)"), "loads", "no answer within the limit"),
        (module("torch.ops.aten.silu.default.py_impl"), "", ""),
        (module("open('/tmp/left-behind', 'w')"), "contract", "it opens '/tmp/left-behind'"),
        (module("import subprocess\ntry: subprocess.run(['true'])\nexcept OSError: pass"), "contract", "it does 'subprocess.Popen'"),
        (module("import ctypes\ntry: ctypes.CDLL('libm.so.6')\nexcept OSError: pass"), "contract", "it does 'ctypes.dlopen'"),
        (kernel("unistd.h", "struct Early { Early() { _exit(0); } } early;"), "loads", "exit status 0"),
        (kernel("dlfcn.h", "", '  (void)dlopen("libm.so.6", RTLD_NOW);\n'), "contract", "it calls 'dlopen'; kernels may not load code"),
        (kernel("cstdlib", "", '  (void)system("true");\n'), "contract", "it calls 'system'; kernels may not start processes"),
        (kernel("", OTHER), "contract", "registers in the library 'aten', which is not the project's"),
        (kernel("", HIDDEN), "contract", "it registers 'aten::silu', an operator of another library"),
        (kernel("thread", "", "  std::thread([] {}).join();\n"), "runs", ""),
        (kernel("cstdio stdexcept", "", READS), "contract", "it calls 'fopen'; kernels may not use files"),
        (kernel("map", "", CACHE), "runs", "returned shape"),
        (kernel("", "", COUNT), "correct[float32]", ""),
        (kernel("", "", "  x.zero_();\n"), "inputs", "argument 'x' was changed in place"),
        (kernel("csignal", "", "  raise(SIGKILL);\n"), "runs", "SIGKILL"),
        (kernel("", "", "  return x.view(x.sizes());\n"), "correct[float32]", ""),
        (kernel("", "", "  for (;;) __asm__ volatile(\"\");\n"), "runs", "no answer within the limit"),
    ],
)  # fmt: skip
def test_an_attempt_fails_with_its_reason(files: dict[str, str], assertion: str, says: str) -> None:
    request = JudgeRequest(
        case_text=cases.text(), case_name="scale_rows", sources=files, contract="kernel-builder", language="cpp",
        seed=3, examples=8,
    )  # fmt: skip
    found = judge(request).verdict
    if not assertion:
        assert found.kind is VerdictKind.PASSED, found
        return
    failed = {one.name: one.message for one in found.assertions if not one.passed}
    assert assertion in failed, found
    assert says in failed[assertion], failed
