"""A kernel that only a GPU can judge is undecided on the cpu device: never wrong, and told why."""

from __future__ import annotations

from tests.integration.conftest import Workbench, kernel

WGMMA = '__device__ void fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }\n'


def test_a_kernel_that_needs_a_gpu_is_inconclusive_and_named_with_its_line(bench: Workbench) -> None:
    bench.answer("scale", "skill", f"\n{WGMMA}{kernel('scale')}")
    bench.answer("shift", "skill", kernel("shift", plus=" + 1.0f"))
    result = bench.run("skills", "--upskill-student=files:answers", "-rs")
    assert result.ret == 0
    result.assert_outcomes(passed=2, skipped=1)
    result.stdout.fnmatch_lines(["*needs a GPU: wgmma, kernel.cu:2*"])
