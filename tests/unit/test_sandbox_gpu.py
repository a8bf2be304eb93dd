from __future__ import annotations

from pathlib import Path

import pytest

from pytest_upskill.build.messages import SOURCE_NAME
from pytest_upskill.devices import gpu
from pytest_upskill.devices.gpu import Gpu
from pytest_upskill.errors import SandboxError, ToolchainError
from pytest_upskill.sandbox import system_call_filters as filters
from pytest_upskill.sandbox.compute_sanitizer import Sanitizer, parse_sanitizer
from pytest_upskill.sandbox.confinement import Confinement, strongest
from tests.unit.imaginary_gpu import access, driver_folder, gpu_sandbox
from tests.unit.sandbox_kernels import AXPY, AXPY_SIGNATURE, axpy_call, decode, integers, probe, probe_call, sandbox_of

needs_bubblewrap = pytest.mark.skipif(
    strongest().level != "bubblewrap", reason="bubblewrap does not work on this machine"
)
SAID = {
    "driver": 13000,
    "library": "/usr/lib/x86_64-linux-gnu/libcuda.so.1",
    "devices": [
        {"name": "NVIDIA H200", "capability": [9, 0], "memory": 139 << 30},
        {"name": "NVIDIA B200", "capability": [10, 0], "memory": 180 << 30},
    ],
}
FIRST, SECOND = gpu.read(SAID, None)


# ------------------------------------------------------------------------------------------- which GPUs there are


@pytest.fixture
def imaginary_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu.find.cache_clear()
    monkeypatch.setenv("LD_LIBRARY_PATH", str(driver_folder()))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


def test_the_driver_is_asked_in_a_process_of_its_own(imaginary_driver: None) -> None:
    (found,) = gpu.find()
    gpu.find.cache_clear()
    assert found.describe() == "Imaginary 9000, sm_90, 80 GiB, driver for CUDA 13.0"
    assert found.library == driver_folder() / "libcuda.so.1"


def test_gpus_are_described_as_the_driver_tells_them() -> None:
    assert FIRST.describe() == "NVIDIA H200, sm_90, 139 GiB, driver for CUDA 13.0"
    assert (SECOND.visible, SECOND.architecture) == ("1", "sm_100")


def test_a_users_choice_of_gpus_is_kept() -> None:
    assert [found.visible for found in gpu.read(SAID, "GPU-abc, 3")] == ["GPU-abc", "3"]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("libcuda.so.1: cannot open shared object file", "install the driver, or start the container with --gpus all"),
        ("CUDA_ERROR_NO_DEVICE (100): no CUDA-capable device is detected", "is CUDA_VISIBLE_DEVICES empty"),
        ("CUDA_ERROR_SYSTEM_DRIVER_MISMATCH (803): x", "restart the machine after an update"),
    ],
)
def test_a_driver_that_does_not_answer_is_explained(error: str, words: str) -> None:
    with pytest.raises(ToolchainError, match=words):
        gpu.read({"error": error}, None)


def test_no_gpu_in_sight_names_the_variable_that_hides_them() -> None:
    with pytest.raises(ToolchainError, match="CUDA_VISIBLE_DEVICES"):
        gpu.read({**SAID, "devices": []}, "")


def test_a_driver_older_than_the_toolkit_is_refused_with_both_versions() -> None:
    with pytest.raises(ToolchainError, match=r"serves CUDA 13\.0 and is older than nvcc 14\.1; update the driver"):
        gpu.check_driver(FIRST, "14.1")


@pytest.mark.parametrize("toolkit", ["13.0", "13.9", "12.8"])
def test_a_driver_of_the_same_or_a_later_major_version_serves(toolkit: str) -> None:
    gpu.check_driver(FIRST, toolkit)


@pytest.mark.parametrize(
    ("worker_name", "visible"), [("", "0"), ("gw0", "0"), ("gw1", "1"), ("gw2", "0"), ("gw3", "1")]
)
def test_workers_are_dealt_out_over_the_gpus(worker_name: str, visible: str) -> None:
    assert gpu.share((FIRST, SECOND), worker_name).visible == visible


def test_workers_share_a_single_gpu() -> None:
    assert {gpu.share((FIRST,), f"gw{number}") for number in range(4)} == {FIRST}


def test_device_files_are_those_of_the_driver(tmp_path: Path) -> None:
    for name in ("nvidia0", "nvidia12", "nvidiactl", "nvidia-uvm", "null", "sda"):
        (tmp_path / name).touch()
    assert [node.name for node in gpu.nodes(tmp_path)] == ["nvidia-uvm", "nvidia0", "nvidia12", "nvidiactl"]


def test_a_cell_sees_its_own_gpu_alone() -> None:
    assert SECOND.access().environment["CUDA_VISIBLE_DEVICES"] == "1"


def test_a_driver_outside_of_the_systems_folders_is_found_in_the_cell() -> None:
    elsewhere = Gpu("0", "x", "sm_90", 1, (13, 0), Path("/opt/driver/libcuda.so.1")).access()
    assert elsewhere.environment["LD_LIBRARY_PATH"] == "/opt/driver"
    assert Path("/opt/driver") in elsewhere.readable


