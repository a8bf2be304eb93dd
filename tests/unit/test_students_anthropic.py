"""Students behind Anthropic's Messages API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_upskill.cases.case import Case
from pytest_upskill.errors import StudentError
from pytest_upskill.records import Exchange, Prompt, Question, Reply, Tokens
from pytest_upskill.students.anthropic import AnthropicStudent
from pytest_upskill.students.base import StudentConfig
from tests.llama.scripted import Endpoint, Refusal, Stream, endpoint
from tests.llama.scripted_anthropic import message

pytest.importorskip("anthropic", reason="needs the package 'anthropic': pip install 'pytest-upskill[anthropic]'")

CASE = Case(name="scale", skill="tiny", path=Path("scale.md"), task="Scale it.", op=None)
KEY = "sk-ant-secret"
PROMPT = Prompt("You write kernels.", "Write it.")


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Asks a student at an endpoint with a script once."""
    monkeypatch.setenv("PUPIL_KEY", KEY)
    opened: list[Any] = []

    def once(*actions: Refusal | Stream, prompt: Prompt = PROMPT, **fields: Any) -> tuple[Reply, Endpoint]:
        context = endpoint(*actions)
        server = context.__enter__()
        opened.append(context)
        base_url = server.url.removesuffix("/v1")
        fields = {"model": "claude-asked", "base_url": base_url, "api_key_env": "PUPIL_KEY", **fields}
        student = AnthropicStudent(StudentConfig("pupil", "anthropic", **fields), sleep=lambda seconds: None)
        try:
            return student.ask(Question("tiny", "scale", "skill", 1, prompt), CASE), server
        finally:
            student.close()

    yield once
    for context in opened:
        context.__exit__(None, None, None)


def test_a_reply_keeps_text_thinking_finish_and_counts_cached_tokens_as_input(ask: Any) -> None:
    reply, _ = ask(message("```cuda\nπ\n```\n", thinking="hm"))
    assert (reply.text, reply.reasoning, reply.finish) == ("```cuda\nπ\n```\n", "hm", "stop")
    assert reply.tokens == Tokens(input=10, output=9, cached=5, written=2)
    assert reply.model == "claude-served"


def test_a_request_streams_with_system_max_tokens_and_options(ask: Any) -> None:
    _, server = ask(message("a"), max_tokens=77, options={"top_k": 3})
    assert server.questions == [
        {
            "model": "claude-asked", "max_tokens": 77, "top_k": 3, "stream": True,
            # What all cases of an arm share is kept by the service.
            "system": [{"type": "text", "text": "You write kernels.", "cache_control": {"type": "ephemeral"}}],
            "messages": [{"role": "user", "content": "Write it."}],
        }
    ]  # fmt: skip


def test_a_temperature_is_sent_where_there_is_one(ask: Any) -> None:
    _, server = ask(message("a"), temperature=0.5)
    assert server.questions[0]["temperature"] == 0.5


def test_a_reply_that_was_cut_off_is_a_reply_that_says_so(ask: Any) -> None:
    assert ask(message("half", "max_tokens"))[0].finish == "length"
    assert ask(message("all", "STOP_SEQUENCE"))[0].finish == "stop", "as a proxy writes it"


@pytest.mark.parametrize(
    ("stop", "said"),
    [
        ("model_context_window_exceeded", "the model's context was full before the reply was complete"),
        ("refusal", r"the model refused to answer, by the policy of its provider \(half\)"),
        ("pause_turn", "the reply was ended by the server, not by the model"),
    ],
)
def test_an_end_that_the_model_did_not_choose_is_tried_again_and_then_an_error(ask: Any, stop: str, said: str) -> None:
    assert ask(message("half", stop), message("whole"))[0].text == "whole"
    with pytest.raises(StudentError, match=f"{said}.*tried 5 times") as caught:
        ask(message("half", stop))
    assert caught.value.lasting is (stop == "pause_turn")


