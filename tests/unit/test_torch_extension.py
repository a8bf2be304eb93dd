"""The adapter of PyTorch extensions: what is compiled, which functions a library may call, and builds in a worker.

The worker's builds here are Python: what a compiled library registers, a module of the same name can register.
"""

# ruff: noqa: E501 - one line for each mistake and what is said of it

from __future__ import annotations

import array
import base64
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_upskill import JudgeRequest, judge
from pytest_upskill.build import elf, toolchain
from pytest_upskill.languages.python.server import WORKER, Program, WorkerServer
from pytest_upskill.languages.torch_extension import abi, build_toml, compiler, cuda_compiler, generated, policy
from pytest_upskill.languages.torch_extension import language as adapter
from pytest_upskill.languages.torch_extension.executor import ExtensionExecutor, load_facts
from pytest_upskill.records import Answer, Build, Call, ScalarArgument, TensorArgument
from pytest_upskill.sandbox.confinement import strongest
from pytest_upskill.sandbox.message_process import Limits
from tests.unit import kernel_builder_cases as cases
from tests.unit.kernel_builder_cases import FILES

pytest.importorskip("kernels")

EXTENSION = "_scale_rows_cpu_abc"
SCHEMA = "scale_rows(Tensor x, Tensor weight, float factor) -> Tensor"
LIMITS = Limits(seconds=120.0)


def test_each_source_is_compiled_once_with_the_options_of_its_table() -> None:
    text = FILES["build.toml"].replace("[torch]\n", '[torch]\ncxx-flags = ["-O3", "-DX=1"]\ninclude = ["torch-ext"]\n')
    build = build_toml.read({**FILES, "build.toml": text})
    assert compiler.units(build) == [
        ("torch-ext/torch_binding.cpp", ("torch-ext",), ("-O3", "-DX=1")),
        ("scale_rows_cpu/scale_rows.cpp", ("torch-ext",), ()),
    ]


def test_what_a_precompiled_header_fixes_is_left_out_of_the_options() -> None:
    ignored = ["-O0", "-O3", "-Os", "-Og", "-Ofast", "-g", "-std=c++17", "-std=gnu++20"]
    kept = ["-DX=1", "-ffast-math", "-funroll-loops", "-mavx2", "-Wall", "-fno-gnu-unique"]
    text = FILES["build.toml"].replace("[torch]\n", f"[torch]\ncxx-flags = {json.dumps([*ignored, *kept])}\n")
    assert build_toml.read({**FILES, "build.toml": text}).cxx_flags == (*ignored, *kept)
    assert compiler.optional_flags([*ignored, *kept]) == kept


def test_a_precompiled_header_replaces_only_what_a_source_includes() -> None:
    assert compiler.header_of("scale_rows_cpu/scale_rows.cpp", FILES) == "all"
    for include, name in (
        ("#include <torch/all.h>", "all"),
        ("#include <torch/library.h>", "library"),
        ("#include <ATen/ATen.h>", ""),
        ('#include "missing.h"', ""),
        ('#include "a.cpp"\n#include <torch/library.h>', "library"),
    ):
        assert compiler.header_of("a.cpp", {"a.cpp": include}) == name


