"""Recorded replies beside a skill: finding, merging, and lines that cannot be used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pytest_upskill.replies import cassette
from pytest_upskill.replies.cassette import Cassette, UnusableReplyError
from tests.unit.scripted_students import recording


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


BROKEN_KEY = "a" * 40
BROKEN = {
    "<<<<<<< ours": "is a mark of a merge conflict; keep the lines of both sides, and delete git's marks",
    '{"key": 7}': "is not a valid recorded reply: 'key' is 7; it must be a valid string; delete the line",
    "[]": "is not a valid recorded reply: it is a list; it must be an object; delete the line",
    f'{{"key": "{BROKEN_KEY}", "reply"': "it is not valid JSON (Expecting ':' delimiter at character 60)",
    f'{{"key": "{BROKEN_KEY}", "version": 3}}': "versions up to 2; upgrade pytest-upskill, or delete the line",
}


@pytest.mark.parametrize("line", BROKEN)
def test_a_line_that_is_no_recording_is_named_and_hides_no_other(tmp_path: Path, line: str) -> None:
    path = tmp_path / "pupil.jsonl"
    lines = [recording("one").to_line(), line, recording("two").to_line()]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = Cassette(path)
    assert found.recordings() == [recording("one"), recording("two")]
    assert found.find(recording("two").key) == recording("two")
    (problem,) = found.problems.values()
    assert problem.startswith(f"{path}:2 ") and BROKEN[line] in problem


def test_looking_for_a_reply_whose_line_is_broken_raises_and_for_another_does_not(tmp_path: Path) -> None:
    path = tmp_path / "pupil.jsonl"
    whole = recording("two").to_line()
    path.write_text(f"{recording().to_line()[:-9]}\n{whole}\n", encoding="utf-8")
    found = Cassette(path)
    assert not found.problems, "a line is parsed when its reply is looked for"
    assert found.find(recording("two").key) == recording("two")
    with pytest.raises(UnusableReplyError, match=r"pupil.jsonl:1 is not a valid recorded reply: it is not valid JSON"):
        found.find(recording().key)


def test_a_key_that_has_a_broken_line_and_a_whole_one_is_found(tmp_path: Path) -> None:
    path = tmp_path / "pupil.jsonl"
    whole = recording().to_line()
    path.write_text(f"{whole[:-9]}\n{whole}\n", encoding="utf-8")
    assert Cassette(path).find(recording().key) == recording()
    assert Cassette(path).recordings() == [recording()]


def test_a_line_that_cannot_be_used_stays_until_its_reply_is_recorded_again(tmp_path: Path) -> None:
    path = tmp_path / "pupil.jsonl"
    newer = recording("two").to_line().replace('"version": 2', '"version": 3').encode()
    other_hand = b"\xff no reply"
    path.write_bytes(newer + b"\n" + other_hand + b"\n")
    cassette.merge(path, [recording("one")])
    assert path.read_bytes().splitlines() == [recording("one").to_line().encode(), other_hand, newer]
    cassette.merge(path, [recording("two")])
    assert path.read_bytes().splitlines()[2:] == [other_hand]
    assert Cassette(path).recordings() == [recording("one"), recording("two")]


def test_the_last_recording_that_goes_takes_the_file_with_it(tmp_path: Path) -> None:
    path = tmp_path / "pupil.jsonl"
    cassette.write(path, [recording()])
    cassette.write(path, [])
    assert not path.exists()
