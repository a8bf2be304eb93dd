"""The contract kernel-builder: what is asked for, and which replies meet it."""

# ruff: noqa: E501 - one line for each mistake and its message

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_upskill.cases.case_file import parse_case
from pytest_upskill.contracts.kernel_builder import official_reader
from pytest_upskill.contracts.kernel_builder.contract import KernelBuilderContract, derive, schema_of, standard
from pytest_upskill.errors import CaseError
from pytest_upskill.judging.signatures import contract_of, language_of
from pytest_upskill.languages.torch_extension import SOURCE_NAME, bindings, build_toml, generated, project
from pytest_upskill.languages.torch_extension.schema import SchemaError, difference, parse_schema
from pytest_upskill.records import ResultFacts
from pytest_upskill.students.golden import as_reply
from tests.unit import kernel_builder_cases as cases
from tests.unit.kernel_builder_cases import FILES, changed, reply, signature

CONTRACT = KernelBuilderContract()


def said(files: dict[str, str]) -> str:
    """What is wrong with a project; empty if nothing is. A reply and the judge's sources must agree."""
    found = CONTRACT.problem(files, signature()) or ""
    in_reply = CONTRACT.extract(reply(files), signature())
    assert in_reply.problem == found
    assert (in_reply.kernel is None) == bool(found)
    return found


def block(info: str, text: str = "x\n") -> str:
    return f"```{info}\n{text}```\n"


def test_a_case_needs_only_its_contract_and_its_solution_is_a_whole_section() -> None:
    case = cases.case()
    assert contract_of(case).name == "kernel-builder"
    assert language_of(case).name == "torch-extension"
    assert case.solution is not None and case.solution.whole
    text = as_reply(case.solution, case.language)
    assert CONTRACT.extract(text, signature()).kernel is not None
    assert CONTRACT.problem({SOURCE_NAME: case.solution.source}, signature()) is None
    plain = parse_case(cases.text(cases.HEAD.replace("language: cpp\n", "")), Path("x.md"), "s")
    assert derive(plain, ResultFacts({"out": None}, {})).backend == "cuda"


def test_keys_of_other_contracts_and_other_languages_are_errors() -> None:
    other = parse_case(cases.text(cases.HEAD.replace("language: cpp", "language: python")), Path("x.md"), "s")
    with pytest.raises(CaseError, match="is for language cuda, cpp, not 'python'"):
        contract_of(other)


def test_the_prompt_shows_the_schema_and_the_layout() -> None:
    text = CONTRACT.user_text(cases.case(), signature())
    for part in (
        "\nscale_rows(Tensor x, Tensor weight, float factor) -> Tensor\n",
        "- `x`: shape [rows, cols], float32 or float64, only read. Values: finite.",
        'backends = ["cpu"]',
        "device `torch::kCPU`",
        "`rows` (0 to 64; it may be 0)",
        'register_fake(add_op_namespace_prefix("scale_rows"))',
    ):
        assert part in text
    assert "$" not in text


def test_schemas_are_written_as_bindings_write_them() -> None:
    head = cases.HEAD.replace("scale_rows(Tensor x,", "scale_rows(Tensor(a!) x,").replace(
        "-> Tensor", "-> (Tensor a, Tensor b)"
    )
    case = parse_case(cases.text(head), Path("x.md"), "s")
    assert schema_of(case) == "scale_rows(Tensor! x, Tensor weight, float factor) -> (Tensor, Tensor)"


