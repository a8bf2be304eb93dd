"""The database of runs: what comes back, what two writers and a killed one leave, and what happens if it cannot be
used."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_upskill.errors import InfrastructureError, UsageError
from pytest_upskill.history import side_file, store
from pytest_upskill.history.comparison import compare
from pytest_upskill.history.git_state import GitState
from pytest_upskill.history.importing import import_run, read_run
from pytest_upskill.history.recorder import Recorder
from pytest_upskill.history.store import History, path_of
from pytest_upskill.records import Finding, LaunchStatistics, Outcome, Tokens, Turn, VerdictKind, Window, WorstElement
from pytest_upskill.reporting import render
from pytest_upskill.reporting.view import build_view
from tests.unit.reporting_outcomes import SOURCE, counterexample, outcome, run, spec


def whole(case: str = "rms_norm", **more: Any) -> Outcome:
    """A failed item with every field that the history keeps."""
    window = Window((0, 24), (("0.5", "nan"),), (("0.5", "1"),), ((0.0, None),))
    worst = WorstElement("out", (0, 25), "nan", "1", None, None, window)
    made = outcome(
        case,
        failed={"correct[float16]": "1 of 33 elements is off"},
        counterexample=counterexample(worst=worst, line=9, inputs={"x": "[0.5]"}),
        source=SOURCE,
    )
    further = {
        "prompt": f"Write {case}.",
        "prompt_digest": f"digest of {case}",
        "reply": f"Here.\n```cuda\n{SOURCE}```\n",
        "reasoning": "Well \ud83d.",
        "reply_digest": "4711",
        "reports": (Finding("memory", "out-of-bounds", "reads x[33]", 8),),
        "launches": LaunchStatistics(3, 4, 100),
        "turns": (Turn(VerdictKind.FAILED, "no", Tokens(3), reply="first"), Turn(VerdictKind.FAILED, "no")),
        "not_executed": ((3, 5),),
        "compilers": ("g++ 12",),
    }
    return replace(made, **{**further, **more})


def recorded(root: Path, session: str, *items: Outcome, **more: Any) -> int:
    with closing(History(root)) as history:
        number = history.begin(run(session=session, **more))
        history.add(number, items)
        history.finish(number, run(session=session, **more))
    return number


def test_a_run_comes_back_with_every_field_and_each_text_is_stored_once(tmp_path: Path) -> None:
    items = [whole(), whole("softmax", reply="other"), replace(whole("third"), prompt=""), spec(reason="no name")]
    items[2] = replace(items[2], prompt_digest=items[0].prompt_digest)
    recorded(tmp_path, "a", *items)
    recorded(tmp_path, "b", *items)
    history = History(tmp_path)
    stored = history.load(2, texts=True)
    assert list(stored.items[:2]) == items[:2] and stored.items[3] == items[3]
    assert stored.items[2].prompt == items[0].prompt, "trials of a case share a prompt"
    assert stored.items[0].verdict.counterexample.worst.around == items[0].verdict.counterexample.worst.around  # type: ignore[union-attr]
    assert history.item(1, items[0].id) == items[0]
    assert [item.reply for item in history.load(1).items] == ["", "", "", ""]
    with closing(sqlite3.connect(path_of(tmp_path))) as file:
        assert file.execute("SELECT count(*) FROM texts").fetchone() == (2 + 2 + 3,)  # prompts, replies, the others


def test_a_run_in_brief_compares_as_the_whole_one(tmp_path: Path) -> None:
    items = [whole(), outcome("softmax", trial=2), spec(reason="no name"), outcome(arm="baseline", skill_digest="s")]
    recorded(tmp_path, "a", *items)
    recorded(tmp_path, "b", *(replace(item, skill_digest="t", case_digest="c", reply_digest="r") for item in items))
    history = History(tmp_path)
    brief, whole_ = ([load(number) for number in (1, 2)] for load in (history.brief, history.load))
    assert compare(*brief).changes == compare(*whole_).changes
    assert compare(*brief).rates == compare(*whole_).rates and compare(*brief).contrasts == compare(*whole_).contrasts
    assert not brief[0].items[0].verdict.assertions


def test_the_last_aa_run_of_a_student_is_one_that_decided_a_case_in_both_arms(tmp_path: Path) -> None:
    both = [outcome(), outcome(arm="repeat", trial=2, failed={"reply": "none"})]
    students = {"glm-4.7": {"model": "m"}}
    recorded(tmp_path, "a", *both, students=students)
    recorded(tmp_path, "b", both[1], students=students)
    recorded(tmp_path, "c", *both, students=students)
    history = History(tmp_path)
    (last,) = history.aa_runs(3)
    assert (last.number, last.sampler, last.skill_trials, last.repeat_trials) == (
        1, {"model": "m"}, {"rms_norm": [True]}, {"rms_norm": [False]})  # fmt: skip
    assert history.aa_runs(1) == [] and history.aa_runs(4)[0].number == 3
    known, other = (build_view([outcome()], run(students=each), aa_runs=[last]).skills[0].students[0].noise
                    for each in (students, {"glm-4.7": {"model": "another"}}))  # fmt: skip
    assert known is not None and known.flips.mean == 1 and other is None, "another model has other noise"


def test_an_item_that_is_run_again_counts_with_its_last_outcome(tmp_path: Path) -> None:
    recorded(tmp_path, "a", whole())
    assert recorded(tmp_path, "a", outcome("rms_norm")) == 1
    (item,) = History(tmp_path).load(1).items
    assert item.verdict.kind is VerdictKind.PASSED


def test_the_run_to_compare_with_has_at_least_half_of_the_items(tmp_path: Path) -> None:
    names = ["one", "two", "three", "four"]
    recorded(tmp_path, "whole", *map(outcome, names))
    recorded(tmp_path, "one case", outcome("one"))
    recorded(tmp_path, "another suite", outcome("five"), outcome("six"))
    recorded(tmp_path, "again", *map(outcome, names))
    recorded(tmp_path, "new cases", *map(outcome, ["five", "seven", "eight", "nine"]))
    recorded(tmp_path, "nothing in common", outcome("ten"))
    history = History(tmp_path)
    assert [history.before(number) for number in range(1, 7)] == [None, 1, None, 1, 3, None]


def test_the_check_of_a_skill_is_no_reason_to_compare_two_runs(tmp_path: Path) -> None:
    spec = replace(outcome("spec"), case=None)
    recorded(tmp_path, "self-check", spec, outcome("golden"))
    recorded(tmp_path, "student", spec, outcome("files"))
    recorded(tmp_path, "student again", spec, outcome("files"))
    assert [History(tmp_path).before(number) for number in (2, 3)] == [None, 2]


def test_two_sessions_that_write_at_once_lose_nothing(tmp_path: Path) -> None:
    def record(session: str) -> None:
        recorder = Recorder(tmp_path, lambda: run(session=session))
        for number in range(40):
            recorder.add(outcome(f"{session}{number}"))
        recorder.finish(run(session=session))
        problems.append(recorder.problem)
        recorder.close()

    problems: list[str] = []
    threads = [threading.Thread(target=record, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == ["", "", ""]
    history = History(tmp_path)
    assert [len(history.load(number).items) for number in history.numbers()] == [40, 40, 40]


KILLED = """
import os, signal, sys
from pathlib import Path
from pytest_upskill.history.recorder import Recorder
from pytest_upskill.records import ItemKind, Outcome, RunInfo, Verdict, VerdictKind
info = RunInfo({}, "cpu", 1, "2026-01-01T00:00:00+00:00", 0.0, interrupted=True, unreached=("i0", "i1", "i7", "i8"),
               session="s")
