"""Students behind an OpenAI-compatible chat endpoint.

Always streams, because closing a stream frees the server's slot. The SDK is imported when a question is asked.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pytest_upskill.cases.case import Case
from pytest_upskill.records import Question, Reply, ReplyDetails, Tokens
from pytest_upskill.students import reading
from pytest_upskill.students.base import Server, StudentConfig
from pytest_upskill.students.reading import Call, Round
from pytest_upskill.students.remote import CONNECT_TIMEOUT, RemoteStudent, Response
from pytest_upskill.students.retries import AttemptFailure

if TYPE_CHECKING:
    import openai

DEFAULT_URL = "https://api.openai.com/v1"
NO_KEY = "none"
"""Sent to servers that need no key, since the SDK requires one."""
SURVEY_ATTEMPTS = 3
"""Attempts to reach a server, fewer than for a question: most often, the server was never started."""
ABSENT_SECONDS = 30.0
"""How long an unreachable server is not tried again."""
LARGEST_COUNT = 2**53
"""Larger numbers from a server are not taken for counts."""


@dataclass(frozen=True, slots=True)
class Survey:
    """The models that a server lists and what each reply keeps of it, requested once.

    ``context`` is in tokens per slot. Numbers are None if the server does not say.
    """

    models: tuple[str, ...] = ()
    slots: int | None = None
    context: int | None = None
    build: str = ""


class OpenAIStudent(RemoteStudent):
    """A student behind any endpoint with ``/chat/completions``."""

    default_url = DEFAULT_URL

    def __init__(
        self, config: StudentConfig, *, sleep: Callable[[float], object] | None = None, server: Server | None = None
    ) -> None:
        super().__init__(config, sleep=sleep, server=server)
        self._survey_lock = threading.Lock()
        self._surveyed: Survey | AttemptFailure | None = None
        self._survey_lasts = math.inf

    def ask(self, question: Question, case: Case) -> Reply:
        self._require_key()
        survey = self._survey()
        if isinstance(survey, AttemptFailure):
            raise self._failure(survey)
        return super().ask(question, case)

    def slots(self) -> int | None:
        self._survey()
        return None

    def _make_client(self) -> openai.OpenAI:
        import openai

        proxied = urlsplit(self._address).hostname not in ("127.0.0.1", "localhost", "::1")
        timeout = openai.Timeout(self.config.timeout, connect=self._connect_timeout)
        client = openai.OpenAI(
            base_url=self._address,
            api_key=key.get_secret_value() if (key := self._key()) else NO_KEY,
            max_retries=0,
            timeout=timeout,
            http_client=openai.DefaultHttpxClient(timeout=timeout, trust_env=proxied),
        )
        if self.config.base_url is not None:  # from the environment, and only meant for OpenAI
            client.organization = client.project = None
        return client

    def _survey(self) -> Survey | AttemptFailure:
        """The survey, requested once; after a failure, it is requested again after ABSENT_SECONDS."""
        client = self._connected()
        with self._survey_lock:
            if self._surveyed is None or time.monotonic() > self._survey_lasts:
                self._surveyed = self._tried(lambda: self._survey_once(client), SURVEY_ATTEMPTS)
                found = isinstance(self._surveyed, Survey)
                self._survey_lasts = math.inf if found else time.monotonic() + ABSENT_SECONDS
            return self._surveyed

    def _survey_once(self, client: openai.OpenAI) -> Survey | AttemptFailure:
        import openai

        try:
            listed = client.get("/models", cast_to=object, options={"timeout": CONNECT_TIMEOUT})
        except (openai.OpenAIError, ValueError, RuntimeError) as error:
            failure = self._explain(openai, error)
            # The question itself will show any other failure.
            return failure if failure.unreachable or failure.loading else Survey()
        return replace(self._server_facts(client), models=_model_names(listed))

    def _server_facts(self, client: openai.OpenAI) -> Survey:
        """What the server says of itself, without its models."""
        return Survey()

    def _serves(self, model: str, served: tuple[str, ...]) -> bool:
        """True if ``model`` is among those that the server lists."""
        return model in served

    def _request(self, question: Question, rounds: Sequence[Round]) -> dict[str, Any]:
        """The body of the request; the configuration's ``options`` override other fields."""
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [*_messages(question), *_read(rounds)],
            "max_tokens": self.config.max_tokens,
            "seed": question.trial,
        }
        if self.config.temperature is not None:
            body["temperature"] = self.config.temperature
        if "max_completion_tokens" in self.config.options:
            del body["max_tokens"]
        elif self.config.base_url is None:  # OpenAI's own models accept only this name
            body["max_completion_tokens"] = body.pop("max_tokens")
        if question.prompt.files:
            body["tools"] = [_TOOL]
            body["tool_choice"] = "auto" if len(rounds) < reading.most_rounds(question.prompt.files) else "none"
        return {**body, **self.config.options, "stream": True, "stream_options": {"include_usage": True}}

    def _attempt(self, question: Question, rounds: Sequence[Round]) -> Response | AttemptFailure:
        import openai

        started = time.monotonic()
        body = self._request(question, rounds)
        transcript = _Transcript()
        try:
            # As ``extra_body``, options pass whether the SDK knows them or not.
            with self._connected().chat.completions.create(
                model=self.model, messages=body["messages"], stream=True, extra_body=body
            ) as stream:
                for chunk in stream:
                    if (overdue := self._overdue(started)) is not None:
                        return overdue
                    transcript.add(chunk)
        except (openai.OpenAIError, ValueError, RuntimeError) as error:
            return self._explain(openai, error)
        return self._finished(transcript, body, time.monotonic() - started)

    def _finished(self, transcript: _Transcript, body: Mapping[str, Any], seconds: float) -> Response | AttemptFailure:
        text, reasoning, calls = "".join(transcript.text), "".join(transcript.reasoning), transcript.made_calls()
        if transcript.chunks == 0:
            problem = "answered with no chat stream at all; check base_url (it usually ends in /v1)"
            return AttemptFailure(f"{self._address} {problem}")
        if not transcript.finish:
            dropped = f"dropped the stream after {len(text) + len(reasoning)} characters, before the reply was complete"
            problem = f"{self._address} {dropped}; see the server's own log for the cause"
            return AttemptFailure(problem, transient=True)
        if transcript.finish == "stop" and not (text.strip() or reasoning.strip() or calls):
            check = f"check that the model '{self.model}' is one that chats, and that its chat template is right"
            problem = f"{self._address} ended the reply without any text; {check}"
            return AttemptFailure(problem, transient=True)  # a sample may be empty by chance
        reply = self._reply(
            text=text,
            reasoning=reasoning,
            finish=transcript.finish,
            tokens=transcript.tokens,
            seconds=seconds,
            model=transcript.model or self.model,
            details=self._details(transcript, body),
        )
        # A call that was cut off does not count; the reply then says that it was cut off.
        made = calls if transcript.finish != "length" and body.get("tool_choice") == "auto" else ()
        return Response(reply, made, _assistant(text, made, reasoning))

    def _details(self, transcript: _Transcript, body: Mapping[str, Any]) -> ReplyDetails:
        survey = self._surveyed if isinstance(self._surveyed, Survey) else Survey()
        note = ""
        if survey.models and not self._serves(self.model, survey.models):
            listed = ", ".join(survey.models[:5])
            note = f"the server at {self._address} does not list '{self.model}'; it lists {listed}"
        left_out = ("messages", "stream", "stream_options", "tools")
        request = {key: value for key, value in body.items() if key not in left_out}
        details = ReplyDetails(note=note, request=request, timings=transcript.timings)
        return replace(details, slots=survey.slots, context=survey.context, build=survey.build)