# ------------------------------------------------------------------------------------------- the way in


def test_device_files_are_bound_before_dev_is_closed() -> None:
    confined = Confinement("bubblewrap", "bwrap", ("--dev", "/dev", "--remount-ro", "/dev"))
    opened = confined.with_devices([Path("/dev/nvidia0")], [Path("/sys"), Path("/usr/lib")])
    assert opened.options == (
        *("--dev", "/dev", "--dev-bind-try", "/dev/nvidia0", "/dev/nvidia0"),
        *("--ro-bind-try", "/sys", "/sys", "--remount-ro", "/dev"),
    )


def test_without_bubblewrap_nothing_has_to_be_let_in() -> None:
    plain = Confinement("process", reason="x")
    assert plain.with_devices([Path("/dev/nvidia0")], [Path("/sys")]) is plain


def test_a_gpus_cell_answers_like_any_other() -> None:
    with gpu_sandbox(AXPY, AXPY_SIGNATURE) as sandbox:
        answers = [sandbox.call(axpy_call([1.0, 2.0], [3.0, 4.0], 2.0, False, 0)) for _ in range(4)]
    assert all(answer.findings == () for answer in answers)
    assert [decode(answer.outputs["out"], "float32") for answer in answers] == [[5.0, 8.0]] * 4


def test_a_context_that_cannot_be_had_is_an_error_and_no_verdict() -> None:
    with (
        gpu_sandbox(AXPY, AXPY_SIGNATURE, environment={"FAKE_CONTEXT": "2"}) as sandbox,
        pytest.raises(SandboxError, match=r"CUDA_ERROR_OUT_OF_MEMORY \(2\): out of memory; nvidia-smi lists who"),
    ):
        sandbox.call(axpy_call([1.0], [1.0], 1.0, False, 0))