@pytest.mark.parametrize(
    ("found", "wrong"),
    [
        ("f(Tensor x, float eps) -> Tensor", ""),
        ("f(Tensor  x, float eps=1e-6)->Tensor", ""),
        ("space::f(Tensor x, float eps) -> (Tensor)", ""),
        ("f(Tensor x, float eps) -> Tensor y", ""),
        ("f(Tensor x) -> Tensor", "has 1 arguments, not 2"),
        ("f(Tensor y, float eps) -> Tensor", "has 'y' as argument 1, where 'x' was asked for"),
        ("f(Tensor x, int eps) -> Tensor", "has 'int eps' as argument 2, where 'float eps' was asked for"),
        ("f(Tensor? x, float eps) -> Tensor", "has 'Tensor? x' as argument 1"),
        ("f(Tensor! x, float eps) -> Tensor", "is marked as written, and must only be read"),
        ("f(Tensor(a!) x, float eps) -> Tensor", "is marked as written, and must only be read"),
        ("f(Tensor x, *, float eps) -> Tensor", "takes 'eps' by name only"),
        ("f(Tensor x, float eps) -> ()", "returns (), where (Tensor) was asked for"),
        ("f(Tensor x, float eps) -> (Tensor, Tensor)", "returns (Tensor, Tensor)"),
    ],
)  # fmt: skip
def test_a_schema_must_be_the_one_asked_for(found: str, wrong: str) -> None:
    said = difference(parse_schema(found), parse_schema("f(Tensor x, float eps) -> Tensor"))
    assert said.startswith(wrong) if said.startswith(("has 'Tensor?",)) else wrong in said
    assert bool(said) == bool(wrong)


def test_in_place_arguments_are_marked_in_either_spelling() -> None:
    wanted = parse_schema("f(Tensor! x) -> ()")
    assert difference(parse_schema("f(Tensor(a!) x) -> ()"), wanted) == ""
    assert "is not marked as written" in difference(parse_schema("f(Tensor x) -> ()"), wanted)


@pytest.mark.parametrize(
    "text", ["f", "f(Tensor x)", "f(Tensor) -> Tensor", "f(Tensor x -> Tensor", "1f(Tensor x) -> ()"]
)
def test_what_is_no_schema_says_why(text: str) -> None:
    with pytest.raises(SchemaError):
        parse_schema(text)


@pytest.mark.parametrize(
    ("info", "path"),
    [
        ("cpp torch-ext/a.cpp", "torch-ext/a.cpp"),
        ("toml build.toml", "build.toml"),
        ("build.toml", "build.toml"),
        ("cpp:torch-ext/a.cpp", "torch-ext/a.cpp"),
        ('cpp title="torch-ext/a.cpp"', "torch-ext/a.cpp"),
        ("cpp file=a.cpp", "a.cpp"),
        ("cpp ../a.cpp", "../a.cpp"),
        ("cpp", ""),
        ("python", ""),
        ("", ""),
        ("console example", ""),
    ],
)  # fmt: skip
def test_the_last_word_of_an_info_string_is_a_path_if_it_can_be_one(info: str, path: str) -> None:
    assert project.path_of(info) == path


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("../evil.cpp", "climbs out"),
        ("torch-ext/../../evil.cpp", "climbs out"),
        ("torch-ext/..", "climbs out"),
        ("/etc/passwd", "is absolute"),
        ("~/x.cpp", "is absolute"),
        ("C:/x.cpp", "is absolute"),
        ("\\\\host\\x.cpp", "is absolute"),
        ("a\\..\\x.cpp", "a path has names of letters"),
        ("torch-ext//x.cpp", "a path has names of letters"),
        ("-x/y.cpp", "a path has names of letters"),
        (".git/hooks/pre-commit.py", "a path has names of letters"),
        ("tör/x.cpp", "a path has names of letters"),
        ("a/b/c/d/e/f/g.cpp", "too long"),
        (f"{'a' * 65}/x.cpp", "too long"),
        ("torch-ext/registration.h", "is generated"),
        ("torch-ext/scale_rows/_ops.py", "is generated"),
        ("torch-ext/scale_rows/metadata.json", "is generated"),
        ("metadata.json", "is generated"),
        ("build/torch213-cxx11-cpu-x86_64-linux/x.py", "is generated"),
        ("CMakeLists.txt", "is generated"),
        ("upskill_driver.h", "are reserved"),
        ("torch-ext/Upskill/x.h", "are reserved"),
        ("torch-ext/scale_rows/x.so", "source code and text"),
        ("x.a", "source code and text"),
        ("script", "source code and text"),
    ],
)  # fmt: skip
def test_paths_that_no_file_may_have(path: str, why: str) -> None:
    assert why in project.path_problem(path)
    assert why in CONTRACT.extract(reply() + block(f"cpp {path}"), signature()).problem or not project.path_of(
        f"cpp {path}"
    )


