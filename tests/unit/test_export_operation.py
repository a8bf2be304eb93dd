"""The operator of an exported project: where its sizes come from, what it checks, and what cannot be exported."""

# ruff: noqa: E501 - one line for each expression

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from pytest_upskill.documents.expression import parse
from pytest_upskill.errors import UsageError
from pytest_upskill.export import bindings
from pytest_upskill.export.expressions import cpp, solved
from pytest_upskill.export.operation import Deduced
from pytest_upskill.export.project_files import Origin, launcher_project
from pytest_upskill.languages.torch_extension import bindings as contract
from pytest_upskill.languages.torch_extension import build_toml, package
from tests.unit.export_cases import INFO, case, case_of_skill, operation, passed


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("rows", "rows"),
        ("2 * rows + 1", "((INT64_C(2) * rows) + INT64_C(1))"),
        ("(rows + 1) // 2", "floor_divide((rows + INT64_C(1)), INT64_C(2))"),
        ("rows % 4 == 0", "(modulo(rows, INT64_C(4)) == INT64_C(0))"),
        ("0 < a <= b", "(INT64_C(0) < a && a <= b)"),
        ("a < b and not b < 3 or a == 1", "(((a < b) && (!(b < INT64_C(3)))) || (a == INT64_C(1)))"),
        ("min(a, b, 7)", "std::min<int64_t>(std::min<int64_t>(a, b), INT64_C(7))"),
        ("-a", "(-a)"),
    ],
)
def test_expressions_of_a_case_become_cpp(text: str, wanted: str) -> None:
    assert cpp(parse(text)) == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("n", (1, 0)),
        ("2 * n", (2, 0)),
        ("2 * n + 1", (2, 1)),
        ("n - 3", (1, -3)),
        ("n // 2", None),
        ("n * n", None),
        ("min(n, 1000)", None),
        ("a + b", None),
        ("7", None),
        ("5 - n", None),
    ],
)
def test_a_size_is_deduced_from_a_shape_only_if_it_is_unique(text: str, wanted: object) -> None:
    assert solved(parse(text)) == wanted


def test_sizes_come_from_tensors_and_what_no_tensor_shows_is_an_argument() -> None:
    found = operation(case_of_skill("histogram"))
    assert found.schema == "histogram(Tensor values, int bins) -> Tensor"
    assert found.deduced == {"n": Deduced("values", 0)}
    pairs = operation(case_of_skill("swiglu"))
    assert pairs.deduced == {"rows": Deduced("x", 0), "width": Deduced("x", 1, 2)}
    text = bindings.binding(pairs)
    assert "const int64_t width = x.size(1) / 2;" in text
    assert 'check_size(x, "x", 1, (INT64_C(2) * width), "2 * width");' in text


def test_in_place_arguments_and_several_results_are_in_the_schema() -> None:
    assert operation(case_of_skill("axpy")).schema == "axpy(Tensor x, Tensor! y, float alpha, bool negate) -> ()"
    norm = operation(case_of_skill("layer_norm"))
    assert norm.schema.endswith("-> (Tensor, Tensor, Tensor)")
    assert "at::empty({rows}, x.options().dtype(at::kFloat))" in bindings.binding(norm)


def test_a_result_of_a_shape_that_no_size_gives_is_allocated_by_the_caller() -> None:
    found = operation(case_of_skill("max_pool2d"))
    assert found.schema == "max_pool2d(Tensor! out, Tensor x) -> ()"
    assert 'check_tensor(out, "out", -1, device_);' in bindings.binding(found)


def test_the_binding_refuses_sizes_that_the_case_does_not_have() -> None:
    of = case(
        dims="{n: 2..64, k: [1, 4], m: 1..n}",
        args="{x: [n, k, m]}",
        more="where: [n % k == 0]\nspeed: {n: 4096, k: 4, m: 2}\n",
        solution="void twice(float* out, const float* x, int64_t n, int64_t k, int64_t m, cudaStream_t stream) {}",
    )
    text = bindings.binding(operation(of))
    assert "constexpr int64_t kMost_n = 4096;" in text
    assert "TORCH_CHECK(n >= 2, " in text
    assert "TORCH_CHECK(k == 1 || k == 4, " in text
    assert "TORCH_CHECK(m <= n || m == 2, " in text
    assert "TORCH_CHECK((modulo(n, k) == INT64_C(0)), " in text
    assert "int64_t modulo(" in text
    assert "floor_divide" not in text