@pytest.mark.parametrize(
    ("symbol", "says"),
    [
        ("_ZN2at4_ops10mul_Tensor4callERKNS_6TensorES4_", "the operator 'mul_Tensor' of torch, which computes"),
        ("_ZN2at4_ops6matmul4callERKNS_6TensorES4_", "the operator 'matmul' of torch, which computes"),
        ("_ZN2at4_ops13to_mkldnn_out4callEv", "the operator 'to_mkldnn_out' of torch"),
        ("_ZN2at4_ops10t_sigmoid_4callEv", "the operator 't_sigmoid_' of torch"),
        ("_ZN2at6native3addEv", "'at::native', which computes"),
        ("_ZN2at3cpu3addEv", "'at::cpu', which computes"),
        ("_ZNK3c1010Dispatcher17findSchemaOrThrowEPKcS2_", "'c10::Dispatcher', which finds operators by name"),
        ("cblas_sgemm", "'BLAS', which computes"),
        ("sgemm_", "'BLAS', which computes"),
        ("_ZN2at4_ops19empty_memory_format4callEv", ""),
        ("_ZN2at4_ops10empty_like4callEv", ""),
        ("_ZN2at4_ops5copy_4callEv", ""),
        ("_ZN2at4_ops12slice_Tensor4callEv", ""),
        ("_ZN2at4_ops15to_dtype_layout4callEv", ""),
        ("_ZN5torch7LibraryC1ENS0_4KindEv", ""),
        ("_ZN5torch3jit11parseSchemaERKNSt7__cxx1112basic_stringIcSt11char_traitsIcESaIcEEEb", ""),
        ("_ZN5torch3jit7compileERKSs", "'torch::jit', which runs other code"),
        ("malloc", ""),
        ("memcpy", ""),
        ("expf", ""),
    ],
)  # fmt: skip
def test_a_library_may_call_what_allocates_and_nothing_that_computes(symbol: str, says: str) -> None:
    found = list(policy.violations([symbol, symbol]))
    assert len(found) == bool(says)
    assert not says or says in found[0]


@pytest.mark.parametrize(
    ("name", "computes"), [("aten::mul.Tensor", True), ("aten::empty.memory_format", False), ("aten::copy_", False)]
)
def test_operators_by_name(name: str, computes: bool) -> None:
    assert policy.computes(name) == computes


@pytest.mark.slow
def test_functions_outside_the_limited_api_are_found(tmp_path: Path) -> None:
    pytest.importorskip("kernel_abi_check")
    for body, wrong in (("return PyLong_FromLong(1);", ""), ("return _PyLong_Sign(0), (void*)0;", "_PyLong_Sign")):
        source, library = tmp_path / "x.c", tmp_path / "x.abi3.so"
        source.write_text(f"void* PyLong_FromLong(long); int _PyLong_Sign(void*);\nvoid* PyInit_x(void) {{ {body} }}\n")
        subprocess.run(["gcc", "-shared", "-fPIC", str(source), "-o", str(library)], check=True)
        said = abi.problem(library, elf.read(library))
        assert (wrong in said and "outside Python's limited API" in said) if wrong else said == ""
        assert abi.notes(library) == []


@pytest.mark.slow
@pytest.mark.parametrize("hides", [False, True])
def test_macros_of_pytorch_do_not_hide_accesses(tmp_path: Path, hides: bool) -> None:
    name = "a.cu"
    attribute = 'NO_SANITIZE("thread")' if hides else ""
    source = f"#include <fbgemm/FbgemmBuild.h>\n{attribute} void f() {{}}\n"
    found = compiler.headers()
    text = cuda_compiler._preamble(name, {name: source}, found) + source
    (tmp_path / "a.cpp").write_text(text)
    line = [str(toolchain.find_compiler().program), "-fsyntax-only", *(f"-isystem{one}" for one in found.folders)]
    done = subprocess.run([*line, str(tmp_path / "a.cpp")], check=False, capture_output=True, text=True)
    assert "#include <fbgemm/FbgemmBuild.h>" in text.partition("poison")[0]
    assert (done.returncode != 0) == hides
    assert ("NO_SANITIZE" in done.stderr) == hides


# --------------------------------------------------------------------------------------------------- builds in a worker

SCALE = """\
import ctypes
    count, cols = x.numel(), x.shape[1]
    values, weights, results = ((ctypes.c_float * one.numel()).from_address(one.data_ptr()) for one in (x, w, out))
    for place in range(count):
        results[place] = values[place] * weights[place // cols] * factor"""
CHECK = (
    'assert x.is_contiguous() and x.dtype == torch.float32 and w.dtype == torch.float32, "x is contiguous and float32"'
)
REGISTERED = """\
import torch

library = torch.library.Library("{extension}", "DEF")
library.define("{schema}")


def scale_rows(x, w, factor):
    {check}
    out = torch.empty_like(x)
    {body}
    return out


library.impl("scale_rows", scale_rows, "CPU")
{more}
"""
FAKE = 'library.impl("scale_rows", lambda x, w, factor: torch.empty_like(x), "Meta")'
MODULE = "from ._ops import ops\n\n\ndef scale_rows(x, weight, factor):\n    return ops.scale_rows(x, weight, factor)\n"