@dataclass(slots=True)
class _Transcript:
    """The stream so far. Servers differ in their fields: only values of the expected types are used."""

    chunks: int = 0
    text: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    finish: str = ""
    tokens: Tokens = field(default_factory=Tokens)
    model: str = ""
    timings: Mapping[str, float] = field(default_factory=dict)
    calls: dict[int, list[str]] = field(default_factory=dict)
    """By index: id, name and arguments, which arrive in pieces."""

    def add(self, chunk: Any) -> None:
        self.chunks += 1
        for choice in getattr(chunk, "choices", None) or ():
            delta = getattr(choice, "delta", None)
            self.text.append(_text(delta, "content"))
            self.reasoning.append(_text(delta, "reasoning_content") or _text(delta, "reasoning"))
            for piece in getattr(delta, "tool_calls", None) or ():
                function = getattr(piece, "function", None)
                parts = (_text(piece, "id"), _text(function, "name"), _text(function, "arguments"))
                index = int(getattr(piece, "index", None) or 0)
                before = self.calls.get(index, ["", "", ""])
                self.calls[index] = [old + new for old, new in zip(before, parts, strict=True)]
            self.finish = _text(choice, "finish_reason") or self.finish
        self.model = _text(chunk, "model") or self.model
        if (usage := getattr(chunk, "usage", None)) is not None:
            self.tokens = _tokens(usage)
        if isinstance(timings := getattr(chunk, "timings", None), Mapping):
            numbers = {str(name): value for name, value in timings.items() if type(value) in (int, float)}
            self.timings = {name: value for name, value in numbers.items() if abs(value) <= LARGEST_COUNT}

    def made_calls(self) -> tuple[Call, ...]:
        calls = sorted(self.calls.items())
        return tuple(Call(call_id or f"call{index}", name, arguments) for index, (call_id, name, arguments) in calls)


