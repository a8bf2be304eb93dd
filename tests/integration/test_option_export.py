"""``--upskill-export``: every passing case of a skill becomes a project that works in an environment without us."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from pytest_upskill.build import nvcc
from pytest_upskill.export.cpu_variant import build_variant
from pytest_upskill.languages.torch_extension.compiler import headers
from pytest_upskill.languages.torch_extension.generated import REGISTRATION
from tests.unit.export_cases import INFO, case_of_skill, passed

ROOT = Path(__file__).parents[2]
PACKAGES = ("torch", "kernels", "pytest", "numpy")
ARCHITECTURES = ("80", "90", "100")


def run(*command: object, cwd: Path, **environment: str) -> str:
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**kept, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment with PACKAGES, and without this package."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    command = [str(python), "-m", "pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt"), *PACKAGES]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"the packages of a new environment cannot be installed: {done.stderr[-300:]}")
    return python


@pytest.mark.full
def test_all_cases_become_projects_that_pass_their_own_tests_in_a_new_environment(fresh: Path, tmp_path: Path) -> None:
    pytest.importorskip("kernels")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    command = (sys.executable, "-m", "pytest", ROOT / "skills/cuda-kernels", "--upskill", "-k", "golden", "-n", "2")
    options = ("-p", "no:cacheprovider", f"--upskill-export={tmp_path / 'out'}", f"--rootdir={tmp_path}")
    printed = run(*command, *options, cwd=tmp_path, PYTHONPATH=str(ROOT))
    projects = sorted(path for path in (tmp_path / "out").iterdir())
    assert f"export: {len(projects)} projects in out" in printed
    assert len(projects) == len(list((ROOT / "skills/cuda-kernels/evals").glob("*.md")))
    for project in projects:
        build_variant(project)
    tests = [project / "tests" for project in projects]
    shown = run(fresh, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", *tests, cwd=tmp_path)
    assert re.search(r"\n\d+ passed in", shown), shown
    loaded = "import kernels, pathlib, sys; print(kernels.get_local_kernel(pathlib.Path(sys.argv[1])).axpy)"
    assert "<function axpy" in run(fresh, "-c", loaded, tmp_path / "out/axpy", cwd=tmp_path)
    assert "no us" in run(fresh, "-c", "import importlib.util as u; print('no us' if not u.find_spec('pytest_upskill') "
                          "else 'us')", cwd=tmp_path)  # fmt: skip


@pytest.mark.full
def test_the_same_kernels_are_exported_byte_for_byte_in_another_run(tmp_path: Path) -> None:
    skill = ROOT / "skills/cuda-kernels/evals/axpy.md"
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    for name in ("first", "second"):
        run(sys.executable, "-m", "pytest", skill, "--upskill", f"--upskill-export={name}", f"--rootdir={tmp_path}",
            "-p", "no:cacheprovider", cwd=tmp_path, PYTHONPATH=str(ROOT))  # fmt: skip
    first, second = (
        {
            path.relative_to(tmp_path / name): path.read_bytes()
            for path in (tmp_path / name).rglob("*")
            if path.is_file()
        }
        for name in ("first", "second")
    )
    assert first == second
    assert first


@pytest.mark.full
@pytest.mark.parametrize("name", ["axpy", "histogram", "max_pool2d"])
def test_a_project_compiles_for_gpus(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_upskill.export.items import export_item

    monkeypatch.delenv("UPSKILL_NVCC", raising=False)
    if (found := nvcc.first_nvcc()) is None:
        pytest.skip("there is no nvcc on this machine")
    of = case_of_skill(name)
    project = export_item(passed(of), of, INFO, tmp_path).folder
    gencode = [f"-gencode=arch=compute_{one},code=sm_{one}" for one in ARCHITECTURES]
    kernel = project / f"{name}_cuda" / f"{name}.cu"
    flags = ("-std=c++17", "--expt-relaxed-constexpr", "-DCUDA_KERNEL", "-Werror=all-warnings")
    run(found.program, *flags, *gencode, "-c", kernel, "-o", tmp_path / "kernel.o", cwd=tmp_path)
    include = Path(found.program).resolve().parents[1] / "include"
    if not (include / "cuda_runtime.h").exists():
        return  # the compiler without CUDA's headers for the host
    (tmp_path / "c10/cuda/impl").mkdir(parents=True)
    (tmp_path / "c10/cuda/impl/cuda_cmake_macros.h").write_text("#pragma once\n")  # missing in torch for the CPU
    (tmp_path / "registration.h").write_text(REGISTRATION)
    torch = headers()
    folders = [f"-isystem{one}" for one in (*torch.folders, include)]
    macros = ("-DCUDA_KERNEL", "-DUSE_CUDA", "-DTORCH_EXTENSION_NAME=_x")
    binding = project / "torch-ext/torch_binding.cpp"
    run("g++", f"-std=c++{torch.standard}", "-fsyntax-only", *macros, f"-I{tmp_path}", *folders, binding, cwd=tmp_path)
