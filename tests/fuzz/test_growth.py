"""Long sources of one repeated piece are parsed in linear time, not quadratic."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_upskill.build.messages import shorten
from pytest_upskill.contracts.launcher.contract import MAX_KERNEL, extract_kernel, problem
from pytest_upskill.languages.cuda.rewrite import rewrite
from pytest_upskill.languages.cuda.traps import mentions
from pytest_upskill.skills.skill import validate
from tests.fuzz.targets import SIGNATURE, SOURCE, guarded


def seconds(read: Callable[[str], object], text: str) -> float:
    """The processor time that reading takes: the lesser one of two."""

    def once() -> float:
        began = time.process_time()
        with contextlib.suppress(ValueError):
            read(text)
        return time.process_time() - began

    with guarded():
        return min(once(), once())


def assert_linear(read: Callable[[str], object], piece: str, length: int) -> None:
    """Twice the text takes about twice the time, or hardly any."""
    short, long = (seconds(read, piece * (n // len(piece))) for n in (length, 2 * length))
    assert long < 3 * short + 0.05, f"{short:.3f} s, and {long:.3f} s for twice the length"


PIECES = [
    "asm(", 'asm("', 'R"(', '"', '\\"', "'", "\\'", "/*", "__device__ f(", "__global__ void k(){", "k<<<1, 1>>>(a);\n",
    "k<<<1, 1>>>(", ")<<<1, 1>>>(a)", "k><<<1, 1>>>(a)", "<< <", "extern ", "extern __shared__ ", "__noinline__ ",
    "__shared__ alignas(", "#define A(x) void x {\n", "scale(",
]  # fmt: skip


@pytest.mark.parametrize("piece", PIECES)
def test_a_source_of_one_repeated_piece_is_read_in_linear_time(piece: str) -> None:
    assert_linear(rewrite, piece, 10_000)
    assert_linear(lambda text: problem(f"{text}\n{SOURCE}", SIGNATURE), piece, 10_000)


@pytest.mark.parametrize(
    "piece", ["a", "/", "a/kernel.cu", "'a' ", "::", "x(1): ", "required from ", "kernel.cu:1: error: 'a"]
)
def test_a_message_of_one_repeated_piece_is_read_in_linear_time(piece: str) -> None:
    for lead in ("kernel.cu:2:2: error: #error ", ""):
        assert_linear(lambda text, lead=lead: shorten(lead + text, ""), piece, 40_000)  # type: ignore[misc]
        assert_linear(lambda text, lead=lead: list(mentions(lead + text)), piece, 40_000)  # type: ignore[misc]


@pytest.mark.parametrize("piece", ["x", "a/", "-/", "](", "](a", "](<", "../", "<a>/", "references/", "`"])
def test_a_skill_of_one_repeated_piece_is_checked_in_linear_time(tmp_path: Path, piece: str) -> None:
    path = tmp_path / "s" / "SKILL.md"
    path.parent.mkdir()

    def check(text: str) -> None:
        path.write_text(f"---\nname: s\ndescription: d\n---\n{text}", encoding="utf-8")
        list(validate(path))

    assert_linear(check, piece, 20_000)


_REPLY = 400_000
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