def _text(holder: object, name: str) -> str:
    value = getattr(holder, name, None)
    return value if isinstance(value, str) else ""


def positive(value: object) -> int | None:
    """A count that a server sent; None for anything else."""
    return value if type(value) is int and 0 < value <= LARGEST_COUNT else None


def _tokens(usage: Any) -> Tokens:
    cached = getattr(getattr(usage, "prompt_tokens_details", None), "cached_tokens", None)
    sent, generated = getattr(usage, "prompt_tokens", None), getattr(usage, "completion_tokens", None)
    return Tokens(positive(sent) or 0, positive(generated) or 0, positive(cached) or 0)


_FUNCTION = {"name": reading.NAME, "description": reading.DESCRIPTION, "parameters": reading.PARAMETERS}
_TOOL = {"type": "function", "function": _FUNCTION}


def _messages(question: Question) -> Iterator[dict[str, Any]]:
    prompt = question.prompt
    if prompt.system:
        yield {"role": "system", "content": prompt.system}
    yield {"role": "user", "content": prompt.user}
    for turn, exchange in enumerate(prompt.earlier, start=1):
        yield from _read(reading.remembered(exchange, turn, prompt.files))
        yield {"role": "assistant", "content": exchange.answer}
        yield {"role": "user", "content": exchange.told}


def _read(rounds: Iterable[Round]) -> Iterator[dict[str, Any]]:
    """The messages of rounds in which files were read."""
    for one in rounds:
        yield one.message or _assistant("", one.calls, "")
        for call, result in zip(one.calls, one.results, strict=True):
            yield {"role": "tool", "tool_call_id": call.id, "content": result}


def _assistant(text: str, calls: Sequence[Call], reasoning: str) -> dict[str, Any]:
    functions = [{"name": call.name, "arguments": call.arguments} for call in calls]
    made = [{"id": call.id, "type": "function", "function": one} for call, one in zip(calls, functions, strict=True)]
    message: dict[str, Any] = {"role": "assistant", "content": text, "tool_calls": made}
    # Models that reason between calls expect their reasoning back, under the name by which they sent it.
    return {**message, "reasoning_content": reasoning} if reasoning else message


def _model_names(listed: object) -> tuple[str, ...]:
    entries = listed.get("data") if isinstance(listed, Mapping) else None
    names = (entry.get("id") for entry in entries or () if isinstance(entry, Mapping))
    return tuple(name for name in names if isinstance(name, str))
