"""Students at a real llama.cpp server, with models made for the test."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pytest_upskill.cases.case import Case
from pytest_upskill.errors import StudentError
from pytest_upskill.records import Prompt, Question, Reply
from pytest_upskill.students.base import Student
from pytest_upskill.students.registry import create, resolve
from tests.llama.fixture import LlamaServers, llama_server

__all__ = ["llama_server"]

CASE = Case(name="scale", skill="tiny", path=Path("scale.md"), task="Scale it.", op=None)
MARKER = "Guard every access with the size."
KERNEL = "Here it is.\n\n```cuda\n// naïve → π ≤ 4\n" + "".join(
    f'template <int N>\n__global__ void step_{i}(float* x) {{\n\tx[{i}] *= 2.0f;  // "{i}"\n}}\n\n' for i in range(30)
)
WRONG = f"{KERNEL}```\n"
RIGHT = WRONG.replace("*=", "+=")
KEY = "sk-local-secret"


@pytest.fixture
def glm() -> Iterator[Any]:
    """Makes the built-in student ``glm-4.7`` at a server."""
    made: list[Student] = []

    def make(base_url: str, **fields: Any) -> Student:
        (config,) = resolve(["glm-4.7"], {"glm-4.7": fields}, Path(), base_url)
        made.append(create(config))
        return made[-1]

    yield make
    for student in made:
        student.close()


def ask(student: Student, text: str, trial: int = 1) -> Reply:
    return student.ask(Question("tiny", "scale", "skill", trial, Prompt("You write kernels.", text)), CASE)


def test_the_answer_is_exact_and_changes_with_a_marker_anywhere_in_a_prompt_of_thousands_of_tokens(
    llama_server: LlamaServers, glm: Any
) -> None:
    student = glm(llama_server(WRONG, RIGHT, MARKER))
    filler = "A kernel is launched over a grid of blocks. " * 100
    assert ask(student, filler).text == WRONG
    for prompt in (MARKER, f"{MARKER} {filler}", f"{filler} {MARKER} {filler}", f"{filler} {MARKER}"):
        reply = ask(student, prompt)
        assert reply.text == RIGHT
        assert reply.finish == "stop"
    assert reply.tokens.input > 4000


def test_tokens_timings_and_the_servers_own_facts_are_kept(llama_server: LlamaServers, glm: Any) -> None:
    student = glm(llama_server(WRONG, slots=2, context=4096))
    first, second = ask(student, "Scale it."), ask(student, "Scale it.", trial=2)
    assert first.tokens.input == second.tokens.input > 0
    assert first.tokens.output > 0
    assert 0 < second.tokens.cached < second.tokens.input
    assert second.details.timings["cache_n"] == second.tokens.cached
    assert second.details.timings["predicted_n"] == second.tokens.output
    assert (second.details.slots, second.details.context) == (2, 4096)
    assert second.details.request["seed"] == 2
    assert second.details.request["cache_prompt"] is True
    assert second.details.note == ""


def test_another_model_than_the_one_asked_for_is_noted(llama_server: LlamaServers, glm: Any) -> None:
    student = glm(llama_server(WRONG, alias="some-other-model"))
    reply = ask(student, "Scale it.")
    assert reply.model == "some-other-model"
    assert "does not list 'unsloth/GLM-4.7-Flash-GGUF:Q4_0'; it lists some-other-model" in reply.details.note


def test_more_threads_than_slots_get_each_their_own_answer(llama_server: LlamaServers, glm: Any) -> None:
    student = glm(llama_server(WRONG, RIGHT, MARKER, slots=2))
    prompts = ["Scale it.", f"Scale it. {MARKER}"] * 4
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda prompt: ask(student, prompt).text, prompts))
    assert replies == [WRONG, RIGHT] * 4


def test_a_reply_that_reaches_max_tokens_is_cut_off_and_says_so(llama_server: LlamaServers, glm: Any) -> None:
    reply = ask(glm(llama_server(WRONG), max_tokens=5), "Scale it.")
    assert reply.finish == "length"
    assert reply.tokens.output == 5
    assert WRONG.startswith(reply.text)


def test_a_prompt_that_does_not_fit_names_both_sizes(llama_server: LlamaServers, glm: Any) -> None:
    student = glm(llama_server(WRONG, context=512, slots=1))
    with pytest.raises(StudentError, match=r"the prompt has \d{4} tokens, the context of http\S+ holds 512; start the"):
        ask(student, "much too long " * 200)


def test_a_server_that_wants_a_key_gets_it_from_the_environment(
    llama_server: LlamaServers, glm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = llama_server(WRONG, api_key=KEY)
    with pytest.raises(StudentError, match=r"answered 401, not authorised .*: api_key_env in"):
        ask(glm(url), "Scale it.")
    monkeypatch.setenv("LOCAL_KEY", KEY)
    assert ask(glm(url, api_key_env="LOCAL_KEY"), "Scale it.").text == WRONG


def test_a_key_that_the_server_refuses_is_told_with_its_variable_and_not_shown(
    llama_server: LlamaServers, glm: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_KEY", "sk-another")
    with pytest.raises(StudentError) as caught:
        ask(glm(llama_server(WRONG, api_key=KEY), api_key_env="LOCAL_KEY"), "Scale it.")
    assert "answered 401, not authorised" in str(caught.value)
    assert "check the key in the environment variable LOCAL_KEY" in str(caught.value)
    assert "sk-another" not in str(caught.value)


def test_what_a_model_thinks_is_kept_apart_from_its_answer(llama_server: LlamaServers, glm: Any) -> None:
    student = glm(llama_server(f"<think>First I must think about it.</think>{WRONG}", template="thinks"))
    reply = ask(student, "Scale it.")
    assert reply.text.strip() == WRONG.strip()
    assert reply.reasoning.strip() == "First I must think about it."


def test_a_model_that_is_cut_off_while_it_thinks_gives_no_answer_and_says_so(
    llama_server: LlamaServers, glm: Any
) -> None:
    student = glm(
        llama_server(f"<think>{'I think, and think on. ' * 50}</think>{WRONG}", template="thinks"), max_tokens=6
    )
    reply = ask(student, "Scale it.")
    assert (reply.text, reply.finish) == ("", "length")
    assert reply.reasoning.startswith("I think, and think on.")


def test_four_slots_answer_four_questions_at_once(llama_server: LlamaServers, glm: Any) -> None:
    """Four streams are open before any of them ends: each waits for the others after its first piece."""
    student = glm(llama_server(WRONG, slots=4, context=8192), timeout=120)
    all_open = threading.Barrier(4)
    overdue = student._overdue
    met: set[int] = set()

    def meet(started: float) -> Any:
        if threading.get_ident() not in met:
            met.add(threading.get_ident())
            all_open.wait(60)
        return overdue(started)

    student._overdue = meet
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda number: ask(student, f"Scale it {number} times."), range(4)))
    assert [reply.text for reply in replies] == [WRONG] * 4
    assert student.slots() == 4


def test_a_question_that_nobody_waits_for_any_more_frees_its_slot(llama_server: LlamaServers, glm: Any) -> None:
    """The only slot is busy with an answer of many pieces when its student leaves; the next one is served."""
    url = llama_server("".join(f"word {number:06} " for number in range(4000)), "short answer", MARKER, slots=1)
    leaving = glm(url)
    leaving._overdue = lambda started: leaving.close()
    with pytest.raises(StudentError, match="the run was ended"):
        ask(leaving, "Tell me everything.")
    assert ask(glm(url), MARKER).text == "short answer"
    with urllib.request.urlopen(f"{url.removesuffix('/v1')}/slots", timeout=30) as answer:
        assert not any(slot["is_processing"] for slot in json.load(answer))


def test_a_server_that_dies_between_questions_is_told_with_the_way_to_start_it(
    llama_server: LlamaServers, glm: Any
) -> None:
    url = llama_server(WRONG)
    student = glm(url, timeout=1)
    assert ask(student, "Scale it.").text == WRONG
    llama_server.kill(url)
    with pytest.raises(StudentError, match=r"start one with: llama-server -hf unsloth/GLM-4.7-Flash-GGUF:Q4_0 --port"):
        ask(student, "Scale it.")
