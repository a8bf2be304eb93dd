"""The wheel is complete: installed in a new environment, it judges a case."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.llama.fixture import needs_llama

ROOT = Path(__file__).parents[1]


def run(*command: object, cwd: Path) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}  # the wheel comes first
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment with our wheel; dependencies come from the environment of the tests."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    ignored = shutil.ignore_patterns(".venv", ".git", ".upskill", "__pycache__", ".*_cache", "tests")
    shutil.copytree(ROOT, source, ignore=ignored)
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, source, cwd=folder)
    wheel = next(folder.glob("*.whl"))
    venv.create(folder / "venv", with_pip=False)
    python = folder / "venv" / "bin" / "python"
    own = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    (own / "lent.pth").write_text(f"{sysconfig.get_path('purelib')}\n", encoding="utf-8")
    shutil.unpack_archive(wheel, own, format="zip")
    return python


def one_case(folder: Path) -> None:
    skill = folder / "skills" / "cuda-kernels"
    (skill / "evals").mkdir(parents=True)
    shutil.copy(ROOT / "skills/cuda-kernels/SKILL.md", skill)
    shutil.copy(ROOT / "skills/cuda-kernels/evals/vector_add.md", skill / "evals")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")


@pytest.mark.full
@needs_llama
def test_the_wheel_shows_the_whole_road_with_the_demo_student(installed: Path, tmp_path: Path) -> None:
    one_case(tmp_path)
    command = ("-m", "pytest", "skills", "--upskill-student=demo", "--upskill-examples=3")
    output = run(installed, *command, cwd=tmp_path)
    assert "upskill demo: a scripted model" in output
    assert re.search(r"demo +0/1 +0% +1/1 100%", output)


def test_the_wheel_judges_a_case_of_its_own(installed: Path, tmp_path: Path) -> None:
    one_case(tmp_path)
    place = run(installed, "-c", "import pytest_upskill; print(pytest_upskill.__file__)", cwd=tmp_path)
    assert Path(place.strip()).is_relative_to(installed.parents[1])
    output = run(installed, "-m", "pytest", "skills", "--upskill", "--upskill-examples=3", "-k", "golden", cwd=tmp_path)
    assert "1 passed" in output
    assert "1 of 1 case" in output


def test_the_wheel_brings_every_file_of_the_package_and_no_tests_and_no_skills(installed: Path) -> None:
    site = Path(
        run(installed, "-c", "import pytest_upskill; print(pytest_upskill.__path__[0])", cwd=ROOT.parent).strip()
    )
    assert not (site.parent / "tests").exists()
    assert not (site.parent / "skills").exists()
    assert files_of(site) == files_of(ROOT / "pytest_upskill")


def files_of(package: Path) -> set[str]:
    found = {path.relative_to(package) for path in package.rglob("*") if path.is_file()}
    return {path.as_posix() for path in found if "__pycache__" not in path.parts}