def test_a_gpu_without_room_for_the_tensors_is_an_error_and_no_verdict() -> None:
    with (
        gpu_sandbox(probe(""), memory=256 << 20) as sandbox,
        pytest.raises(SandboxError, match=r"the GPU cannot serve a call: out of memory \(cudaMalloc\)"),
    ):
        sandbox.call(_only_output(probe_call((252 << 20) // 8)))


def _only_output(call):
    out, _, n = call.arguments
    return type(call)(0, (out, type(out)("x", "input", "int64", (0,), b""), n))


def test_a_hang_ends_the_process_and_the_next_call_is_served() -> None:
    hang = probe("if (n == 1) for (volatile int i = 0; ; i = 1) {} k<<<1, n, 0, stream>>>(out);", COUNT)
    with gpu_sandbox(hang, seconds=1.0) as sandbox:
        first, second = sandbox.call(probe_call(1)), sandbox.call(probe_call(2))
    assert [finding.kind for finding in first.findings] == ["timeout"]
    assert integers(second) == [0, 1]


COUNT = "__global__ void k(int64_t* out) { out[threadIdx.x] = threadIdx.x; }"


def test_an_error_that_sticks_ends_the_process_and_the_next_call_is_served() -> None:
    sticky = probe("k<<<1, n, n == 1 ? 1 << 30 : 0, stream>>>(out);", COUNT)
    with gpu_sandbox(sticky) as sandbox:
        first, second = sandbox.call(probe_call(1)), sandbox.call(probe_call(2))
    assert {finding.kind for finding in first.findings} == {"launch-error"}
    assert integers(second) == [0, 1]


def test_internet_sockets_stay_closed_and_local_ones_are_open() -> None:
    body = (
        "errno = 0; int inet = socket(AF_INET, SOCK_STREAM, 0); int why = errno; "
        "int local = socket(AF_UNIX, SOCK_SEQPACKET, 0); k<<<1, 1, 0, stream>>>(out, inet, why, local);"
    )
    before = (
        "#include <errno.h>\n#include <sys/socket.h>\n__global__ void k(int64_t* o, int64_t a, int64_t b, int64_t c) "
        "{ o[0] = a; o[1] = b; o[2] = c >= 0; }"
    )
    with gpu_sandbox(probe(body, before)) as sandbox:
        assert integers(sandbox.call(probe_call(3))) == [-1, 1, 1]
    with sandbox_of(probe(body, before)) as sandbox:
        assert integers(sandbox.call(probe_call(3))) == [-1, 1, 0]


def test_a_filter_for_a_gpu_refuses_no_less_but_sockets() -> None:
    plain, opened = (bytes.fromhex(filters.for_kernels(on_gpu)) for on_gpu in (False, True))
    for name in {*filters.REFUSED, *filters.REFUSED_TO_KERNELS} - {*filters.FOR_CUDA}:
        number = filters.numbers()[name].to_bytes(4, "little")
        assert number in plain
        assert number in opened


@needs_bubblewrap
def test_what_the_driver_reads_can_be_read_in_the_cell() -> None:
    body = 'FILE* f = fopen("/sys/devices/system/cpu/online", "r"); k<<<1, 1, 0, stream>>>(out, f != nullptr);'
    before = "#include <stdio.h>\n__global__ void k(int64_t* o, bool found) { o[0] = found; }"
    with gpu_sandbox(probe(body, before)) as sandbox:
        assert integers(sandbox.call(probe_call(1))) == [1]
    with sandbox_of(probe(body, before)) as sandbox:
        assert integers(sandbox.call(probe_call(1))) == [0]


# ------------------------------------------------------------------------------------------- what the driver measures


def test_device_memory_is_measured_tensors_included() -> None:
    with gpu_sandbox(probe("k<<<1, n, 0, stream>>>(out);", COUNT)) as sandbox:
        answer = sandbox.call(probe_call(64))
        assert 2 * 64 * 8 <= answer.device_memory < 1 << 20
        assert sandbox.launch_statistics.device_memory == answer.device_memory


TAKES = (
    "void* p; cudaMallocAsync(&p, n << 20, stream); cudaMemsetAsync(out, 0, n * 8, stream); cudaFreeAsync(p, stream);"
)


def test_scratch_memory_over_the_limit_is_found() -> None:
    with gpu_sandbox(
        probe(f"void* p; cudaMalloc(&p, n << 20); {TAKES.replace('void* p; ', '')}"), scratch_memory=8 << 20
    ) as sandbox:
        within, beyond = sandbox.call(probe_call(4)), sandbox.call(probe_call(20))
    assert within.findings == ()
    assert [finding.kind for finding in beyond.findings] == ["memory-limit"]
    assert "more than the limit of 8 MiB" in beyond.findings[0].message


def test_output_of_many_chunks_is_poisoned_to_its_end() -> None:
    count = (3 << 16) // 8 + 5
    with sandbox_of(probe("")) as sandbox:
        assert set(sandbox.call(probe_call(count)).outputs["out"]) == {0xF9, 0x7F}


# ------------------------------------------------------------------------------------------- compute-sanitizer

REPORT = """
noise of the kernel's own
========= COMPUTE-SANITIZER
========= Invalid __global__ write of size 4 bytes
=========     at void softmax_kernel<float>(float *, const float *, long)+0x1a0 in /x/kernel.cu:12
=========     by thread (32,0,0) in block (0,0,0)
=========     Access at 0x7f5a00000110 is out of bounds
=========     and is 1 bytes after the nearest allocation at 0x7f5a00000000 of size 272 bytes
=========
========= Program hit cudaErrorLaunchFailure (error 719) due to "unspecified launch failure"
=========     Saved host backtrace up to driver entry point at error
========= ERROR SUMMARY: 2 errors
"""


def test_a_report_of_the_sanitizer_becomes_a_finding_with_its_line() -> None:
    (finding,) = parse_sanitizer(REPORT, SOURCE_NAME)
    assert (finding.assertion, finding.kind, finding.line) == ("memory", "out-of-bounds", 12)
    assert "Invalid __global__ write of size 4 bytes" in finding.message
    assert "1 bytes after the nearest allocation" in finding.message


def test_what_a_kernel_prints_is_no_report() -> None:
    assert parse_sanitizer("Invalid __global__ write of size 4 bytes\n======== x\n", SOURCE_NAME) == ()


def test_the_sanitizer_starts_the_process_that_it_watches(tmp_path: Path) -> None:
    program = tmp_path / "compute-sanitizer"
    program.touch()
    watched = Sanitizer(program).around(access())
    assert watched.prefix[:3] == (str(program), "--tool", "memcheck")
    assert tmp_path in watched.readable


def test_reports_that_are_printed_during_a_call_reach_its_answer(tmp_path: Path) -> None:
    body = 'printf("========= Invalid __global__ read of size 8 bytes\\n=========     at k in kernel.cu:5\\n");'
    watcher = tmp_path / "watcher"
    watcher.write_text('#!/bin/sh\nexec "$@"\n')
    watcher.chmod(0o755)
    with gpu_sandbox(probe(body, "#include <stdio.h>"), prefix=("/bin/sh", str(watcher))) as sandbox:
        answer = sandbox.call(probe_call(1))
    assert [(finding.assertion, finding.line) for finding in answer.findings] == [("memory", 5)]


def test_under_the_sanitizer_tensors_end_where_their_memory_ends(tmp_path: Path) -> None:
    watcher = tmp_path / "watcher"
    watcher.write_text('#!/bin/sh\nexec "$@"\n')
    watcher.chmod(0o755)
    past = probe("k<<<1, 1, 0, stream>>>(out, n);", "__global__ void k(int64_t* o, int64_t n) { o[n + 200] = 1; }")
    with gpu_sandbox(past, prefix=("/bin/sh", str(watcher))) as sandbox:
        tight = sandbox.call(probe_call(4))
    with gpu_sandbox(past) as sandbox:
        banded = sandbox.call(probe_call(4))
    assert not tight.ran  # outside of every allocation, where a tool that watches these sees it
    assert banded.ran
    assert "of 'out'" in banded.findings[0].message
