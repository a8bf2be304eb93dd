"""Judges everything in the repository with one seed, and writes the verdicts or compares them:

    python tools/verdicts.py write FILE       all of skills/, tests/kernels and tests/hostile
    python tools/verdicts.py compare FILE     the same, compared with an earlier file; exit status 1 if they differ

For changes that must not change a verdict. The file holds verdicts, reasons, assertions and counterexamples.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.hostile import suite  # noqa: E402
from tests.hostile.test_replies import FOLDERS  # noqa: E402

KEPT = ("verdict", "reason", "assertions", "counterexample", "notes", "mutants")


def main() -> None:
    command, file = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="upskill-verdicts-") as folder:
        found = _skills(Path(folder)) | _kernels(Path(folder)) | _hostile(Path(folder))
    if command == "write":
        Path(file).write_text(json.dumps(found, indent=1, sort_keys=True), encoding="utf-8")
        print(f"{len(found)} verdicts written to {file}")
        return
    before = json.loads(Path(file).read_text(encoding="utf-8"))
    different = sorted(name for name in before.keys() | found.keys() if before.get(name) != found.get(name))
    for name in different:
        print(f"{name}\n  before {json.dumps(before.get(name))}\n  now    {json.dumps(found.get(name))}")
    print(f"{len(found)} verdicts, {len(different)} differ from {file}")
    sys.exit(bool(different))


def _skills(folder: Path) -> dict[str, Any]:
    shutil.copytree(ROOT / "skills", folder / "skills" / "skills")
    return _judged(folder / "skills", "skills", "--upskill", "-n", "2")


def _kernels(folder: Path) -> dict[str, Any]:
    """Every kernel is another trial of its case, in the order of the files' names."""
    project, names = folder / "kernels", []
    shutil.copytree(ROOT / "skills" / "cuda-kernels", project / "skills" / "cuda-kernels")
    for case in sorted(path for path in (ROOT / "tests" / "kernels").iterdir() if path.is_dir()):
        for trial, path in enumerate(sorted(case.glob("*.cu")), 1):
            suffix = "" if trial == 1 else f"-{trial}"
            reply = project / "answers" / "cuda-kernels" / f"{case.name}.skill{suffix}.md"
            reply.parent.mkdir(parents=True, exist_ok=True)
            reply.write_text(f"```cuda\n{path.read_text(encoding='utf-8')}\n```\n", encoding="utf-8")
            names.append(f"skills/cuda-kernels/SKILL.md::{case.name}[files-skill{suffix}]")
    options = ("--upskill-student=files:answers", "--upskill-arms=skill", "--upskill-trials=20", "-n", "2")
    return _judged(project, *names, *options)


def _hostile(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for number, name in enumerate(FOLDERS):
        project, tried = folder / f"hostile{number}", suite.attempts(name)
        shutil.copytree(suite.SKILL, project / "skills" / suite.SKILL.name)
        options = ["--upskill-arms=skill", "--upskill-timeout=3"]
        for attempt in tried:
            path = project / "answers" / attempt.name / suite.SKILL.name / f"{attempt.case}.skill.md"
            path.parent.mkdir(parents=True)
            path.write_text(attempt.reply, encoding="utf-8", newline="")
            options.append(f"--upskill-student=files:{attempt.name}=answers/{attempt.name}")
        items = (f"skills/{suite.SKILL.name}/SKILL.md::{attempt.item}" for attempt in tried)
        found |= {f"{name} {key}": value for key, value in _judged(project, *items, *options).items()}
    return found


def _judged(project: Path, *arguments: str) -> dict[str, Any]:
    (project / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    common = ("--upskill-seed=1", "--upskill-device=cpu", "--upskill-report=report.json", "-q")
    command = [sys.executable, "-m", "pytest", *arguments, *common]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False, env=environment)
    report = project / "report.json"
    if not report.is_file():
        sys.exit(f"pytest wrote no report (exit status {done.returncode}):\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    items = json.loads(report.read_text(encoding="utf-8"))["items"]
    return {item["id"]: {key: item.get(key) for key in KEPT} for item in items}


if __name__ == "__main__":
    main()
