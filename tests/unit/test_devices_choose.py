from __future__ import annotations

from pathlib import Path

import pytest

from pytest_upskill.build.nvcc import find_nvcc
from pytest_upskill.devices import cuda as cuda_machine
from pytest_upskill.devices import gpu
from pytest_upskill.devices.base import Machine
from pytest_upskill.devices.choose import choose
from pytest_upskill.devices.gpu import Gpu
from pytest_upskill.errors import SandboxError, ToolchainError, UsageError
from pytest_upskill.languages.cuda.language import CudaLanguage
from pytest_upskill.records import Build
from tests.unit.imaginary_gpu import driver_folder
from tests.unit.sandbox_kernels import AXPY, AXPY_SIGNATURE, axpy_call

needs_nvcc = pytest.mark.skipif(find_nvcc() is None, reason="nvcc is not installed: pip install nvidia-cuda-nvcc")


def imaginary(architecture: str = "sm_90", driver: tuple[int, int] = (99, 0), visible: str = "0") -> Gpu:
    return Gpu(visible, "Imaginary 9000", architecture, 80 << 30, driver, driver_folder() / "libcuda.so.1")


def build(source: str, machine: Machine) -> Build:
    return CudaLanguage().build({CudaLanguage.source_name: source}, AXPY_SIGNATURE.entry, machine)


@pytest.fixture
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "nodes", lambda: ())


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> list[Gpu]:
    """GPUs that are there; a test may put others in."""
    there = [imaginary()]
    monkeypatch.setattr(gpu, "nodes", lambda: (Path("/dev/null"),))
    monkeypatch.setattr(gpu, "find", lambda: tuple(there))
    return there


def test_without_a_gpu_auto_is_the_cpu_device(no_gpu: None) -> None:
    chosen = choose("auto")
    assert (chosen.device, chosen.largest) == ("cpu", 1 << 20)


def test_without_a_gpu_the_cuda_device_says_so(no_gpu: None) -> None:
    with pytest.raises(
        UsageError, match=r"^--upskill-device=cuda: no NVIDIA GPU is visible .*use --upskill-device=cpu$"
    ):
        choose("cuda")


@pytest.mark.parametrize(
    ("device", "given", "words"),
    [
        ("auto", {"architecture": "sm_90"}, "--upskill-arch is for the cuda device, and no NVIDIA GPU is visible"),
        ("cpu", {"architecture": "sm_90"}, "--upskill-arch is for the cuda device, and this run uses the cpu device"),
        ("cpu", {"sanitizer": True}, "--upskill-sanitizer is for the cuda device"),
    ],
)
def test_options_of_the_cuda_device_are_refused_without_it(
    no_gpu: None, device: str, given: dict[str, object], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        choose(device, **given)  # type: ignore[arg-type]


def test_auto_falls_back_where_the_gpu_cannot_be_used_and_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> tuple[Gpu, ...]:
        raise ToolchainError("the GPU's driver does not work: CUDA_ERROR_UNKNOWN")

    monkeypatch.setattr(gpu, "nodes", lambda: (Path("/dev/null"),))
    monkeypatch.setattr(gpu, "find", broken)
    chosen = choose("auto")
    assert chosen.device == "cpu"
    assert "cuda cannot be used: the GPU's driver does not work: CUDA_ERROR_UNKNOWN" in chosen.describe()
    with pytest.raises(UsageError, match="CUDA_ERROR_UNKNOWN; or use --upskill-device=cpu"):
        choose("cuda")


@needs_nvcc
def test_auto_takes_a_gpu_that_can_be_used(gpus: list[Gpu]) -> None:
    chosen = choose("auto")
    assert (chosen.device, chosen.largest) == ("cuda", 1 << 22)
    assert chosen.describe().startswith("cuda (Imaginary 9000, sm_90, 80 GiB, driver for CUDA 99.0; compiler nvcc ")
    assert chosen.facts()["gpu"] == "Imaginary 9000"


@needs_nvcc
def test_each_worker_has_its_gpu(gpus: list[Gpu]) -> None:
    gpus.append(imaginary(visible="1"))
    found = [cuda_machine.find(None, False, name).gpu.visible for name in ("gw0", "gw1", "gw2", "gw3")]
    assert found == ["0", "1", "0", "1"]


@needs_nvcc
def test_a_driver_older_than_the_toolkit_is_explained(gpus: list[Gpu]) -> None:
    gpus[0] = imaginary(driver=(11, 8))
    with pytest.raises(UsageError, match=r"serves CUDA 11\.8 and is older than nvcc"):
        choose("cuda")


@needs_nvcc
def test_a_gpu_newer_than_nvcc_is_explained(gpus: list[Gpu]) -> None:
    gpus[0] = imaginary(architecture="sm_999")
    with pytest.raises(UsageError, match="does not know the architecture sm_999"):
        choose("cuda")


@needs_nvcc
def test_an_architecture_can_be_chosen(gpus: list[Gpu]) -> None:
    assert choose("cuda", "sm_80").facts()["architecture"] == "sm_80"


@needs_nvcc
def test_a_sanitizer_that_is_not_there_is_named(gpus: list[Gpu], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_machine.shutil, "which", lambda _: None)  # type: ignore[attr-defined]
    monkeypatch.setattr(cuda_machine.os, "access", lambda *_: False)  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="--upskill-sanitizer needs compute-sanitizer"):
        choose("cuda", sanitizer=True)


@needs_nvcc
def test_a_gpu_that_fails_before_the_kernel_is_reached_is_no_verdict(gpus: list[Gpu]) -> None:
    chosen = choose("cuda")
    built = build(AXPY, chosen)
    assert built.library is not None, built.message
    # The stand-in for the driver's library lacks what the CUDA runtime asks it for.
    with (
        chosen.sandbox(built.library, 10.0, CudaLanguage.source_name) as sandbox,
        pytest.raises(SandboxError, match="cannot serve a call"),
    ):
        sandbox.call(axpy_call([1.0], [1.0], 1.0, False, 0))


@needs_nvcc
@pytest.mark.parametrize(("name", "known"), [("cudaStreamIsCapturing", True), ("cudaStreamIsDreaming", False)])
def test_name_that_nvcc_knows_is_no_error_where_it_is_not_reached(no_gpu: None, name: str, known: bool) -> None:
    call = f"cudaStreamCaptureStatus s; {name}(stream, &s);"
    source = f"{AXPY}\nstatic void more(cudaStream_t stream) {{ {call} }}\n"
    assert build(source, choose("cpu")).ok == known
