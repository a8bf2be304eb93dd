"""Texts for fuzzing: real documents with a few edits, which get further into a parser than noise, and noise."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

TOKENS = (
    *("---", "\n", "\n\n", "## ", "## Reference\n"),
    *("## Solution\n", "```", "~~~~", "```cuda\n", "````markdown\n", "- ", "1. "),
    *(": ", "{", "}", "[", "]", "'", '"', "&a", "*a"),
    *("<<: *a", "!!python/object:x", "? ", "| ", ">-\n", "%", "@", "null"),
    *("1..512", "..", "a..b", "1e400", "-.inf", ".nan"),
    *("0x7fffffffffffffff", "2**99", "9" * 30, "rows", "cols", "rows // 0"),
    *("<think>", "</think>", "<reasoning>", "[THINK]"),
    *("◁think▷", "\ufeff", "\0", "\r\n", "\x1b[2J", "\u2028", "\ud7ff", "é"),
    *("<<<", ">>>", "<<<1, 1>>>", "(", ")", "(((((((("),
    *("<<<<<<<<", ";", "\\\n", "/*", "*/", "//", 'R"(', ')"', "'", "#if 0\n"),
    *("#define scale(", "#include <a>\n", "#line 1\n"),
    *("extern __shared__ ", "__shared__ ", "alignas(", "__noinline__ "),
    *('asm("', 'asm volatile("mov.u32 %0, %1;" : "=r"(a) : "r"(b));', '"cp.async', " : ", "__global__ ", "template <"),
    *("typedef ", "using ", " " * 60, "scale", "float*"),
    *("const ", "void ", "int64_t", "cudaStream_t", "Tensor(a!) ", "->"),
    *("Tensor?", "int[]", "memory\tguard\t0\t"),
    *("runs\trace\tffff\t<0x1a>", "\t", "ok 0 0 0", "NaN", "Infinity", "1e309"),
)  # fmt: skip


def noise(most: int = 200) -> st.SearchStrategy[str]:
    """Random text, and sequences of tokens."""
    return st.one_of(
        st.text(max_size=most),
        st.lists(st.sampled_from(TOKENS), max_size=40).map("".join),
    )


@st.composite
def edited(draw: st.DrawFn, documents: Sequence[str]) -> str:
    """One of the documents after up to six edits: text removed, inserted, repeated or moved."""
    text = draw(st.sampled_from(documents))
    for _ in range(draw(st.integers(0, 6))):
        start = draw(st.integers(0, len(text)))
        end = draw(st.integers(start, min(len(text), start + 80)))
        piece = draw(st.one_of(st.just(""), st.sampled_from(TOKENS), st.text(max_size=8), st.just(text[start:end] * 2)))
        text = text[:start] + piece + text[end:]
    return text


def like(*documents: str) -> st.SearchStrategy[str]:
    """Mostly edited documents, and noise."""
    return st.one_of(edited(documents), edited(documents), noise())