@pytest.fixture(scope="module")
def server() -> Iterator[WorkerServer]:
    program = Program(adapter._WORKER, adapter._folders, (WORKER.parent,), scratch=True)
    found = WorkerServer(strongest(), program)
    yield found
    found.close()


def plan(
    folder: Path, body: str = SCALE, *, check: str = CHECK, more: str = FAKE, module: str = MODULE, schema: str = SCHEMA
) -> Path:
    build = build_toml.read(FILES)
    entry = {
        "name": "scale_rows",
        "schema": SCHEMA,
        "backend": "cpu",
        "results": ["out"],
        "atomics": False,
        "forbid": [],
    }
    texts = {
        "__init__.py": module,
        "_ops.py": generated.ops_module(EXTENSION),
        "metadata.json": generated.metadata(build, "cpu", EXTENSION),
        f"{EXTENSION}.py": REGISTERED.format(extension=EXTENSION, schema=schema, check=check, body=body, more=more),
    }
    names = generated.names(build, "cpu", FILES, compiler.headers().version, compiler.processor())
    path = folder / "kernel.json"
    files = {name: base64.b64encode(text.encode()).decode() for name, text in texts.items()}
    whole = {"entry": entry, "extension": EXTENSION, "variant": names.variant, "allowed": sorted(policy.ALLOWED)}
    path.write_text(json.dumps({**whole, "files": files}))
    return path


def floats(*values: float) -> bytes:
    return array.array("f", values).tobytes()


CALL = Call(
    0,
    (
        TensorArgument("out", "output", "float32", (2, 3)),
        TensorArgument("x", "input", "float32", (2, 3), floats(0, 1, 2, 3, 4, 5)),
        TensorArgument("weight", "input", "float32", (2,), floats(1, 2)),
        ScalarArgument("factor", "float", 0.5),
    ),
)
RIGHT = floats(0, 0.5, 1, 3, 4, 5)


def judged(server: WorkerServer, path: Path) -> tuple[Answer, dict[str, str], list[str]]:
    """The answer to one call, the assertions that fail, and what else the build did."""
    with ExtensionExecutor(path, server, LIMITS, filtered=strongest().filtered) as executor:
        answer = executor.call(CALL)
        failed = {one.name: one.message for one in executor.assertions() if not one.passed}
        return answer, failed, list(executor.violations())


@pytest.mark.slow
def test_a_build_is_loaded_by_kernels_and_its_operator_is_called(server: WorkerServer, tmp_path: Path) -> None:
    path = plan(tmp_path)
    loaded = load_facts(path, server, LIMITS, filtered=strongest().filtered)
    assert loaded == {
        "facts": {
            "schema": f"{EXTENSION}::{SCHEMA}".replace("-> Tensor", "-> (Tensor)"),
            "others": [],
            "offered": True,
            "implemented": True,
        },
        "seen": [],
    }
    answer, failed, violations = judged(server, path)
    assert (answer.findings, answer.outputs["out"], failed, violations) == ((), RIGHT, {}, [])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "assertion", "says"),
    [
        ({"check": "assert x.is_contiguous()"}, "rejects", "'x' of dtype complex64 is accepted"),
        ({"check": CHECK.replace("x.is_contiguous() and ", "")}, "strides", "'out' has other values; read the strides"),
        ({"check": CHECK.replace("x.is_contiguous()", "x.stride(1) == 1 and w.is_contiguous()")}, "strides", "with tensors whose rows lie apart, 'out' has other values"),
        ({"more": ""}, "opcheck", "has no implementation for tensors without data"),
        ({"more": FAKE.replace("empty_like(x)", "empty_like(x).t()")}, "opcheck", "gives shape torch.Size([3, 2])"),
        ({"body": f"{SCALE}\n    x.zero_()"}, "opcheck", "raised"),
        ({"body": f"if count == 0: os.abort()\n    {SCALE}".replace("count == 0", "x.numel() == 0").replace("os.", "__import__('os').")}, "empty", "with tensors without elements: the kernel's process was killed: Aborted"),
    ],
)  # fmt: skip
def test_a_wrong_build_fails_one_check(
    server: WorkerServer, tmp_path: Path, changes: dict[str, str], assertion: str, says: str
) -> None:
    answer, failed, _ = judged(server, plan(tmp_path, **changes))
    assert bytes(answer.outputs["out"]) == RIGHT
    assert list(failed) == [assertion]
    assert says in failed[assertion]


