"""``pytest-upskill prune``, as a user calls it."""

from __future__ import annotations

import sys

import pytest

from tests.integration.conftest import Workbench
from tests.integration.text_skill import cassette_of, text_skill
from tests.llama.scripted import endpoint, reply

ASK = ("skills", "--upskill-student=pupil", "-k", "word")


def prune(bench: Workbench, *arguments: str) -> pytest.RunResult:
    return bench.pytester.run(sys.executable, "-m", "pytest_upskill", "prune", *arguments)


def test_replies_that_no_case_uses_are_removed_from_cassettes_and_ledger(bench: Workbench) -> None:
    with endpoint(reply("an answer")) as server:
        text_skill(bench, server, 3)
        bench.run(*ASK, "--upskill-replies=record").assert_outcomes(passed=6)
        (bench.skill / "evals" / "word-001.md").unlink()
        changed = bench.skill / "evals" / "word-002.md"
        changed.write_text(changed.read_text(encoding="utf-8").replace("Say", "Write"), encoding="utf-8")
        told = prune(bench, "--dry-run")
        assert told.stdout.lines[-1] == "8 replies would be removed"
        assert len(cassette_of(bench).recordings()) == 6
        done = prune(bench, "skills/tiny")
        assert done.ret == 0
        done.stdout.fnmatch_lines(
            [
                ".upskill/replies.sqlite, pupil: word-001 ?baseline?: its case is gone",
                "skills/tiny/cassettes/pupil.jsonl: word-002 ?skill?: its prompt has changed",
                "8 replies removed",
            ]
        )
        assert [one.label[:2] for one in cassette_of(bench).recordings()] == [
            ("word-000", "baseline"),
            ("word-000", "skill"),
        ]
        assert prune(bench).stdout.lines == ["0 replies removed"]
        bench.run(*ASK).assert_outcomes(passed=4)
        assert len(server.questions) == 8


def test_a_record_that_cannot_be_used_is_named_and_kept(bench: Workbench) -> None:
    with endpoint(reply("an answer")) as server:
        text_skill(bench, server, 2)
        bench.run(*ASK, "--upskill-arms=skill", "--upskill-replies=record").assert_outcomes(passed=2)
    path = cassette_of(bench).path
    path.write_text(path.read_text(encoding="utf-8") + "no reply\n", encoding="utf-8")
    (bench.skill / "evals" / "word-001.md").unlink()
    done = prune(bench)
    assert (done.ret, done.stdout.lines[-1]) == (0, "2 replies removed")
    done.stderr.fnmatch_lines(["Warning: *pupil.jsonl:3 is not a valid recorded reply: it is not valid JSON *"])
    assert path.read_text(encoding="utf-8").splitlines()[1:] == ["no reply"]


def test_a_folder_without_a_skill_is_refused(bench: Workbench) -> None:
    refused = prune(bench, "answers")
    assert refused.ret == 2
    refused.stderr.fnmatch_lines(
        ["Error: answers: there is no such skill: name a folder with a SKILL.md, or that file"]
    )


def test_a_case_that_is_broken_keeps_its_replies(bench: Workbench) -> None:
    with endpoint(reply("an answer")) as server:
        text_skill(bench, server, 1)
        bench.run(*ASK, "--upskill-replies=record")
    (bench.skill / "evals" / "word-000.md").write_text("---\nexpect: 7\n---\nSay.\n", encoding="utf-8")
    done = prune(bench)
    assert done.stdout.lines == ["0 replies removed"]
    assert "(the replies concerned are kept)" in done.stderr.str()
    assert len(cassette_of(bench).recordings()) == 2
