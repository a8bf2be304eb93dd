from __future__ import annotations

import secrets
import shutil
from pathlib import Path

import pytest

from pytest_upskill.sandbox import confinement as confine
from pytest_upskill.sandbox import process
from pytest_upskill.sandbox.confinement import ENVIRONMENT, Confinement, Resources
from tests.unit.test_sandbox_process import ends

CONFINED = [found for found in (confine.strongest(), confine.find(None)) if found.level != "process"]
"""The levels of this machine that hide something."""

confined = pytest.mark.parametrize("level", CONFINED, ids=lambda level: level.level)
needs_bubblewrap = pytest.mark.skipif(
    confine.strongest().level != "bubblewrap", reason=f"bubblewrap does not work here: {confine.strongest().reason}"
)


def inside(script: str, level: Confinement | None = None, **options) -> process.Ran:
    argv = (level or confine.strongest()).command(["/bin/sh", "-c", script], **options)
    return process.run(argv, environment=ENVIRONMENT, seconds=10.0, cwd=options.get("scratch"))


def fake(folder: Path, script: str) -> str:
    program = folder / "bwrap"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(program)


def refusing(*parts: str):
    """A probe that finds these parts of the confinement missing."""

    def probe(confinement: Confinement) -> str:
        return "refused" if set(parts) & set(confinement.parts) else ""

    return probe


def test_without_bubblewrap_the_kernel_does_what_it_can_and_the_header_says_what_to_install() -> None:
    confinement = confine.find(None)
    assert confinement.level in ("kernel", "process")
    assert confinement.describe().startswith(f"{confinement.level} (")
    assert "limits" in confinement.describe()
    assert "install bubblewrap 0.8 or later (Debian, Ubuntu: apt install bubblewrap" in confinement.describe()


@pytest.mark.parametrize(
    ("missing", "described"),
    [
        ((), "kernel (no network, other files hidden by Landlock, limits; install bubblewrap"),
        (("namespaces",), "kernel (other files hidden by Landlock, limits; install bubblewrap"),
        (("landlock",), "kernel (no network, limits; install bubblewrap"),
        (("landlock", "namespaces"), "process (limits only; install bubblewrap"),
    ],
)
def test_level_is_what_the_kernel_offers(
    monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...], described: str
) -> None:
    monkeypatch.setattr(confine, "_probe", refusing(*missing))
    assert confine.find(None).describe().startswith(described)


def test_at_the_level_process_a_command_is_left_as_it_is() -> None:
    assert Confinement("process").command(["a", "b"], readable=[Path("/x")]) == ["a", "b"]


def test_bubblewrap_that_does_not_work_is_named_with_its_reason(tmp_path: Path) -> None:
    confinement = confine.find(fake(tmp_path, "echo 'bwrap: No permissions to create new namespace' >&2; exit 1"))
    assert confinement.level != "bubblewrap"
    assert "No permissions to create new namespace; allow unprivileged user namespaces" in confinement.describe()