IN_PLACE = """\
import ctypes

import torch

library = torch.library.Library("{extension}", "DEF")
library.define("{schema}")


def bump(x, by):
    assert x.is_contiguous() and x.dtype == torch.float32, "x is contiguous and float32"
    values = (ctypes.c_float * x.numel()).from_address(x.data_ptr())
    for place in range(x.numel()):
        values[place] += by


library.impl("bump", bump, "CPU")
"""


def in_place_plan(folder: Path, text: str, mark: str = "!") -> Path:
    path = plan(folder)
    whole = json.loads(path.read_text())
    whole["entry"] |= {"name": "bump", "schema": "bump(Tensor! x, float by) -> ()", "results": []}
    module = text.format(extension=EXTENSION, schema=f"bump(Tensor{mark} x, float by) -> ()")
    whole["files"][f"{EXTENSION}.py"] = base64.b64encode(module.encode()).decode()
    whole["files"]["__init__.py"] = base64.b64encode(b"from ._ops import ops\nbump = ops.bump\n").decode()
    path.write_text(json.dumps(whole))
    return path


@pytest.mark.slow
@pytest.mark.parametrize(("mark", "failed"), [("!", []), ("(a!)", []), ("", ["opcheck"])])
def test_arguments_that_are_updated_in_place_are_marked(
    server: WorkerServer, tmp_path: Path, mark: str, failed: list[str]
) -> None:
    path = in_place_plan(tmp_path, IN_PLACE, mark)
    whole = json.loads(path.read_text())
    loaded = load_facts(path, server, LIMITS, filtered=strongest().filtered)
    data = {"loaded": loaded, "violations": [], "abi": "", "notes": []}
    violations, _ = adapter._verdicts(data, whole["entry"], EXTENSION)
    assert bool(violations) == (mark == "")
    x = TensorArgument("x", "inplace", "float32", (3,), floats(1, 2, 3))
    with ExtensionExecutor(path, server, LIMITS, filtered=strongest().filtered) as executor:
        answer = executor.call(Call(0, (x, ScalarArgument("by", "float", 1.0))))
        assert bytes(answer.outputs["x"]) == floats(2, 3, 4)
        assert [one.name for one in executor.assertions() if not one.passed] == failed


@pytest.mark.slow
def test_strides_are_tried_with_a_call_in_which_they_matter(server: WorkerServer, tmp_path: Path) -> None:
    path = in_place_plan(tmp_path, IN_PLACE.replace("x.is_contiguous() and ", ""))
    with ExtensionExecutor(path, server, LIMITS, filtered=strongest().filtered) as executor:
        for values, by, fails in (
            ((1, 2, 3), 0.0, False),
            ((1,), 1.0, False),
            ((1, 2, 3), 1.0, True),
            ((4,), 1.0, True),
        ):
            x = TensorArgument("x", "inplace", "float32", (len(values),), floats(*values))
            assert executor.call(Call(0, (x, ScalarArgument("by", "float", by)))).ran
            failed = {one.name: one.message for one in executor.assertions() if not one.passed}
            assert list(failed) == (["strides"] if fails else [])
            assert not fails or "'x' has other values" in failed["strides"]