@pytest.mark.parametrize(
    "path", ["README.md", "LICENSE", "tests/test_scale.py", "flake.nix", "./torch-ext/more.h", ".gitignore"]
)
def test_other_files_of_a_project_are_fine(path: str) -> None:
    assert said({**FILES, path: "x"}) == ""


def test_paths_that_cannot_be_files_at_once() -> None:
    assert "differ in upper and lower case" in said({**FILES, "Torch-ext/torch_binding.h": "x"})
    assert "needs a folder of that name" in said({**FILES, "x.h": "x", "x.h/y.h": "x"})


def test_too_many_files_and_too_many_bytes() -> None:
    many = {f"more/f{number}.h": "x" for number in range(1000)}
    assert "files; at most 64" in str(CONTRACT.problem({**FILES, **many}, signature()))
    assert "more than 64 files" in CONTRACT.extract(reply({**FILES, **many}), signature()).problem
    large = "// " + "x" * 3_000_000 + "\n"
    assert "bytes; at most 1000000: shorten it, above all 'large.h'" in said({**FILES, "large.h": large})


def test_of_several_blocks_for_a_file_the_last_closed_one_counts() -> None:
    wrong = block("cpp torch-ext/torch_binding.cpp", "int main;\n")
    right = block("cpp torch-ext/torch_binding.cpp", FILES["torch-ext/torch_binding.cpp"])
    assert CONTRACT.extract(reply() + wrong + right, signature()).kernel is not None
    assert CONTRACT.extract(reply() + wrong, signature()).kernel is None
    cut_off = "```cpp torch-ext/torch_binding.cpp\n#include"
    assert CONTRACT.extract(reply() + cut_off, signature()).kernel is not None


def test_replies_without_a_project() -> None:
    for text, is_block, problem in (
        ("No.", False, "the reply holds no fenced block; one block for each file of a project was asked for"),
        (f"<think>{reply()}</think>Done.", False, "only its reasoning holds fenced blocks"),
        (block("cpp"), True, "its only block names no file; an info string ends in the path: ```toml build.toml"),
        (block("cpp x.cpp"), True, "the project has no 'build.toml'; add it at the top"),
    ):
        found = CONTRACT.extract(text, signature())
        assert (found.kernel, found.block_found) == (None, is_block)
        assert found.problem.startswith(problem)


def test_a_block_without_a_path_is_named_where_a_file_is_missing() -> None:
    text = reply({path: text for path, text in FILES.items() if path != "build.toml"}) + block(
        "toml", FILES["build.toml"]
    )
    problem = CONTRACT.extract(text, signature()).problem
    assert "names no file: its info string must end in the path" in problem


def test_the_text_of_a_project_has_the_same_files_again() -> None:
    files = {**FILES, "README.md": "````\n```cpp\nint x;\n```\n````\n", "empty.h": "", "open.h": "no newline"}
    found = project.project_of({SOURCE_NAME: project.project_of(files).text})
    assert found.texts == {**files, "open.h": "no newline\n"}


