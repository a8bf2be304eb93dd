"""The stored form of a reply: its key, and what is accepted when a line is read."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import time

import pytest

from pytest_upskill.records import Exchange, Prompt, ReplyDetails, Tokens
from pytest_upskill.replies.stored_reply import FieldError, Recording, key_of
from tests.unit.scripted_students import CONFIG, question, reply

PROMPTS = {
    "plain": Prompt("be brief", "say one"),
    "earlier": Prompt(
        "be brief",
        "say one",
        (Exchange("no", "try again"), Exchange("yés", "", ("SKILL.md", "references/a.md"))),
    ),
    "files": Prompt("", "say \u2028 one", files={"SKILL.md": "the skill", "references/a.md": "\ud800"}),
}
THINKING = {"enable_thinking": False}
CONFIGS = {
    "plain": CONFIG,
    "temperature": replace(CONFIG, temperature=0.7),
    "options": replace(CONFIG, options={"top_p": 1.0, "at": time(7, 32), "chat_template_kwargs": THINKING}),
}


@pytest.mark.parametrize(
    ("prompt", "digest"),
    [
        ("plain", "2e9d021e0b7def8f2aae4eebd206dc9d03c49281d83817d3794361961511e754"),
        ("earlier", "9c6870e4d746b33daa48175383be40fb782bf17af050dc4e525278c180dd1c6e"),
        ("files", "e83d995b4fe1f780ec3c008cfeb918ab9d21e8683c3cfb3317478163bd33d667"),
    ],
)
def test_the_digest_of_a_prompt_is_the_same_in_every_version(prompt: str, digest: str) -> None:
    assert PROMPTS[prompt].digest == digest


@pytest.mark.parametrize(
    ("config", "prompt", "key"),
    [
        ("plain", "plain", "0450d99d46134de2765b4488856de54734b30034"),
        ("plain", "earlier", "7af263b2928359a13119bb2442343fc14b50cf06"),
        ("plain", "files", "c413ad970a3c711d4b7b1ae4cc57ee3f7976edb1"),
        ("temperature", "plain", "61d4173ddb65390c05d0a83332e48cf103e05f5e"),
        ("temperature", "earlier", "99081aa4f5a5b25eeb6f7fd72cd301375b162692"),
        ("options", "plain", "464c9762deef58d563f2f73f8a623eb3b049e4e2"),
        ("options", "files", "67d819e74c535af80aad4e9dffbb972ab51f8292"),
    ],
)
def test_the_key_of_a_reply_is_the_same_in_every_version(config: str, prompt: str, key: str) -> None:
    """With another key, replies that people recorded would no longer be found."""
    assert key_of(CONFIGS[config], replace(question(trial=2), prompt=PROMPTS[prompt])) == key


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
    one = Recording.of(
        CONFIG, question(), reply("ä\n\u2028 \ud800 end", details=ReplyDetails(read=("a.md",), timings={"n": 1.5}))
    )
    line = one.to_line()
    assert line.isascii() and "\n" not in line
    assert Recording.from_line(line) == one


# --------------------------------------------------------------------------------------------- lines

WHOLE = Recording.of(
    replace(CONFIG, options={"top_p": 1.0, "chat_template_kwargs": THINKING}),
    question(),
    reply(
        "ä",
        reasoning="hm",
        finish="length",
        tokens=Tokens(10, 5, 3, 2),
        seconds=1.5,
        details=ReplyDetails(
            requests=2,
            read=("SKILL.md",),
            note="a note",
            request={"model": "m", "seed": 1},
            timings={"cache_n": 4, "prompt_ms": 0.5},
            slots=2,
            context=4096,
            build="b1",
        ),
    ),
)
LINE = (
    '{"key": "KEY", "version": 2, "case": "one", "arm": "skill", "trial": 1, "turn": 1, '
    '"prompt": "2e9d021e0b7def8f2aae4eebd206dc9d03c49281d83817d3794361961511e754", '
    '"sampler": {"model": "m", "temperature": null, "max_tokens": 100, '
    '"options": {"top_p": 1.0, "chat_template_kwargs": {"enable_thinking": false}}}, '
    '"reply": {"text": "\\u00e4", "reasoning": "hm", "finish": "length", '
    '"tokens": {"input": 10, "output": 5, "cached": 3, "written": 2}, "cost_usd": 0.25, "seconds": 1.5, "model": "m", '
    '"details": {"requests": 2, "read": ["SKILL.md"], "note": "a note", "request": {"model": "m", "seed": 1}, '
    '"timings": {"cache_n": 4, "prompt_ms": 0.5}, "slots": 2, "context": 4096, "build": "b1"}}}'
).replace("KEY", WHOLE.key)
VERSION_1 = (
    '{"key": "6456de72dd3625f81da68e9335b5a5f2100ca2cf", "case": "one", "arm": "skill", "trial": 1, "turn": 1, '
    '"prompt": "2e9d021e0b7def8f2aae4eebd206dc9d03c49281d83817d3794361961511e754", '
    '"sampler": {"model": "m", "temperature": null, "max_tokens": 100, "options": {"top_p": 1.0}}, '
    '"reply": {"text": "\\u00e4", "reasoning": "", "finish": "stop", "tokens": {"input": 10, "output": 5, "cached": 0, '
    '"written": 0}, "cost_usd": 0.25, "seconds": 0.0, "model": "m", "details": {"request": {"model": "m", "seed": 1}, '
    '"slots": "two", "timings": {"cache_n": "4"}, "requests": 2, "read": ["SKILL.md"], "note": "n", "odd": [1]}}}'
)


def test_the_names_in_a_line_are_those_of_its_version() -> None:
    """Whoever renames a field of ours changes no file of a user's."""
    assert WHOLE.to_line() == LINE
    assert Recording.from_line(LINE) == WHOLE