def test_kernel_without_filters_of_system_calls_is_not_the_strongest_level(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(confine, "_can_filter", lambda: False)
    confinement = confine.find(fake(tmp_path, "exit 0"))
    assert (confinement.level, confinement.filtered) == ("bubblewrap", False)
    assert "system calls cannot be filtered" in confinement.describe()


def test_older_bubblewrap_without_the_newest_options_is_used_and_said_to_be_old(tmp_path: Path) -> None:
    old = fake(tmp_path, 'case "$*" in *--disable-userns*|*--size*) exit 1;; esac\nexit 0')
    confinement = confine.find(old)
    assert confinement.level == "bubblewrap"
    assert not confinement.private_scratch
    assert "its scratch folder has no limit on its size; install bubblewrap 0.8" in confinement.describe()


@confined
def test_home_and_the_rest_of_the_file_system_cannot_be_read(level: Confinement, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("key")
    files = f"{secret} {Path.home()}/.bashrc /etc/passwd /etc/shadow {__file__}"
    ran = inside(f"for f in {files}; do head -c 1 $f && echo readable; done; ls /home /root /etc && echo listed", level)
    assert "readable" not in ran.output
    assert "listed" not in ran.output


@confined
def test_only_the_scratch_folder_can_be_written_and_keeps_nothing(level: Confinement, tmp_path: Path) -> None:
    (tmp_path / "source").write_text("text")
    places = f"/a /usr/a /dev/a /dev/shm/a /proc/sys/kernel/core_pattern {tmp_path.parent}/a a"
    script = f"for f in {places}; do echo x 2>/dev/null >>$f && echo $f; done; cat source"
    ran = inside(script, level, scratch=tmp_path, resources=RESOURCES)
    # bubblewrap has a /tmp of its own, in which the test's folder is: what is written there is gone as well.
    outside = [f"{tmp_path.parent}/a"] if level.level == "bubblewrap" and tmp_path.is_relative_to("/tmp") else []
    written = [line for line in ran.output.splitlines() if "cannot create" not in line]
    assert written == [*outside, "a", "text"]
    assert not (tmp_path.parent / "a").exists()
    assert [file.name for file in tmp_path.iterdir()] == (["source"] if level.private_scratch else ["a", "source"])


RESOURCES = Resources(cpu_seconds=10, memory=1 << 30, file_size=4 << 20, scratch=2 << 20, processes=16)


@confined
def test_scratch_folder_has_a_limit_on_its_size(level: Confinement, tmp_path: Path) -> None:
    fill = "for i in 1 2 3 4 5 6 7 8; do head -c 1048576 /dev/zero >part$i || break; done; du -cb part* | tail -n 1"
    ran = inside(fill, level, scratch=tmp_path, resources=RESOURCES)
    assert "No space left on device" in ran.output
    assert int(ran.output.split()[-2]) <= 2 << 20
    assert list(tmp_path.iterdir()) == []


@confined
def test_readable_paths_keep_their_names_and_cannot_be_written(level: Confinement, tmp_path: Path) -> None:
    shown = tmp_path / "shown"
    shown.mkdir()
    (shown / "file").write_text("hello")
    ran = inside(f"cat {shown}/file; echo x > {shown}/file || echo refused", level, readable=[shown])
    assert ran.output.startswith("hello")
    assert ran.output.rstrip().endswith("refused")


@confined
def test_there_is_no_network_and_no_other_process(level: Confinement) -> None:
    ran = inside("cat /proc/net/dev | tail -n +3 | cut -d: -f1; ls /proc | grep -c '^[0-9]'", level)
    interface, processes = ran.output.split()
    assert interface == "lo"
    assert int(processes) < 8


@confined
def test_no_capability_is_left(level: Confinement) -> None:
    ran = inside("grep -E 'Cap(Eff|Prm|Bnd)|NoNewPrivs' /proc/self/status", level)
    assert set(ran.output.split()[1::2]) == {"0000000000000000", "1"}


@confined
def test_no_namespace_can_be_made_inside(level: Confinement) -> None:
    assert "made" not in inside("unshare --user --map-root-user echo made", level).output


@confined
def test_end_of_a_process_is_told_as_a_shell_tells_it(level: Confinement) -> None:
    assert [inside(script, level).status for script in ("exit 3", "kill -SEGV $$")] == [3, 139]


@confined
def test_all_children_end_with_the_process_even_those_that_left_its_group(level: Confinement) -> None:
    name = f"{secrets.randbelow(1 << 40) + 1000}"
    inside(f"setsid sleep {name} >/dev/null 2>&1 & exit 0", level)
    left = [file.parent for file in Path("/proc").glob("[0-9]*/cmdline") if name in read(file)]
    # bubblewrap's end is the end of all inside, but nobody waits for it.
    assert all(ends(int(process.name)) for process in left)


def read(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""


@confined
def test_processes_are_counted_for_everybody_but_root(level: Confinement) -> None:
    ran = inside("ulimit -p 2>/dev/null || ulimit -u", level, resources=RESOURCES)
    assert ran.output.split()[-1] == "16"


def test_limits_hold() -> None:
    resources = Resources(cpu_seconds=1, memory=64 << 20, file_size=4096)
    confinement = Confinement("process")
    argv = confinement.command(["/bin/sh", "-c", "ulimit -t; ulimit -v; ulimit -f; ulimit -c"], resources=resources)
    assert process.run(argv, environment=ENVIRONMENT, seconds=10.0).output.split() == ["1", "65536", "8", "0"]


def test_endless_loop_is_ended_by_the_limit_on_processor_time() -> None:
    resources = Resources(cpu_seconds=1, memory=64 << 20, file_size=4096)
    argv = Confinement("process").command(["/bin/sh", "-c", "while :; do :; done"], resources=resources)
    assert process.run(argv, environment=ENVIRONMENT, seconds=10.0).status in (128 + 24, 128 + 9)


@confined
def test_interpreter_starts_inside(level: Confinement) -> None:
    argv = level.command(
        [confine.python(), "-I", "-S", "-c", "import ctypes, mmap, _socket, resource; print('started')"],
        readable=confine.python_paths(),
    )
    assert process.run(argv, environment=ENVIRONMENT, seconds=10.0).output == "started\n"


def test_probe_of_this_machine_agrees_with_what_is_installed() -> None:
    if shutil.which("bwrap") is None:
        assert confine.strongest().level != "bubblewrap"
    assert confine.strongest() is confine.strongest()
