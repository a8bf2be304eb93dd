"""The driver's own logic, against a runtime that does as it is told."""

from __future__ import annotations

import ctypes
import mmap
import struct
import subprocess
from pathlib import Path

import pytest

from pytest_upskill.build import toolchain
from pytest_upskill.build.nvcc import find_toolkit
from pytest_upskill.errors import ToolchainError
from pytest_upskill.languages.cuda.cpu_build import NATIVE

SOURCE = Path(__file__).with_name("scripted_runtime.cpp")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        include = find_toolkit().include
    except ToolchainError as error:
        pytest.skip(str(error))
    library = tmp_path_factory.mktemp("driver") / "driver.so"
    options = ["-std=c++20", "-O1", "-shared", "-fPIC", "-Wl,-Bsymbolic", f"-I{NATIVE}", f"-isystem{include}"]
    compiler = toolchain.find_compiler().program
    subprocess.run([compiler, *options, NATIVE / "driver.cpp", SOURCE, "-o", library], check=True)
    return library


@pytest.fixture
def driver(built: Path, tmp_path: Path) -> ctypes.CDLL:
    """A copy of its own for each test: the driver keeps its memory from call to call."""
    copy = tmp_path / "driver.so"
    copy.write_bytes(built.read_bytes())
    loaded = ctypes.CDLL(str(copy))
    loaded.upskill_call.restype = ctypes.c_char_p
    return loaded


def call(driver: ctypes.CDLL, entry: str, scratch_mib: int = 0, output_bytes: int = 64) -> list[str]:
    shared = ctypes.create_string_buffer(output_bytes)
    request = struct.pack("<IIIIQII", 0, 1, 0, 0, 0, 0x7FFF, scratch_mib)
    request += struct.pack("<IIQQ128s", 1, 8, 0, output_bytes, b"out")
    said = driver.upskill_call(getattr(driver, entry), shared, request, ctypes.c_size_t(len(request)))
    return said.decode().splitlines()


def test_a_call_without_findings_says_ok_how_much_memory_was_in_use_and_what_the_launcher_did(
    driver: ctypes.CDLL,
) -> None:
    assert call(driver, "writes_nothing") == ["ok 0 2 5"]
    assert call(driver, "takes_memory") == [f"ok {300 << 20} 2 5"]


def test_a_launcher_gets_copies_of_scalars_and_cannot_read_the_shared_memory(driver: ctypes.CDLL) -> None:
    shared = mmap.mmap(-1, mmap.PAGESIZE)
    page = ctypes.addressof(ctypes.c_char.from_buffer(shared))
    shared[:8] = struct.pack("<Q", page)
    request = struct.pack("<IIIIQII", 0, 1, 0, 0, 0, 0x7FFF, 0) + struct.pack("<IIQQ128s", 3, 8, 0, 8, b"n")
    said = driver.upskill_call(driver.looks_for_inputs, ctypes.c_void_p(page), request, ctypes.c_size_t(len(request)))
    assert said.decode().splitlines() == ["ok 0 2 5"]
    assert shared[:8] == struct.pack("<Q", page)


def test_memory_within_the_limit_is_no_finding_and_beyond_it_is_one(driver: ctypes.CDLL) -> None:
    assert call(driver, "takes_memory", 300) == [f"ok {300 << 20} 2 5"]
    status, finding = call(driver, "takes_memory", 299)
    assert status == f"ok {600 << 20} 2 5"
    assert finding.startswith("runs\tmemory-limit\t0\tthe launcher took 300 MiB of device memory beside its tensors")


def test_an_output_that_changes_after_the_synchronisation_is_found(driver: ctypes.CDLL) -> None:
    ctypes.c_int.in_dll(driver, "scripted_late_writer").value = 1
    _, *found = call(driver, "writes_nothing")
    assert [line.split("\t")[:2] for line in found] == [["runs", "late-write"]]


def test_an_output_that_changes_between_two_calls_is_found_by_the_second_one(driver: ctypes.CDLL) -> None:
    assert call(driver, "writes_nothing") == call(driver, "writes_nothing") == ["ok 0 2 5"]
    driver.scripted_write_between_calls()
    _, found = call(driver, "writes_nothing")
    assert found.startswith("runs\tlate-write\t0\t'out' changed after the call before this one had returned")
    assert call(driver, "writes_nothing", output_bytes=1 << 21) == ["ok 0 2 5"]


def test_a_thread_that_outlives_the_launcher_is_found_and_ends_the_process(driver: ctypes.CDLL) -> None:
    ctypes.c_int.in_dll(driver, "scripted_threads").value = 3
    status, found = call(driver, "writes_nothing")
    assert status == "restart 0 2 5"
    assert found.startswith(
        "runs\thost-thread\t0\tthe launcher returned, and 2 host thread(s) of its own are still there"
    )


def test_a_device_without_room_never_reaches_the_kernel(driver: ctypes.CDLL) -> None:
    ctypes.c_int.in_dll(driver, "scripted_refused_malloc").value = 1
    assert call(driver, "takes_memory") == ["device 0 0 0", "runs\tmemory-limit\t0\tout of memory (cudaMalloc)"]
    assert ctypes.c_int.in_dll(driver, "scripted_free_mib").value == 1000
