"""Students behind an OpenAI-compatible endpoint: what is sent, what is kept, and what is said when it goes wrong."""

from __future__ import annotations

import datetime
import email.utils
import logging
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keyring
import keyring.errors
import pytest
from keyring.backend import KeyringBackend

from pytest_upskill.cases.case import Case
from pytest_upskill.errors import StudentError
from pytest_upskill.records import Prompt, Question, Tokens
from pytest_upskill.students import openai as openai_room
from pytest_upskill.students import remote, retries
from pytest_upskill.students.base import Price, StudentConfig
from pytest_upskill.students.llama_server import LlamaServerStudent
from pytest_upskill.students.openai import OpenAIStudent
from tests.llama.scripted import Endpoint, Refusal, Stream, chunk, endpoint, reply

CASE = Case(name="scale", skill="tiny", path=Path("scale.md"), task="Scale it.", op=None)
KEY = "sk-secret-0123456789"
TABLE = "[tool.upskill.students.pupil]"


def question(text: str = "Write it.", trial: int = 1) -> Question:
    return Question("tiny", "scale", "skill", trial, Prompt("You write kernels.", text))


class Asking:
    """A student at an endpoint, whose waits are kept instead of waited."""

    def __init__(self, url: str, kind: type[OpenAIStudent] = OpenAIStudent, **fields: Any) -> None:
        self.waits: list[float] = []
        fields = {"model": "served-model", "base_url": url, **fields}
        self.student = kind(StudentConfig(name="pupil", provider="openai", **fields), sleep=self.waits.append)

    def ask(self, text: str = "Write it.", trial: int = 1) -> Any:
        return self.student.ask(question(text, trial), CASE)

    def refused(self) -> str:
        with pytest.raises(StudentError) as caught:
            self.ask()
        return str(caught.value)

    def __enter__(self) -> Asking:
        return self

    def __exit__(self, *_: object) -> None:
        self.student.close()


def asking(server: Endpoint, **fields: Any) -> Asking:
    return Asking(server.url, **fields)


@pytest.fixture
def pupil() -> Iterator[Any]:
    """Starts an endpoint with a script, and a student at it."""
    opened: list[Any] = []

    def start(*actions: Refusal | Stream, models: tuple[str, ...] | None = ("served-model",), **fields: Any) -> Any:
        context = endpoint(*actions, models=models)
        server = context.__enter__()
        student = asking(server, **fields)
        opened.extend([student.student.close, lambda: context.__exit__(None, None, None)])
        return student, server

    yield start
    for close in opened:
        close()


# --------------------------------------------------------------------------------------------- a reply


def test_a_reply_keeps_text_reasoning_finish_tokens_and_the_model_that_answered(pupil: Any) -> None:
    student, _ = pupil(reply("```cuda\nπ\n```\n", reasoning="let me think", timings={"predicted_n": 7}))
    answer = student.ask()
    assert answer.text == "```cuda\nπ\n```\n"
    assert answer.reasoning == "let me think"
    assert answer.finish == "stop"
    assert answer.tokens == Tokens(input=11, output=7, cached=4)
    assert answer.model == "served-model"
    assert answer.details.timings == {"predicted_n": 7}
    assert answer.cost_usd is None


def test_every_request_streams_asks_for_usage_and_sets_max_tokens_and_a_seed_for_each_trial(pupil: Any) -> None:
    student, server = pupil(temperature=0.25, max_tokens=321, options={"top_p": 0.5, "odd": {"x": 1}})
    student.ask(trial=3)
    sent = server.questions[0]
    assert sent["messages"] == [
        {"role": "system", "content": "You write kernels."},
        {"role": "user", "content": "Write it."},
    ]
    rest = {name: value for name, value in sent.items() if name != "messages"}
    assert rest == {
        "model": "served-model", "max_tokens": 321, "seed": 3, "temperature": 0.25, "top_p": 0.5, "odd": {"x": 1},
        "stream": True, "stream_options": {"include_usage": True},
    }  # fmt: skip


def test_what_was_asked_for_is_kept_with_the_reply(pupil: Any) -> None:
    student, _ = pupil(temperature=0.25)
    assert student.ask().details.request == {
        "model": "served-model", "max_tokens": 8192, "seed": 1, "temperature": 0.25,
    }  # fmt: skip


