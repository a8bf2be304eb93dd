import shutil
import subprocess

import pytest

from pytest_upskill.cases.case import Case, Choices, Dim, Range, ScalarSpec, TensorSpec
from pytest_upskill.cases.operator_schema import parse_operator
from pytest_upskill.contracts.launcher.signature import Parameter, Signature, declaration, derive, entry_source
from pytest_upskill.documents.expression import parse

DIMS = (Dim("rows", Range(parse(1), parse(512))), Dim("cols", Choices((64,))))


def case(tmp_path, op="rms_norm(Tensor x, Tensor weight, float eps) -> Tensor", **fields):
    arguments = {
        "arguments": (
            TensorSpec("x", (parse("rows"), parse("cols"))),
            TensorSpec("weight", (parse("cols"),)),
            ScalarSpec("eps", "float", Choices((1e-5,))),
        )
    }
    fields = {**arguments, "dims": DIMS, "dtypes": ("float32", "float16"), **fields}
    return Case("case", "skill", tmp_path / "case.md", "Task.", parse_operator(op, ("rows", "cols")), **fields)


def test_the_example_of_the_contract_is_declared_exactly(tmp_path):
    assert declaration(derive(case(tmp_path), {"out": None})) == (
        "template <typename scalar_t>\n"
        "void rms_norm(scalar_t* out, const scalar_t* x, const scalar_t* weight,\n"
        "              float eps, int64_t rows, int64_t cols, cudaStream_t stream);"
    )


def test_one_dtype_is_spelled_out_without_a_template(tmp_path):
    signature = derive(case(tmp_path, dtypes=("bfloat16",)), {"out": None})
    assert declaration(signature) == (
        "void rms_norm(__nv_bfloat16* out, const __nv_bfloat16* x,\n"
        "              const __nv_bfloat16* weight, float eps, int64_t rows,\n"
        "              int64_t cols, cudaStream_t stream);"
    )


def test_tensors_in_place_are_not_const_and_own_dtypes_have_their_own_types(tmp_path):
    signature = derive(
        case(
            tmp_path,
            "f(Tensor(a!) x, Tensor index, bool causal, int n) -> ()",
            arguments=(
                TensorSpec("x", (parse("rows"),)),
                TensorSpec("index", (parse("rows"),), "int64"),
                ScalarSpec("causal", "bool", Choices((True,))),
                ScalarSpec("n", "int", Choices((1,))),
            ),
        ),
        {},
    )
    assert [parameter.declared for parameter in signature.parameters] == [
        "scalar_t* x", "const int64_t* index", "bool causal", "int64_t n", "int64_t rows", "int64_t cols",
        "cudaStream_t stream",
    ]  # fmt: skip
    assert [parameter.role for parameter in signature.parameters] == [
        "inplace", "input", "scalar", "scalar", "dim", "dim", "stream",
    ]  # fmt: skip


def test_a_result_has_the_dtype_that_was_measured_or_that_the_case_fixes(tmp_path):
    results = case(tmp_path, "f(Tensor x, Tensor weight, float eps) -> (Tensor y, Tensor mean, Tensor index)")
    fixed = case(
        tmp_path,
        "f(Tensor x, Tensor weight, float eps) -> (Tensor y, Tensor mean, Tensor index)",
        returns={"mean": "float32"},
    )
    measured = {"y": None, "mean": None, "index": "int64"}
    assert [parameter.ctype for parameter in derive(results, measured).parameters[:3]] == [
        "scalar_t", "scalar_t", "int64_t",
    ]  # fmt: skip
    assert derive(fixed, measured).parameters[1] == Parameter("mean", "float", "output")


def test_several_dtypes_make_a_template_even_where_nothing_follows_them(tmp_path):
    signature = derive(case(tmp_path, arguments=(TensorSpec("x", (), "bool"),)), {"out": "bool"})
    assert signature.template
    assert "case 1: ::rms_norm<__half>(" in entry_source(signature)


def test_a_long_name_leaves_room_for_the_parameters():
    name = "a_" + "very_" * 10 + "long_name"
    parameters = (Parameter("x", "float", "output"), Parameter("stream", "cudaStream_t", "stream"))
    assert declaration(Signature(name, ("float32",), False, parameters)) == (
        f"void {name}(float* x,\n    cudaStream_t stream);"
    )


def test_a_text_case_has_no_signature(tmp_path):
    with pytest.raises(ValueError, match="case 'case' has no 'op', hence no signature"):
        derive(Case("case", "skill", tmp_path, "Why?", None), {})


def test_the_entry_includes_the_headers_of_the_types_that_it_names(tmp_path):
    assert "cuda_bf16.h" not in entry_source(derive(case(tmp_path), {}))
    assert "#include <cuda_fp16.h>\n" in entry_source(derive(case(tmp_path), {}))
    assert "cuda_fp16.h" not in entry_source(derive(case(tmp_path, dtypes=("float32",)), {}))


STUDENT = """
#include <cuda_runtime.h>
#include <stdint.h>
#define a oops
#define x oops
#define N 3
#define instantiation oops
#define i oops
#define stream the_stream
template <typename T>
void rms_norm(T* out, const T* in, const T* weight, float eps, int64_t rows, int64_t cols, cudaStream_t stream) {
  out[0] = in[0] + weight[1] + T(eps) + T(rows) + T(cols) + (stream == nullptr ? T(0) : T(1000));
}
template void rms_norm<double>(double*, const double*, const double*, float, int64_t, int64_t, cudaStream_t);
// a comment that ends the file, and goes on \\"""

MAIN = """
#include <cstdint>
#include <cstdio>
extern "C" void upskill_entry(int, void* const*, void*);
int main() {
  double out64 = 0, x64[] = {1}, weight64[] = {0, 2};
  float out32 = 0, x32[] = {10}, weight32[] = {0, 20}, eps = 4;
  int64_t rows = 100, cols = 200;
  int there = 0;
  void* first[] = {&out64, x64, weight64, &eps, &rows, &cols};
  void* second[] = {&out32, x32, weight32, &eps, &rows, &cols};
  upskill_entry(0, first, nullptr);
  upskill_entry(1, second, &there);
  std::printf("%g %g", out64, static_cast<double>(out32));
}
"""


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed: apt install g++")
def test_the_entry_calls_each_instantiation_whatever_macros_a_student_defines(tmp_path):
    signature = derive(case(tmp_path, dtypes=("float64", "float32")), {"out": None})
    (tmp_path / "cuda_runtime.h").write_text("#pragma once\nstruct CUstream_st; typedef CUstream_st* cudaStream_t;\n")
    (tmp_path / "kernel.cpp").write_text(STUDENT + "\n" + entry_source(signature))
    (tmp_path / "main.cpp").write_text(MAIN)
    flags = ["-std=c++17", "-Wall", "-Wextra", "-Wno-comment", "-Werror", "-fvisibility=hidden", f"-I{tmp_path}"]
    sources = [str(tmp_path / "kernel.cpp"), str(tmp_path / "main.cpp")]
    subprocess.run(["g++", *flags, *sources, "-o", str(tmp_path / "main")], check=True)
    shown = subprocess.run([str(tmp_path / "main")], check=True, capture_output=True, text=True).stdout
    assert shown == "307 1334"
