"""Recorded replies on disk: what makes a key, and what lines look like."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pytest_upskill.errors import InfrastructureError
from pytest_upskill.records import Exchange
from pytest_upskill.replies import cassette
from pytest_upskill.replies.cassette import Cassette, Recording, key_of
from tests.unit.scripted_students import CONFIG, question, recording, reply


def test_a_key_stays_the_same_from_one_version_to_the_next() -> None:
    """Else everything that people recorded would be stale."""
    assert key_of(CONFIG, question()) == "adb860a3a001507cde9a6fe0d50fab84bd6e4136"


@pytest.mark.parametrize(
    "config",
    [
        replace(CONFIG, name="other"),
        replace(CONFIG, model="other"),
        replace(CONFIG, temperature=0.5),
        replace(CONFIG, max_tokens=101),
        replace(CONFIG, options={"top_p": 1.0}),
    ],
)
def test_another_student_or_sampler_is_another_key(config: object) -> None:
    assert key_of(config, question()) != key_of(CONFIG, question())  # type: ignore[arg-type]


def test_what_does_not_change_the_reply_does_not_change_the_key() -> None:
    moved = replace(CONFIG, base_url="http://elsewhere/v1", api_key_env="KEY", timeout=5.0, concurrency=9, price=None)
    assert key_of(moved, question()) == key_of(CONFIG, question())


def test_another_prompt_trial_or_turn_is_another_key() -> None:
    first = question()
    later = replace(first, prompt=replace(first.prompt, earlier=(Exchange("a", "b"),)))
    assert len({key_of(CONFIG, one) for one in (first, question("two"), question(trial=2), later)}) == 4


def test_a_line_gives_back_what_it_was_made_of() -> None:
    one = Recording.of(CONFIG, question(), reply("ä\n\u2028 \ud800 end", details={"timings": {"n": 1.5}}))
    line = one.to_line()
    assert line.isascii() and "\n" not in line
    assert Recording.from_line(line) == one


def test_a_cassette_is_sorted_and_merges_by_case_arm_trial_and_turn(tmp_path: Path) -> None:
    path = tmp_path / "cassettes" / "pupil.jsonl"
    cassette.merge(path, [recording("two"), recording("one", trial=2), recording("one")])
    assert [one.label[:3] for one in Cassette(path).recordings()] == [
        ("one", "skill", 1),
        ("one", "skill", 2),
        ("two", "skill", 1),
    ]
    before = path.read_bytes().splitlines()
    cassette.merge(path, [replace(recording("two", "newer"), key="f" * 40)])
    after = path.read_bytes().splitlines()
    assert after[:2] == before[:2] and len(after) == 3
    found = Cassette(path).find("f" * 40)
    assert found is not None and found.reply.text == "newer"
    assert Cassette(path).find(recording("two").key) is None


def test_merging_what_is_there_does_not_touch_the_file(tmp_path: Path) -> None:
    path = tmp_path / "pupil.jsonl"
    cassette.merge(path, [recording()])
    inode = path.stat().st_ino
    cassette.merge(path, [recording()])
    assert path.stat().st_ino == inode


def test_a_line_of_another_hand_is_found_too(tmp_path: Path) -> None:
    path = tmp_path / "pupil.jsonl"
    path.write_text("\n  " + recording().to_line() + "\r\n\n", encoding="utf-8")
    assert Cassette(path).find(recording().key) == recording()


@pytest.mark.parametrize("line", ["<<<<<<< ours", '{"key": 7}', "[]", '{"key": "' + "a" * 40 + '", "reply"'])
def test_a_line_that_is_no_recording_is_named_with_its_number(tmp_path: Path, line: str) -> None:
    path = tmp_path / "pupil.jsonl"
    path.write_text(f"{recording().to_line()}\n{line}\n", encoding="utf-8")
    with pytest.raises(InfrastructureError, match=r"pupil.jsonl:2 is no recorded reply"):
        Cassette(path).recordings()


def test_the_last_recording_that_goes_takes_the_file_with_it(tmp_path: Path) -> None:
    path = tmp_path / "pupil.jsonl"
    cassette.write(path, [recording()])
    cassette.write(path, [])
    assert not path.exists()
