"""The GitHub action: valid YAML, and scripts that are run here with stand-ins for gh and pytest."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from check_jsonschema.builtin_schemas import get_builtin_schema
from jsonschema import Draft7Validator
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
ACTION = YAML(typ="safe").load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = ACTION["runs"]["steps"]
SCRIPTS = sorted((ROOT / "tools" / "action").glob("*.sh"))

GH = """\
#!/usr/bin/env bash
printf '%s\\n' "$*" >>"$LOG"
case $* in
  *--paginate*) [[ $EXISTING == fail ]] && exit 1; printf '%s' "$EXISTING" ;;
  *) for word; do [[ $word == body=@* ]] && cat "${word#body=@}" >"$LOG.body"; done; exit "${REFUSED:-0}" ;;
esac
"""
PYTHON = """\
#!/usr/bin/env bash
printf '%s\\n' "$@" >"$LOG"
exit "${STATUS:-0}"
"""


def script(name: str, tmp_path: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    for program, text in (("gh", GH), ("python", PYTHON)):
        (tmp_path / program).write_text(text)
        (tmp_path / program).chmod(0o755)
    known = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "LOG": str(tmp_path / "log"), **variables}
    path = ROOT / "tools" / "action" / name
    return subprocess.run(["bash", path], env=known, cwd=tmp_path, capture_output=True, text=True, check=False)


def test_the_action_satisfies_githubs_schema() -> None:
    validator = Draft7Validator(get_builtin_schema("vendor.github-actions"))
    assert [error.message for error in validator.iter_errors(ACTION)] == []
    broken = {**ACTION, "runs": {"using": "composite", "steps": [{"run": "ls"}]}}
    assert list(validator.iter_errors(broken)), "a script without a shell"


def test_no_input_is_pasted_into_a_script() -> None:
    assert [step["run"] for step in STEPS if "${{" in step.get("run", "")] == []


def test_every_variable_of_a_script_is_set_by_its_step() -> None:
    for step in STEPS:
        if found := re.search(r"tools/action/(\w+\.sh)", step.get("run", "")):
            text = (ROOT / "tools" / "action" / found[1]).read_text(encoding="utf-8")
            used = {name for name in re.findall(r"\$\{?([A-Z][A-Z_]+)", text) if not name.startswith("GITHUB_")}
            assert used - set(step["env"]) == set()


def test_every_input_and_output_is_used() -> None:
    text = (ROOT / "action.yml").read_text(encoding="utf-8")
    assert [name for name in ACTION["inputs"] if f"inputs.{name}" not in text] == []
    run = (ROOT / "tools" / "action" / "run.sh").read_text(encoding="utf-8")
    assert [name for name in ACTION["outputs"] if f'"{name}=' not in run] == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_the_scripts_are_valid_bash(path: Path) -> None:
    assert subprocess.run(["bash", "-n", path], capture_output=True, check=True).stderr == b""


def run_skills(tmp_path: Path, **variables: str) -> tuple[list[str], str, str]:
    known = {"SKILLS": "a b/SKILL.md", "STUDENT": "", "REPLIES": "", "ARGUMENTS": "", "REPORTS": "out"}
    done = script("run.sh", tmp_path, **known, GITHUB_OUTPUT=str(tmp_path / "output"), **variables)
    assert done.returncode == 0, done.stderr
    words = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    return words, (tmp_path / "output").read_text(encoding="utf-8"), done.stdout


def test_a_run_writes_all_reports_and_keeps_its_status_for_later(tmp_path: Path) -> None:
    words, output, said = run_skills(tmp_path, STATUS="7")
    assert words[:5] == ["-m", "pytest", "a", "b/SKILL.md", "--upskill"]
    for name in ("report.html", "report.json", "report.md", "report.csv"):
        assert f"--upskill-report=out/{name}" in words
    assert "--upskill-report=badge:out/badge.json" in words
    assert "--junit-xml=out/junit.xml" in words
    assert output == "reports=out\nbadge=out/badge.json\nstatus=7\n"
    assert "::warning" in said


def test_arguments_stay_what_they_are(tmp_path: Path) -> None:
    hostile = "$(touch pwned) ; `touch pwned` *"
    known = {"STUDENT": hostile, "REPLIES": "replay", "ARGUMENTS": f"-k\nadd or softmax\n\n{hostile}\n"}
    script_words = script(
        "run.sh", tmp_path, SKILLS="skills", REPORTS="out", GITHUB_OUTPUT=str(tmp_path / "output"), **known
    )
    assert script_words.returncode == 0
    words = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    assert words[-5:] == [f"--upskill-student={hostile}", "--upskill-replies=replay", "-k", "add or softmax", hostile]
    assert not (tmp_path / "pwned").exists()


def comment(tmp_path: Path, **variables: str) -> tuple[str, str, str]:
    (tmp_path / "report.md").write_text("# Skills\n")
    known = {"NAME": "upskill", "NUMBER": "12", "GITHUB_REPOSITORY": "me/it", "REPORT": "report.md", "EXISTING": ""}
    done = script("comment.sh", tmp_path, **{**known, **variables})
    assert done.returncode == 0, done.stderr
    log, body = tmp_path / "log", tmp_path / "log.body"
    return *(path.read_text(encoding="utf-8") if path.exists() else "" for path in (log, body)), done.stdout


def test_a_first_run_comments_with_the_marker_in_front(tmp_path: Path) -> None:
    log, body, said = comment(tmp_path)
    assert "-X POST repos/me/it/issues/12/comments" in log
    assert body == "<!-- pytest-upskill: upskill -->\n# Skills\n"
    assert said == ""


def test_a_later_run_updates_the_first_comment_of_its_name(tmp_path: Path) -> None:
    log, _, _ = comment(tmp_path, EXISTING="77\n78\n")
    assert "-X PATCH repos/me/it/issues/comments/77" in log
    assert "POST" not in log


def test_a_name_cannot_close_the_marker(tmp_path: Path) -> None:
    _, body, _ = comment(tmp_path, NAME="a --> <b>")
    assert body.startswith("<!-- pytest-upskill: a --- -b- -->\n")


@pytest.mark.parametrize("variables", [{"REFUSED": "1"}, {"REFUSED": "1", "EXISTING": "77"}, {"REPORT": "none.md"}])
def test_a_comment_that_is_refused_is_a_warning(tmp_path: Path, variables: dict[str, str]) -> None:
    assert "::warning" in comment(tmp_path, **variables)[2]


def test_the_filter_of_comments_takes_those_of_bots_that_begin_with_the_marker() -> None:
    text = (ROOT / "tools" / "action" / "comment.sh").read_text(encoding="utf-8")
    found = re.search(r"--jq '(.*?)'", text)
    assert found
    marker = "<!-- pytest-upskill: upskill -->"
    comments = [
        {"id": 1, "user": {"type": "User"}, "body": marker},
        {"id": 2, "user": {"type": "Bot"}, "body": f"> {marker}"},
        {"id": 3, "user": {"type": "Bot"}, "body": f"{marker}\n# Skills"},
    ]
    try:
        done = subprocess.run(
            ["jq", found[1]], input=json.dumps(comments), env={**os.environ, "MARKER": marker},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("jq is not installed")
    assert done.stdout.split() == ["3"]
