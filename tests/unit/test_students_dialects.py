"""Chat endpoints as they are: how replies end, the shapes in which they come, and why servers refuse questions."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_upskill.cases.case import Case
from pytest_upskill.errors import StudentError, UsageError
from pytest_upskill.records import Prompt, Question, Reply, Tokens
from pytest_upskill.replies.budget import longest_reply
from pytest_upskill.replies.stored_reply import FieldError, Recording, key_of
from pytest_upskill.students import refusals
from pytest_upskill.students.base import Price, StudentConfig
from pytest_upskill.students.openai import OpenAIStudent
from pytest_upskill.students.registry import resolve
from tests.llama.scripted import Action, Refusal, Stream, chunk, endpoint, reply

CASE = Case(name="scale", skill="tiny", path=Path("scale.md"), task="Scale it.", op=None)
FILES = {"SKILL.md": "Guard it."}


class Asked:
    """One question to a student at an endpoint with a script: its reply, or why there is none."""

    def __init__(self, *actions: Action, files: Any = None, again: int = 0, **fields: Any) -> None:
        question = Question("tiny", "scale", "skill", 1, Prompt("You write kernels.", "Write it.", files=files or {}))
        self.reply, self.error = Reply(""), StudentError("")
        with endpoint(*actions) as self.server:
            fields = {"model": "served-model", "base_url": self.server.url, **fields}
            student = OpenAIStudent(StudentConfig("pupil", "openai", **fields), sleep=lambda seconds: None)
            try:
                for _ in range(1 + again):
                    self.reply = student.ask(question, CASE)
            except StudentError as error:
                self.error = error
            finally:
                student.close()

    @property
    def refused(self) -> str:
        return str(self.error).replace(self.server.url, "URL")

    @property
    def sent(self) -> list[dict[str, Any]]:
        return self.server.questions

    @property
    def note(self) -> str:
        return self.reply.details.note.replace(self.server.url, "URL")


def body(*events: Any, kind: str = "text/event-stream") -> Refusal:
    """A response with this text, or these events."""
    text = events[0] if isinstance(events[0], str) else "".join(f"data: {json.dumps(event)}\n\n" for event in events)
    return Refusal(200, text, {"Content-Type": kind})


def whole(finish: str | None = "stop", **message: Any) -> dict[str, Any]:
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 9}
    return {"model": "m", "choices": [{"message": message, "finish_reason": finish}], "usage": usage}


# --------------------------------------------------------------------------------------------- how a reply ended


@pytest.mark.parametrize(
    ("word", "finish"),
    [("stop", "stop"), ("eos", "stop"), ("STOP", "stop"), ("length", "length"), ("MAX_TOKENS", "length"),
     ("tool_calls", "tool_calls"), ("function_call", "tool_calls")],
)  # fmt: skip
def test_an_end_that_the_model_chose_is_kept_in_one_word(word: str, finish: str) -> None:
    assert Asked(reply("whole", finish=word)).reply.finish == finish


@pytest.mark.parametrize(
    ("word", "named", "lasting"),
    [
        ("network_error", "ended by the server, not by the model (finish_reason 'network_error')", True),
        ("error", "ended by the server", True),
        ("abort", "ended by the server", True),
        ("insufficient_system_resource", "ended by the server", True),
        ("cancelled", "ended by the server", True),
        ("", "ended the reply without a finish_reason", True),
        (None, "ended the reply without a finish_reason", True),
        ("model_context_window_exceeded", "the model's context was full before the reply was complete", False),
        ("model_length", "the model's context was full before the reply was complete", False),
        ("content_filter", "a content filter of the server ended the reply (finish_reason 'content_filter')", False),
        ("sensitive", "a content filter of the server ended the reply", False),
        ("SAFETY", "a content filter of the server ended the reply", False),
        ("content_filter: PROHIBITED_CONTENT", "a content filter of the server ended the reply", False),
        ("function_call_filter: MALFORMED_FUNCTION_CALL", "ended by the server, not by the model", True),
        ("context_window_exceeded", "the model's context was full before the reply was complete", False),
        ("refusal", "the model refused to answer, by the policy of its provider (half)", False),
    ],
)
def test_any_other_end_is_tried_again_and_then_an_error(word: str | None, named: str, lasting: bool) -> None:
    assert Asked(reply("half", finish=word), reply("whole")).reply.text == "whole"
    asked = Asked(reply("half", finish=word))
    assert named in asked.refused
    assert asked.refused.endswith("(tried 5 times)")
    assert asked.error.lasting is lasting, "three questions that a filter stops say nothing about a fourth"


def test_a_refusal_of_the_model_is_named_with_its_words() -> None:
    refusing = Stream((chunk({"refusal": "I cannot help"}), chunk({"refusal": " with that."}, finish="stop")))
    assert "refused to answer, by the policy of its provider (I cannot help with that.)" in Asked(refusing).refused
    assert "by the policy of its provider (No.)" in Asked(body(whole(content=None, refusal="No."))).refused
    assert Asked(body(whole(content="yes", refusal=None))).reply.text == "yes"


def test_a_reply_that_the_model_did_not_end_is_never_stored_whoever_gave_it() -> None:
    config = StudentConfig("pupil", "plugin", "m")
    question = Question("tiny", "scale", "skill", 1, Prompt("a", "b"))
    for finish in ("content_filter", "abort", ""):
        with pytest.raises(FieldError, match="the reply"):
            Recording.from_line(Recording.of(config, question, Reply("half", finish=finish)).to_line())
    for finish in ("stop", "length", "tool_use"):
        assert Recording.from_line(Recording.of(config, question, Reply("all", finish=finish)).to_line())


def test_an_error_in_a_choice_is_told_in_the_servers_words() -> None:
    choice = {"delta": {"content": "ha"}, "finish_reason": "error", "error": {"code": 502, "message": "GPU is gone"}}
    assert "URL answered 502 (GPU is gone)" in Asked(body({"choices": [choice]})).refused


# --------------------------------------------------------------------------------------------- shapes of a reply


def parts(*content: Any) -> Refusal:
    return body(*[chunk({"content": one}) for one in content], chunk({}, finish="stop"))


@pytest.mark.parametrize(
    ("sent", "text", "reasoning"),
    [
        (parts([{"type": "text", "text": "one "}], [{"type": "text", "text": "two"}]), "one two", ""),
        (parts([{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}], "one"), "one", "hm"),
        (parts(["one ", {"type": "output_text", "text": "two"}, {"type": "reference", "ids": [1]}]), "one two", ""),
        (parts({"type": "text", "text": "one"}), "one", ""),
        (parts(None, "", [], "one"), "one", ""),
        (body(whole(content="one", reasoning_content="hm")), "one", "hm"),
        (body(json.dumps(whole(content="one"), indent=2), kind="application/json"), "one", ""),
        (body(whole(content=[{"type": "text", "text": "one"}], reasoning="hm"), kind="application/json"), "one", "hm"),
        (body(chunk({"content": "one", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}, "stop")),
         "one", "hm"),
        (body(chunk({"content": "one", "reasoning": "hm", "reasoning_content": "hm"}, "stop")), "one", "hm"),
        (body({"choices": [{"index": 0, "text": "one", "finish_reason": "stop"}]}), "one", ""),
        (body({"choices": [{"delta": {}, "message": {"content": "one"}, "finish_reason": "stop"}]}), "one", ""),
        (body({"type": "ping"}, chunk({"content": "one"}, "stop")), "one", ""),
        (body({"message": "warming up"}, chunk({"content": "one"}, "stop"), {"event": "end"}), "one", ""),
        (body(f"data: ping\n\ndata: {json.dumps(chunk({'content': 'one'}, 'stop'))}\n\ndata: null\n\n"), "one", ""),
        (body({"choices": [], "prompt_filter_results": []}, chunk({"content": "one"}, "stop")), "one", ""),
        (parts([{"type": "text", "text": {"value": "one", "annotations": []}}]), "one", ""),
        (parts([["one "], [{"type": "think", "think": "hm"}]], "two"), "one two", "hm"),
        (body(whole(content="one", thinking_blocks=[{"type": "thinking", "thinking": "hm"}])), "one", "hm"),
        (body({"result": whole(content="one"), "success": True}, kind="application/json"), "one", ""),
        (body(chunk({"content": "one"}), whole(content="one")), "one", ""),
        (body(f"data: {json.dumps(chunk({'content': 'one'}, 'stop'))}\n\ndata: [done]\n\n"), "one", ""),
        (body({"choices": [{"index": 1, "delta": {"content": "two"}}]}, chunk({"content": "one"}, "stop")), "one", ""),
    ],
)  # fmt: skip
def test_a_reply_is_read_in_any_shape(sent: Refusal, text: str, reasoning: str) -> None:
    asked = Asked(sent)
    assert (asked.reply.text, asked.reply.reasoning) == (text, reasoning), asked.refused


def test_a_server_that_leaves_the_connection_open_is_not_waited_for() -> None:
    class Open(Stream):
        def send(self, handler: Any) -> None:
            super().send(handler)
            handler.server.left.wait(5)

    events = (chunk({"content": "one"}), chunk({}, finish="stop"))
    assert Asked(Open((*events, "[DONE]"), end="silent"), timeout=3).reply.text == "one"


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (body(whole(content=None, reasoning_content="all of it")), "sent reasoning only (9 characters), and no answer"),
        (parts([{"type": "image_url", "image_url": {"url": "x"}}]), "content of an unknown form: {'type': 'image_url'"),
        (parts(42), "content of an unknown form: 42"),
        (body("Welcome!", kind="text/plain"), "sent text/plain that is not a chat reply (Welcome!); base_url in ["),
        (body('{"object": "list"}', kind="application/json"), 'not a chat reply ({"object": "list"})'),
        (body("", kind="text/event-stream"), "sent text/event-stream with nothing in it"),
        (body(": ping\n\n: ping\n\n"), "sent text/event-stream with nothing in it"),
        (body("data: upstream died\n\n"), "not an answer of a chat endpoint (an event: upstream died)"),
        (body('{"object": "response", "status": "completed"}', kind="application/json"), '"status": "completed"})'),
        (body('{"detail": "no such route"}', kind="application/json"), "not a chat reply (no such route)"),
        (body(f'data: {json.dumps(chunk({"content": "a"}, "stop"))}\n\ndata: {{"cho\n\n'), '(an event: {"cho)'),
        (body(f"data: {json.dumps(chunk({'content': 'a'}))}\n\ndata: gone\n\n"), "(an event: gone)"),
        (body(chunk({"content": "ha"}), {"choices": []}), "dropped the stream after 2 characters"),
        (body('event: error\ndata: {"message": "boom"}\n\n'), "URL answered 500 (boom)"),
        (body('error: {"code": 400, "message": "boom"}\n\n'), "URL answered 400 (boom)"),
        (body({"error": {"message": "no quota", "code": "1113"}}), "(no quota)"),
        (body({"choices": None, "base_resp": {"status_code": 1008, "status_msg": "no balance"}}), "(no balance)"),
    ],
)
def test_what_is_no_reply_is_refused_with_what_came(sent: Refusal, told: str) -> None:
    refused = Asked(sent).refused
    assert told in refused
    assert "check base_url" not in refused


def test_a_call_that_the_server_did_not_read_is_no_answer_of_the_student() -> None:
    leaked = reply('[TOOL_CALLS]read_file[ARGS]{"path": "SKILL.md"}')
    assert "URL sent a call of a tool as text ([TOOL_CALLS]read_file" in Asked(leaked, files=FILES).refused
    assert (
        "start it with its parser of tool calls" in Asked(reply("<tool_call>\n{}\n</tool_call>"), files=FILES).refused
    )
    assert Asked(reply("```\nx\n```\n<tool_call>{}</tool_call>"), files=FILES).reply.text.startswith("```")
    assert Asked(leaked).reply.text.startswith("[TOOL_CALLS]"), "no tool was offered"


@pytest.mark.parametrize("place", ["usage", "choices", "x_groq"])
def test_usage_is_found_where_servers_put_it_and_charged(place: str) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 100, "cached_tokens": 4}
    last: dict[str, Any] = {**chunk({}, finish="stop"), "usage": None}
    if place == "choices":
        last["choices"][0]["usage"] = usage
    else:
        last[place] = usage if place == "usage" else {"id": "r", "usage": usage}
    asked = Asked(body(chunk({"content": "one"}), last), price=Price(1.0, 10.0, 0.5))
    assert asked.reply.tokens == Tokens(10, 90, 4)
    assert asked.reply.cost_usd == pytest.approx((6 * 1 + 4 * 0.5 + 90 * 10) / 1e6)


def test_a_reply_without_counts_has_no_known_cost() -> None:
    asked = Asked(body(chunk({"content": "one"}, "stop")), price=Price(1.0, 1.0, 1.0))
    assert (asked.reply.cost_usd, asked.note) == (None, "URL counted no tokens: the cost of the reply is unknown")
    timed = {**chunk({"content": "one"}, "stop"), "timings": {"prompt_n": 3, "cache_n": 2, "predicted_n": 4}}
    assert Asked(body(timed)).reply.tokens == Tokens(5, 4, 2)


# --------------------------------------------------------------------------------------------- why a server refused

SAID: list[tuple[Any, str]] = [
    ({"detail": "Not authenticated"}, "Not authenticated"),
    (
        {"detail": [{"loc": ["body", "top_k"], "msg": "must be > 0"}, {"loc": ["body", 0], "msg": "no"}]},
        "body.top_k: must be > 0; body.0: no",
    ),
    ({"object": "error", "message": {"detail": [{"loc": ["body", "n"], "msg": "extra", "input": 1}]}}, "body.n: extra"),
    ({"errors": [{"message": "one"}, {"code": 7, "message": "two"}, "three"], "success": False}, "one; two; three"),
    ([{"error": {"code": 400, "message": "bad model", "status": "INVALID_ARGUMENT"}}], "bad model"),
    ({"error": "just text"}, "just text"),
    ({"error": {"message": "it failed", "type": "server_error", "param": None}}, "it failed"),
    ({"error": {"message": '{"error": {"message": "deep down"}}'}}, "deep down"),
    ({"error": {"message": "Provider error", "metadata": {"raw": '{"detail": "top_p"}'}}}, "Provider error; top_p"),
    ({"message": ["a must be b", "c"], "error": "Bad Request", "statusCode": 400}, "Bad Request; a must be b; c"),
    ({"error": {"type": "overloaded_error"}}, "overloaded_error"),
    ({"ResponseMetadata": {"Error": {"Code": "X", "Message": "it failed"}}}, "it failed"),
    ({"errcode": 4, "errMsg": "it failed", "data": None}, "it failed"),
    ({"data": {"exception": "it failed"}, "success": False}, "it failed"),
    ({"error": {"message": "no", "details": [{"fieldViolations": [{"field": "top_k", "description": "bad"}]}]}},
     "no; top_k: bad"),
    ({"error": {"message": "unknown", "param": "top_k"}}, "top_k: unknown"),
    ({"code": 1210, "msg": "wrong parameter"}, "wrong parameter"),
    ({"top_k": ["is not allowed"]}, '{"top_k": ["is not allowed"]}'),
    ("<html><style>b{}</style><title>502</title><body><h1>Bad Gateway</h1></body></html>", "502 Bad Gateway"),
    ("plain words", "plain words"),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "said"), SAID)
def test_the_servers_own_words_are_shown_in_whatever_shape_they_come(sent: Any, said: str) -> None:
    asked = Asked(Refusal(400, sent))
    assert f"URL answered 400 ({said}); check the fields and 'options' of " in asked.refused
    assert len(asked.sent) == 1


@pytest.mark.parametrize(
    "said",
    [
        "Incorrect API key provided: sk-secret-0123456789.",
        "key sk-secret-01234... is wrong",
        "no account for ...et-0123456789",
        "Authorization: Bearer another.token-1234",
        "the upstream key gsk_abcdefghijklmnop is expired",
        "pplx-abcdefghijklmnop, AKIAABCDEFGHIJKLMNOP, https://me:abcdefgh@example.org, x-api-key: abcdefghijklmnop",
        "Incorrect API key provided: sk-abcdefgh*******************6789",
    ],
)
def test_no_key_is_shown_whole_or_in_pieces(said: str) -> None:
    shown = refusals.without_keys(said, "sk-secret-0123456789")
    assert "[key]" in shown
    assert not [piece for piece in ("secret", "0123456789", "another.token", "abcdefgh") if piece in shown]
    assert refusals.without_keys("the skill task-force-of-10 and sk-1", "sk-secret-0123456789").endswith("sk-1")


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, {"error": {"code": "content_filter", "message": "The response was filtered"}}),
        (400, {"error": {"code": "data_inspection_failed", "message": "Input data may be inappropriate."}}),
        (403, {"error": {"code": 403, "message": "Your input was flagged", "metadata": {"reasons": ["violence"]}}}),
        (400, {"contentFilter": [{"level": 1, "role": "user"}], "error": {"code": "1301", "message": "no"}}),
        (400, {"type": "error", "error": {"message": "Output blocked by content filtering policy"}}),
    ],
)  # fmt: skip
def test_a_question_that_a_filter_refuses_is_named_as_such(status: int, error: Any) -> None:
    asked = Asked(Refusal(status, error))
    assert f"URL answered {status}: a content filter of the server refused the question (" in asked.refused
    assert not asked.error.lasting


def refuses(*names: str, status: int = 400, said: Callable[[str], Any]) -> Action:
    """A server that refuses the first of the fields that it finds."""

    def answer(sent: dict[str, Any]) -> Refusal | Stream:
        found = [name for name in names if name in sent]
        return Refusal(status, said(found[0])) if found else reply()

    return answer


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, lambda name: {"error": {"message": f"Unknown field: {name}"}}),
        (400, lambda name: {"error": {"message": "Unsupported parameter", "param": name}}),
        (422, lambda name: {"detail": [{"loc": ["body", name], "msg": "Extra inputs are not permitted"}]}),
        (500, lambda name: f"create() got an unexpected keyword argument '{name}'"),
        (400, lambda name: {"message": f"`{name}` is deprecated for this model."}),
        (400, lambda name: {"message": f"{name.replace('_', ' ').capitalize()} is not supported by this model."}),
        (400, lambda name: {"error": {"message": "Invalid", "details": [{"fieldViolations": [{"field": name}]}]}}),
        (400, lambda name: {"error": {"message": "Unsupported", "target": f"/{name}"}}),
        (403, lambda name: {"message": f"{name} is not allowed on your plan"}),
        (503, lambda name: {"error": f"The parameter {name} cannot be used with this model"}),
    ],
)
def test_a_field_that_is_refused_by_name_is_left_out_with_a_note(status: int, said: Callable[[str], Any]) -> None:
    fields = ("seed", "stream_options", "temperature")
    asked = Asked(refuses(*fields, status=status, said=said), temperature=0.5, again=1)
    assert [len({*fields} & sent.keys()) for sent in asked.sent] == [3, 2, 1, 0, 0], "the next question knows"
    for name in fields:
        assert f"URL refused '{name}' (" in asked.note
    assert not {*fields} & asked.reply.details.request.keys()


def test_a_refusal_that_stays_or_names_other_fields_is_told() -> None:
    asked = Asked(Refusal(400, {"error": {"message": "seed and top_k: no"}}))
    assert [("seed" in sent) for sent in asked.sent] == [True, False]
    assert "answered 400 (seed and top_k: no); check the fields" in asked.refused
    for words in ("max_tokens is too large", "the seeds are wrong", "reseed", "low_temperature"):
        asked = Asked(Refusal(400, {"error": {"message": words}}), temperature=1.0)
        assert (len(asked.sent), words in asked.refused) == (1, True)
    assert len(Asked(Refusal(500, {"error": {"message": "seed the cache"}})).sent) == 5


# --------------------------------------------------------------------------------------------- what a table changes


def sent(system: str = "system", **options: Any) -> dict[str, Any]:
    return Asked(reply(), temperature=0.5, max_tokens=77, options=options, system=system).sent[0]


OURS = {"model", "messages", "max_tokens", "seed", "temperature", "stream", "stream_options"}


@pytest.mark.parametrize("name", sorted(OURS - {"messages"}))
def test_any_of_our_fields_can_be_left_out(name: str) -> None:
    expected = OURS - {name} - ({"stream_options"} if name == "stream" else set())
    assert sent(**{name: False}).keys() == expected


@pytest.mark.parametrize(
    ("name", "other", "value"),
    [("max_tokens", "max_completion_tokens", 77), ("seed", "random_seed", 1), ("temperature", "temp", 0.5)],
)
def test_our_fields_can_be_renamed(name: str, other: str, value: Any) -> None:
    body = sent(**{name: other})
    assert (body[other], name in body) == (value, False)


def test_a_field_that_is_renamed_to_itself_stays_and_a_text_for_a_text_is_its_value() -> None:
    body = sent(max_tokens="max_tokens", model="another")
    assert (body["max_tokens"], body["model"]) == (77, "another")


def test_other_fields_are_added_as_they_are() -> None:
    body = sent(reasoning_effort="high", stop="x", tool_choice="auto")
    assert (body["reasoning_effort"], body["stop"], body["tool_choice"]) == ("high", "x", "auto")
    body = sent(top_k=5, cache=False, extra_body={"seed": False, "provider": {"only": ["x"]}})
    assert (body["top_k"], body["cache"], body["seed"], body["provider"]) == (5, False, False, {"only": ["x"]})


def test_a_renamed_field_that_is_refused_is_left_out_too() -> None:
    picky = refuses("random_seed", said=lambda name: {"detail": f"{name} is not supported"})
    assert Asked(picky, options={"seed": "random_seed"}).reply.text == "an answer"


def test_a_system_text_can_stand_in_front_of_the_question() -> None:
    assert sent(system="user")["messages"] == [{"role": "user", "content": "You write kernels.\n\nWrite it."}]
    plain = StudentConfig("pupil", "openai", "m")
    question = Question("tiny", "scale", "skill", 1, Prompt("a", "b"))
    moved = StudentConfig("pupil", "openai", "m", system="user")
    assert key_of(plain, question) != key_of(moved, question), "it is another question"
    line = Recording.of(moved, question, Reply("x")).to_line()
    assert Recording.from_line(line).sampler.system == "user"
    assert '"system"' not in Recording.of(plain, question, Reply("x")).to_line()


def only(**fields: Any) -> StudentConfig:
    (config,) = resolve(["mine"], {"mine": {"provider": "openai", "model": "m", **fields}}, Path("/"))
    return config


def test_a_table_may_name_the_further_fields_beside_the_options() -> None:
    config = only(options={"seed": False, "extra_body": {"a": 1}}, extra_body={"b": 2}, system="user")
    assert (config.options, config.system) == ({"seed": False, "extra_body": {"a": 1, "b": 2}}, "user")


def test_the_worst_case_of_a_reply_follows_the_limit_that_is_sent() -> None:
    assert longest_reply(only(max_tokens=9, options={"max_tokens": "max_completion_tokens"})) == 9
    assert longest_reply(only(max_tokens=9, extra_body={"max_completion_tokens": 5})) == 5
    assert longest_reply(only(max_tokens=9, options={"max_tokens": False})) == 9


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"options": {"temperature": "0.7"}}, "options.temperature = '0.7': expected its value, false to leave the"),
        ({"options": {"seed": True}}, "options.seed = True: expected its value, false to leave the"),
        ({"options": {"extra_body": 5}}, "options.extra_body = 5: expected a table of fields"),
        ({"extra_body": "x"}, "extra_body = 'x': expected a table of fields"),
        ({"system": "developer"}, "system = 'developer': expected one of system, user"),
    ],
)
def test_a_change_that_cannot_be_meant_is_a_usage_error(fields: Any, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        only(**fields)
    assert told in str(caught.value)
