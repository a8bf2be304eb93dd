"""``evals/triggers.json``: what is read, and what each mistake in it says, with its line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pytest_upskill.cases.triggers import name_of, parse_triggers, triggers_of
from pytest_upskill.errors import CaseError

PATH = Path("skills/tiny/evals/triggers.json")
GOOD = [{"query": "Write a kernel.", "should_trigger": True}, {"query": "Bake a cake.", "should_trigger": False}]


def problem(text: str) -> tuple[int | None, str]:
    with pytest.raises(CaseError) as caught:
        parse_triggers(text, PATH, "tiny")
    assert caught.value.path == PATH
    return caught.value.line, caught.value.message


def test_each_query_is_a_case_of_its_own_kind() -> None:
    yes, no = parse_triggers(json.dumps(GOOD), PATH, "tiny")
    assert (yes.task, yes.should_trigger, yes.kind, yes.skill) == ("Write a kernel.", True, "trigger", "tiny")
    assert (no.should_trigger, no.kind) == (False, "trigger")
    assert yes.name.startswith("trigger.write-a-kernel-") and yes.text_hash != no.text_hash


def test_names_do_not_depend_on_the_place_in_the_file_and_differ() -> None:
    names = [case.name for case in parse_triggers(json.dumps(GOOD), PATH, "tiny")]
    assert names == [case.name for case in parse_triggers(json.dumps(GOOD[::-1], indent=4), PATH, "tiny")][::-1]
    queries = ["\u30ab\u30fc\u30cd\u30eb", "Write a kernel!", "Write a kernel.", "a" * 500, "\U0001f680"]
    assert len({name_of(one) for one in queries}) == 5 and max(map(len, map(name_of, queries))) < 60


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("", 1, "the file is empty; the file is a list such as"),
        ("{}", 1, "an object, not a list"),
        ('\n{"query": "a", "should_trigger": true}', 2, "an object, not a list"),
        ("null", 1, "null, not a list"),
        ("query: a", 1, "not a list"),
        ("[]", None, "the list is empty"),
        ('["a"]', 1, "an entry of the list is a text; each is an object"),
        ("[\n1]", 2, "an entry of the list is a number"),
        ('[\n{"query": "a"}]', 2, "an entry has no 'should_trigger'; each entry has both keys"),
        ('[{"query": "a", "should_triger": true}]', 1, "did you mean it by 'should_triger'?"),
        ('[{"should_trigger": true}]', 1, "an entry has no 'query'"),
        ('[{"query": "a", "query": "b", "should_trigger": true}]', 1, "has 'query' twice"),
        ('[{"query": 7, "should_trigger": true}]', 1, "'query' is a number"),
        ('[{"query": " ", "should_trigger": true}]', 1, "'query' is empty"),
        ('[{"query": "\\ud800", "should_trigger": true}]', 1, "half of a surrogate pair"),
        ('[{"query": "a", "should_trigger": "yes"}]', 1, "'should_trigger' of 'a' is a text; it must be true or false"),
        ('[{"query": "a", "should_trigger": 1}]', 1, "is a number; it must be true or false"),
        ('[{"query": "a", "should_trigger": true},\n\n {"query": "a ", "should_trigger": true}]', 3, "in line 1"),
        ('[{"query": "a  b", "should_trigger": true}, {"query": "a b", "should_trigger": false}]', 1, "contradict"),
        ('[{"query": "a", "should_trigger": true}]', None, "the only query has 'should_trigger': true; precision and"),
        ('[{"query": "a", "should_trigger": false}, {"query": "b", "should_trigger": false}]', None, "all 2 queries"),
        ('[{"query": "a", "should_trigger": true}', 1, "a ',' or the ']' of the list is missing"),
        ('[{"query": "a", "should_trigger": true},]', 1, "not valid JSON"),
        ('[\n{"query": "a",\n"should_trigger": True}]', 3, "not valid JSON: expecting value"),
        ("[] []", 1, "there is text after the ']'"),
        ("[" * 100_000, 1, "not valid JSON"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line_and_the_rule(text: str, line: int | None, said: str) -> None:
    found = problem(text)
    assert said in found[1] and found[0] == line


def test_a_file_that_cannot_be_read_is_a_problem_and_none_is_no_queries(tmp_path: Path) -> None:
    assert triggers_of(tmp_path, "tiny").cases == () and triggers_of(tmp_path, "tiny").problem is None
    path = tmp_path / "evals" / "triggers.json"
    path.mkdir(parents=True)
    assert triggers_of(tmp_path, "tiny").problem is not None
    path.rmdir()
    path.write_bytes(b"\xff\xfe[")
    assert triggers_of(tmp_path, "tiny").problem is not None
    path.write_text("\ufeff" + json.dumps(GOOD), encoding="utf-8")
    assert len(triggers_of(tmp_path, "tiny").cases) == 2


def test_further_keys_of_other_tools_are_no_mistake() -> None:
    noted = [{**one, "note": "near miss"} for one in GOOD]
    assert len(parse_triggers(json.dumps(noted), PATH, "tiny")) == 2


ROOT = Path(__file__).parents[2]


def test_the_example_on_the_page_is_valid() -> None:
    (text,) = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "triggers.md").read_text(encoding="utf-8"), re.DOTALL)
    assert [case.should_trigger for case in parse_triggers(text, PATH, "tiny")] == [True, False]


@pytest.mark.parametrize("path", sorted(ROOT.glob("skills/*/evals/triggers.json")), ids=lambda path: path.parts[-3])
def test_the_queries_of_our_skills_are_of_both_kinds_and_do_not_name_the_skill(path: Path) -> None:
    folder = path.parents[1]
    queries = triggers_of(folder, folder.name)
    wanted = [case.should_trigger for case in queries.cases]
    assert queries.problem is None and len(wanted) >= 20 and abs(wanted.count(True) - wanted.count(False)) <= 2
    assert not any(folder.name in case.task for case in queries.cases)