def test_without_a_temperature_the_server_decides_and_options_may_replace_max_tokens(pupil: Any) -> None:
    student, server = pupil(options={"max_completion_tokens": 5})
    student.ask()
    assert "temperature" not in server.questions[0]
    assert "max_tokens" not in server.questions[0]
    assert server.questions[0]["max_completion_tokens"] == 5


def test_openais_own_models_know_the_limit_by_its_newer_name() -> None:
    student = OpenAIStudent(StudentConfig("pupil", "openai", "gpt", max_tokens=77))
    body = student._request(question(), ())
    assert body["max_completion_tokens"] == 77
    assert "max_tokens" not in body


def test_a_price_makes_a_cost_in_which_cached_tokens_cost_their_own_rate(pupil: Any) -> None:
    student, _ = pupil(price=Price(input=10.0, output=100.0, cached=1.0))
    assert student.ask().cost_usd == pytest.approx((7 * 10 + 4 * 1 + 7 * 100) / 1e6)


def test_a_reply_that_was_cut_off_is_a_reply_that_says_so(pupil: Any) -> None:
    student, _ = pupil(reply("half a ker", finish="length"))
    assert (student.ask().text, student.ask().finish) == ("half a ker", "length")


def test_a_reply_that_was_cut_off_inside_the_reasoning_is_a_reply_without_text(pupil: Any) -> None:
    student, _ = pupil(reply("", reasoning="hmm", finish="length"))
    answer = student.ask()
    assert (answer.text, answer.reasoning, answer.finish) == ("", "hmm", "length")


def test_a_model_that_the_server_does_not_list_is_noted(pupil: Any) -> None:
    student, server = pupil(models=("other-model",))
    assert student.ask().details.note == (
        f"the server at {server.url} does not list 'served-model'; it lists other-model"
    )


def test_a_server_that_lists_the_model_or_lists_nothing_gets_no_note(pupil: Any) -> None:
    for models in (("served-model",), None):
        student, _ = pupil(models=models)
        assert student.ask().details.note == ""


@pytest.mark.parametrize(
    ("listed", "noted"),
    [
        ("unsloth/GLM-4.7-Flash-GGUF:Q4_0", False),
        ("GLM-4.7-Flash-Q4_0.gguf", False),
        ("glm-4.7-flash", False),
        ("Llama-3.1-8B-Instruct-Q4_K_M.gguf", True),
    ],
)
def test_a_llama_server_may_call_the_model_by_its_repository_its_file_or_an_alias(
    pupil: Any, listed: str, noted: bool
) -> None:
    student, _ = pupil(models=(listed,), kind=LlamaServerStudent, model="unsloth/GLM-4.7-Flash-GGUF:Q4_0")
    assert bool(student.ask().details.note) is noted


def test_several_threads_get_each_their_own_reply_and_the_server_is_surveyed_once(pupil: Any) -> None:
    student, server = pupil()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(student.ask, map(str, range(24))))
    assert [answer.text for answer in answers] == ["an answer"] * 24
    assert sorted(int(sent["messages"][1]["content"]) for sent in server.questions) == list(range(24))
    assert server.model_listings == 1


def test_a_server_on_this_machine_is_reached_past_any_proxy(pupil: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    student, _ = pupil()
    assert student.ask().text == "an answer"


# --------------------------------------------------------------------------------------------- trying again


def test_a_server_error_is_tried_again_after_a_wait(pupil: Any) -> None:
    student, server = pupil(Refusal(500, {"error": {"message": "oops"}}), reply())
    assert student.ask().text == "an answer"
    assert len(server.questions) == 2
    assert len(student.waits) == 1
    assert retries.FIRST_WAIT <= student.waits[0] <= 2 * retries.FIRST_WAIT


def test_a_server_error_that_stays_is_told_with_its_message_and_the_number_of_attempts(pupil: Any) -> None:
    student, server = pupil(Refusal(500, {"error": {"message": "oops"}}))
    assert student.refused() == (
        f"student 'pupil': {server.url} answered 500 (oops); see the server's own log for the cause (tried 5 times)"
    )
    assert len(server.questions) == retries.ATTEMPTS
    assert student.waits == sorted(student.waits)


def test_too_many_requests_waits_as_long_as_the_server_asks(pupil: Any) -> None:
    soon = email.utils.formatdate(time.time() + 100, usegmt=True)
    student, _ = pupil(Refusal(429, headers={"Retry-After": "7"}), Refusal(429, headers={"Retry-After": soon}), reply())
    assert student.ask().text == "an answer"
    assert student.waits[0] == 7
    assert 90 < student.waits[1] <= 100


def test_a_wait_that_is_longer_than_the_timeout_is_not_begun(pupil: Any) -> None:
    student, server = pupil(Refusal(429, {"error": {"message": "quota"}}, {"Retry-After": "900"}), timeout=60)
    assert student.refused() == (
        f"student 'pupil': {server.url} answered 429, too many requests (quota); lower 'concurrency' in {TABLE} "
        f"(it asks to wait 900 s, longer than this student's timeout of 60 s)"
    )
    assert student.waits == []


LOADING = Refusal(503, {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}})


