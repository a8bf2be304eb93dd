from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pytest_upskill.cell import confine, process
from pytest_upskill.cell.confine import ENVIRONMENT, Confinement, Resources

needs_bubblewrap = pytest.mark.skipif(
    confine.strongest().level != "bubblewrap", reason="bubblewrap does not work on this machine"
)


def inside(script: str, **options) -> process.Ran:
    argv = confine.strongest().command(["/bin/sh", "-c", script], **options)
    return process.run(argv, environment=ENVIRONMENT, seconds=10.0)


def test_without_bubblewrap_the_level_is_process_and_says_what_to_install() -> None:
    confinement = confine.find(None)
    assert confinement.level == "process"
    assert confinement.describe() == (
        "process (limits only: install bubblewrap to hide files and the network from kernels)"
    )
    assert confinement.command(["a", "b"], readable=[Path("/x")]) == ["a", "b"]


def test_bubblewrap_that_does_not_work_is_named_with_its_reason(tmp_path: Path) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\necho 'bwrap: No permissions to create new namespace' >&2\nexit 1\n")
    broken.chmod(0o755)
    confinement = confine.find(str(broken))
    assert confinement.level == "process"
    assert "No permissions to create new namespace" in confinement.describe()


def test_older_bubblewrap_without_the_newest_options_is_used(tmp_path: Path) -> None:
    old = tmp_path / "bwrap"
    old.write_text('#!/bin/sh\ncase "$*" in *--disable-userns*|*--size*) exit 1;; esac\nexit 0\n')
    old.chmod(0o755)
    assert confine.find(str(old)).level == "bubblewrap"


@needs_bubblewrap
def test_home_and_the_rest_of_the_file_system_are_not_there(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("key")
    ran = inside(f"cat {secret} {Path.home()}/.bashrc /etc/passwd /etc/shadow; ls -A /tmp / /home /root", scratch=None)
    assert "key" not in ran.output
    assert ran.output.count("No such file or directory") >= 4


@needs_bubblewrap
def test_only_the_scratch_folder_and_tmp_can_be_written(tmp_path: Path) -> None:
    places = "/a /usr/a /dev/a /dev/shm/a /proc/sys/kernel/core_pattern /tmp/a a"
    script = f"for f in {places}; do echo x 2>/dev/null >>$f && echo $f; done"
    ran = inside(script, scratch=tmp_path)
    written = {line for line in ran.output.splitlines() if "cannot create" not in line}
    assert written == {"/tmp/a", "a"}
    assert (tmp_path / "a").read_text() == "x\n"


@needs_bubblewrap
def test_readable_paths_keep_their_names_and_cannot_be_written(tmp_path: Path) -> None:
    shown = tmp_path / "shown"
    shown.mkdir()
    (shown / "file").write_text("hello")
    ran = inside(f"cat {shown}/file; echo x > {shown}/file || echo refused", readable=[shown])
    assert ran.output.startswith("hello")
    assert ran.output.rstrip().endswith("refused")


@needs_bubblewrap
def test_there_is_no_network_and_no_other_process() -> None:
    ran = inside("cat /proc/net/dev | tail -n +3 | cut -d: -f1; ls /proc | grep -c '^[0-9]'")
    interface, processes = ran.output.split()
    assert interface == "lo"
    assert int(processes) < 8


@needs_bubblewrap
def test_no_capability_is_left() -> None:
    ran = inside("grep -E 'Cap(Eff|Prm|Bnd)|NoNewPrivs' /proc/self/status")
    assert set(ran.output.split()[1::2]) == {"0000000000000000", "1"}


def test_limits_hold() -> None:
    resources = Resources(cpu_seconds=1, memory=64 << 20, file_size=4096)
    confinement = Confinement("process")
    argv = confinement.command(["/bin/sh", "-c", "ulimit -t; ulimit -v; ulimit -f; ulimit -c"], resources=resources)
    assert process.run(argv, environment=ENVIRONMENT, seconds=10.0).output.split() == ["1", "65536", "8", "0"]


def test_endless_loop_is_ended_by_the_limit_on_processor_time() -> None:
    resources = Resources(cpu_seconds=1, memory=64 << 20, file_size=4096)
    argv = Confinement("process").command(["/bin/sh", "-c", "while :; do :; done"], resources=resources)
    assert process.run(argv, environment=ENVIRONMENT, seconds=10.0).status in (128 + 24, 128 + 9)


@needs_bubblewrap
def test_interpreter_starts_inside() -> None:
    argv = confine.strongest().command(
        [confine.python(), "-I", "-S", "-c", "import ctypes, mmap, _socket, resource; print('started')"],
        readable=confine.python_paths(),
    )
    assert process.run(argv, environment=ENVIRONMENT, seconds=10.0).output == "started\n"


def test_probe_of_this_machine_agrees_with_what_is_installed() -> None:
    if shutil.which("bwrap") is None:
        assert confine.strongest().level == "process"
    assert confine.strongest() is confine.strongest()