recorder = Recorder(Path(sys.argv[1]), lambda: info)
for number in range(8):
    recorder.add(Outcome(f"i{number}", ItemKind.TEXT, "tiny", "c", Verdict(VerdictKind.PASSED), reply="r" * number))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_process_leaves_every_finished_item(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == -9, done.stderr
    stored = History(tmp_path).load(1, texts=True)
    assert [(item.id, len(item.reply)) for item in stored.items] == [(f"i{n}", n) for n in range(8)]
    assert stored.info.interrupted and stored.info.unreached == ("i8",)


# ------------------------------------------------------------------------------------------- what cannot be used


def spoil_with_newer_version(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA user_version = 99")


def spoil_with_other_bytes(path: Path) -> None:
    path.write_bytes(b"\x00garbage" * 700)


def spoil_with_a_folder(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (spoil_with_newer_version, r"written by another version .*its format is 99, ours 1"),
        (spoil_with_other_bytes, r"it is damaged: move the file away to begin a new one"),
        (spoil_with_a_folder, r"make the file and its folder writable"),
    ],
)
def test_a_history_that_cannot_be_used_is_explained_and_the_run_goes_to_a_side_file(
    tmp_path: Path, spoil: Any, said: str
) -> None:
    path = path_of(tmp_path)
    path.parent.mkdir()
    spoil(path)
    with pytest.raises(InfrastructureError, match=said):
        History(tmp_path)
    check_side_file(tmp_path, said)
    assert path.is_dir() or path.read_bytes()


def check_side_file(root: Path, said: str, patience: float = 0.05) -> None:
    """A run with items before and after the problem is complete in the side file, and can be imported."""
    recorder = Recorder(root, lambda: run(session="s"), patience)
    items = [whole(), outcome("second")]
    for item in items:
        recorder.add(item)
    recorder.finish(run(session="s", seconds=4.0))
    check_problem(recorder, said)
    info, found = read_run(root / ".upskill" / "run-s.jsonl")
    assert (info.seconds, found) == (4.0, items)


def check_problem(recorder: Recorder, said: str) -> None:
    import re

    assert re.search(said, recorder.problem), recorder.problem
    assert "run-s.jsonl; pytest-upskill runs --import=" in recorder.problem and recorder.number == 0


def test_a_locked_history_is_waited_for_once_and_its_side_file_is_imported_later(tmp_path: Path) -> None:
    recorded(tmp_path, "earlier", outcome())
    with closing(sqlite3.connect(path_of(tmp_path), isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        check_side_file(tmp_path, "another process has locked it; let that process end, or stop it")
    history = History(tmp_path)
    path = tmp_path / ".upskill" / "run-s.jsonl"
    assert import_run(history, path) == import_run(history, path) == 2
    assert history.row(2).origin == str(path) and len(history.load(2).items) == 2


@pytest.mark.parametrize(
    ("pragma", "said"),
    [
        ("PRAGMA max_page_count = 1", "its disk is full: free some space"),
        ("PRAGMA query_only = ON", "make the file and its folder writable"),
    ],
)
def test_a_history_that_fails_in_the_middle_of_a_run_loses_no_item(tmp_path: Path, pragma: str, said: str) -> None:
    recorder = Recorder(tmp_path, lambda: run(session="s"))
    items = [replace(whole(f"case{number}"), reply=f"{number}" * 9000, reasoning="") for number in range(4)]
    recorder.add(items[0])
    assert recorder.history is not None and recorder.number == 1
    recorder.history._storage.execute(pragma)
    for item in items[1:]:
        recorder.add(replace(item, source=json.dumps(list(range(int(item.case[4:]) * 3000)))))  # type: ignore[index]
    recorder.finish(run(session="s"))
    check_problem(recorder, said)
    assert [item.id for item in read_run(tmp_path / ".upskill" / "run-s.jsonl")[1]] == [item.id for item in items]


def no_flock(*_: object) -> Any:
    raise NotImplementedError("FileSystem does not appear to support flock")


def test_a_file_system_without_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_upskill.replies.sqlite_storage.FileLock", no_flock)
    check_side_file(tmp_path, "its file system cannot lock files, as some network drives cannot; keep the project on a")


def test_results_that_can_be_written_nowhere_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".upskill").write_text("a file where the folder should be")
    monkeypatch.setattr(side_file.tempfile, "gettempdir", lambda: str(tmp_path / "gone"))
    recorder = Recorder(tmp_path, lambda: run(session="s"))
    recorder.add(outcome())
    recorder.finish(run(session="s"))
    assert "nor can a file be written" in recorder.problem and "cannot write below" in recorder.problem


def test_a_folder_that_cannot_be_written_sends_the_results_to_that_of_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    root.mkdir()
    elsewhere.mkdir()
    (root / ".upskill").write_text("")
    monkeypatch.setattr(side_file.tempfile, "gettempdir", lambda: str(elsewhere))
    recorder = Recorder(root, lambda: run(session="s"))
    recorder.add(outcome())
    recorder.finish(run(session="s"))
    assert str(elsewhere / "run-s.jsonl") in recorder.problem
    assert len(read_run(elsewhere / "run-s.jsonl")[1]) == 1


def test_an_item_whose_recording_was_interrupted_is_recorded_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(tmp_path, lambda: run(session="s"))
    recorder.add(outcome("one"))
    with monkeypatch.context() as patched:

        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        patched.setattr(store, "split", interrupt)
        with pytest.raises(KeyboardInterrupt):
            recorder.add(outcome("two"))
    recorder.finish(run(session="s"))
    assert [item.case for item in History(tmp_path).load(1).items] == ["one", "two"]


def test_a_run_without_items_leaves_nothing(tmp_path: Path) -> None:
    Recorder(tmp_path, lambda: run(session="s")).finish(run(session="s"))
    assert not (tmp_path / ".upskill").exists()


@pytest.mark.parametrize("column", ["data", "info"])
def test_a_damaged_entry_is_named_and_other_runs_stay_readable(tmp_path: Path, column: str) -> None:
    recorded(tmp_path, "a", outcome())
    recorded(tmp_path, "b", outcome())
    with closing(sqlite3.connect(path_of(tmp_path))) as file, file:
        table, key = ("items", "run") if column == "data" else ("runs", "number")
        file.execute(f"UPDATE {table} SET {column} = x'00ff' WHERE {key} = 1")
    history = History(tmp_path)
    with pytest.raises(InfrastructureError, match=r"run 1 in .*history.sqlite cannot be read"):
        history.load(1)
    with pytest.raises(InfrastructureError, match=r"run 1 in .*history.sqlite cannot be read"):
        history.brief(1)
    assert len(history.load(2).items) == len(history.brief(2).items) == 1


# ------------------------------------------------------------------------------------------- files of other machines


def test_a_json_report_gives_the_same_report_after_its_import(tmp_path: Path) -> None:
    items = [whole(), outcome("softmax"), outcome(arm="baseline", failed={"reply": "no block"}), spec()]
    items.append(outcome("third", kind=VerdictKind.INFRASTRUCTURE_ERROR, reason="the server is down"))
    known = run(session="ci", students={"glm-4.7": {"model": "m"}}, revision="f00d", dirty=False)
    text = render(build_view(items, known), ".json")
    (tmp_path / "ci.json").write_text(text, encoding="utf-8")
    history = History(tmp_path)
    number = import_run(history, tmp_path / "ci.json")
    stored = history.load(number, texts=True)
    assert json.loads(render(build_view(list(stored.items), stored.info), ".json")) == json.loads(text)
    assert import_run(history, tmp_path / "ci.json") == number


def test_a_report_of_an_earlier_version_is_imported_once(tmp_path: Path) -> None:
    report = json.loads(render(build_view([outcome()], run()), ".json"))
    del report["run"]
    for name in ("prompt_digest", "reply_digest", "skill_digest", "case_digest", "control_reason"):
        del report["items"][0][name]
    (tmp_path / "old.json").write_text(json.dumps(report))
    history = History(tmp_path)
    assert import_run(history, tmp_path / "old.json") == import_run(history, tmp_path / "old.json") == 1


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("r.json", "{", "Expecting property name"),
        ("r.json", "[]", "'schema' must be a number"),
        ("r.json", '{"schema": 2}', "'schema' is 2; this pytest-upskill reads versions up to 1"),
        ("r.json", '{"schema": 1, "seed": 3}', "'items' is missing"),
        ("r.json", '{"schema": 1, "items": [3]}', "not subscriptable"),
        ("r.jsonl", "", "its first line must have 'upskill_run' 1"),
        ("r.jsonl", '{"upskill_run": 7}\n', "its first line must have 'upskill_run' 1"),
        ("r.jsonl", "{}\nnonsense\n", "Expecting value"),
    ],
)
def test_a_file_without_a_run_is_refused_with_the_rule(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=r"name a file that --upskill-report=run\.json has written") as caught:
        read_run(tmp_path / name)
    assert f"{tmp_path / name} holds no run of pytest-upskill (" in str(caught.value) and said in str(caught.value)


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone.json cannot be read \(No such file or directory\)"):
        read_run(tmp_path / "gone.json")


