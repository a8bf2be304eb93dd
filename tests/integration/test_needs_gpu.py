"""A kernel that reaches what only a GPU can do is undecided on the cpu device; one that only names it is judged."""

from __future__ import annotations

from tests.integration.conftest import Workbench, fenced, kernel

WGMMA = """#include <cstdint>
static __device__ void multiply(uint64_t tile) {
  float sums[4];
  asm volatile("{ .reg .pred p; setp.ne.b32 p, 1, 0; wgmma.mma_async.sync.aligned.m64n8k16.f32.f16.f16 "
               "{%0, %1, %2, %3}, %4, %4, p, 1, 1, 0, 0; }"
               : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3]) : "l"(tile));
}
"""
GRAPH = "if (n > 1000000) { cudaGraph_t graph; cudaStreamEndCapture(stream, &graph); }"


def with_multiply(text: str, when: str) -> str:
    """The kernel, which calls ``multiply`` first under a condition."""
    return WGMMA + text.replace("const int64_t i", f"if ({when}) multiply(1);\n  const int64_t i", 1)


def with_graph(text: str) -> str:
    """The launcher, with a branch for a CUDA graph that no size of the case takes."""
    before, _, launch = text.rpartition("  ")
    return f"{before}  {GRAPH}\n  {launch}"


def test_what_a_kernel_reaches_is_named_and_what_it_names_decides_nothing(bench: Workbench) -> None:
    bench.answer("scale", "skill", with_multiply(kernel("scale"), "n > 0"))
    bench.answer("shift", "skill", with_graph(with_multiply(kernel("shift", plus=" + 1.0f"), "n > 1000000")))
    blaming = {
        "scale": with_multiply(kernel("scale", limit="n - 1"), "n > 1000000"),
        "shift": with_graph(kernel("shift")),
    }
    for name, text in blaming.items():
        bench.write(f"others/tiny/{name}.skill.md", fenced(text))
    students = ("--upskill-student=files:honest=answers", "--upskill-student=files:blames=others")
    result = bench.run("skills", *students, "--upskill-arms=skill", "-rs")
    result.stdout.fnmatch_lines(["*needs a GPU: wgmma, kernel.cu:4*"])
    result.assert_outcomes(passed=2, skipped=1, failed=2)