@pytest.mark.slow
def test_operators_of_torch_that_compute_are_seen(server: WorkerServer, tmp_path: Path) -> None:
    answer, _, violations = judged(server, plan(tmp_path, "out.copy_(x * w[:, None] * factor)"))
    assert bytes(answer.outputs["out"]) == RIGHT
    assert violations == ["it calls the operator 'aten::mul' of torch, which computes"]


RESULT = "out.copy_(x * w[:, None] * factor)"
DIRECT = """\
torch.empty(0)
    keys, mul = torch._C.DispatchKeySet(torch._C.DispatchKey.CPU), torch.ops.aten.mul.Tensor.redispatch
    out.copy_(mul(keys, mul(keys, x, w[:, None]), torch.full_like(x, factor)))"""
IN_A_MODE = """\
from torch.utils._python_dispatch import TorchDispatchMode
    class Mode(TorchDispatchMode):
        def __torch_dispatch__(self, function, types, given=(), named=None):
            return x * w[:, None] * factor
    with Mode():
        made = x.clone()
    out.copy_(made)"""
IN_A_RECORD = f"""\
with torch._C._profiler._RecordFunctionFast("aten::empty"):
        {RESULT}"""
RESTARTED = f"""\
torch.autograd._disable_profiler_legacy()
    {RESULT}
    kind, plain = torch.autograd.ProfilerState.CPU, torch._C._profiler._ExperimentalConfig()
    torch.autograd._enable_profiler_legacy(torch.autograd.ProfilerConfig(kind, False, False, False, False, False, plain))"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "says"),
    [
        (DIRECT, "it calls the operator 'aten::mul' of torch"),
        (IN_A_MODE, "it calls the operator 'aten::mul' of torch"),
        (IN_A_RECORD, "it calls the operator 'aten::mul' of torch"),
        (RESTARTED, "it ends the record of its operators"),
    ],
    ids=["direct", "mode", "record", "restarted"],
)
def test_operators_that_are_hidden_in_others_are_seen(
    server: WorkerServer, tmp_path: Path, body: str, says: str
) -> None:
    with ExtensionExecutor(plan(tmp_path, body), server, LIMITS, filtered=strongest().filtered) as executor:
        answer = executor.call(CALL)
        assert (answer.findings, bytes(answer.outputs["out"])) == ((), RIGHT)
        assert any(one.startswith(says) for one in executor.violations())


@pytest.mark.slow
def test_the_record_of_operators_cannot_be_switched_off(server: WorkerServer, tmp_path: Path) -> None:
    body = f"torch.autograd._enable_record_function(False)\n    {RESULT}"
    with ExtensionExecutor(plan(tmp_path, body), server, LIMITS, filtered=strongest().filtered) as executor:
        assert "cannot be switched off" in executor.call(CALL).findings[0].message


GRADIENT = """\
import torch

from ._ops import ops


class Scale(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight, factor):
        ctx.save_for_backward(weight)
        ctx.factor = factor
        return ops.scale_rows(x, weight, factor)

    @staticmethod
    def backward(ctx, grad):
        (weight,) = ctx.saved_tensors
        return grad * weight[:, None] * ctx.factor, None, None


def scale_rows(x, weight, factor):
    return Scale.apply(x, weight, factor)