BUILD = FILES["build.toml"]


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ("edition = 5", "edition = 4", "build.toml:6: [general] 'edition' is 4; this is read as edition 5"),
        ("edition = 5\n", "", "build.toml:1: [general] 'edition' is missing"),
        ("edition = 5", 'edition = "5"', "build.toml:6: [general] 'edition' is '5'"),
        ('license = "Apache-2.0"\n', "", "build.toml:1: [general] 'license' is missing"),
        ("version = 1", 'version = "1.0"', "build.toml:3: [general] 'version' is '1.0'; it is a whole number"),
        ("version = 1", "version = true", "build.toml:3: [general] 'version' is True"),
        ('"scale-rows"', '"Scale_Rows"', "build.toml:2: [general] 'name' is 'Scale_Rows'"),
        ("version = 1", "vrsion = 1", "build.toml:3: [general] unknown key 'vrsion'; did you mean 'version'?"),
        ("[torch]", "[touch]", "build.toml:8: unknown table 'touch'; did you mean 'torch'?"),
        ("depends", "depend", "build.toml:13: [kernel.scale_rows] unknown key 'depend'; did you mean 'depends'?"),
        ('depends = ["torch"]\n', "", "[kernel.scale_rows] 'depends' is missing; it is a list of texts"),
        ('depends = ["torch"]', 'depends = ["cutlass_4_0"]', "build.toml:13: [kernel.scale_rows] 'depends' names 'cutlass_4_0'"),
        ('backend = "cpu"', 'backend = "cpus"', "build.toml:12: [kernel.scale_rows] 'backend' is 'cpus', which is unknown; did you"),
        ('backend = "cpu"', 'backend = "cuda"', "'backend' is 'cuda', which 'backends' of [general] does not list"),
        ('backends = ["cpu"]', 'backends = ["cpu", "cuda"]', "build.toml:5: [general] 'backends' lists 'cuda', and no [kernel.NAME]"),
        ('backends = ["cpu"]', "backends = []", "'backends' lists each backend once, and at least one"),
        ('include = ["torch-ext"]', 'cuda-capabilities = ["8.0"]', "unknown key 'cuda-capabilities'"),
        ('include = ["torch-ext"]', 'include = ["../.."]', "build.toml:15: [kernel.scale_rows] 'include' holds '../..': the path climbs out"),
        ("scale_rows_cpu/scale_rows.cpp", "scale_rows_cpu/scale_row.cpp", "which the project does not have; did you mean"),
        ("scale_rows_cpu/scale_rows.cpp", "/etc/passwd", "the path is absolute"),
        ("scale_rows_cpu/scale_rows.cpp", "torch-ext/torch_binding.h", "'src' names no file that is compiled"),
        ("[torch]\n", "[torch]\nstable-abi = true\n", "'stable-abi' is not judged"),
        ("[torch]\n", '[torch]\nminver = "99.0"\n', "build.toml:9: [torch] 'minver' is '99.0', and it is built for torch"),
        ("[torch]\n", '[torch]\ncxx-flags = ["-fplugin=x.so"]\n', "build.toml:9: [torch] 'cxx-flags' holds '-fplugin=x.so'"),
        ("[torch]\n", '[torch]\ncxx-flags = ["-O2 -include/etc/passwd"]\n', "'cxx-flags' holds"),
        ("[torch]\n", '[torch]\ncxx-flags = ["-DFAST=no_sanitize_thread"]\n', "[torch] 'cxx-flags' holds '-DFAST=no_sanitize_thread'"),
        ("[torch]\n", '[torch]\ncxx-flags = ["-Dsection_without_attribute=section"]\n', "'cxx-flags' holds"),
        ("[torch]\n", '[torch]\ncxx-flags = ["-DUPSKILL_CPU_CUBLAS_V2_H"]\n', "'cxx-flags' holds"),
        ("[torch]\n", '[torch]\ncxx-flags = ["@/etc/passwd"]\n', "'cxx-flags' holds"),
        ("[torch]\n", "[torch-noarch]\n", "other frameworks are not judged"),
        ("edition = 5", 'edition = 5\npython-depends = ["einops"]', "'python-depends' names other packages"),
        ("[general]", "[general", "build.toml: this is no TOML:"),
    ],
)  # fmt: skip
def test_build_toml_says_line_key_and_rule(old: str, new: str, wrong: str) -> None:
    assert wrong in said(changed("build.toml", old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[torch]\n", '[torch]\nminver = "2.9"\ncxx-flags = ["-O2", "-Wall", "-march=native", "-DX=1", "-DTYPE=float", "-UDEBUG", "-std=c++20"]\npyext = ["py"]\n'),
        ("[torch]\n", '[general.hub]\nrepo-id = "a/b"\n\n[general.cuda]\nminver = "12.4"\n\n[torch]\n'),
        ('include = ["torch-ext"]', 'include = [".", "torch-ext/"]'),
    ],
)  # fmt: skip
def test_a_build_toml_with_more_keys_is_fine(old: str, new: str) -> None:
    assert said(changed("build.toml", old, new)) == ""


