"""The history of whole runs: recorded as they go, compared, shown, reported, imported on another machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from pytest_upskill.commands.main import main
from pytest_upskill.history.store import History
from tests.integration.conftest import BOTH, Workbench
from tests.integration.text_skill import text_skill
from tests.llama.scripted import Stream, endpoint, reply

ASK = ("skills", "--upskill-student=pupil", "-k", "word")


def call(*words: str) -> str:
    done = CliRunner().invoke(main, list(words))
    assert done.exit_code == 0, done.output
    return done.output


def commit(folder: Path) -> None:
    for words in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-q", "-m", "a"],
    ):
        subprocess.run(["git", *words], cwd=folder, check=True)


@BOTH
def test_runs_are_recorded_compared_shown_reported_and_imported(
    bench: Workbench, workers: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = [True]

    def answer(question: dict[str, Any]) -> Stream:
        text = json.dumps(question["messages"])
        return reply("nothing of it\x1b[2J" if wrong and "number 0" in text and "MARKER" not in text else "an answer")

    with endpoint(answer) as server:
        text_skill(bench, server, 3)
        commit(bench.root)
        assert bench.run(*ASK, "--upskill-report=first.json", *workers).ret == 0
        wrong.clear()
        bench.write("skills/tiny/evals/word-003.md", (bench.skill / "evals" / "word-000.md").read_text())
        (bench.skill / "evals" / "word-002.md").unlink()
        second = bench.run(*ASK, "--upskill-replies=live", "--upskill-compare", *workers)
    history = History(bench.root)
    first, later = history.load(1), history.load(2, texts=True)
    assert [len(run.items) for run in (first, later)] == [6, 6]
    assert (len(first.info.revision), first.info.dirty, later.info.dirty) == (40, False, True)
    assert first.info.students["pupil"]["model"] == "served-model"
    assert not first.info.interrupted and first.info.unreached == ()
    shown = second.stdout.str()
    assert "compared with run 1" in shown and "2 added, 2 removed" in shown
    compared = call("compare")
    assert "added:\n  word-003" in compared and "removed:\n  word-002" in compared and compared.count("fixed:") == 1
    assert compared.split("run 1 ", 1)[1] in shown.replace("\x1b", "")

    failed = next(item for item in first.items if item.verdict.kind == "failed")
    all_of_it = call("show", failed.id, "--run=1")
    assert "Say the word number" in all_of_it and "nothing of it[2J" not in all_of_it
    assert "nothing of it" in all_of_it and "\x1b" not in all_of_it
    assert "✗ contains[answer]" in all_of_it
    assert "✓ contains[answer]" in call("show", "word-000[pupil-baseline]")
    assert call("show", "word-000[pupil-skill]", "--part=reply") == "an answer\n"

    assert "pupil" in call("runs") and call("runs", "--student=nobody").count("\n") == 1
    assert json.loads(call("report", "1", "--json"))["run"]["session"] == first.info.session
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / ".upskill").mkdir(parents=True)
    monkeypatch.chdir(elsewhere)
    assert call("runs", f"--import={bench.root / 'first.json'}").startswith("run 1: ")
    (imported,) = [History(elsewhere).load(number) for number in History(elsewhere).numbers()]
    assert {item.id: item.verdict for item in imported.items} == {item.id: item.verdict for item in first.items}
    assert {item.id: item.reply_digest for item in imported.items} == {i.id: i.reply_digest for i in first.items}


def test_an_unknown_run_to_compare_with_is_refused_before_anything_is_asked(bench: Workbench) -> None:
    with endpoint(reply("an answer")) as server:
        text_skill(bench, server, 1)
        result = bench.run(*ASK, "--upskill-compare=7")
        assert result.ret == pytest.ExitCode.USAGE_ERROR and not server.questions
    result.stderr.fnmatch_lines(["*no runs are recorded in *history.sqlite; pytest --upskill records one"])


@pytest.mark.full
def test_a_killed_run_leaves_every_finished_item(bench: Workbench) -> None:
    with endpoint(reply("an answer")) as server:
        text_skill(bench, server, 40)
        command = [sys.executable, "-m", "pytest", *ASK, "-v", "-p", "no:cacheprovider", "--upskill-concurrency=1"]
        run = subprocess.Popen(command, cwd=bench.root, stdout=subprocess.PIPE, text=True, env={**os.environ})
        assert run.stdout is not None
        finished = []
        for line in run.stdout:
            if "PASSED" in line:
                finished.append(line.split()[0])
            if len(finished) == 5:
                run.send_signal(signal.SIGKILL)
                break
        run.stdout.close()
        run.wait()
    history = History(bench.root)
    stored = history.load(1)
    assert stored.info.interrupted
    assert set(finished) <= {item.id for item in stored.items} and stored.info.unreached