def test_a_side_file_of_a_killed_run_lacks_only_the_line_that_was_being_written(tmp_path: Path) -> None:
    made = side_file.SideFile(tmp_path, run(session="s"), [outcome("one"), outcome("two")])
    made.finish(run(session="s"))
    assert made.path is not None
    made.path.write_text("\n".join(made.path.read_text().split("\n")[:3])[:-9])
    assert [item.case for item in read_run(made.path)[1]] == ["one"]
    made.path.unlink()


def test_without_a_repository_the_commit_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = GitState(tmp_path)
    state.wait(10)
    assert (state.revision, state.dirty) == ("", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    state = GitState(tmp_path)
    state.wait(10)
    assert (state.revision, state.dirty) == ("", None)


@pytest.mark.full
def test_recording_takes_less_than_a_millisecond_of_processor_time_per_item(tmp_path: Path) -> None:
    words = SOURCE.split()
    items = [
        whole(f"case{number}", reply=" ".join(random.Random(number).choices(words, k=700))) for number in range(5000)
    ]
    recorder = Recorder(tmp_path, lambda: run(session="s"))
    recorder.add(outcome("first"))
    started = time.process_time()
    for item in items:
        recorder.add(item)
    assert (time.process_time() - started) / len(items) < 1e-3
    recorder.close()
    started = time.process_time()
    stored = History(tmp_path).load(1, texts=True)
    for suffix in (".json", ".csv", ".md"):
        render(build_view(list(stored.items), stored.info), suffix)
    assert time.process_time() - started < 5
