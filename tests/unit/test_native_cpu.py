"""CUDA C++ on the host: what kernels may use gives right values, and what they get wrong is reported with its line."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from numpy.typing import NDArray

from pytest_upskill.native.cpu import flags
from pytest_upskill.native.cpu.rewrite import rewrite

KERNELS = Path(__file__).resolve().parents[1] / "native"
SOURCES = sorted(KERNELS.glob("*.cu"))
FEATURES = sorted(KERNELS.glob("features/*.cu"))
Array = NDArray[Any]
FRESH = "fresh_"
"""How the names of buffers begin that a kernel must not read before it writes them."""

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="the cpu device needs g++")


@dataclass(frozen=True)
class Result:
    """What a call left behind: its buffers, the CUDA error, and (assertion, kind, line, message) of each report."""

    buffers: list[Array]
    error: int
    reports: list[tuple[str, str, int | None, str]]


@dataclass(frozen=True)
class Device:
    """The runtime and the precompiled header, built once."""

    folder: Path

    @property
    def runtime(self) -> Path:
        return self.folder / "libupskill_cpu.so"

    def build(self, source: Path) -> Path:
        """The library of a test kernel, built unless it is there already."""
        text = rewrite(source.read_text(), source.name)
        library = self.folder / f"{source.stem}-{hashlib.sha256(text.encode()).hexdigest()[:16]}.so"
        with FileLock(f"{library}.lock"):
            if not library.exists():
                unit, compiled = library.with_suffix(".cpp"), library.with_suffix(".o")
                unit.write_text(text)
                include = ["-include", str(self.folder / flags.PCH_HEADER.name), f"-iquote{source.parent}"]
                gxx(*flags.student_flags("gcc"), *include, *folders(), "-c", unit, "-o", compiled)
                gxx(*flags.LINK_FLAGS, "-o", f"{library}.new", compiled, self.runtime)
                Path(f"{library}.new").rename(library)
        return library

    def run(self, name: str, *calls: dict[str, Any]) -> list[Result]:
        """Calls the entry of a test kernel in a process of its own; buffers are numpy arrays, by name."""
        return self.run_libraries([self.build(KERNELS / f"{name}.cu")], *calls)

    def run_libraries(self, libraries: Sequence[Path], *calls: dict[str, Any]) -> list[Result]:
        """The same for several libraries in one process; each call's "library" is an index."""
        request = [{**call, "buffers": [plain(*item) for item in call["buffers"].items()]} for call in calls]
        ran = subprocess.run(
            [sys.executable, "-S", KERNELS / "harness.py", self.runtime, *libraries],
            input=json.dumps(request),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        return [
            result_of(libraries[call.get("library", 0)], call, answer)
            for answer, call in zip(json.loads(ran.stdout), calls, strict=True)
        ]


def result_of(library: Path, call: dict[str, Any], answer: dict[str, Any]) -> Result:
    buffers = [
        np.frombuffer(bytes.fromhex(data), array.dtype)
        for data, array in zip(answer["buffers"], call["buffers"].values(), strict=True)
    ]
    reports = [
        (kind, name, line_of(library, pc), with_lines(library, text)) for kind, name, pc, text in answer["reports"]
    ]
    return Result(buffers, answer["error"], reports)


def gxx(*arguments: object) -> None:
    ran = subprocess.run(["g++", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def folders() -> list[str]:
    return [f"-I{folder}" for folder in flags.INCLUDE_FOLDERS]


def plain(name: str, array: Array) -> dict[str, Any]:
    written = not name.startswith(FRESH)
    return {"name": name, "data": array.tobytes().hex(), "read_only": not array.flags.writeable, "written": written}


def read_only(array: Array) -> Array:
    array.flags.writeable = False
    return array


def line_of(library: Path, pc: str) -> int | None:
    if pc == "0":
        return None
    frames = subprocess.run(["addr2line", "-i", "-e", library, pc], capture_output=True, text=True, check=True).stdout
    found = re.search(r"\.cu:(\d+)", frames)
    return int(found[1]) if found else None


def with_lines(library: Path, text: str) -> str:
    return re.sub("<(0x[0-9a-f]+)>", lambda place: f"line {line_of(library, place[1])}", text)


def build_device(folder: Path) -> None:
    def compile_one(source: Path) -> Path:
        target = folder / f"{source.stem}.o"
        gxx(*flags.RUNTIME_FLAGS, *folders(), "-c", source, "-o", target)
        return target

    def precompile() -> None:
        header = folder / flags.PCH_HEADER.name
        shutil.copyfile(flags.PCH_HEADER, header)
        gxx(*flags.student_flags("gcc"), *folders(), "-x", "c++-header", header, "-o", f"{header}.gch")

    with ThreadPoolExecutor(2) as pool:
        header = pool.submit(precompile)
        objects = list(pool.map(compile_one, flags.RUNTIME_SOURCES))
        header.result()
    soname = "-Wl,-soname,libupskill_cpu.so"
    gxx(*flags.RUNTIME_LINK_FLAGS, soname, *objects, "-o", folder / "libupskill_cpu.so")


@pytest.fixture(scope="session")
def device() -> Device:
    """Built once for each state of the native sources, and kept between sessions."""
    parts = [Path(flags.__file__), *flags.RUNTIME_SOURCES, *flags.RUNTIME_HEADERS]
    digest = hashlib.sha256(b"\0".join(part.read_bytes() for part in parts)).hexdigest()[:16]
    root = Path(os.environ.get("UPSKILL_CACHE_DIR", tempfile.gettempdir())) / f"upskill-native-tests-{os.getuid()}"
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / f"{digest}.lock"):
        if not (root / digest).exists():
            with tempfile.TemporaryDirectory(dir=root) as scratch:
                build_device(Path(scratch))
                shutil.copytree(scratch, root / digest)
    return Device(root / digest)


def silent(result: Result) -> Result:
    assert result.reports == []
    assert result.error == 0
    return result


ORDERS = [pytest.param(0, id="forward"), pytest.param(1, id="reverse"), pytest.param(2, id="random")]


def test_every_form_of_a_launch_runs_its_kernel_once(device: Device) -> None:
    out = silent(device.run("launches", {"buffers": {"out": np.zeros(64, np.int32)}})[0]).buffers[0]
    assert out[0] == (1 << 15) - 1 + 256 + 512
    assert [out[1 + block * 8 + thread] for block in range(4) for thread in range(8)] == [
        100 * block + thread for block in range(4) for thread in range(8)
    ]


@pytest.mark.parametrize("order", ORDERS)
def test_shared_memory_is_one_per_block_and_fresh(device: Device, order: int) -> None:
    call = {"order": order, "buffers": {"ok": np.zeros(9, np.int32)}}
    ok = silent(device.run("shared_memory", call)[0]).buffers[0]
    assert ok.tolist() == [2, 1, 1, 1, 1, 1, 0, 1, 1]


@pytest.mark.parametrize("order", ORDERS)
def test_nothing_of_a_block_is_left_in_shared_memory_for_the_next(device: Device, order: int) -> None:
    call = {"which": 1, "order": order, "buffers": {"ok": np.zeros(9, np.int32)}}
    result = device.run("shared_memory", call)[0]
    assert not result.buffers[0].any()
    assert {report[:2] for report in result.reports} == {(MEMORY, "uninitialised")}


@pytest.mark.parametrize("order", ORDERS)
def test_barriers_and_warp_operations_exchange_the_right_values(device: Device, order: int) -> None:
    ok = silent(device.run("warps", {"order": order, "seed": 5, "buffers": {"ok": np.zeros(31, np.int32)}})[0]).buffers[
        0
    ]
    assert np.flatnonzero(ok != 1).tolist() == []


@pytest.mark.parametrize("order", ORDERS)
def test_atomics_count_every_thread(device: Device, order: int) -> None:
    out = silent(device.run("atomics", {"order": order, "buffers": {"out": np.zeros(32, np.int64)}})[0]).buffers[0]
    ands = 0xFFFF
    for thread in range(128):
        ands &= thread | 0x7F00
    assert out[:8].tolist() == [8128, -128, 122, -127, -1, 0, ands, 42]
    assert out[8:12].tolist() == [128 % 10, (10 - 128 % 10) % 10, 384, 128]
    assert out[12:16].tolist() == [128 << 33, 127 << 40, 77, -127 << 40]
    assert out[16:22].tolist() == [512, 254, 128, 128, 128256, 128]


def test_math_and_integer_intrinsics_give_what_their_names_promise(device: Device) -> None:
    buffers = {"out": np.zeros(128), "in": read_only(np.arange(64, dtype=np.float32))}
    out = silent(device.run("arithmetic", {"buffers": buffers})[0]).buffers[0]
    bits = [72, 3132, 108, 1, 1, 3 + 2.0**31, 2, 5, 23, -18]
    conversions = [2000 + 300 + 20 + 2, 2**31 - 1, -(2**31), 0, -7, 2, 3.5, 1, 1.25, 1]
    functions = [
        0.75, np.e, np.log(np.pi) + 3 + 8 + 100, 0.25 + 1024 + 1 + 0.125, 1, 9, 0.52049988, 0.84134475, 0.47693628,
        4.572824967389486, 0.25539567631050574 + 24 + np.log(2), 3, 16, 7 + 5 + 0.2 + 3, 15, 10 + 10 + 16 - 2 + 3 + 2,
        1.2660658777520084 + 1, 6 + 2 + 1 + 1,
    ]  # fmt: skip
    sums = np.arange(64).reshape(16, 4).sum(0)
    vectors = [sums @ [1, 2, 3, 4], 7 + 1 + 7, 12 + 1600 + 160000 + 4000000, 255 + 2 + 6 - 2 + 8 + 3, 5]
    np.testing.assert_allclose(out[:20], [*bits, *conversions], rtol=0)
    np.testing.assert_allclose(out[20:38], functions, rtol=3e-7)
    np.testing.assert_allclose(out[40:45], vectors, rtol=0)


def bfloat16_bits(values: Array) -> Array:
    """Rounds doubles to bfloat16, to nearest even: by way of float, rounded to odd."""
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    inexact = np.isfinite(single) & (single.astype(np.float64) != values)
    bits = single.view(np.uint32).copy()
    away = np.abs(single.astype(np.float64)) > np.abs(values)
    even = (bits & 1) == 0
    bits[inexact & even & away] -= 1
    bits[inexact & even & ~away] += 1
    rounded = ((bits.astype(np.uint64) + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    rounded[np.isnan(values)] = 0x7FFF
    return rounded


def bfloat16_values(bits: Array) -> Array:
    return (bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)


def half_bits(values: Array) -> Array:
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float16).view(np.uint16).copy()
    rounded[np.isnan(values)] = 0x7FFF
    return rounded


def half_values(bits: Array) -> Array:
    return bits.view(np.float16).astype(np.float64)


NARROW: list[Any] = [
    pytest.param(0, half_bits, half_values, 5, id="half"),
    pytest.param(1, bfloat16_bits, bfloat16_values, 8, id="bfloat16"),
]


@pytest.mark.parametrize(("which", "encode", "decode", "exponent_bits"), NARROW)
def test_narrow_floats_round_once(
    device: Device, which: int, encode: Callable[[Array], Array], decode: Callable[[Array], Array], exponent_bits: int
) -> None:
    count = 4096
    generator = np.random.default_rng(3)
    # All bit patterns in one half, numbers near to each other in the other, so that sums cancel.
    inputs = [generator.integers(0, 65536, count).astype(np.uint16) for _ in range(3)]
    middle = ((1 << (exponent_bits - 1)) - 3) << (15 - exponent_bits)
    for array in inputs:
        array[count // 2 :] = middle + generator.integers(0, 5 << (15 - exponent_bits), count // 2)
        array[count // 2 :: 3] |= 0x8000
    wide = generator.normal(size=count) * 10.0 ** generator.integers(-9, 6, count)
    buffers = {
        **{name: read_only(array) for name, array in zip("xyz", inputs, strict=True)},
        "out": np.zeros(12 * count, np.uint16),
        "widened": np.zeros(65536, np.float32),
        "doubles": read_only(wide),
        "narrowed": np.zeros(2 * count, np.uint16),
        "pairs": np.zeros(9, np.float32),
    }
    result = silent(device.run("narrow_floats", {"which": which, "buffers": buffers})[0])
    out, widened, narrowed, pairs = (result.buffers[index] for index in (3, 4, 6, 7))
    single, longer = np.float32, np.longdouble
    with np.errstate(all="ignore"):
        x, y, z = (decode(array) for array in inputs)
        numbers = ~np.isnan(x) & ~np.isnan(y)
        product = x * y  # exact in double
        exact = product.astype(longer) + z
        fused = exact.astype(np.float64)
        # Sums of far-apart numbers do not fit; the many that do are a test of all of them.
        clear = (fused == exact) & (exact - product == z) & (exact - z == product) | ~np.isfinite(fused)
        summed = decode(encode(decode(encode(x + y)) * -z))
        expected = {
            0: x + y, 1: x - y, 2: product, 3: x / y, 6: np.sqrt(np.abs(x)), 8: (x < y) * 1.0, 9: np.floor(x),
            7: (x.astype(single) * y.astype(single) + z.astype(single)).astype(np.float64), 10: summed,
            11: ((x == y) | (x >= z) | np.isnan(x)) * 1.0,
        }  # fmt: skip
    rows = out.reshape(12, count)
    for row, values in expected.items():
        same_bits(rows[row], encode(values), decode, f"row {row}")
    same_bits(rows[4][clear], encode(fused)[clear], decode, "fma")
    assert clear.mean() > 0.6
    np.testing.assert_array_equal(rows[5][numbers], encode(np.fmax(x, y))[numbers])
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(widened, decode(np.arange(65536, dtype=np.uint16)).astype(np.float32))
    same_bits(narrowed[:count], encode(wide), decode, "from double")
    same_bits(narrowed[count:], encode(wide.astype(np.float32).astype(np.float64)), decode, "from float")
    np.testing.assert_allclose(pairs, [1607, 26, 4, 32, 2, 1, 7, 0.75, 7])


def same_bits(got: Array, expected: Array, decode: Callable[[Array], Array], what: str) -> None:
    with np.errstate(invalid="ignore"):
        nan = np.isnan(decode(got)) & np.isnan(decode(expected))
    wrong = np.flatnonzero((got != expected) & ~nan)
    assert wrong.size == 0, (what, wrong[:5], got[wrong[:5]], expected[wrong[:5]])


@pytest.mark.parametrize("order", ORDERS)
def test_cooperative_groups_know_their_members(device: Device, order: int) -> None:
    ok = silent(device.run("groups", {"order": order, "buffers": {"ok": np.zeros(16, np.int32)}})[0]).buffers[0]
    assert np.flatnonzero(ok != 1).tolist() == []


def test_the_runtime_api_answers_as_a_gpu_would(device: Device) -> None:
    result = device.run("runtime_api", {"buffers": {"ok": np.zeros(4, np.int32)}})[0]
    assert result.buffers[0].tolist() == [1, 1, 1, 1]
    assert [report[:2] for report in result.reports] == [(MEMORY, "double-free")]  # which it does on purpose


def test_a_kernel_without_includes_computes_in_two_types(device: Device) -> None:
    generator = np.random.default_rng(1)
    buffers: dict[str, Array] = {}
    expected = []
    dtypes: list[Any] = [np.float32, np.float64]
    for dtype in dtypes:
        x, weight = generator.normal(size=(5, 333)).astype(dtype), generator.normal(size=333).astype(dtype)
        expected.append((x / np.sqrt((x * x).mean(1, keepdims=True) + 1e-5) * weight).ravel())
        name = np.dtype(dtype).name
        buffers |= {
            f"out_{name}": np.zeros(5 * 333, dtype),
            f"x_{name}": read_only(x.ravel()),
            f"w_{name}": read_only(weight),
        }
    out = silent(device.run("idioms", {"buffers": buffers})[0]).buffers
    np.testing.assert_allclose(out[0], expected[0], rtol=1e-5)
    np.testing.assert_allclose(out[3], expected[1], rtol=1e-5)


# --------------------------------------------------------------------------------------------- faults

RUNS, MEMORY, INPUTS = "runs", "memory", "inputs"
ILLEGAL, MISALIGNED, TIMEOUT, FAILURE, ASSERT, INVALID_VALUE, INVALID_CONFIGURATION = 700, 716, 702, 719, 710, 1, 9

# case: assertion, kind, the comment on the reported line (None for no line), the CUDA error, a part of the message
FAULTS: dict[int, tuple[str, str, str | None, int, str]] = {
    0: (MEMORY, "out-of-bounds", "x[threadIdx.x + 1]", 0, "read of 4 bytes: element 64 of 'x', which has 64 elements"),
    1: (MEMORY, "out-of-bounds", "oob_write", 0, "write of 4 bytes: 4 bytes before the start of 'y' (256 bytes)"),
    2: (INPUTS, "write-to-input", "write_input", 0, "write of 4 bytes to 'x', which is an input"),
    3: (RUNS, "misaligned-address", "misaligned", MISALIGNED, "needs an address that is a multiple of 16"),
    4: (MEMORY, "illegal-address", "illegal_address", ILLEGAL, "the address belongs to no device memory"),
    5: (MEMORY, "illegal-address", "nothing[threadIdx.x]", ILLEGAL, "a null pointer"),
    6: (RUNS, "barrier-divergence", "left_barrier", 0, "reached by 32 of the 64 threads"),
    7: (RUNS, "barrier-divergence", "two_barriers", 0, "wait at different barriers"),
    8: (RUNS, "deadlock", "deadlock", TIMEOUT, "of 64 threads, "),
    9: (RUNS, "invalid-mask", "bad_mask", FAILURE, "mask 0xfffffff0 is called by lane 3"),
    10: (MEMORY, "out-of-bounds", "shared_index", ILLEGAL, "index 32 is outside the array"),
    11: (MEMORY, "out-of-bounds", "dynamic_overrun", 0, "element 63 of dynamic shared memory, which has 63 elements"),
    12: (RUNS, "device-assert", "device_assert", ASSERT, "assertion `x[threadIdx.x] < 0.0f"),
    13: (RUNS, "trap", "trap", FAILURE, "__trap() was called, in kernel trapped, block (0,0,0), thread (1,0,0)"),
    14: (MEMORY, "out-of-bounds", "scratch_overrun", 0, "element 4 of memory from cudaMalloc"),
    15: (
        MEMORY,
        "use-after-free",
        "scratch_overrun",
        ILLEGAL,
        "byte 0 of memory from cudaMalloc (16 bytes) that was freed at",
    ),
    16: (MEMORY, "out-of-bounds", "atomic_outside", 0, "atomic operation of 4 bytes: element 64 of 'y'"),
    17: (MEMORY, "out-of-bounds", "copy_outside", 0, "read of 260 bytes: its last 4 bytes lie past the end of 'x'"),
    18: (RUNS, "launch-error", None, INVALID_CONFIGURATION, "launch of fine<<<(1,1,1), (2048,1,1), 0>>> failed"),
    19: (RUNS, "launch-error", None, INVALID_CONFIGURATION, "a grid has at least one block in each dimension"),
    20: (RUNS, "launch-error", None, INVALID_VALUE, "51200 bytes of dynamic shared memory"),
    21: (RUNS, "host-access", "y[0] = 1.0f;", 0, "host code makes a write of 4 bytes of device memory"),
    22: (MEMORY, "out-of-bounds", "cudaMemsetAsync", 0, "cudaMemset of 260 bytes runs over the end of 'y'"),
}


def fault_call(case: int) -> dict[str, Any]:
    x, y = read_only(np.arange(64, dtype=np.float32)), np.zeros(64, np.float32)
    return {"which": case, "buffers": {"x": x, "y": y}}


@pytest.fixture(scope="module")
def faults(device: Device) -> list[Result]:
    """Every case, and a right one after each: what one left behind must not reach the next."""
    calls = [call for case in FAULTS for call in (fault_call(case), fault_call(-1))]
    return device.run("faults", *calls)


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_is_reported_with_its_kind_and_line(faults: list[Result], case: int) -> None:
    assertion, kind, marker, error, text = FAULTS[case]
    result = faults[2 * list(FAULTS).index(case)]
    found = next((report for report in result.reports if report[:2] == (assertion, kind)), None)
    assert found is not None, result.reports
    assert text in found[3]
    assert result.error == error
    if marker is None:
        assert found[2] is None
    else:
        assert found[2] is not None
        assert marker in (KERNELS / "faults.cu").read_text().splitlines()[found[2] - 1]


def test_after_a_fault_the_next_call_starts_afresh(faults: list[Result]) -> None:
    for result in faults[1::2]:
        np.testing.assert_array_equal(silent(result).buffers[1], np.arange(64, dtype=np.float32))


def test_more_static_shared_memory_than_a_block_has_is_a_launch_error(device: Device) -> None:
    result = device.run("refused_shared", {"buffers": {"out": np.zeros(1, np.float32)}})[0]
    assert result.error == INVALID_VALUE
    assert [report[:3] for report in result.reports] == [(RUNS, "launch-error", None)]
    assert "at least 49168 bytes of static shared memory; the limit is 49152" in result.reports[0][3]


# --------------------------------------------------------------------------------------------- bugs, and their twins

BUGS = sorted((KERNELS / "bugs").glob("*.cu"))
MARK = re.compile(r"bug (\d+)( again)?: (\w+) ([\w-]+)")


@dataclass(frozen=True)
class Bug:
    """One case of a file in tests/native/bugs: what it does wrong, and where; nothing, if it is a right twin.

    The lines at fault carry ``// bug 3: memory leak``: the case's number, the assertion and the kind; with ``again``
    what shows when the case has run before.
    """

    name: str
    case: int
    lines: tuple[tuple[str, str, int], ...]
    again: bool


def bugs_of(path: Path) -> list[Bug]:
    text = path.read_text()
    marks = [
        (int(mark[1]), bool(mark[2]), (mark[3], mark[4], number))
        for number, line in enumerate(text.splitlines(), 1)
        for mark in MARK.finditer(line)
    ]
    found = []
    for case in map(int, re.findall(r"^ +case (\d+):", text, re.MULTILINE)):
        lines = tuple(line for number, _, line in marks if number == case)
        found.append(Bug(f"bugs/{path.stem}", case, lines, any(again for number, again, _ in marks if number == case)))
    return found


ALL_BUGS = [bug for path in BUGS for bug in bugs_of(path)]


def bug_call(bug: Bug, order: int) -> dict[str, Any]:
    generator = np.random.default_rng(5)
    buffers = {
        "x": read_only(generator.normal(size=1024).astype(np.float32)),
        "fresh_y": np.zeros(1024, np.float32),
        "z": np.zeros(1024, np.float32),
    }
    return {"which": bug.case, "order": order, "seed": 3, "buffers": buffers}


@pytest.fixture(scope="module", params=[0, 1, 2], ids=["forward", "reverse", "random"])
def bug_results(device: Device, request: pytest.FixtureRequest) -> dict[tuple[str, int], list[Result]]:
    """Each case done twice in a row, in each order of threads."""
    results = {}
    for path in BUGS:
        bugs = bugs_of(path)
        calls = [bug_call(bug, request.param) for bug in bugs for _ in range(2)]
        answers = device.run(f"bugs/{path.stem}", *calls)
        results.update({(bug.name, bug.case): answers[2 * i : 2 * i + 2] for i, bug in enumerate(bugs)})
    return results


@pytest.mark.parametrize("bug", ALL_BUGS, ids=lambda bug: f"{bug.name[5:]}-{bug.case}")
def test_a_bug_is_reported_with_its_line_and_its_twin_is_not(
    bug_results: dict[tuple[str, int], list[Result]], bug: Bug
) -> None:
    first, second = bug_results[bug.name, bug.case]
    for result in (first, second):
        if not bug.lines or (bug.again and result is first):
            assert result.reports == []
        else:
            assert any(is_at(report, line) for report in result.reports for line in bug.lines), result.reports
            assert {report[:2] for report in result.reports} <= {line[:2] for line in bug.lines}, result.reports


def test_a_local_array_that_was_not_set_shows_in_another_order(device: Device) -> None:
    def values(case: int, order: int) -> Array:
        return device.run("bugs/uninitialised", bug_call(Bug("", case, (), False), order))[0].buffers[1][:64]

    assert np.isnan(values(14, 1)).all()
    np.testing.assert_array_equal(values(15, 1), values(15, 0))


def test_a_race_names_both_lines_both_threads_and_what_helps(device: Device) -> None:
    (report,) = device.run("bugs/between_blocks", bug_call(Bug("", 5, (), False), 0))[0].reports
    source = (KERNELS / "bugs" / "between_blocks.cu").read_text().splitlines()
    line = next(number for number, text in enumerate(source, 1) if "  y[i] = x[i];" in text)
    assert report[3] == (
        "race on element 63 of 'fresh_y': a read and the write by thread (63,0,0) of block (0,0,0) at line "
        f"{line} have no order, in kernel uses_the_neighbour, block (1,0,0), thread (0,0,0); blocks run at the same "
        "time and in any order: use atomic operations, or __threadfence() and then one, or two launches"
    )


def test_an_index_that_ran_over_is_named_with_its_values_and_where_it_led(device: Device) -> None:
    result = device.run("bugs/huge_indices", bug_call(Bug("", 0, (), False), 0))[0]
    assert [(report[0], report[1]) for report in result.reports] == [
        (MEMORY, "integer-overflow"),
        (MEMORY, "illegal-address"),
    ]
    assert result.reports[0][3] == (
        "3 * 1000000000: 3000000000 does not fit a signed number of 32 bits, and then the thread made an access to "
        "nowhere; compute indices that large in size_t or int64_t, in kernel rows_of_a_big_matrix, block (3,0,0), "
        "thread (0,0,0)"
    )


def is_at(report: tuple[str, str, int | None, str], line: tuple[str, str, int]) -> bool:
    """A race has two lines: the later access is where it is reported, the other one is in the message.

    A launch that fails has a name, and no line.
    """
    if report[:2] != line[:2]:
        return False
    return report[2] == (None if line[1] == "launch-error" else line[2]) or f"at line {line[2]} " in report[3]


# --------------------------------------------------------------------------------------------- the real compiler


def nvcc_errors(source: Path) -> str:
    command = ["nvcc", "-std=c++17", "-arch=sm_90", "--extended-lambda", "-cubin", "-o", os.devnull, str(source)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if ran.returncode == 0 else f"{source.name}:\n{ran.stdout}{ran.stderr}"


@pytest.mark.skipif(shutil.which("nvcc") is None, reason="nvcc is not installed")
def test_nvcc_accepts_and_refuses_the_same_sources() -> None:
    sources = [*SOURCES, *BUGS, *FEATURES]
    refused = [source for source in sources if source.name.startswith("refused_")]
    # The headers of cuRAND and CUB come in packages of their own.
    apart = re.compile(r"#include <(?:curand|cub/)")
    accepted = [source for source in sources if source not in refused and not apart.search(source.read_text())]
    with ThreadPoolExecutor(2) as pool:
        found: Sequence[str] = list(pool.map(nvcc_errors, accepted))
        assert [error for error in found if error] == []
        assert all("error" in error for error in pool.map(nvcc_errors, refused))