@pytest.mark.skipif(official_reader._reader() is None, reason="the package 'kernels' is not installed")
def test_the_reader_of_kernels_agrees() -> None:
    assert official_reader.problem(BUILD) is None
    refused = official_reader.problem(BUILD.replace('license = "Apache-2.0"\n', ""))
    assert refused == "build.toml: the reader of 'kernels' refuses it: Missing field license"


def test_capabilities_are_those_that_exist() -> None:
    cuda = BUILD.replace('["cpu"]', '["cuda"]').replace('backend = "cpu"', 'backend = "cuda"')
    for capabilities, wrong in (
        ('["8.0", "9.0a", "8.0+PTX"]', ""),
        ('["sm_80"]', "holds 'sm_80', which is unknown; did you mean"),
        ('["99.0"]', "holds '99.0', which is unknown"),
    ):
        files = {**FILES, "build.toml": f"{cuda}cuda-capabilities = {capabilities}\n"}
        try:
            assert build_toml.read(files).kernels[0].capabilities[0] == "8.0" and not wrong
        except project.ProjectError as error:
            assert wrong and wrong in str(error)


BINDING = "torch-ext/torch_binding.cpp"


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ("REGISTER_EXTENSION(TORCH_EXTENSION_NAME)", "", "without REGISTER_EXTENSION(TORCH_EXTENSION_NAME) Python cannot import"),
        ("REGISTER_EXTENSION(TORCH_EXTENSION_NAME)", "// REGISTER_EXTENSION(TORCH_EXTENSION_NAME)", "without REGISTER_EXTENSION"),
        ("REGISTER_EXTENSION(TORCH_EXTENSION_NAME)", "REGISTER_EXTENSION(scale)", "takes TORCH_EXTENSION_NAME, not 'scale'"),
        ("<torch/library.h>", "<torch/extension.h>", f"{BINDING}:3: it includes <torch/extension.h>"),
        ("TORCH_LIBRARY_EXPAND(TORCH_EXTENSION_NAME", "PYBIND11_MODULE(TORCH_EXTENSION_NAME", "pybind11 is outside the limited API"),
        ("TORCH_LIBRARY_EXPAND(TORCH_EXTENSION_NAME", "TORCH_LIBRARY(scale", "registers in the library 'scale'"),
        ("TORCH_LIBRARY_EXPAND(TORCH_EXTENSION_NAME", "TORCH_LIBRARY(TORCH_EXTENSION_NAME", "TORCH_LIBRARY does not expand"),
        ("REGISTER_EXT", "TORCH_LIBRARY_IMPL(aten, CPU, m) { m.impl(\"mul\", f); }\nREGISTER_EXT", "registers in the library 'aten'"),
        ("Tensor weight, float factor", "Tensor weight", f"{BINDING}:8: the schema of 'scale_rows' has 2 arguments, not 3"),
        ("float factor) -> Tensor", "float factor) -> ()", "returns (), where (Tensor) was asked for"),
        ("scale_rows(Tensor x", "scale_row(Tensor x", "'scale_rows' is implemented and not defined; did you mean 'scale_row'?"),
        ("torch::kCPU", "torch::kCUDA", "'scale_rows' is implemented for cuda, and not for cpu"),
        ('ops.impl("scale_rows", torch::kCPU, &scale_rows);', "", "'scale_rows' has no implementation; add ops.impl("),
        ("ops.def", "// ops.def", "no operator is registered"),
        ("ops.def(", "ops.def(SCHEMA, ", "the first argument of 'def' is not a string literal"),
        (") -> Tensor\");", ")\");", "has no result; write '-> Tensor'"),
    ],
)  # fmt: skip
def test_bindings_register_the_operator_that_was_asked_for(old: str, new: str, wrong: str) -> None:
    assert wrong in said(changed(BINDING, old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('ops.def("scale_rows(Tensor x, ', 'ops.def("scale_rows("\n          "Tensor x, '),
        ('ops.def("', 'm.def("other(Tensor x) -> Tensor", &other);\n  ops.def("'),
        ("#include <torch/library.h>", "// #include <torch/extension.h>\n/* PYBIND11_MODULE */\n#include <torch/library.h>"),
        ('ops.impl("scale_rows", torch::kCPU, &scale_rows);', 'ops.impl("scale_rows", c10::DispatchKey::CPU, TORCH_FN(scale_rows));'),
        ('  ops.impl("scale_rows", torch::kCPU, &scale_rows);\n}', '}\nTORCH_LIBRARY_IMPL_EXPAND(TORCH_EXTENSION_NAME, CPU, m) {\n  m.impl("scale_rows", scale_rows);\n}'),
        ('ops.def("', 'ops.def(R"('),
    ],
)  # fmt: skip
def test_bindings_in_other_styles(old: str, new: str) -> None:
    files = changed(BINDING, old, new)
    files[BINDING] = files[BINDING].replace(
        'R"(scale_rows(Tensor x, Tensor weight, float factor) -> Tensor"',
        'R"(scale_rows(Tensor x, Tensor weight, float factor) -> Tensor)"',
    )
    assert said(files) == ""


