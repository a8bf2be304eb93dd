"""Whole programs in the styles in which CUDA is written: each runs here, checks itself, and is not reported on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pytest_upskill.commands.run_program import command
from tests.sampling import every

PROGRAMS = Path(__file__).resolve().parents[1] / "native" / "programs"
CHECKED = sorted(path for path in PROGRAMS.glob("*.cu") if '#include "checked.cuh"' in path.read_text())

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="the cpu device needs g++: apt install g++")


def test_there_are_programs_in_many_styles() -> None:
    assert len(CHECKED) >= 20


@pytest.mark.parametrize("program", every(3, CHECKED, lambda path: path.stem))
def test_a_program_is_right_and_nothing_is_reported(program: Path, capfd: pytest.CaptureFixture[str]) -> None:
    status = command.main([str(program)], standalone_mode=False)
    out, err = capfd.readouterr()
    assert err == ""
    assert out.splitlines()[-1].endswith(": right")
    assert status == 0


def test_threads_print_in_the_order_in_which_they_are_let(capfd: pytest.CaptureFixture[str]) -> None:
    assert command.main([str(PROGRAMS / "hello.cu")], standalone_mode=False) == 0
    greetings = [f"hello from thread {thread} of block 0" for thread in range(3)]
    assert capfd.readouterr().out.splitlines() == [*greetings, "1 block"]
