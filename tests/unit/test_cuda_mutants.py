"""Mechanical mutants: every kind is found, what must stay stays, and the choice is spread and repeatable."""

from __future__ import annotations

import pytest

from pytest_upskill.languages.base import SourceMutant
from pytest_upskill.languages.cuda.mutants import source_mutants

KERNEL = """\
#include <cuda_runtime.h>
#define LIMIT (1 < 2)
template <typename scalar_t, int kWidth = 4>
__global__ void f_kernel(scalar_t* out, const scalar_t* x, int64_t n) {
  __shared__ float part[32];
  // a comment with i < n and x[i] + 1
  const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  float sum = 0.0f;
  for (int64_t c = threadIdx.x; c < n; c += blockDim.x) sum += x[i * n + c];
  for (int offset = 16; offset > 0; offset /= 2) sum = fmaxf(sum, moved(0xffffffffu));
  part[threadIdx.x / 32] = sum;
  __syncthreads();
  if (i >= n) return;
  if (i < n) out[i] = i == 0 ? part[0] : sum - 2.0f;
#if 0
  out[i] = x[i] + 9;
#endif
}
template <typename scalar_t>
void f(scalar_t* out, const scalar_t* x, int64_t n, cudaStream_t stream) {
  f_kernel<scalar_t, 4><<<(n + 255) / 256, 256, 0, stream>>>(out, x, n);
}
"""


def every() -> tuple[SourceMutant, ...]:
    return source_mutants(KERNEL, 1000, 1)


def changed_line(mutant: SourceMutant) -> str:
    return mutant.source.splitlines()[mutant.line - 1].strip()


@pytest.mark.parametrize(
    ("kind", "line", "changed"),
    [
        ("comparison", 9, "for (int64_t c = threadIdx.x; c <= n; c += blockDim.x) sum += x[i * n + c];"),
        ("comparison", 14, "if (i <= n) out[i] = i == 0 ? part[0] : sum - 2.0f;"),
        ("loop tail", 9, "for (int64_t c = threadIdx.x; c < (n - 1); c += blockDim.x) sum += x[i * n + c];"),
        ("index", 9, "for (int64_t c = threadIdx.x; c < n; c += blockDim.x) sum += x[c * n + i];"),
        ("index", 14, "if (i < n) out[(i) + 1] = i == 0 ? part[0] : sum - 2.0f;"),
        ("accumulation", 9, "for (int64_t c = threadIdx.x; c < n; c += blockDim.x) sum = x[i * n + c];"),
        ("function", 10, "for (int offset = 16; offset > 0; offset /= 2) sum = fminf(sum, moved(0xffffffffu));"),
        ("barrier", 12, ";"),
        ("guard", 13, ";"),
        ("guard", 14, "if (true) out[i] = i == 0 ? part[0] : sum - 2.0f;"),
        ("branches", 14, "if (i < n) out[i] = i == 0 ? sum - 2.0f : part[0];"),
        ("operator", 14, "if (i < n) out[i] = i == 0 ? part[0] : sum + 2.0f;"),
        ("term", 14, "if (i < n) out[i] = i == 0 ? part[0] : sum;"),
        ("constant", 14, "if (i < n) out[i] = i == 0 ? part[0] : sum - (2.0f + 1);"),
        ("operator", 21, "f_kernel<scalar_t, 4><<<(n - 255) / 256, 256, 0, stream>>>(out, x, n);"),
    ],
)  # fmt: skip
def test_a_kind_of_change_is_made(kind: str, line: int, changed: str) -> None:
    assert changed in [changed_line(one) for one in every() if (one.kind, one.line) == (kind, line)]


def test_each_mutant_differs_in_one_line_and_none_from_another() -> None:
    mutants = every()
    for mutant in mutants:
        pairs = zip(KERNEL.splitlines(), mutant.source.splitlines(), strict=True)
        assert [number for number, (one, other) in enumerate(pairs, 1) if one != other] == [mutant.line]
    assert len({mutant.source for mutant in mutants}) == len(mutants) > 30


def test_comments_dead_code_headers_templates_and_array_sizes_stay() -> None:
    assert {one.line for one in every()} & {1, 2, 3, 4, 5, 6, 15, 16, 17} == set()
    assert all("f_kernel<scalar_t, 4><<<" in one.source and "0xffffffffu" in one.source for one in every())


def test_sizes_of_grids_and_guards_against_nothing_stay() -> None:
    source = KERNEL.replace("  f_kernel<", "  if (n == 0) return;\n  f_kernel<")
    changed = [one for one in source_mutants(source, 1000, 1) if one.line >= 21]
    assert {one.kind for one in changed} == {"comparison", "operator", "term"}
    assert all("256, 256" in one.source and "/ 256" in one.source for one in changed)


def test_loops_do_not_come_to_run_forever() -> None:
    assert all("offset >= 0" not in one.source and "c = blockDim.x" not in one.source for one in every())


def test_the_first_few_are_of_as_many_kinds_as_there_are() -> None:
    kinds = {one.kind for one in every()}
    assert {one.kind for one in source_mutants(KERNEL, len(kinds), 5)} == kinds


def test_the_seed_chooses_and_the_same_seed_chooses_the_same() -> None:
    assert source_mutants(KERNEL, 12, 5) == source_mutants(KERNEL, 12, 5)
    assert source_mutants(KERNEL, 12, 5) != source_mutants(KERNEL, 12, 6)


@pytest.mark.parametrize("source", ["", "void f() {}", "}}}} not C++ at all ((", "x" * 200_000])
def test_what_has_nothing_to_change_has_no_mutants(source: str) -> None:
    assert source_mutants(source, 12, 1) == ()


def test_deep_nesting_is_walked_through() -> None:
    deep = "__device__ void f(int* x) { x[0] = " + "(" * 400 + "1 + 2" + ")" * 400 + "; }"
    assert {one.kind for one in source_mutants(deep, 12, 1)} >= {"operator", "term"}


@pytest.mark.parametrize(
    ("kind", "line", "change"),
    [
        ("barrier", 12, "dropped __syncthreads();"),
        ("guard", 13, "dropped if (i >= n) return;"),
        ("term", 14, "dropped - 2.0f in sum - 2.0f"),
        ("loop tail", 9, "c < n -> c < (n - 1)"),
    ],
)
def test_a_change_is_told_in_a_few_words(kind: str, line: int, change: str) -> None:
    assert change in [one.change for one in every() if (one.kind, one.line) == (kind, line)]


def test_a_change_of_many_lines_keeps_the_lines_below_where_they_are() -> None:
    source = "void f(int* x, int n) {\n  x[0] = n +\n      1;\n  x[1] = 2 + n;\n}\n"
    (dropped,) = [one for one in source_mutants(source, 99, 1) if one.kind == "term" and one.line == 2]
    assert dropped.source == "void f(int* x, int n) {\n  x[0] = n\n;\n  x[1] = 2 + n;\n}\n"
