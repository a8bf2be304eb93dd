"""Stored replies that are broken: each is named once, the others are used, and the reports are there."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

from tests.integration.conftest import BOTH, Workbench
from tests.integration.text_skill import asked, cassette_of, text_skill
from tests.llama.scripted import endpoint, reply

ASK = ("skills", "--upskill-student=pupil", "-k", "word", "--upskill-arms=skill", "--upskill-report=out.json")


def verdicts(bench: Workbench) -> dict[str, str]:
    items = json.loads((bench.root / "out.json").read_text(encoding="utf-8"))["items"]
    return {item["case"]: item["verdict"] for item in items}


def spoil_cassette(bench: Workbench) -> None:
    """Line 1 has a cost that is a text, line 2 was cut off, and line 5 is of no recording."""
    path = cassette_of(bench).path
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[0] = lines[0].replace('"cost_usd": null', '"cost_usd": "1"')
    lines[1] = lines[1][:-20]
    path.write_text("\n".join([*lines, "\x1b[2J"]) + "\n", encoding="utf-8")


def spoil_ledger(bench: Workbench) -> None:
    """The reply to ``word-002`` is of a later version, and ``word-003`` has a count that is too large."""
    with closing(sqlite3.connect(bench.root / ".upskill" / "replies.sqlite")) as file, file:
        for case, old, new in (
            ("word-002", '"version": 2', '"version": 9'),
            ("word-003", '"input": ', '"input": 9e999'),
        ):
            line = file.execute("SELECT line FROM replies WHERE case_name = ?", (case,)).fetchone()[0]
            assert old in line
            file.execute("UPDATE replies SET line = ? WHERE case_name = ?", (line.replace(old, new), case))


@BOTH
def test_broken_lines_of_a_cassette_are_errors_of_their_items_where_they_are_replayed(
    bench: Workbench, workers: list[str]
) -> None:
    with endpoint(reply("an answer")) as server:
        text_skill(bench, server, 4)
        bench.run(*ASK, "--upskill-replies=record")
        spoil_cassette(bench)
        result = bench.run(*ASK, "--upskill-replies=replay", *workers)
        assert len(server.questions) == 4
    result.assert_outcomes(passed=2, errors=2, warnings=1 + bool(workers))
    shown = " ".join(result.stdout.str().split())
    assert "pupil.jsonl:1 is not a valid recorded reply: 'reply.cost_usd' is \"1\"; it must be a valid number" in shown
    assert "pupil.jsonl:2 is not a valid recorded reply: it is not valid JSON" in shown
    assert "pupil.jsonl:5 is not a valid recorded reply: it is not valid JSON" in shown
    assert "= skills =" in shown and "INTERNALERROR" not in shown
    assert sorted(verdicts(bench).values()) == ["infrastructure-error"] * 2 + ["passed"] * 2


@BOTH
def test_broken_records_are_asked_for_again_with_a_warning(bench: Workbench, workers: list[str]) -> None:
    with endpoint(reply("an answer")) as server:
        text_skill(bench, server, 4)
        bench.run(*ASK, "--upskill-replies=record")
        cassette_of(bench).path.unlink()
        spoil_ledger(bench)
        result = bench.run(*ASK, *workers)
        assert len(server.questions) == 6, "those alone whose kept replies are broken"
        assert {text.split()[-1] for text in asked(server)[4:]} == {"2.", "3."}
        assert result.parseoutcomes()["passed"] == 4 and result.parseoutcomes()["warnings"] >= 2
        shown = " ".join(result.stdout.str().split())
        assert "the stored reply to case 'word-002', arm 'skill', trial 1, turn 1 is not valid: 'version' is 9" in shown
        assert "case 'word-003', arm 'skill', trial 1, turn 1 is not valid: 'reply.tokens.input' is Infinity" in shown
        assert "= skills =" in shown and set(verdicts(bench).values()) == {"passed"}
        bench.run(*ASK, *workers).assert_outcomes(passed=4)
        assert len(server.questions) == 6, "the new replies took the place of the broken ones"