def test_zero_is_refused_unless_the_case_has_it() -> None:
    assert "TORCH_CHECK(n >= 1, " in bindings.binding(operation(case()))
    assert "TORCH_CHECK(n >= 0, " in bindings.binding(operation(case(more="zero: true\n")))


@pytest.mark.parametrize("name", ["x", "9lives", "-a", "softmax-", "größe", "a b", "a" * 97])
def test_a_name_that_the_hub_does_not_accept_is_an_error(name: str) -> None:
    with pytest.raises(UsageError, match=r"the Hub accepts no kernel called .* rename the case's file"):
        _ = operation(replace(case(), name=name)).name


@pytest.mark.parametrize(
    ("name", "wanted"), [("rms_norm", "rms-norm"), ("Softmax", "softmax"), ("v1.5", "v1-5"), ("ab", "ab")]
)
def test_other_names_are_written_as_the_hub_wants_them(name: str, wanted: str) -> None:
    assert operation(replace(case(), name=name)).name == wanted


def test_a_dtype_without_a_dispatch_is_an_error() -> None:
    of = case()
    signature = operation(of).signature
    odd = replace(signature, dtypes=("float8_e5m2",))
    with pytest.raises(UsageError, match=r"case 'twice' cannot be exported: dtype 'float8_e5m2' has no dispatch"):
        type(operation(of))(of, odd, "")


def test_an_operator_that_no_tensor_dispatches_is_an_error() -> None:
    of = case(op="fill(float value) -> Tensor", dims="{n: 1..4}", args="{value: {values: 0.0..1.0}}",
              reference="def fill(value, n):\n    return torch.full((n,), value)")  # fmt: skip
    with pytest.raises(UsageError, match="no tensor argument"):
        operation(of)
    own = case(op="count(Tensor x) -> Tensor", args="{x: {shape: [n], dtype: int64, values: 0..3}}", dtypes="[float32, float64]",
               reference="def count(x):\n    return x / 2")  # fmt: skip
    with pytest.raises(UsageError, match="no argument follows the dtypes of the case"):
        operation(own)


def test_a_fixed_size_that_no_tensor_shows_is_a_constant() -> None:
    of = case(dims="{n: 1..64, taps: 3}")
    found = operation(of)
    assert found.schema == "twice(Tensor x) -> Tensor"
    assert "const int64_t taps = 3;" in bindings.binding(found)


def test_the_namespace_of_what_the_binding_calls_is_none_that_the_kernel_has() -> None:
    found = operation(replace(case(), name="twice"))
    assert found.space == "twice_calls"
    assert replace(found, source="namespace twice_calls {}").space == "twice_callss"


@pytest.mark.parametrize("name", ["axpy", "histogram", "layer_norm", "max_pool2d"])
def test_a_project_meets_the_contract_for_projects(name: str) -> None:
    of = case_of_skill(name)
    found = operation(of)
    files = launcher_project(found, Origin(passed(of), INFO.machine, "cpu", "0.1.0"))
    build = build_toml.read(files)
    registered = contract.registered(files, build.src)
    assert set(registered) == {name}
    assert package.problem(files, build.package, name) is None
    assert files[f"{found.package}_cuda/{found.package}.cu"].startswith(passed(of).source or "?")
    assert not [path for path, text in files.items() if re.search(r"\$\{?\w", text) and path != "README.md"]


def test_the_reader_of_the_package_kernels_accepts_a_project(tmp_path: object) -> None:
    from pytest_upskill.contracts.kernel_builder import official_reader

    if official_reader._reader() is None:
        pytest.skip("the package 'kernels' is not installed")
    of = case_of_skill("axpy")
    files = launcher_project(operation(of), Origin(passed(of), INFO.machine, "cpu", "0.1.0"))
    assert official_reader.problem(files["build.toml"]) is None
    assert official_reader.problem(files["build.toml"].replace("edition = 5", "edition = 4")) is not None


def test_a_kernel_that_needs_a_flag_of_nvcc_gets_it() -> None:
    of = case_of_skill("axpy")
    origin = Origin(passed(of), INFO.machine, "cpu", "0.1.0")
    found = operation(of)
    lambda_ = replace(found, source=f"{found.source}\n// auto f = [=] __device__ (int i) {{ return i; }};")
    assert 'cuda-flags = ["--extended-lambda"]' in launcher_project(lambda_, origin)["build.toml"]
    assert "cuda-flags" not in launcher_project(found, origin)["build.toml"]
