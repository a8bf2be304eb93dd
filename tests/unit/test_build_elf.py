"""Builds with the same machine code are recognised, and others are told apart."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path
from random import Random

import pytest

from pytest_upskill.build import elf
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


def assembled(folder: Path, text: str, *options: str) -> Path:
    (folder / "x.s").write_text(f"{text}.text\n.globl f\nf: call fallocate@PLT\nret\n", encoding="utf-8")
    subprocess.run([str(find_compiler().program), *options, "x.s", "-o", "x.out"], cwd=folder, check=True)
    return folder / "x.out"


def test_object_with_more_sections_than_its_header_counts_is_read(tmp_path: Path) -> None:
    """From 65,280 sections on, the header has 0 for their number."""
    made = assembled(tmp_path, "".join(f".section .q{number}\n" for number in range(65_300)), "-c")
    assert struct.unpack_from("<H", made.read_bytes(), 60) == (0,)
    image = elf.read(made)
    assert (image.imports, image.exports, image.data) == ({"fallocate"}, {"f"}, frozenset())


def test_section_of_a_wrong_kind_does_not_mislead(tmp_path: Path) -> None:
    """It claims to be the dynamic segment; the loader does not look at sections."""
    made = assembled(tmp_path, '.section .zzz,"a",@0x6\n.byte 1\n', "-shared", "-nostdlib")
    assert elf.read(made).imports == {"fallocate"}


def test_second_table_of_symbols_is_not_read(tmp_path: Path) -> None:
    made = assembled(tmp_path, '.section .zzz,"a",@0x2\n.byte 1\n', "-c")
    with pytest.raises(elf.Unreadable, match="2 tables of symbols"):
        elf.read(made)


def test_function_that_the_loader_calls_is_noticed(tmp_path: Path) -> None:
    body = "static int one() { return 1; }\n"
    body += 'extern "C" { static int (*choose())() { return one; } static int f() __attribute__((ifunc("choose"))); }\n'
    assert elf.read(built(tmp_path, "a", body + "int g() { return f(); }\n")).runs_early
    assert not elf.read(built(tmp_path, "b", SOURCE)).runs_early


def test_executable_stack_is_noticed(tmp_path: Path) -> None:
    assert elf.read(assembled(tmp_path, "", "-shared", "-nostdlib", "-z", "execstack")).executable_stack
    assert not elf.read(built(tmp_path, "b", SOURCE)).executable_stack


def test_too_many_symbols_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elf, "_MOST_SYMBOLS", 2)
    with pytest.raises(elf.Unreadable, match="more than 2 symbols"):
        elf.read(built(tmp_path, "a", SOURCE))


def test_no_damage_raises_another_error(tmp_path: Path) -> None:
    whole, random, unreadable = built(tmp_path, "a", SOURCE).read_bytes(), Random(1), 0
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(random.randint(1, 4)):
            # The header and the tables at both ends decide what is read.
            place = random.choice((random.randrange(64), random.randrange(64, 1000), random.randrange(len(data))))
            data[place] = random.choice((0, 1, 0x7F, 0xFF))
        (tmp_path / "damaged.so").write_bytes(data)
        try:
            elf.read(tmp_path / "damaged.so")
        except elf.Unreadable:
            unreadable += 1
    assert 50 < unreadable < 300
