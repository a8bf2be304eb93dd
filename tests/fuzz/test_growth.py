"""Long sources of one repeated piece are parsed in linear time, not quadratic."""

from __future__ import annotations

import contextlib

import pytest

from pytest_upskill.contracts.launcher.contract import MAX_KERNEL, extract_kernel
from pytest_upskill.languages.cuda.gpu_features import needs_gpu
from pytest_upskill.languages.cuda.rewrite import rewrite
from tests.fuzz.targets import SIGNATURE, SOURCE, guarded

_LENGTH = 60_000
"""Characters. What was found here once took minutes for them."""


@pytest.mark.parametrize(
    "piece", ["asm(", 'asm("', 'R"(', '"', "__device__ f(", "__global__ void k(){", "k<<<1, 1>>>(a);\n", "extern "]
)
def test_a_source_of_one_repeated_piece_is_read_in_reasonable_time(piece: str) -> None:
    source = piece * (_LENGTH // len(piece))
    with guarded():
        needs_gpu(source)
    with guarded(), contextlib.suppress(ValueError):
        rewrite(source)
    with guarded():
        extract_kernel(f"```cuda\n{source}\n{SOURCE}```\n", SIGNATURE)


_REPLY = 1_000_000
"""Characters; a reply has no other limit than the server's."""


@pytest.mark.parametrize(
    "piece",
    [
        "<think></think>", "<think>", "</think>", "<think ", "</think ", "[THINK]", "`</think>", "<think>\n</think>\n",
        "```cuda\n", "```cuda\n```\n", "~~~~", "- ", "- \n", "1. ", "```markdown\n", "```cuda\nvoid scale(int a) {\n",
    ],
)  # fmt: skip
def test_a_reply_of_one_repeated_piece_is_read_in_reasonable_time(piece: str) -> None:
    reply = piece * (_REPLY // len(piece))
    with guarded():
        extract_kernel(reply, SIGNATURE)


def test_a_kernel_of_unreasonable_length_breaks_the_contract() -> None:
    comment = "// " + "x" * 80 + "\n"
    found = extract_kernel(f"```cuda\n{comment * (MAX_KERNEL // len(comment))}{SOURCE}```\n", SIGNATURE)
    assert found.kernel is None
    assert f"at most {MAX_KERNEL}" in found.problem