"""


@pytest.mark.slow
def test_operators_that_compute_gradients_fail_the_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = plan(tmp_path, module=GRADIENT)
    whole = json.loads(path.read_text())
    path.write_text(json.dumps({**whole, "entry": {**whole["entry"], "gradients": ["x"]}}))
    monkeypatch.setattr(adapter.TorchExtensionLanguage, "build", lambda *ignored, **also: Build(path))
    text = cases.text().replace("dtypes: [float32, float64]", "dtypes: [float32]\ngradients: [x]")
    found = judge(JudgeRequest(text, "scale_rows", FILES, "kernel-builder", "cpp", seed=3, examples=2)).verdict
    failed = {one.name: one.message for one in found.assertions if not one.passed}
    assert list(failed) == ["contract"], found
    assert "'aten::mul'" in failed["contract"]


BY_NAME = MODULE.replace("(x, weight, factor):", "(x, *, factor, weight):")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "says"),
    [
        (BY_NAME, ""),
        (MODULE.replace("weight, factor)\n", "weight, 2 * factor)\n"), "'out' has other values; return what ops.scale_rows"),
        (MODULE.replace("return ops", "ops"), "called with the operator's arguments, returned None"),
        (MODULE.replace("ops.scale", "ops.scaled"), "called with the operator's arguments, raised AttributeError"),
    ],
)  # fmt: skip
def test_the_function_of_the_package_gives_what_the_operator_gives(
    server: WorkerServer, tmp_path: Path, module: str, says: str
) -> None:
    _, failed, violations = judged(server, plan(tmp_path, module=module))
    assert list(failed) == (["package"] if says else [])
    assert says in failed.get("package", "")
    assert violations == []


LISTED = "import os\nfound = os.listdir(os.environ['UPSKILL_SCRATCH'] + '/work')\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "problem", "seen"),
    [
        ("import os\nos._exit(0)\n", "exit status 0", []),
        ("raise ValueError('no')\n", "ValueError: no", []),
        (LISTED + MODULE, "Permission denied", []),
        ("import socket\nsocket.socket()\n" + MODULE, "Operation not permitted", ["does 'socket.__new__'"]),
        ("open('/usr/bin/env').close()\n" + MODULE, "", ["opens '/usr/bin/env'"]),
        ("try:\n    open('x', 'w')\nexcept OSError:\n    pass\n" + MODULE, "", ["opens 'x'"]),
        ("import requests\n" + MODULE, "No module named 'requests'", []),
        ("import os\nos.fork()\n" + MODULE, "not permitted", ["does 'os.fork'"]),
    ],
)  # fmt: skip
def test_what_a_package_must_not_do_when_it_is_imported(
    server: WorkerServer, tmp_path: Path, module: str, problem: str, seen: list[str]
) -> None:
    loaded = load_facts(plan(tmp_path, module=module), server, LIMITS, filtered=strongest().filtered)
    assert problem in loaded.get("problem", "")
    assert bool(problem) == ("problem" in loaded)
    assert loaded.get("seen", []) == seen


@pytest.mark.slow
def test_operators_of_other_libraries_are_seen(server: WorkerServer, tmp_path: Path) -> None:
    more = f'{FAKE}\nother = torch.library.Library("aten", "IMPL")\nother.impl("mul.Tensor", lambda a, b: a, "Meta", allow_override=True)'
    loaded = load_facts(plan(tmp_path, more=more), server, LIMITS, filtered=strongest().filtered)
    data = {"loaded": loaded, "violations": [], "abi": "", "notes": []}
    violations, _ = adapter._verdicts(data, {"schema": SCHEMA, "name": "scale_rows"}, EXTENSION)
    assert loaded.get("problem") is None
    assert violations == ("it registers 'aten::mul.Tensor', an operator of another library",)


@pytest.mark.parametrize(
    ("facts", "assertions", "says"),
    [
        ({}, {}, ""),
        ({"offered": False}, {"loads": "does not offer 'scale_rows'"}, ""),
        ({"implemented": False}, {"loads": "has no implementation for the cpu"}, ""),
        ({"others": ["aten::mul@CPU"]}, {}, "it registers 'aten::mul', an operator of another library"),
        ({"schema": f"{EXTENSION}::scale_rows(Tensor x) -> Tensor"}, {}, "the schema that is registered has 1 arguments, not 3"),
    ],
)  # fmt: skip
def test_what_was_loaded_decides(facts: dict[str, object], assertions: dict[str, str], says: str) -> None:
    good = {"schema": f"{EXTENSION}::{SCHEMA}", "others": [], "offered": True, "implemented": True}
    data = {"loaded": {"facts": {**good, **facts}}, "violations": [], "abi": "", "notes": []}
    violations, found = adapter._verdicts(data, {"schema": SCHEMA, "name": "scale_rows"}, EXTENSION)
    failed = {one.name: one.message for one in found if not one.passed}
    assert set(failed) == set(assertions) and all(text in failed[name] for name, text in assertions.items())
    assert (says in violations[0]) if says else not violations