def test_a_model_that_is_loading_is_waited_for_beyond_the_usual_attempts(pupil: Any) -> None:
    student, server = pupil(*[LOADING] * 20, reply())
    assert student.ask().text == "an answer"
    assert len(server.questions) == 21


def test_a_model_that_never_finishes_loading_is_waited_for_no_longer_than_the_timeout(pupil: Any) -> None:
    student, _ = pupil(LOADING, timeout=100)
    assert "is still loading its model; try again later, or raise 'timeout' in" in student.refused()
    assert 90 < sum(student.waits) <= 100


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_what_the_server_will_not_change_its_mind_about_is_not_tried_again(pupil: Any, status: int) -> None:
    student, server = pupil(Refusal(status, {"error": {"message": "no"}}))
    student.refused()
    assert len(server.questions) == 1
    assert student.waits == []


# --------------------------------------------------------------------------------------------- what goes wrong


def test_a_server_that_is_started_later_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    later = [0.0]
    monkeypatch.setattr(openai_room, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + later[0]))
    with endpoint() as server:
        url, port = server.url, server.server_address[1]
    with Asking(url) as student:
        assert "no server answers" in student.refused()
        with endpoint(port=port):
            assert "no server answers" in student.refused(), "it was not there a moment ago"
            later[0] = openai_room.ABSENT_SECONDS + 1
            assert student.ask().text == "an answer"


def test_no_server_says_how_to_start_one_and_is_not_waited_for_twice() -> None:
    with endpoint() as server:
        url = server.url
    model = "unsloth/GLM-4.7-Flash-GGUF:Q4_0"
    with Asking(url, kind=LlamaServerStudent, model=model) as student:
        message = student.refused()
        assert message.startswith(f"student 'pupil': no server answers at {url} (")
        port = url.split(":")[2].removesuffix("/v1")
        assert (
            f"start one with: llama-server -hf {model} --port {port}; or let this run start it with --upskill-serve; "
            "or name another with --upskill-base-url=URL"
        ) in message
        waited = len(student.waits)
        assert waited > 0
        assert student.refused() == message
        assert len(student.waits) == waited


def test_no_server_says_the_command_that_the_table_names() -> None:
    with endpoint() as server:
        url = server.url
    with Asking(url, kind=LlamaServerStudent, serve="./my-server --fast") as student:
        assert "start one with: ./my-server --fast" in student.refused()
    with Asking(url) as student:
        assert f"check base_url and the network (base_url in {TABLE})" in student.refused()


def test_a_connection_that_is_never_made_is_no_server_at_all_and_not_a_slow_one() -> None:
    import httpx2
    import openai

    error = openai.APITimeoutError(request=httpx2.Request("POST", "http://10.0.0.1/v1"))
    error.__cause__ = httpx2.ConnectTimeout("timed out")
    with Asking("http://10.0.0.1/v1") as student:
        failure = student.student._explain(openai, error)
    assert failure.unreachable
    assert failure.message.startswith("no server answers at http://10.0.0.1/v1 (no connection in 10 s); check base_url")


def test_a_name_that_resolves_to_nothing_is_no_server() -> None:
    with Asking("http://no-such-host.invalid/v1") as student:
        assert student.refused().startswith("student 'pupil': no server answers at http://no-such-host.invalid/v1 (")


