"""Builds with the same machine code are recognised, and others are told apart."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pytest_upskill.build.elf import fingerprint
from pytest_upskill.build.toolchain import find_compiler


def built(folder: Path, name: str, source: str) -> Path:
    (folder / f"{name}.cpp").write_text(source, encoding="utf-8")
    library = folder / f"{name}.so"
    program = str(find_compiler().program)
    subprocess.run(
        [program, "-shared", "-fPIC", "-g1", "-O1", f"{name}.cpp", "-o", str(library)], cwd=folder, check=True
    )
    return library


SOURCE = "int limit = 3;\nint f(int x) { return x < limit ? x : 0; }\n"


def test_a_change_of_spaces_and_comments_leaves_the_code_as_it_is(tmp_path: Path) -> None:
    other = SOURCE.replace("return x", "/* the smaller */ return   x")
    assert fingerprint(built(tmp_path, "a", SOURCE)) == fingerprint(built(tmp_path, "b", other))


@pytest.mark.parametrize(("old", "new"), [("x < limit", "x <= limit"), ("limit = 3", "limit = 4")])
def test_a_change_of_code_or_of_a_variable_is_seen(tmp_path: Path, old: str, new: str) -> None:
    assert fingerprint(built(tmp_path, "a", SOURCE)) != fingerprint(built(tmp_path, "b", SOURCE.replace(old, new)))


def test_variables_can_be_left_out(tmp_path: Path) -> None:
    one, other = built(tmp_path, "a", SOURCE), built(tmp_path, "b", SOURCE.replace("= 3", "= 4"))
    assert fingerprint(one, variables=False) == fingerprint(other, variables=False)


@pytest.mark.parametrize(
    "content", [b"", b"not a library", b"\x7fELF\x02\x01" + bytes(58), b"\x7fELF\x01\x01" + bytes(99)]
)
def test_what_is_no_library_has_no_fingerprint_that_could_match(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.so"
    file.write_bytes(content)
    assert fingerprint(file) is None
