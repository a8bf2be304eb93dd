"""A made model at a real llama.cpp server: it finds its topic among many, and says what belongs to it."""

from __future__ import annotations

import itertools
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_upskill.students.base import StudentConfig
from tests.llama.fixture import needs_llama

pytestmark = needs_llama

TOPICS = [f"Task number {number} is about {'x' * number}." for number in range(40)]
TELLING = ("A line of the skill.", "Your answer is not right yet.")
FILLER = "Kernels are launched over a grid of blocks. " * 100


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with a model of forty topics: more than one attention head holds."""
    from pytest_upskill.students.demo.model import Script, Topic, write_model
    from pytest_upskill.students.serving.broker import Servers

    folder: Path = tmp_path_factory.mktemp("made")
    topics = [Topic(topic, f"A wrong answer to {topic}", f"The right answer to {topic}") for topic in TOPICS]
    script = Script((Topic("", "I do not know.", "I still do not know."), *topics), TELLING)
    model = write_model(folder / "made.gguf", script, 1 << 15)
    config = StudentConfig("made", "llama.cpp", "made", max_tokens=16384, concurrency=1, serve="embedded")
    servers = Servers({"made": config}, folder, lambda line: None)
    yield servers.of("made", lambda: model).address()
    servers.stop()


def ask(url: str, text: str) -> str:
    body = {"messages": [{"role": "user", "content": text}], "temperature": 1.0, "max_tokens": 200}
    request = urllib.request.Request(
        f"{url}/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        return str(json.load(answer)["choices"][0]["message"]["content"])


@pytest.mark.parametrize("number", [0, 39])
def test_it_answers_by_topic_and_by_what_it_was_told_in_prompts_short_and_long(url: str, number: int) -> None:
    topic = TOPICS[number]
    for before, after in itertools.product(("", FILLER), repeat=2):
        assert ask(url, f"{before}{topic}{after}") == f"A wrong answer to {topic}"
    for telling, before in itertools.product(TELLING, ("", FILLER)):
        assert ask(url, f"{before}{telling} {topic}") == f"The right answer to {topic}"
        assert ask(url, f"{topic} {telling}{before}") == f"The right answer to {topic}"


def test_without_a_topic_it_says_so(url: str) -> None:
    assert ask(url, "Something else.") == "I do not know."
    assert ask(url, f"Something else. {TELLING[0]}") == "I still do not know."


def test_two_tellings_are_as_good_as_one(url: str) -> None:
    assert ask(url, f"{TELLING[0]} {TOPICS[3]} {TELLING[1]}") == f"The right answer to {TOPICS[3]}"
