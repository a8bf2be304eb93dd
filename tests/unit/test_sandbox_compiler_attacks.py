"""Sources that attack the compiler: each ends in a named failure of the kernel, within limits, and learns nothing."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest

from pytest_upskill.build.compilation import CompileLimits
from pytest_upskill.contracts.launcher.signature import entry_source
from pytest_upskill.languages.cuda.cpu_build import HostCompiler
from pytest_upskill.records import Build
from pytest_upskill.sandbox import confinement as confine
from pytest_upskill.sandbox import process
from pytest_upskill.sandbox.confinement import ENVIRONMENT, Confinement
from tests.unit.sandbox_kernels import PROBE_SIGNATURE, probe

LIMITS = CompileLimits(seconds=5.0, memory=1 << 30, file_size=32 << 20, scratch=64 << 20)
LEVELS = [found for found in (confine.strongest(), confine.find(None)) if found.level != "process"]

if not LEVELS:
    pytest.skip("nothing confines a compiler here: install bubblewrap", allow_module_level=True)

confined = pytest.mark.parametrize("level", LEVELS, ids=lambda level: level.level)


def attack(before: str, body: str = "", level: Confinement | None = None) -> Build:
    source = probe(body, f"// {uuid.uuid4()}\n{before}")
    return HostCompiler(limits=LIMITS).build(source, entry_source(PROBE_SIGNATURE), confinement=level or LEVELS[0])


SECRETS = ("/etc/passwd", "/etc/shadow", str(Path.home() / ".bashrc"))


@confined
@pytest.mark.parametrize("form", ['#include "{}"', "#include <{}>"])
def test_file_outside_of_the_cell_cannot_be_taken_in(level: Confinement, form: str, tmp_path: Path) -> None:
    secret = tmp_path / "case.md"
    secret.write_text("int the_reference_of_the_case;\n")
    for path in (*SECRETS, str(secret)):
        made = attack(form.format(path), level=level)
        assert not made.ok
        assert "the_reference_of_the_case" not in made.message and "root:" not in made.message
        assert any(word in made.message for word in ("No such file", "Permission denied", "file not found")), made


@pytest.mark.skipif(
    LEVELS[0].level != "bubblewrap", reason=f"a sandbox here hides contents, not names: {LEVELS[0].reason}"
)
def test_existence_of_a_file_outside_cannot_be_asked_for(tmp_path: Path) -> None:
    secret = tmp_path / "case.md"
    secret.write_text("text")
    asked = " || ".join(f'__has_include("{path}")' for path in (secret, *SECRETS))
    made = attack(f"#if {asked}\n#error seen\n#endif")
    assert made.ok, made.message


@confined
def test_environment_of_the_compiler_has_nothing_of_the_users(
    level: Confinement, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    shown = level.command(["/bin/sh", "-c", "env; cat /proc/1/environ /proc/self/environ"])
    ran = process.run(shown, environment=ENVIRONMENT, seconds=10.0)
    assert "LC_ALL=C" in ran.output
    assert "sk-very-secret" not in ran.output


TREE = (
    "template <int D, int I> struct Tree { Tree<D - 1, 2 * I> l; Tree<D - 1, 2 * I + 1> r; };\n"
    "template <int I> struct Tree<0, I> { char c; };\nTree<24, 1> tree;"
)
LAUGH = "#define A0 1\n" + "".join(f"#define A{n + 1} A{n}+A{n}+A{n}+A{n}+A{n}+A{n}+A{n}+A{n}\n" for n in range(12))

ATTACKS = {
    "the zeros without end": ('#include "/dev/zero"', "ran out of memory|did not finish"),
    "a file that takes in itself": ("#include __FILE__", "nested depth|No such file|redefinition"),
    "templates without end": ("template <int N> struct T : T<N + 1> {}; T<0> t;", "template instantiation depth"),
    "a tree of templates": (TREE, "ran out of memory|did not finish"),
    "a constant that is never known": (
        "constexpr long f(long n) { for (;;) ++n; return n; }\nconstexpr long v = f(0);",
        "constexpr|did not finish",
    ),
    "a macro that laughs": (f"{LAUGH}\nlong v = A12;", "ran out of memory|did not finish"),
    "an array without end": ("__attribute__((used)) char all[1ll << 34] = {1};", "ran out of|too large|exceeds"),
    "messages without end": (
        '#define M _Pragma("message(\\"flood\\")")\n' + "M M M M M M M M M M M M M M M M\n" * 2000,
        "printed more than the limit",
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_on_the_compiler_is_a_named_failure(name: str) -> None:
    before, words = ATTACKS[name]
    made = attack(before)
    assert not made.ok
    assert made.library is None
    assert any(word in made.message for word in words.split("|")), made.message[:500]


@pytest.mark.parametrize(
    "pragma", ['#pragma GCC optimize("-fplugin={}")', '#pragma GCC plugin "{}"', '#pragma GCC optimize("plugin={}")']
)
def test_pragma_that_names_a_plugin_loads_nothing(pragma: str) -> None:
    # Within the sandbox the toolchain's own folder is all that could hold one: a file that is there, and is no plug-in.
    made = attack(pragma.format("/usr/lib/x86_64-linux-gnu/libc.so.6"))
    assert made.ok, made.message


def test_nothing_of_an_attack_is_left(tmp_path: Path) -> None:
    def left() -> set[str]:
        own = f"{os.getpid()}-"
        scratch = HostCompiler()._cache.folder.glob("v*/scratch/*")
        return {path.name for path in scratch if path.name.startswith(own)}

    before = left()  # of builds that go on in other threads of this process
    attack("__attribute__((used)) char all[1ll << 34] = {1};")
    assert left() <= before
