from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pytest_upskill.build import toolchain
from pytest_upskill.errors import ToolchainError


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_no_compiler_names_what_to_install(tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match=r"no C\+\+ compiler was found.*apt-get install g\+\+.*CXX"):
        toolchain.find_compiler({"PATH": str(tmp_path)})


def test_compiler_that_cxx_names_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ToolchainError, match=r"CXX is 'icpc -O3', which is not a program"):
        toolchain.find_compiler({"PATH": str(tmp_path), "CXX": "icpc -O3"})


def test_installed_compiler_is_described_with_its_version() -> None:
    compiler = toolchain.find_compiler({"PATH": "/usr/bin"})
    assert compiler.describe() == f"{'g++' if compiler.family == 'gcc' else 'clang++'} {compiler.version}"
    assert int(compiler.version.split(".")[0]) >= 11


def test_launcher_and_options_in_cxx_are_passed_over() -> None:
    assert toolchain.find_compiler({"PATH": "/usr/bin", "CXX": "ccache g++ -m64"}).program == Path("/usr/bin/g++")


def test_program_that_is_no_compiler_is_refused(tmp_path: Path) -> None:
    script(tmp_path / "g++", "echo hello")
    with pytest.raises(ToolchainError, match=r"does not behave like a C\+\+ compiler"):
        toolchain.find_compiler({"PATH": str(tmp_path)})


def test_compiler_that_is_too_old_is_refused(tmp_path: Path) -> None:
    old = 'case "$*" in *-E*) echo upskill __clang_major__ 9;; *dump*) echo 9.4.0;; *) echo "g++ 9.4.0";; esac'
    script(tmp_path / "g++", old)
    with pytest.raises(ToolchainError, match=r"gcc 9\.4\.0, older than the minimum version 11"):
        toolchain.find_compiler({"PATH": str(tmp_path)})


def test_compiler_that_fails_says_what_it_said(tmp_path: Path) -> None:
    script(tmp_path / "g++", 'echo "license expired" >&2; exit 3')
    with pytest.raises(ToolchainError, match=r"does not work: license expired"):
        toolchain.find_compiler({"PATH": str(tmp_path)})


@pytest.mark.skipif(shutil.which("g++") is None, reason="g++ is not installed: apt install g++")
def test_links_of_ccache_are_passed_over(tmp_path: Path) -> None:
    cached = tmp_path / "ccache"
    cached.mkdir()
    script(cached / "g++", "exit 1")
    assert toolchain.find_compiler({"PATH": f"{cached}:/usr/bin"}).program == Path("/usr/bin/g++")
