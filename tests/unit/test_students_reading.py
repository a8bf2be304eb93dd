"""Reading a skill's files through a tool: what can be read, what a bad call is told, and how the talk goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_upskill.cases.case import Case
from pytest_upskill.records import Exchange, Prompt, Question, Reply, Tokens
from pytest_upskill.students import reading
from pytest_upskill.students.base import StudentConfig
from pytest_upskill.students.openai import OpenAIStudent
from pytest_upskill.students.reading import Call
from tests.llama.scripted import Endpoint, Refusal, Stream, chunk, endpoint, reply

CASE = Case(name="scale", skill="tiny", path=Path("scale.md"), task="Scale it.", op=None)
FILES = {"SKILL.md": "Guard it.", "references/types.md": "Half is small."}


def called(*paths: str) -> Stream:
    """A stream of calls of the tool, each in two pieces."""
    events = [chunk({"role": "assistant", "content": "Let me look."})]
    for index, path in enumerate(paths):
        first, second = json.dumps({"path": path})[:5], json.dumps({"path": path})[5:]
        function = {"name": "read_file", "arguments": first}
        events.append(
            chunk({"tool_calls": [{"index": index, "id": f"c{index}", "type": "function", "function": function}]})
        )
        events.append(chunk({"tool_calls": [{"index": index, "function": {"arguments": second}}]}))
    return Stream((*events, chunk({}, finish="tool_calls"), {**chunk({}), "choices": [], "usage": USAGE}))


USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18, "prompt_tokens_details": {"cached_tokens": 4}}


@pytest.fixture
def ask() -> Iterator[Any]:
    """Asks a student at an endpoint with a script once, with files to read."""
    opened: list[Any] = []

    def once(*actions: Refusal | Stream, earlier: tuple[Exchange, ...] = ()) -> tuple[Reply, Endpoint]:
        context = endpoint(*actions)
        server = context.__enter__()
        opened.append(context)
        config = StudentConfig("pupil", "openai", model="served-model", base_url=server.url)
        student = OpenAIStudent(config, sleep=lambda seconds: None)
        try:
            question = Question("tiny", "scale", "skill", 1, Prompt("You write.", "Write it.", earlier, FILES))
            return student.ask(question, CASE), server
        finally:
            student.close()

    yield once
    for context in opened:
        context.__exit__(None, None, None)


@pytest.mark.parametrize("path", ["references/types.md", "./references/types.md", "/references/../references/types.md"])
def test_a_path_may_be_spelled_as_shells_do(path: str) -> None:
    assert reading.answer(Call("1", "read_file", json.dumps({"path": path})), FILES) == (
        "Half is small.", "references/types.md",
    )  # fmt: skip


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "evals/scale.md", "references", "SKILL.md/../../x"])
def test_nothing_but_the_skills_files_can_be_read(path: str) -> None:
    text, read = reading.answer(Call("1", "read_file", json.dumps({"path": path})), FILES)
    assert read is None
    assert text.startswith("The skill has no file") and text.endswith("SKILL.md, references/types.md.")


@pytest.mark.parametrize("arguments", ["", "not json", "[]", "{}", '{"path": 3}', '{"path": " "}'])
def test_a_call_without_a_path_is_told_the_form(arguments: str) -> None:
    text, read = reading.answer(Call("1", "read_file", arguments), FILES)
    assert (text, read) == ('read_file takes one argument: {"path": "SKILL.md"}.', None)


@pytest.mark.parametrize(("count", "rounds"), [(0, 0), (1, 3), (50, 12)])
def test_the_rounds_are_bounded_by_the_files_that_there_are(count: int, rounds: int) -> None:
    assert reading.most_rounds({str(number): "" for number in range(count)}) == rounds


def test_another_tool_does_not_exist() -> None:
    assert reading.answer(Call("1", "bash", "{}"), FILES) == (
        "There is no tool 'bash'; the only one is read_file.", None,
    )  # fmt: skip


def test_files_are_read_in_rounds_and_every_request_is_counted(ask: Any) -> None:
    answer, server = ask(called("SKILL.md", "nothing.md"), called("references/types.md"), reply("the answer"))
    assert answer.text == "the answer"
    assert answer.tokens == Tokens(input=33, output=21, cached=12)
    assert (answer.details.read, answer.details.requests) == (("SKILL.md", "references/types.md"), 3)
    sent = server.questions[2]["messages"]
    assert [one["role"] for one in sent] == ["system", "user", "assistant", "tool", "tool", "assistant", "tool"]
    assert sent[2]["tool_calls"][0]["function"] == {"name": "read_file", "arguments": '{"path": "SKILL.md"}'}
    assert (sent[3]["tool_call_id"], sent[3]["content"]) == ("c0", "Guard it.")
    assert "no file 'nothing.md'" in sent[4]["content"]


def test_who_reads_for_ever_must_answer_in_the_end(ask: Any) -> None:
    answer, server = ask(called("SKILL.md"))
    rounds = len(FILES) + reading.SPARE_ROUNDS
    assert [one["tool_choice"] for one in server.questions] == ["auto"] * rounds + ["none"]
    results = [one["content"] for one in server.questions[-1]["messages"] if one["role"] == "tool"]
    assert results == ["Guard it.", *["You have read 'SKILL.md' already: its text stands above."] * (rounds - 1)]
    assert answer.text == "Let me look."


def test_a_later_turn_holds_what_was_read_before(ask: Any) -> None:
    _, server = ask(reply("better"), earlier=(Exchange("my try", "It is wrong.", ("SKILL.md",)),))
    sent = server.questions[0]["messages"]
    assert [one["role"] for one in sent] == ["system", "user", "assistant", "tool", "assistant", "user"]
    assert sent[3]["content"] == "Guard it."
    assert [one["content"] for one in sent[4:]] == ["my try", "It is wrong."]