def test_an_unauthorised_question_names_the_variable_with_the_key(pupil: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUPIL_KEY", KEY)
    student, server = pupil(Refusal(401, {"error": {"message": "Invalid API Key"}}), api_key_env="PUPIL_KEY")
    assert student.refused() == (
        f"student 'pupil': {server.url} answered 401, not authorised (Invalid API Key); "
        f"check the key in the environment variable PUPIL_KEY"
    )
    assert server.keys == [f"Bearer {KEY}"]


def test_an_unauthorised_question_without_a_key_says_where_to_name_one(pupil: Any) -> None:
    student, _ = pupil(Refusal(401, {"error": {"message": "Invalid API Key"}}))
    assert f"name the environment variable that holds its key: api_key_env in {TABLE}" in student.refused()


@pytest.mark.parametrize("refusal", [(404, "File Not Found"), (400, "model 'served-model' not found")])
def test_an_unknown_address_or_model_names_both(pupil: Any, refusal: tuple[int, str]) -> None:
    status, said = refusal
    student, server = pupil(Refusal(status, {"error": {"message": said}}))
    assert student.refused() == (
        f"student 'pupil': {server.url} answered {status} ({said}); check base_url (it usually ends in /v1) and the "
        f"model 'served-model' in {TABLE}"
    )


def test_any_other_refusal_quotes_the_server_on_one_line_of_bearable_length(pupil: Any) -> None:
    student, server = pupil(Refusal(400, {"error": {"message": "top_k must\nbe " + "x" * 5000}}))
    message = student.refused()
    assert message.startswith(f"student 'pupil': {server.url} answered 400 (top_k must be xxx")
    assert message.endswith(f"...); check the fields and 'options' of {TABLE}")
    assert len(message) < 600


OVERFLOWS = {
    "llama.cpp": {
        "error": {
            "code": 400, "message": "request (5120 tokens) exceeds the available context size (4096 tokens)",
            "type": "exceed_context_size_error", "n_prompt_tokens": 5120, "n_ctx": 4096,
        }
    },
    "openai": {
        "error": {
            "message": "This model's maximum context length is 4096 tokens. Your messages resulted in 5120 tokens.",
            "type": "invalid_request_error", "code": "context_length_exceeded",
        }
    },
}  # fmt: skip


@pytest.mark.parametrize("dialect", OVERFLOWS)
def test_a_prompt_that_does_not_fit_names_both_sizes(pupil: Any, dialect: str) -> None:
    student, server = pupil(Refusal(400, OVERFLOWS[dialect]), kind=LlamaServerStudent)
    message = student.refused()
    assert (
        f"the prompt has 5120 tokens, the context of {server.url} holds 4096; start the server with a larger -c"
        in message
    )
    assert "or shorten the skill" in message


def test_a_stream_that_breaks_off_is_tried_again(pupil: Any) -> None:
    student, _ = pupil(Stream((chunk({"content": "half"}),), end="cut"), reply("whole"))
    assert student.ask().text == "whole"


def test_a_stream_that_always_breaks_off_is_told(pupil: Any) -> None:
    student, server = pupil(Stream((chunk({"content": "half"}),), end="cut"))
    message = student.refused()
    assert message.startswith(f"student 'pupil': {server.url} broke off the connection (")
    assert message.endswith("(tried 5 times)")


def test_a_stream_that_ends_without_a_finish_is_not_taken_for_a_reply(pupil: Any) -> None:
    student, server = pupil(Stream((chunk({"content": "half"}),), end="silent"))
    assert student.refused().startswith(
        f"student 'pupil': {server.url} dropped the stream after 4 characters, before the reply was complete"
    )


def test_an_answer_that_is_no_stream_points_at_the_address(pupil: Any) -> None:
    student, server = pupil(Refusal(200, "<html>Welcome</html>", {"Content-Type": "text/html"}))
    assert student.refused() == (
        f"student 'pupil': {server.url} sent text/html that is not a chat reply (Welcome); base_url in {TABLE} must "
        f"be that of a chat endpoint (it usually ends in /v1)"
    )


def test_an_error_inside_a_stream_is_an_error_of_the_server(pupil: Any) -> None:
    failing = Stream((chunk({"content": "half"}), {"error": {"code": 500, "message": "out of memory"}}))
    student, server = pupil(failing, reply("whole"))
    assert student.ask().text == "whole"
    student, server = pupil(failing)
    assert f"{server.url} answered 500 (out of memory)" in student.refused()


def test_an_event_that_is_no_json_is_told_and_not_raised(pupil: Any) -> None:
    student, server = pupil(Stream(("{broken",)))
    assert f"{server.url} sent something that is not an answer of a chat endpoint" in student.refused()


def test_a_reply_without_a_word_is_asked_for_again_and_then_an_error_that_names_the_model(pupil: Any) -> None:
    student, server = pupil(reply(""))
    assert student.refused() == (
        f"student 'pupil': {server.url} ended the reply without any text; check that the model 'served-model' is one "
        f"that chats, and that its chat template is right (tried 5 times)"
    )
    student, server = pupil(reply(""), reply("an answer"))
    assert student.ask().text == "an answer"
    assert len(server.questions) == 2


def test_a_server_that_stalls_is_left_after_the_timeout(pupil: Any) -> None:
    held = threading.Event()
    student, server = pupil(Stream((chunk({"content": "half"}),), before=held.wait), timeout=0.2)
    message = student.refused()
    held.set()
    assert message.startswith(
        f"student 'pupil': {server.url} gave no complete reply within 0.2 s; raise 'timeout', or lower 'concurrency'"
    )


def test_a_reply_that_trickles_on_past_the_timeout_is_left(pupil: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    later = SimpleNamespace(monotonic=lambda: time.monotonic() + 1000)
    monkeypatch.setattr(remote, "time", later)
    student, _ = pupil(timeout=60)
    assert "gave no complete reply within 60 s" in student.refused()


def test_what_cannot_be_sent_is_told_without_the_frames_that_hold_the_key(pupil: Any) -> None:
    student, server = pupil(options={"at": datetime.time(7, 32)})
    with pytest.raises(StudentError) as caught:
        student.ask()
    assert str(caught.value) == (
        f"student 'pupil': the question to {server.url} failed (TypeError: Object of type time is not JSON "
        f"serializable); check the 'options' of {TABLE}"
    )
    frames = traceback.extract_tb(caught.value.__traceback__)
    assert caught.value.__cause__ is caught.value.__context__ is None
    assert not [frame.filename for frame in frames if "site-packages" in frame.filename]


# --------------------------------------------------------------------------------------------- ending


def test_closing_does_not_wait_for_a_server_that_is_being_started() -> None:
    starting, ended = threading.Event(), threading.Event()

    class Starting:
        def address(self) -> str:
            starting.set()
            ended.wait(10)
            raise StudentError("the run was ended before its server could answer")

        def revive(self) -> None:
            raise AssertionError("nothing was asked")

    student = OpenAIStudent(StudentConfig(name="pupil", provider="openai", model="m"), server=Starting())
    with ThreadPoolExecutor(1) as pool:
        getting_ready = pool.submit(student.slots)
        assert starting.wait(10)
        student.close()
        assert not ended.is_set()
        ended.set()  # as the servers are, after their students
        with pytest.raises(StudentError, match="before its server could answer"):
            getting_ready.result(timeout=10)


def test_closing_ends_a_wait_that_is_under_way() -> None:
    with endpoint(Refusal(429, headers={"Retry-After": "500"})) as server, ThreadPoolExecutor(1) as pool:
        student = OpenAIStudent(StudentConfig(name="pupil", provider="openai", model="m", base_url=server.url))
        waiting, really_wait = threading.Event(), student._sleep

        def wait(seconds: float) -> None:
            waiting.set()
            really_wait(seconds)

        student._sleep = wait
        open_question = pool.submit(student.ask, question(), CASE)
        assert waiting.wait(10)
        student.close()
        with pytest.raises(StudentError, match="the run was ended before the question was asked"):
            open_question.result(timeout=10)


def test_an_interrupt_closes_the_stream_so_that_the_server_stops(pupil: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    endless = Stream((chunk({"content": "x" * 10_000}),) * 10_000)
    student, server = pupil(endless)

    def interrupt(started: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(student.student, "_overdue", interrupt)
    with pytest.raises(KeyboardInterrupt):
        student.ask()
    assert server.left.wait(10)


# --------------------------------------------------------------------------------------------- keys


def test_the_key_is_nowhere_in_what_a_failure_shows(
    pupil: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("PUPIL_KEY", KEY)
    for status in (400, 401, 500):
        refusal = Refusal(status, {"error": {"message": f"Incorrect API key provided: {KEY}"}})
        student, _ = pupil(refusal, api_key_env="PUPIL_KEY")
        with pytest.raises(StudentError) as caught:
            student.ask()
        frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
        shown = str([frame.locals for frame in frames if "pytest_upskill" in frame.filename])
        assert "AttemptFailure" in shown, "the frames that may hold a key are looked at"
        assert "Incorrect API key provided: [key]" in str(caught.value)
        for text in (str(caught.value), repr(caught.value), shown, repr(student.student.config), repr(student.student)):
            assert KEY not in text
        assert caught.value.__cause__ is None
        assert caught.value.__context__ is None
    assert KEY not in caplog.text


def test_the_key_is_not_in_the_details_of_a_reply(pupil: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PUPIL_KEY", f" {KEY}\n")
    student, server = pupil(api_key_env="PUPIL_KEY")
    answer = student.ask()
    assert server.keys == [f"Bearer {KEY}"]
    assert KEY not in repr(answer)


class Ring(KeyringBackend):
    """A keyring that holds one key, or is locked."""

    priority = 1  # type: ignore[assignment]

    def __init__(self, key: str | None) -> None:
        self.key = key

    def get_password(self, service: str, username: str) -> str | None:
        if self.key is None:
            raise keyring.errors.KeyringLocked("locked")
        return self.key if (service, username) == ("pytest-upskill", "PUPIL_KEY") else None

    def set_password(self, service: str, username: str, password: str) -> None:
        raise NotImplementedError

    def delete_password(self, service: str, username: str) -> None:
        raise NotImplementedError


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Puts a keyring in the place of the system's."""
    monkeypatch.delenv("PUPIL_KEY", raising=False)
    before = keyring.get_keyring()
    yield lambda key: keyring.set_keyring(Ring(key))
    keyring.set_keyring(before)


def test_a_key_may_lie_in_the_keyring_and_is_shown_as_little(pupil: Any, ring: Any) -> None:
    ring(KEY)
    student, server = pupil(api_key_env="PUPIL_KEY")
    answer = student.ask()
    assert server.keys == [f"Bearer {KEY}"]
    assert KEY not in repr(answer) + repr(vars(student.student))


def test_the_environment_comes_before_the_keyring(pupil: Any, ring: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ring("sk-from-the-ring")
    monkeypatch.setenv("PUPIL_KEY", KEY)
    student, server = pupil(api_key_env="PUPIL_KEY")
    student.ask()
    assert server.keys == [f"Bearer {KEY}"]


def test_a_keyring_that_is_locked_is_one_without_a_key(pupil: Any, ring: Any) -> None:
    ring(None)
    student, _ = pupil(api_key_env="PUPIL_KEY")
    assert "PUPIL_KEY, which should hold the key for" in student.refused()


def test_a_key_that_is_not_set_is_told_before_anything_is_sent(pupil: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PUPIL_KEY", raising=False)
    student, server = pupil(api_key_env="PUPIL_KEY")
    assert student.refused() == (
        f"student 'pupil': the environment variable PUPIL_KEY, which should hold the key for {server.url}, is not set; "
        f"export it and run again, or keep it in the system's keyring: keyring set pytest-upskill PUPIL_KEY"
    )
    assert server.model_listings == 0


def test_a_key_that_cannot_be_one_is_told_without_being_shown(pupil: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for odd in ("sk-sécret", "sk-a sk-b", "sk-a\nsk-b"):
        monkeypatch.setenv("PUPIL_KEY", odd)
        student, _ = pupil(api_key_env="PUPIL_KEY")
        message = student.refused()
        assert "PUPIL_KEY holds something that cannot be a key" in message
        assert odd not in message


def test_a_key_of_another_service_is_never_sent(pupil: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_ADMIN_KEY", KEY)
    monkeypatch.setenv("OPENAI_ORG_ID", "org-mine")
    student, server = pupil()
    student.ask()
    assert server.keys == ["Bearer none"]
    sent = str(server.headers)
    assert KEY not in sent
    assert "org-mine" not in sent