def test_two_operators_in_one_project() -> None:
    more = '  ops.def("row_sums(Tensor x) -> Tensor");\n  ops.impl("row_sums", torch::kCPU, &row_sums);\n'
    files = changed(BINDING, "  ops.def(", more + "  ops.def(")
    assert said(files) == ""
    assert list(bindings.registered(files, [BINDING])) == ["row_sums", "scale_rows"]


MODULE = "torch-ext/scale_rows/__init__.py"


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ("from ._ops", "from scale_rows._ops", f"{MODULE}:3: it imports 'scale_rows._ops' absolutely"),
        ("from ._ops", "from _ops", "it imports '_ops' absolutely"),
        ("import torch\n", "import torch\nimport numpy\n", f"{MODULE}:2: it imports 'numpy', and only torch"),
        ("def scale_rows(", "def scale(", "it does not offer 'scale_rows'"),
        ("def scale_rows(", "def scale_rows((", f"{MODULE}:11: this is no Python"),
    ],
)  # fmt: skip
def test_the_package_imports_relatively_and_offers_the_operator(old: str, new: str, wrong: str) -> None:
    assert wrong in said(changed(MODULE, old, new))


def test_a_project_without_its_package() -> None:
    files = {path.replace("scale_rows/__init__", "scaling/__init__"): text for path, text in FILES.items()}
    assert "the project has no 'torch-ext/scale_rows/__init__.py'; there is 'torch-ext/scaling/__init__.py'" in said(
        files
    )


def test_what_is_generated() -> None:
    build = build_toml.read(FILES)
    names = generated.names(build, "cpu", FILES, "2.13.0+cpu", "x86_64")
    assert names == generated.names(build, "cpu", dict(FILES), "2.13.1", "x86_64")
    assert names.variant == "torch213-cxx11-cpu-x86_64-linux"
    assert names.library == f"{names.extension}.abi3.so" and names.extension.startswith("_scale_rows_cpu_")
    assert names != generated.names(build, "cpu", {**FILES, "x.h": ""}, "2.13.0", "x86_64")
    compile(generated.ops_module(names.extension), "_ops.py", "exec")
    assert f"ops = torch.ops.{names.extension}" in generated.ops_module(names.extension)
    assert '"type": "cpu"' in generated.metadata(build, "cpu", names.extension)
    assert (standard((2, 11)), standard((2, 12))) == (17, 20)


@pytest.mark.skipif(official_reader._reader() is None, reason="the package 'kernels' is not installed")
def test_the_metadata_can_be_read_by_kernels() -> None:
    build = build_toml.read(FILES)
    read = official_reader._reader().Metadata.from_bytes(generated.metadata(build, "cpu", "_x_cpu_1").encode())
    assert (read.id, str(read.name), read.version, read.license) == ("_x_cpu_1", "scale-rows", 1, "Apache-2.0")
