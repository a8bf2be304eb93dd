"""Which functions of a source get the mark of host code; tests/native/bugs/launch_rules.cu shows what the mark does."""

from __future__ import annotations

import time

import pytest

from pytest_upskill.languages.cuda.host_functions import mark_host_functions

KERNEL = "__global__ void k(float* y) { y[0] = f(1); }\n"
MARK = " UPSKILL_CPU_HOST_FUNCTION;"


def marked(source: str) -> list[str]:
    """What stands before each mark, back to the previous line."""
    pieces = mark_host_functions(source + KERNEL).split(MARK)
    assert "".join(pieces) == source + KERNEL
    return [piece.rpartition("\n")[2] for piece in pieces[:-1]]


@pytest.mark.parametrize(
    "head",
    [
        "float f(float a) {",
        "static inline int64_t f(int64_t a, int b = 3) {",
        "template <typename T> T f(const T* __restrict__ a) noexcept {",
        "template <int N = 4, typename = std::enable_if_t<(N > 0)>> auto f(float a) -> float {",
        "__forceinline__ float f(float a) {",
        "__host__ float f(float a) {",
        "struct Op { float operator()(float a) const {",
        "namespace n { class A : public B<int> { static float f(float a) {",
        'extern "C" { float f(float a) {',
        "bool operator<(const P& a, const P& b) {",
    ],
)
def test_functions_without_device_are_marked(head: str) -> None:
    assert marked(f"{head} return a; {'}' * head.count('{')}\n") == [head]


@pytest.mark.parametrize(
    "source",
    [
        "__device__ float f(float a) { return a; }",
        "__host__ __device__ float f(float a) { if (a > 0) { return a; } return 0; }",
        "__device__ void g() { auto f = [](float a) { return a; }; f(1); }",
        "constexpr float f(float a) { return a; }",
        "#define HD __host__ __device__ \\\n  inline\nHD float f(float a) { return a; }",
        "#define FN constexpr\nFN float f(float a) { return a; }",
        "_CCCL_DEVICE float f(float a) { return a; }",
        "struct A { float v; A(float v) : v{v}, w(2) {} explicit A(int n) { v = n; } };",
        "struct A { float v; ~A() { v = 0; } operator float() const { return v; } };",
        "struct A { A(const A& a) : v(a.v) { } float v; };\nA::A(int n) { v = n; }",
        "template <class T> struct A { T v; A(T v) : v(v) {} };",
        "float table[] = {f(1), g(2)}; std::array<float, 2> more{f(1), 2};",
        "template <class T> concept Small = requires(T t) { t.size(); };",
        "enum E { a = sizeof(int) };\nauto f = [](float a) { return a; };",
        "// float f(float a) {\nconst char* s = \"float f(float a) {\";",
    ],
)  # fmt: skip
def test_other_functions_are_not(source: str) -> None:
    assert marked(source + "\n") == []


def test_lambdas_of_the_host_are_marked_and_those_of_the_device_are_not() -> None:
    source = (
        "void f(float* y, int n) {\n"
        "  auto add = [=](float a) {\n    return a + y[n]; };\n"
        "  auto size = [&] {\n    return n; };\n"
        "  each<<<1, size()>>>([=] __device__ (int i) {\n    auto g = [](int j) {\n      return j; };"
        " y[g(i)] = 0; });\n"
        "}\n"
    )
    assert marked(source) == ["void f(float* y, int n) {", "  auto add = [=](float a) {", "  auto size = [&] {"]


def test_arrays_and_bindings_are_no_lambdas() -> None:
    body = "int a[3]{1, 2}, b [2]{}; auto [c, d]{pair}; auto* e = new int[n]{}; if (a[n]) { return; }"
    assert marked(f"void f() {{ {body} }}\n") == ["void f() {"]


def test_a_source_without_kernels_stays() -> None:
    assert mark_host_functions("float f(float a) { return a; }") == "float f(float a) { return a; }"


@pytest.mark.parametrize("part", ["float f(int a[2]) {", "{[](", "[=](a b) ", "template <", "#if 1\n{"])
def test_the_time_grows_with_the_length_alone(part: str) -> None:
    def seconds(many: int) -> float:
        began = time.process_time()
        mark_host_functions(KERNEL + part * many)
        return time.process_time() - began

    short = min(seconds(1000) for _ in range(3))
    assert seconds(8000) < 40 * max(short, 0.002)
