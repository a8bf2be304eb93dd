"""Exported projects are built for the CPU, load without this package, and pass their own tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from pytest_upskill.commands.main import main
from pytest_upskill.export.cpu_variant import build_variant
from pytest_upskill.export.items import export_item
from tests.unit.export_cases import INFO, case, case_of_skill, passed

pytest.importorskip("kernels")
pytestmark = pytest.mark.slow
THREE = ("axpy", "histogram", "layer_norm")
"""In-place and scalars; a size that is an argument, integers; several results."""
WITHOUT_US = "raise ImportError('exported projects do without this package')\n"


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the projects of THREE, built."""
    folder = tmp_path_factory.mktemp("projects")
    for name in THREE:
        of = case_of_skill(name)
        build_variant(export_item(passed(of), of, INFO, folder).folder)
    return folder


def run_tests(folder: Path, *more: str, python: str = sys.executable) -> str:
    """Runs the tests of all projects in a folder, in one process that cannot import this package."""
    (folder / "hidden" / "pytest_upskill").mkdir(parents=True, exist_ok=True)
    (folder / "hidden" / "pytest_upskill" / "__init__.py").write_text(WITHOUT_US, encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(folder / "hidden"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    tests = sorted(map(str, folder.glob("*/tests")))
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={folder}", *more, *tests]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def test_three_projects_pass_their_own_tests_in_a_process_without_this_package(projects: Path) -> None:
    printed = run_tests(projects)
    assert re.search(r"\n(\d+) passed in", printed), printed
    assert int(re.findall(r"\n(\d+) passed", printed)[0]) >= 3 * 5


@pytest.mark.full
def test_a_wrong_kernel_fails_the_tests_of_its_project(tmp_path: Path) -> None:
    of = case_of_skill("axpy")
    source = (passed(of).source or "").replace("negate ? -alpha : alpha", "alpha")
    build_variant(export_item(passed(of, source=source), of, INFO, tmp_path).folder)
    printed = run_tests(tmp_path, "-k", "float32")
    assert "elements of 'y' are wrong" in printed
    assert re.search(r"\d+ failed", printed)


@pytest.mark.full
def test_an_access_out_of_bounds_is_an_error_of_the_build_for_the_cpu(tmp_path: Path) -> None:
    of = case(
        solution=(
            "__global__ void kernel(float* out, const float* x, int64_t n) {\n"
            "  for (int64_t i = threadIdx.x; i <= n; i += 32) out[i] = 2 * x[i];\n}\n"
            "void twice(float* out, const float* x, int64_t n, cudaStream_t stream) {\n"
            "  kernel<<<1, 32, 0, stream>>>(out, x, n);\n}"
        )
    )
    build_variant(export_item(passed(of), of, INFO, tmp_path).folder)
    printed = run_tests(tmp_path)
    assert re.search(r"RuntimeError: twice: memory\s", printed), printed


def test_the_same_project_has_the_same_build(projects: Path) -> None:
    build = projects / "axpy" / "build"

    def files() -> dict[str, bytes]:
        found = (path for path in build.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        return {str(path.relative_to(build)): path.read_bytes() for path in found}

    first = files()
    build_variant(build.parent)
    assert first
    assert files() == first


@pytest.mark.full
def test_a_project_that_does_not_compile_is_an_error_with_its_place(tmp_path: Path) -> None:
    of = case()
    project = export_item(passed(of), of, INFO, tmp_path).folder
    kernel = project / "twice_cuda" / "twice.cu"
    kernel.write_text(kernel.read_text().replace("{}", "{ undefined_thing(n); }", 1), encoding="utf-8")
    done = CliRunner().invoke(main, ["build", str(project)])
    assert done.exit_code == 2
    assert "undefined_thing" in done.output
    assert "does not compile for the CPU" in done.output
    assert not (project / "build").exists()


@pytest.mark.parametrize(
    ("files", "says"),
    [
        ({}, "is not a project: a project of kernel-builder has a file build.toml; pytest-upskill export writes one"),
        ({"build.toml": "[general"}, "build.toml"),
        ({"build.toml": b"\xff\xfe"}, "cannot be read: it is not UTF-8"),
    ],
)
def test_what_is_no_project_is_an_error(tmp_path: Path, files: dict[str, str | bytes], says: str) -> None:
    for name, text in files.items():
        (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    done = CliRunner().invoke(main, ["build", str(tmp_path)])
    assert done.exit_code == 2
    assert says in done.output


@pytest.mark.full
def test_a_reply_that_is_a_project_for_the_cpu_is_built_and_passes_the_added_tests(tmp_path: Path) -> None:
    from pytest_upskill.languages.torch_extension.project import File, Project
    from tests.unit.kernel_builder_cases import FILES
    from tests.unit.kernel_builder_cases import case as builder_case

    of = replace(builder_case(), path=Path("skills/scaling/evals/scale_rows.md"))
    source = Project(tuple(File(name, text) for name, text in FILES.items())).text
    build_variant(export_item(passed(of, "kimi", source), of, INFO, tmp_path).folder)
    printed = run_tests(tmp_path)
    assert re.search(r"\n(\d+) passed in", printed), printed
