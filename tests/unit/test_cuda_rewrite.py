"""The source rewrite: what a host compiler cannot read is rewritten, everything else and every line stays."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_upskill.languages.cuda.device_functions import rewrite_functions
from pytest_upskill.languages.cuda.rewrite import HEADER, rewrite

PROLOGUE = f'#include "{HEADER}"\n#line 1 "kernel.cu"\n'


def body(source: str) -> str:
    text = rewrite(source)
    assert text.startswith(PROLOGUE)
    return text.removeprefix(PROLOGUE)


def launch(kernel: str, configuration: str, arguments: str, label: str | None = None) -> str:
    return (
        f"::upskill::cpu::launch_kernel([&](auto&&... upskill_cpu_a) UPSKILL_CPU_UNCHECKED "
        f'{{ {kernel}(upskill_cpu_a...); }}, "{label or kernel}", {configuration})({arguments})'
    )


def test_a_source_without_cuda_syntax_only_gets_the_prologue() -> None:
    source = "#include <cmath>\nint f(int a) { return a << 3 >> 1; } // k<<<1, 2>>>(a)\n"
    assert rewrite(source) == PROLOGUE + source


def test_the_given_name_is_the_one_that_messages_use() -> None:
    assert rewrite("int x;", "solution.cu").splitlines()[1] == '#line 1 "solution.cu"'


@pytest.mark.parametrize(
    ("before", "kernel", "after"),
    [
        ("", "k", ";"),
        ("  if (n > 0) ", "k", ";"),
        ("return ", "k", ";"),
        ("else ", "softmax<float, 256>", ";"),
        ("x = 1; ", "ns::inner::k<T>", ";"),
        ("{", "::k", "; }"),
        ("case 3: ", "k<(A > B), sizeof(C<D>)>", "; break;"),
        ("(void)0, ", "kernels[i + f(2)]", ";"),
        ("return ", "(fast ? k1 : k2)", ";"),
        ("", "table->entry.kernel", ";"),
        ("", "k<&S::operator(), f->x>", ";"),
    ],
)
def test_the_kernel_expression_is_found_before_the_brackets(before: str, kernel: str, after: str) -> None:
    source = f"{before}{kernel}<<<g, b>>>(x, y){after}"
    assert body(source) == before + launch(kernel, "g, b", "x, y") + after


@pytest.mark.parametrize(
    "configuration",
    [
        "(n + 255) / 256, 256, 0, stream",
        "dim3(2, 3), dim3{4, 5}",
        "div<int>(n, 4), n >> 3",
        "grid, block, n * sizeof(std::vector<std::pair<int, int>>)",
    ],
)
def test_a_configuration_may_hold_any_expression(configuration: str) -> None:
    assert body(f"k<<<{configuration}>>>();") == launch("k", configuration, "") + ";"


def test_spaces_around_the_brackets_do_no_harm() -> None:
    assert body("k <<< 1, 2 >>> (x);") == launch("k ", " 1, 2 ", "x", "k") + ";"


@pytest.mark.parametrize("source", ["k << <1, 2 >> > (x);", "k <<< 1, 2 >>> (x);", "k< <<1, 2> > >(x);"])
def test_brackets_that_an_editor_has_pulled_apart_are_a_launch_too(source: str) -> None:
    assert " ".join(body(source).split()).replace(" ", "") == (launch("k", "1, 2", "x") + ";").replace(" ", "")


@pytest.mark.parametrize("source", ["friend S& operator<< <int>(S& s, A<int> a);", "x = a << b >> c;"])
def test_shifts_and_operators_are_no_launches(source: str) -> None:
    assert body(source) == source


def test_two_launches_on_one_line_are_both_rewritten() -> None:
    assert body("a<<<1, 2>>>(x); b<<<3, 4>>>(y);") == f"{launch('a', '1, 2', 'x')}; {launch('b', '3, 4', 'y')};"


def test_null_stays_a_null_pointer() -> None:
    assert body("k<<<1, 2>>>(NULL, NULLS);") == launch("k", "1, 2", "nullptr, NULLS") + ";"


def test_a_literal_zero_stays_a_null_pointer_too_but_not_in_template_arguments() -> None:
    assert body("k<<<1, 2>>>(x, 0, f(0, 1));") == launch("k", "1, 2", "x, ::upskill::cpu::Zero{}, f(0, 1)") + ";"
    assert body("k<<<1, 2>>>(x, 0, f<0, 0>(1));") == launch("k", "1, 2", "x, 0, f<0, 0>(1)") + ";"


def test_a_braced_argument_goes_to_a_function_with_known_parameters() -> None:
    assert body("k<T><<<1, 2>>>(x, {1, 2});") == '::upskill::cpu::launch_function(k<T>, "k<T>", 1, 2)(x, {1, 2});'


@pytest.mark.parametrize(
    "opaque",
    [
        "// k<<<1, 2>>>(x)",
        "// continued \\\n k<<<1, 2>>>(x)",
        "/* k<<<1, 2>>>(x)\n extern __shared__ float s[]; */",
        '"k<<<1, 2>>>(x) \\" <<<"',
        'R"(k<<<1, 2>>>(x)")"',
        'R"cuda(k<<<1, ")" 2>>>(x))cuda"',
        "'\"'",
        "1'000'000",
    ],
)
def test_comments_strings_and_numbers_are_left_alone(opaque: str) -> None:
    source = f"{opaque}\nint f();"
    assert body(source) == source
    assert body(f"{opaque}\nk<<<1, 2>>>(x);") == f"{opaque}\n{launch('k', '1, 2', 'x')};"


def test_a_launch_in_a_macro_keeps_the_macro_in_one_piece() -> None:
    text = body("#define RUN(T) \\\n  k<T><<<grid, \\\n         block>>>(x, \\\n  y);\nint z;")
    assert [line.endswith("\\") for line in text.splitlines()] == [True, True, True, False, False]
    assert text.splitlines()[4] == "int z;"


@pytest.mark.parametrize(
    ("declaration", "expected"),
    [
        ("extern __shared__ float s[];", "float (*const s) = reinterpret_cast<float (*)>(upskill_cpu_dynamic_shared);"),
        (
            "extern __shared__ __align__(sizeof(float4)) unsigned char raw[ ];",
            "unsigned char (*const raw) = reinterpret_cast<unsigned char (*)>(upskill_cpu_dynamic_shared);",
        ),
        (
            "extern __shared__ alignas(16) Pair<T, 4> pairs[];",
            "Pair<T, 4> (*const pairs) = reinterpret_cast<Pair<T, 4> (*)>(upskill_cpu_dynamic_shared);",
        ),
        (
            "extern volatile __shared__ int tile[][33];",
            "volatile int (*const tile)[33] = reinterpret_cast<volatile int (*)[33]>(upskill_cpu_dynamic_shared);",
        ),
        ("extern __shared__ State s;", "State &s = *reinterpret_cast<State *>(upskill_cpu_dynamic_shared);"),
    ],
)
def test_dynamic_shared_memory_becomes_a_pointer(declaration: str, expected: str) -> None:
    assert body(declaration) == expected


def test_other_extern_declarations_stay() -> None:
    source = 'extern "C" void f();\nextern int n;\nextern "C" { __device__ void k() { __shared__ int s; } }'
    assert body(source) == source


@pytest.mark.parametrize(
    ("declaration", "expected"),
    [
        ("__shared__ float s[8];", "__shared__ float s[8];"),
        ("static __shared__ float s[8];", "__shared__ float s[8];"),
        ("__shared__ static float s[8];", "__shared__ float s[8];"),
        ("__shared__ alignas(N * (2 + 2)) T s[8];", "__shared__ __attribute__((aligned(N * (2 + 2)))) T s[8];"),
        ("__shared__ __align__(16) T s[8];", "__shared__ __align__(16) T s[8];"),
    ],
)
def test_static_shared_memory_is_normalised(declaration: str, expected: str) -> None:
    assert body(declaration) == expected


def test_noinline_becomes_an_attribute_but_not_within_one() -> None:
    source = "__noinline__ void f(); __attribute__((__noinline__)) void g();"
    assert body(source) == "__attribute__((noinline)) void f(); __attribute__((__noinline__)) void g();"


def test_a_kernel_cast_away_for_cuda_launch_kernel_is_known_again() -> None:
    text = body(
        "cudaLaunchKernel((const void*)k<T>, g, b, args); cudaLaunchKernel(reinterpret_cast<void *>(k), g, b, args);"
    )
    assert re.sub(r"\s+", " ", text) == "cudaLaunchKernel( k<T>, g, b, args); cudaLaunchKernel( (k), g, b, args);"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("int a;\nk<<<1, 2(x);", "kernel.cu:2: the launch that begins with '<<<' has no '>>>'"),
        ("\n\nk<<<1, 2>>>;", "kernel.cu:3: the launch's argument list has no end"),
        ("k<<<1, 2>>>(x, (y);", "kernel.cu:1: the launch's argument list has no end"),
        ("<<<1, 2>>>(x);", "kernel.cu:1: a launch '<<<...>>>' without a kernel before it"),
        ("k<<<f(1, 2>>>(x);", "kernel.cu:1: the launch that begins with '<<<' has no '>>>'"),
        ("extern __shared__ float", "kernel.cu:1: the declaration 'extern __shared__' has no ';'"),
    ],
)
def test_what_never_ends_is_refused_with_its_line(source: str, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        rewrite(source)


PIECES = [
    "k<<<g, b>>>(x);",
    "ns::k<T, 3>\n  <<<(n + 1) / 2,\n b, 0, s>>>(\n x,\n y);",
    "extern __shared__ float\n s[];",
    "__shared__ alignas(\n16) int t[2];",
    "static\n__shared__ int u;",
    "#define M(a) \\\n  k<<<a, \\\n b>>>(a)\n",
    "__noinline__ void f();",
    "template <typename T>",
    "int x = 1 << 3;",
    *("// c <<<\n", "/* a\n b */", '"<<<"', 'R"x(\n>>>)x"', "'<'", "\n", "\r\n", "{", "}"),
]


@given(st.lists(st.sampled_from(PIECES), max_size=12))
def test_no_line_is_ever_added_or_lost(pieces: list[str]) -> None:
    source = " ;".join(pieces)
    assert body(source).count("\n") == source.count("\n")


@given(st.text(alphabet="k<>(){}[];\"'\\/*\n _=,Rx", max_size=40))
def test_any_text_is_rewritten_or_refused_with_a_line(source: str) -> None:
    try:
        assert body(source).count("\n") == source.count("\n")
    except ValueError as error:
        assert re.match(r"kernel\.cu:\d+: ", str(error))


# --------------------------------------------------------------------------------------------- functions of the device


@pytest.mark.parametrize(
    ("declared", "bounds"),
    [
        ("__global__ void k(float* y)", ""),
        ("__global__ void __launch_bounds__(64, 2) k(float* y)", "64, 2"),
        ("__launch_bounds__(N * (2 + M)) __global__ void k(float* y)", "N * (2 + M)"),
        ("#define BLOCK __launch_bounds__(96)\n__global__ void BLOCK k(float* y)", "96"),
        (
            "#define KERNEL(t, m) \\\n  __global__ void __launch_bounds__(t, m)\nKERNEL(32 * 4, 1)\nk(float* y)",
            "32 * 4, 1",
        ),
        ("#define INNER __global__ static\n#define OUTER INNER void\nOUTER k(float* y)", ""),
    ],
)
def test_a_kernel_begins_with_its_launch_bounds(declared: str, bounds: str) -> None:
    assert body(f"{declared} {{ y[0] = 1; }}") == f"{declared} {{ UPSKILL_CPU_KERNEL({bounds}); y[0] = 1; }}"


@pytest.mark.parametrize(
    "source",
    [
        "#define KERNEL __global__ void\nint main() { static int n; }",
        "__global__ void k(int* n);\nvoid launcher(int n) { static int calls; ++calls; }",
        "__device__ float table[2][2] = {{1, 2}, {3, 4}};\nstatic int host[2] = {1, 2};",
        "// __global__ void k() {\nvoid f() { static int n; }",
        "struct S { __device__ S(); };\nvoid f() { static int n; static_assert(sizeof n == 4); }",
    ],
)
def test_functions_of_the_host_stay(source: str) -> None:
    assert body(source).replace(" UPSKILL_CPU_HOST_FUNCTION;", "") == source


@pytest.mark.parametrize(
    "head",
    [
        "__device__ int f(int i)",
        "template <class T> __host__ __device__ T f(int i)",
        "#define HD __host__ __device__\nHD inline int f(int i)",
        "struct S { __device__ operator int() const",
    ],
)
def test_a_static_variable_of_a_device_function_is_the_devices(head: str) -> None:
    text = " { static const int t[2] = {1, 2}; { static int n; } return t[n]; }"
    assert body(head + text) == head + text.replace("static", "static __device__")


def test_braces_of_conditional_branches_do_not_leak_into_the_next_function() -> None:
    source = "__device__ void f() {\n#if A\n  if (a) {\n#else\n  if (b) {\n#endif\n  }\n}\nvoid g() { static int n; }\n"
    assert body(source) == source


def test_rewriting_functions_takes_time_in_proportion_to_the_source() -> None:
    def seconds(count: int) -> float:
        text = (
            "#define DEV __device__ inline\n"
            + "DEV int f(int i) { static int n; if (i) { return n; } return i; }\n" * count
        )
        began = time.perf_counter()
        rewrite_functions(text)
        return time.perf_counter() - began

    assert min(seconds(2000) for _ in range(3)) < 8 * min(seconds(500) for _ in range(3)) + 0.05