def test_a_line_of_version_1_is_read_and_keeps_of_the_details_what_has_its_type() -> None:
    config = replace(CONFIG, options={"top_p": 1.0})
    details = ReplyDetails(requests=2, read=("SKILL.md",), note="n", request={"model": "m", "seed": 1})
    assert Recording.from_line(VERSION_1) == Recording.of(config, question(), reply("ä", details=details))


def changed(*path: str, value: object) -> str:
    data = json.loads(LINE)
    inner = data
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return json.dumps(data)


def nested(levels: int) -> object:
    value: object = 1
    for _ in range(levels):
        value = [value]
    return {"a": value}


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        ("reply.cost_usd", "1", "'reply.cost_usd' is \"1\"; it must be a valid number"),
        ("reply.cost_usd", True, "'reply.cost_usd' is true; it must be a valid number"),
        ("reply.cost_usd", -1.0, "'reply.cost_usd' is -1.0; it must be greater than or equal to 0"),
        ("reply.cost_usd", float("nan"), "it holds NaN; numbers must be finite"),
        ("reply.seconds", float("-inf"), "it holds -Infinity; numbers must be finite"),
        ("reply.seconds", None, "'reply.seconds' is null; it must be a valid number"),
        ("reply.details.timings", {"\x1b[2J" * 99: "1"}, "reply.details.timings.\\x1b[2J"),
        ("reply.seconds", 10**400, "'reply.seconds' is 1000"),
        ("reply.tokens.input", 1.5, "'reply.tokens.input' is 1.5; it must be a valid integer"),
        ("reply.tokens.output", -1, "'reply.tokens.output' is -1; it must be greater than or equal to 0"),
        ("reply.tokens.cached", 2**70, "it must be less than or equal to 9007199254740992"),
        ("reply.tokens.written", False, "'reply.tokens.written' is false; it must be a valid integer"),
        ("reply.tokens", None, "'reply.tokens' is null; it must be an object"),
        ("reply.text", None, "'reply.text' is null; it must be a valid string"),
        ("reply.text", ["a"], "'reply.text' is a list; it must be a valid string"),
        ("reply.model", "m" * 9, None),
        ("reply.finish", 1, "'reply.finish' is 1; it must be a valid string"),
        ("reply.details", [], "'reply.details' is a list; it must be an object"),
        ("reply.details.read", ["a", 1], "'reply.details.read.1' is 1; it must be a valid string"),
        ("reply.details.note", {"a": 1}, "'reply.details.note' is an object; it must be a valid string"),
        ("reply.details.timings", {"a": "1"}, "'reply.details.timings.a' is \"1\"; it must be a valid number"),
        ("reply.details.request", nested(40), "it must be an object of finite values, nested at most 32 levels deep"),
        (
            "reply.details.slots",
            "2",
            "'reply.details.slots' is \"2\"; it must be a valid integer",
        ),
        ("sampler.options", nested(400), "it must be an object of finite values, nested at most 32 levels deep"),
        ("sampler.temperature", "hot", "'sampler.temperature' is \"hot\""),
        ("sampler", {}, "'sampler.model' is missing"),
        ("trial", 0, "'trial' is 0; it must be greater than or equal to 1"),
        ("turn", "1", "'turn' is \"1\"; it must be a valid integer"),
        ("case", "\x1b[2J\ud800" * 99, None),
        ("case", 7, "'case' is 7; it must be a valid string"),
        ("arm", "x\x1b", None),
        ("key", "A" * 40, "AAAA\"; it must match pattern '^[0-9a-f]{40}$'"),
        ("version", 3, "'version' is 3; this pytest-upskill reads versions up to 2"),
        ("version", "2", "'version' is \"2\"; it must be a valid integer"),
        ("version", 0, "'version' is 0; it must be greater than or equal to 1"),
    ],
)
def test_every_field_has_a_type_and_a_wrong_one_is_named(path: str, value: object, problem: str | None) -> None:
    line = changed(*path.split("."), value=value)
    if problem is None:
        assert Recording.from_line(line).key == WHOLE.key
        return
    with pytest.raises(FieldError) as caught:
        Recording.from_line(line)
    assert problem in str(caught.value)
    assert str(caught.value).isascii() and len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (LINE[:-5], "it is not valid JSON"),
        (LINE[:300], "it is not valid JSON"),
        ("", "it is not valid JSON (Expecting value at character 1)"),
        (b"{\xff}", "it is not valid UTF-8"),
        ("[" * 100_000, "it is nested too deeply"),
        ('{"key": ' * 100_000, "it is nested too deeply"),
        ('{"trial": ' + "1" * 9999 + "}", "it holds a number with too many digits"),
        ("{}", "'key' is missing"),
        ('"\\u001b[2J"', 'it is "\\u001b[2J"; it must be an object'),
        (
            LINE.replace("0.25", "1e999"),
            "'reply.cost_usd' is Infinity; it must be a finite number",
        ),
    ],
)
def test_a_text_that_is_no_recording_has_a_message_of_one_line(line: str | bytes, problem: str) -> None:
    with pytest.raises(FieldError) as caught:
        Recording.from_line(line)
    assert problem in str(caught.value)
    assert str(caught.value).isprintable()
