"""``--upskill-replies``: what is asked, what is reused, what is recorded, and what replaying says where it cannot."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.conftest import BOTH, BOTH_ALWAYS, Workbench
from tests.integration.text_skill import asked, cassette_of, text_skill
from tests.llama.scripted import Refusal, Stream, endpoint, reply

ASK = ("skills", "--upskill-student=pupil", "-k", "word")


@BOTH
def test_a_reply_that_is_kept_is_not_asked_for_again(bench: Workbench, workers: list[str]) -> None:
    with endpoint(reply("an answer")) as server:
        text_skill(bench, server, 5)
        bench.run(*ASK, *workers).assert_outcomes(passed=10)
        assert len(server.questions) == len(set(asked(server))) * 2 == 10
        bench.run(*ASK, *workers).assert_outcomes(passed=10)
        assert len(server.questions) == 10


def test_live_asks_anew_and_its_replies_are_the_ones_that_are_kept(bench: Workbench) -> None:
    with endpoint(reply("an answer"), reply("an answer"), reply("nothing")) as server:
        text_skill(bench, server, 1)
        bench.run(*ASK).assert_outcomes(passed=2)
        bench.run(*ASK, "--upskill-replies=live").assert_outcomes(passed=1, failed=1)
        bench.run(*ASK).assert_outcomes(passed=1, failed=1)
        assert len(server.questions) == 4


@BOTH_ALWAYS
def test_what_was_recorded_is_replayed_without_server_key_and_ledger(
    bench: Workbench, workers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with endpoint(reply("an answer")) as server:
        text_skill(bench, server, 4)
        bench.run(*ASK, "--upskill-replies=record", *workers).assert_outcomes(passed=8)
    recorded = cassette_of(bench)
    assert len(recorded.recordings()) == 8
    lines = recorded.path.read_text(encoding="utf-8").splitlines()
    labels = [one.label for one in recorded.recordings()]
    assert labels == sorted(labels) and len(lines) == 8
    for path in (bench.root / ".upskill").iterdir():
        if path.is_file():
            path.unlink()
    monkeypatch.delenv("PUPIL_KEY")
    bench.run(*ASK, "--upskill-replies=replay").assert_outcomes(passed=8)
    bench.run(*ASK).assert_outcomes(passed=8)
    assert len(server.questions) == 8


def test_recording_again_changes_nothing_and_takes_what_is_kept(bench: Workbench) -> None:
    with endpoint(reply("an answer")) as server:
        text_skill(bench, server, 2)
        bench.run(*ASK)
        bench.run(*ASK, "--upskill-replies=record")
        before = cassette_of(bench).path.read_bytes()
        bench.run(*ASK, "--upskill-replies=record")
        assert cassette_of(bench).path.read_bytes() == before
        assert len(server.questions) == 4


def test_replaying_names_item_file_and_command_where_nothing_is_recorded(bench: Workbench) -> None:
    with endpoint(reply("an answer")) as server:
        text_skill(bench, server, 1)
        result = bench.run(*ASK, "--upskill-replies=replay", "--upskill-arms=skill")
        assert not server.questions
    result.assert_outcomes(errors=1)
    shown = " ".join(result.stdout.str().split())
    assert "skills/tiny/SKILL.md::word-000[pupil-skill]: no reply is recorded for it in" in shown
    assert "skills/tiny/cassettes/pupil.jsonl; record it with: pytest" in shown
    assert "'skills/tiny/SKILL.md::word-000[pupil-skill]' --upskill-student=pupil --upskill-replies=record" in shown


def test_replaying_tells_a_changed_prompt_and_a_changed_sampler_apart(bench: Workbench) -> None:
    with endpoint(reply("an answer")) as server:
        text_skill(bench, server, 1)
        bench.run(*ASK, "--upskill-replies=record", "--upskill-arms=skill")
        text_skill(bench, server, 1, "temperature = 0.25")
        replay = (*ASK, "--upskill-replies=replay", "--upskill-arms=skill")
        assert "is stale: temperature was None and is 0.25; record it with" in bench.run(*replay).stdout.str()
        text_skill(bench, server, 1)
        skill = bench.skill / "SKILL.md"
        skill.write_text(skill.read_text(encoding="utf-8") + "More.\n", encoding="utf-8")
        shown = bench.run(*replay).stdout.str()
        assert "is stale: the prompt (skill, task or signature) has changed since; record it with" in shown
        one = "1 kept reply no longer matches (the prompt or the student's settings have changed since)"
        assert f"{one}; --upskill-replies=kept judges such replies all the same" in " ".join(shown.split())
        kept = bench.run(*ASK, "--upskill-replies=kept", "--upskill-arms=skill")
        kept.assert_outcomes(passed=1)
        shown = " ".join(kept.stdout.str().split())
        assert (
            "judged on a kept reply, although the prompt (skill, task or signature) has changed since: word-000"
            in shown
        )
        assert f"{one}; they were judged all the same" in shown
        assert len(server.questions) == 1


@BOTH
def test_a_run_says_how_many_replies_no_longer_match_and_asks_anew(bench: Workbench, workers: list[str]) -> None:
    with endpoint(reply("an answer")) as server:
        text_skill(bench, server, 3, "price = {in = 1, out = 1}")
        bench.run(*ASK, "--upskill-arms=skill")
        bench.write("skills/tiny/evals/word-001.md", "---\nexpect: {contains: [answer]}\n---\nSay it otherwise.\n")
        bench.write("skills/tiny/evals/word-002.md", "---\nexpect: {contains: [answer]}\n---\nSay it at last.\n")
        second = bench.run(*ASK, "--upskill-arms=skill", "--upskill-report=out.json", *workers)
        again = bench.run(*ASK, "--upskill-arms=skill")
    second.assert_outcomes(passed=3)
    two = "2 kept replies no longer match (the prompt or the student's settings have changed since)"
    shown = " ".join(second.stdout.str().split())
    assert f"1 reply is there already; {two}" in shown, "before anything is asked"
    assert f"note {two}; --upskill-replies=kept" in shown
    items = json.loads((bench.root / "out.json").read_text(encoding="utf-8"))["items"]
    assert [one.get("outdated_replies") for one in items if one["kind"] == "text"] == [None, 1, 1]
    assert len(server.questions) == 5 and "no longer match" not in again.stdout.str()


@BOTH
def test_a_failure_and_a_reply_that_was_cut_off_are_asked_for_again_in_the_next_run(
    bench: Workbench, workers: list[str]
) -> None:
    actions = (Refusal(400, {"error": {"message": "not now"}}), reply("half an ", finish="length"), reply("an answer"))
    with endpoint(*actions) as server:
        text_skill(bench, server, 2, "concurrency = 1")
        bench.run(*ASK, "--upskill-arms=skill", *workers).assert_outcomes(errors=2)
        assert len(server.questions) == 2, "asked by the one worker, known to the other"
        bench.run(*ASK, "--upskill-arms=skill", *workers).assert_outcomes(passed=2)
        assert len(server.questions) == 4


def test_drafts_do_not_count_and_a_run_tells_what_servers_do(bench: Workbench) -> None:
    def answer(question: dict[str, Any]) -> Refusal | Stream:
        if "seed" in question:
            return Refusal(422, {"detail": [{"loc": ["body", "seed"], "msg": "Extra inputs are not permitted"}]})
        if "number 0" in question["messages"][-1]["content"]:
            return Refusal(400, {"error": {"code": "content_filter", "message": "The prompt was filtered"}})
        return reply("<|channel|>analysis<|message|>answer?<|end|><|channel|>final<|message|>No.<|return|>")

    with endpoint(answer) as server:
        text_skill(bench, server, 2)
        result = bench.run(*ASK, "--upskill-arms=skill", "--upskill-report=out.json")
    result.assert_outcomes(failed=1, errors=1)
    filtered, drafted = json.loads((bench.root / "out.json").read_text(encoding="utf-8"))["items"]
    assert filtered["verdict"] == "infrastructure-error"
    assert "a content filter of the server refused the question (The prompt was filtered)" in filtered["reason"]
    assert drafted["verdict"] == "failed"
    assert (
        "refused 'seed' (body.seed: Extra inputs are not permitted); the question was asked without it"
        in (drafted["notes"][0])
    )


def test_a_broken_line_is_named(bench: Workbench) -> None:
    with endpoint(reply("an answer")) as server:
        text_skill(bench, server, 1)
        bench.run(*ASK, "--upskill-replies=record")
        path = cassette_of(bench).path
        path.write_text("<<<<<<< ours\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
        result = bench.run(*ASK, "--upskill-replies=replay")
    result.assert_outcomes(passed=2, warnings=1)
    assert "pupil.jsonl:1 is a mark of a merge conflict; keep the lines of both sides" in result.stdout.str()


def test_an_unknown_source_is_refused_with_the_accepted_ones(bench: Workbench) -> None:
    result = bench.run("skills", "--upskill", "--upskill-replies=cached")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*unknown source of replies 'cached'; accepted: auto, live, record, replay, kept*"])
