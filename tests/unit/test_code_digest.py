from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pytest_upskill.case_quality.self_check import PACKAGE, code_digest, code_files

OWN = frozenset(code_files())


@pytest.fixture
def package(tmp_path: Path) -> Path:
    files = {
        "case_quality/check.py": "def f():\n    from pytest_upskill.oracle.search import g\n",
        "oracle/search.py": "import pytest_upskill.native.flags\n",
        "oracle/worker.py": "from pytest_upskill.errors import UpskillError\n",
        "native/flags.py": "",
        "native/driver.cpp": "int main() {}\n",
        "errors.py": "",
        "reporting/terminal.py": "import pytest_upskill.case_quality.check\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def digest_after_change(package: Path, name: str) -> str:
    (package / name).write_bytes((package / name).read_bytes() + b"\n")
    code_digest.cache_clear()
    return code_digest(package)


@pytest.mark.parametrize(
    "name", ["case_quality/check.py", "oracle/search.py", "oracle/worker.py", "native/driver.cpp", "errors.py"]
)
def test_a_change_in_any_file_that_is_imported_or_lies_beside_one_changes_the_digest(package: Path, name: str) -> None:
    assert code_digest(package) != digest_after_change(package, name)


def test_a_change_in_a_file_that_is_not_imported_keeps_the_digest(package: Path) -> None:
    assert code_digest(package) == digest_after_change(package, "reporting/terminal.py")


@pytest.mark.parametrize(
    "name",
    [
        "case_quality/self_check.py", "oracle/compare.py", "oracle/reference_worker.py", "languages/cuda/mutants.py",
        "languages/python/worker.py", "sandbox/worker.py", "devices/choose.py", "build/compilation.py",
        "records/running.py", "documents/expression.py", "cases/case.py", "errors.py", "native/driver.cpp",
        "native/cpu/include/cuda_runtime.h",
    ],
)  # fmt: skip
def test_code_that_a_self_check_uses_is_part_of_the_digest(name: str) -> None:
    assert PACKAGE / name in OWN


@pytest.mark.parametrize(
    "name",
    ["reporting/terminal.py", "session/run.py", "commands/main.py", "execution/pipeline.py", "students/openai.py",
     "replies/ledger.py", "skills/skill.py", "statistics/intervals.py", "prompts/feedback.md", "plugin.py"],
)  # fmt: skip
def test_other_code_is_not(name: str) -> None:
    assert (PACKAGE / name).is_file() and PACKAGE / name not in OWN


def test_every_module_that_a_self_check_loads_is_part_of_the_digest() -> None:
    code = (
        "import pytest_upskill.case_quality.self_check, pytest_upskill.case_quality.mutation_run, sys;"
        "from pytest_upskill.languages import registry; [registry.find(name) for name in ('cuda', 'python')];"
        "print(*(module.__file__ for name, module in sys.modules.items() if name.startswith('pytest_upskill.')))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert len(loaded) > 50
    assert {Path(file) for file in loaded} <= OWN