def test_a_temperature_that_the_model_refuses_is_left_out_with_a_note(ask: Any) -> None:
    error = {"type": "invalid_request_error", "message": "`temperature` is deprecated for this model."}
    reply, server = ask(Refusal(400, {"type": "error", "error": error}), message("a"), temperature=0.5)
    assert [sent.get("temperature") for sent in server.questions] == [0.5, None]
    assert "refused 'temperature' (`temperature` is deprecated for this model.)" in reply.details.note


def test_a_system_text_can_stand_in_front_of_the_question(ask: Any) -> None:
    _, server = ask(message("a"), system="user", options={"extra_body": {"temperature": False}})
    (sent,) = server.questions
    assert (sent["messages"], sent["temperature"], "system" in sent) == (
        [{"role": "user", "content": "You write kernels.\n\nWrite it."}], False, False,
    )  # fmt: skip


def test_an_overloaded_service_is_tried_again(ask: Any) -> None:
    overloaded = Refusal(529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})
    reply, server = ask(overloaded, message("a"))
    assert reply.text == "a"
    assert len(server.questions) == 2


def test_a_stream_that_ends_before_the_message_does_is_an_error(ask: Any) -> None:
    with pytest.raises(StudentError, match="dropped the stream before the reply was complete"):
        ask(message("half", stop=None))


def test_a_refused_key_names_its_variable_and_not_the_key(ask: Any) -> None:
    refusal = Refusal(401, {"type": "error", "error": {"type": "authentication_error", "message": f"invalid {KEY}"}})
    with pytest.raises(StudentError) as caught:
        ask(refusal)
    assert "answered 401, not authorised (invalid [key]); check the key in the environment variable PUPIL_KEY" in str(
        caught.value
    )


def test_a_prompt_that_does_not_fit_names_both_sizes(ask: Any) -> None:
    body = {"type": "invalid_request_error", "message": "prompt is too long: 210000 tokens > 200000 maximum"}
    with pytest.raises(StudentError) as caught:
        ask(Refusal(400, {"type": "error", "error": body}))
    assert "the prompt has 210000 tokens" in str(caught.value)
    assert "holds 200000; shorten the skill, or choose a model with a longer context" in str(caught.value)


def test_a_reply_without_a_word_is_asked_for_again_and_then_told(ask: Any) -> None:
    assert ask(message(""), message("a"))[0].text == "a"
    with pytest.raises(StudentError, match=r"ended the reply without any text \(tried 5 times\)"):
        ask(message(""))


def test_the_files_of_a_skill_are_read_through_a_tool_and_all_requests_are_counted(ask: Any) -> None:
    prompt = Prompt("You write kernels.", "Write it.", files={"SKILL.md": "Guard it.", "references/a.md": "More."})
    reading = message("Let me look.", "tool_use", use={"path": "references/a.md"})
    reply, server = ask(reading, message("the answer"), prompt=prompt)
    assert reply.text == "the answer"
    assert (reply.tokens, reply.details.read) == (Tokens(20, 18, 10, 4), ("references/a.md",))
    assert [tool["name"] for tool in server.questions[0]["tools"]] == ["read_file"]
    asked, answered = server.questions[1]["messages"][1:]
    assert asked["content"][1] == {
        "type": "tool_use",
        "id": "toolu_1",
        "name": "read_file",
        "input": {"path": "references/a.md"},
    }
    assert answered["content"] == [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "More."}]


def test_a_later_turn_holds_the_whole_conversation_and_what_was_read(ask: Any) -> None:
    earlier = (Exchange("my try", "It is wrong.", ("SKILL.md",)), Exchange("", "Still wrong."))
    _, server = ask(message("a"), prompt=Prompt("System.", "Write it.", earlier, {"SKILL.md": "Guard it."}))
    sent = server.questions[0]["messages"]
    assert [one["role"] for one in sent] == ["user", "assistant", "user", "assistant", "user", "assistant", "user"]
    assert sent[1]["content"][0]["input"] == {"path": "SKILL.md"}
    assert sent[2]["content"][0]["content"] == "Guard it."
    assert [one["content"] for one in sent[3:]] == ["my try", "It is wrong.", "(no answer)", "Still wrong."]
