from __future__ import annotations

from pathlib import Path

import pytest

from pytest_upskill.build.compilation import Compiled, CompileLimits, compile_confined
from pytest_upskill.errors import SandboxError, ToolchainError
from pytest_upskill.sandbox.confinement import Confinement, strongest


def compile_with(script: str, folder: Path, **limits) -> Compiled:
    return compile_confined(
        script,
        {"kernel.cpp": "int x;\n"},
        entry="",
        scratch=folder,
        readable=[],
        path=[],
        confinement=limits.pop("confinement", strongest()),
        limits=CompileLimits(**limits),
    )


def test_success_is_the_exit_status_alone(tmp_path: Path) -> None:
    assert compile_with("echo 'kernel.cu:1:1: error: not really'; test -f kernel.cpp", tmp_path) == Compiled(True)


def test_failure_has_the_compilers_message_and_lasts(tmp_path: Path) -> None:
    compiled = compile_with("echo 'kernel.cu:3:1: error: bad' >&2; exit 1", tmp_path)
    assert compiled == Compiled(False, "kernel.cu:3: error: bad", lasting=True)


def test_silent_failure_has_a_message_too(tmp_path: Path) -> None:
    assert compile_with("exit 4", tmp_path).message == "exit status 4, no message"


def test_time_out_is_named_and_does_not_last(tmp_path: Path) -> None:
    compiled = compile_with("sleep 100", tmp_path, seconds=0.2)
    assert compiled == Compiled(False, "the compiler did not finish within the limit of 0.2 s", lasting=False)


def test_a_limit_of_processor_time_is_none_of_elapsed_time(tmp_path: Path) -> None:
    assert compile_with("sleep 1.2", tmp_path, seconds=1.0, elapsed=60.0).ok
    busy = compile_with("while :; do :; done", tmp_path, seconds=0.5, elapsed=60.0)
    assert "or of processor time (0.5 s)" in busy.message
    assert not busy.lasting


def test_flood_is_named_and_does_not_last(tmp_path: Path) -> None:
    compiled = compile_with("yes", tmp_path, output_bytes=1000)
    assert compiled == Compiled(False, "the compiler printed more than the limit of 1000 bytes", lasting=False)


def test_want_of_memory_is_named_and_does_not_last(tmp_path: Path) -> None:
    compiled = compile_with("echo 'cc1plus: out of memory allocating 65536 bytes'; exit 1", tmp_path)
    assert "ran out of memory (limit 4096 MiB)" in compiled.message
    assert not compiled.lasting


@pytest.mark.parametrize(
    "line",
    ["/tmp/x.s: fatal error: error writing: No space left on device", "g++: fatal error: cannot execute 'cc1plus'"],
)
def test_fault_of_the_machine_is_not_the_kernels(tmp_path: Path, line: str) -> None:
    with pytest.raises(
        ToolchainError, match=r"the compiler cannot compile even an empty function: .*repair the machine"
    ):
        compile_with(f'echo "{line}"; exit 1', tmp_path, confinement=Confinement("process"))


def test_source_that_quotes_a_fault_of_the_machine_gains_nothing(tmp_path: Path) -> None:
    compiled = compile_with("echo 'kernel.cu:1:2: error: #error No space left on device'; exit 1", tmp_path)
    assert not compiled.ok
    assert compiled.lasting


def test_bubblewrap_that_fails_is_a_cell_error(tmp_path: Path) -> None:
    with pytest.raises(SandboxError, match=r"compiler could not be confined: bwrap: Can't mkdir"):
        compile_with('echo "bwrap: Can\'t mkdir /x" >&2; exit 1', tmp_path, confinement=Confinement("process"))


def test_folder_that_is_not_there_is_an_error_of_the_machine(tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match=r"cannot write a source to .*gone: No such file"):
        compile_with("true", tmp_path / "gone")


@pytest.mark.parametrize("line", ["  3 | // No space left on device", "bwrap: No such file:1:1: error: bad"])
def test_source_whose_text_looks_like_a_fault_of_the_machine_is_told_by_a_harmless_one(
    tmp_path: Path, line: str
) -> None:
    compiled = compile_with(f"grep -q 'int x' kernel.cpp || exit 0; echo '{line}'; exit 1", tmp_path)
    assert not compiled.ok
    assert (tmp_path / "kernel.cpp").read_text(encoding="utf-8") == "int x;\n"


def test_fault_that_passes_is_not_the_sources(tmp_path: Path) -> None:
    script = "test -f once && exit 0; touch once; echo 'as: No space left on device'; exit 1"
    compiled = compile_with(script, tmp_path, confinement=Confinement("process"))
    assert compiled == Compiled(True)
