"""Students behind an OpenAI-compatible chat endpoint.

Replies are streamed by default, because closing a stream frees the server's slot. The SDK is imported when a question
is asked.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from pytest_upskill.cases.case import Case
from pytest_upskill.documents.reasoning import is_only_a_call
from pytest_upskill.records import Question, Reply, ReplyDetails
from pytest_upskill.students import fields, reading, refusals
from pytest_upskill.students.base import Server, StudentConfig
from pytest_upskill.students.event_stream import EventReader
from pytest_upskill.students.reading import Call, Round
from pytest_upskill.students.remote import CONNECT_TIMEOUT, SEE_LOG, RemoteStudent, Response, asked
from pytest_upskill.students.retries import AttemptFailure
from pytest_upskill.students.transcript import Transcript

if TYPE_CHECKING:
    import openai

DEFAULT_URL = "https://api.openai.com/v1"
NO_KEY = "none"
"""The key that is sent to servers that need none, because the SDK requires a key."""
SURVEY_ATTEMPTS = 3
"""Attempts to reach a server. They are fewer than for a question, because usually the server was never started."""
ABSENT_SECONDS = 30.0
"""Seconds for which a server that could not be reached is not tried again."""


@dataclass(frozen=True, slots=True)
class Survey:
    """The models that a server lists, and the facts about the server that each reply records. Requested only once.

    ``context`` is in tokens per slot. A number is None if the server does not give it.
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

        address = urlsplit(self._address)
        proxied, secure = address.hostname not in ("127.0.0.1", "localhost", "::1"), address.scheme != "http"
        timeout = openai.Timeout(self.config.timeout, connect=self._connect_timeout)
        client = openai.OpenAI(
            base_url=self._address,
            api_key=key.get_secret_value() if (key := self._key()) else NO_KEY,
            max_retries=0,
            timeout=timeout,
            # Without TLS there is no certificate to verify, and reading those of the system takes a tenth of a second.
            http_client=openai.DefaultHttpxClient(timeout=timeout, trust_env=proxied, verify=secure),
        )
        if self.config.base_url is not None:  # both come from the environment, and are for OpenAI
            client.organization = client.project = None
        return client

    def _survey(self) -> Survey | AttemptFailure:
        """Return the survey. It is requested once; if that fails, it is requested again after ABSENT_SECONDS."""
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
        """Return what the server says about itself, without its models."""
        return Survey()

    def _serves(self, model: str, served: tuple[str, ...]) -> bool:
        """Return whether ``model`` is among the models that the server lists."""
        return model in served

    def _request(self, question: Question, rounds: Sequence[Round]) -> dict[str, Any]:
        """Return the body of the request. The configuration's ``options`` override our fields."""
        options = self.config.options
        # OpenAI's own models accept only the newer name of the field with the limit.
        newer = self.config.base_url is None and not isinstance(options.get("max_tokens"), str)
        body: dict[str, Any] = {
            "model": self.model,
            "messages": [*_messages(question, self.config.system), *_read(rounds)],
            "max_completion_tokens" if newer else "max_tokens": self.config.max_tokens,
            "seed": question.trial,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if self.config.temperature is not None:
            body["temperature"] = self.config.temperature
        if question.prompt.files:
            body["tools"] = [_TOOL]
            body["tool_choice"] = "auto" if _may_read(question, rounds) else "none"
        body = fields.with_options(body, options)
        return {name: value for name, value in body.items() if name != "stream_options" or body.get("stream")}

    def _sent(
        self, question: Question, rounds: Sequence[Round], body: Mapping[str, Any], refused: Mapping[str, str]
    ) -> Response | AttemptFailure:
        import openai

        started = time.monotonic()
        transcript, reader = Transcript(), EventReader()
        try:
            # The SDK's own reader of streams is not used, because it fails on the events of many servers.
            with self._connected().post(
                "/chat/completions", cast_to=object, body=body, stream=True, stream_cls=openai.Stream[Any]
            ) as stream:
                for event in self._events(stream.response, reader, started):
                    if isinstance(event, AttemptFailure):
                        return event
                    if isinstance(event, Mapping) and refusals.is_error(event):
                        return self._refused(refusals.status_in(event) or 500, event, {})
                    if not isinstance(event, Mapping) or not transcript.add(event):
                        reader.other = reader.other or json.dumps(event)
                sent = stream.response.headers.get("content-type", "").partition(";")[0]
        except (openai.OpenAIError, ValueError, RuntimeError) as error:
            return self._explain(openai, error)
        if reader.broken or not transcript.chunks or (reader.other and not transcript.finish):
            return self._no_reply(sent, reader)
        seconds, may_read = time.monotonic() - started, _may_read(question, rounds)
        unfinished = self._unfinished(transcript, reader, may_read)
        return unfinished or self._finished(transcript, self._details(transcript, body, refused), may_read, seconds)

    def _events(self, response: Any, reader: EventReader, started: float) -> Iterator[Any]:
        """Yield the events of a response. A failure is yielded if the reply takes too long. Raises openai's
        exceptions.
        """
        import openai

        try:
            for piece in response.iter_bytes():
                if (overdue := self._overdue(started)) is not None:
                    yield overdue
                yield from reader.feed(piece)
                if reader.done:  # some servers leave the connection open afterwards
                    return
            yield from reader.end()
        except Exception as error:  # an exception of the HTTP library, which another version of the SDK may replace
            if "Timeout" in type(error).__name__:
                raise openai.APITimeoutError(request=response.request) from error
            raise openai.APIConnectionError(request=response.request) from error

    def _no_reply(self, kind: str, reader: EventReader) -> AttemptFailure:
        """Return the failure of a response that holds no reply, or only a part of one."""
        what = reader.broken or reader.other
        words = refusals.words(what)
        is_name = what.startswith("{") and " " not in words  # a name such as a status explains nothing
        said = self._quoted(what if is_name else words)
        if reader.streamed and said:
            problem = f"{self._address} sent something that is not an answer of a chat endpoint (an event: {said})"
            return AttemptFailure(f"{problem}; {SEE_LOG}", transient=True)
        if not said:
            problem = f"{self._address} sent {kind or 'a response'} with nothing in it"
            return AttemptFailure(f"{problem}; {SEE_LOG}", transient=True)
        remedy = f"base_url in {self._table} must be that of a chat endpoint (it usually ends in /v1)"
        return AttemptFailure(f"{self._address} sent {kind or 'a text'} that is not a chat reply ({said}); {remedy}")

    def _unfinished(self, transcript: Transcript, reader: EventReader, may_read: bool) -> AttemptFailure | None:
        """Return why the response holds no complete reply; None if it holds one."""
        text, reasoning = "".join(transcript.text), "".join(transcript.reasoning)
        if transcript.error:
            return self._refused(refusals.status_in(transcript.error) or 500, {"error": transcript.error}, {})
        if not transcript.finish:
            dropped = f"dropped the stream after {len(text) + len(reasoning)} characters, before the reply was complete"
            silent = "ended the reply without a finish_reason, so that it may not be complete"
            return AttemptFailure(f"{self._address} {silent if reader.done else dropped}; {SEE_LOG}", transient=True)
        refusal = "" if text.strip() else "".join(transcript.refusal).strip()
        failure = self._ended(transcript.finish, text) or (self._declined(refusal) if refusal else None)
        if failure is None and may_read and not transcript.calls and is_only_a_call(text):
            problem = f"{self._address} sent a call of a tool as text ({self._quoted(text)})"
            remedy = f"start it with its parser of tool calls, or set disclosure = 'body' in {self._table}"
            failure = AttemptFailure(f"{problem}; {remedy}", transient=True)
        if failure is None and not (text.strip() or transcript.calls or _end(transcript) == "length"):
            failure = self._empty(transcript, reasoning)
        return failure

    def _empty(self, transcript: Transcript, reasoning: str) -> AttemptFailure:
        """Return the failure of a reply that has no answer. It is transient, because another sample may have one."""
        remedy = f"check that the model '{self.model}' is one that chats, and that its chat template is right"
        if transcript.unknown is not None:
            what = f"sent content of an unknown form: {self._quoted(repr(transcript.unknown))}"
            remedy = "ask for text only, in 'options' or at the server"
        elif reasoning.strip():
            what = f"sent reasoning only ({len(reasoning)} characters), and no answer after it"
            remedy = "check the server's reasoning parser: one for other tags takes the answer for reasoning"
        else:
            what = "ended the reply without any text"
        return AttemptFailure(f"{self._address} {what}; {remedy}", transient=True)

    def _finished(self, transcript: Transcript, details: ReplyDetails, may_read: bool, seconds: float) -> Response:
        text, reasoning, finish = "".join(transcript.text), "".join(transcript.reasoning), _end(transcript)
        said = {"text": text, "reasoning": reasoning, "finish": finish, "model": transcript.model or self.model}
        reply = self._reply(transcript.tokens, **said, seconds=seconds, details=details)
        # A call of a tool that was cut off does not count. The reply then says that it was cut off.
        made = transcript.made_calls() if finish != "length" and may_read else ()
        return Response(reply, made, _assistant(text, made, reasoning))

    def _details(self, transcript: Transcript, body: Mapping[str, Any], refused: Mapping[str, str]) -> ReplyDetails:
        survey = self._surveyed if isinstance(self._surveyed, Survey) else Survey()
        notes = self._notes_on(refused, transcript.tokens)
        if survey.models and not self._serves(self.model, survey.models):
            listed = ", ".join(survey.models[:5])
            notes.append(f"the server at {self._address} does not list '{self.model}'; it lists {listed}")
        left_out = ("messages", "stream", "stream_options", "tools")
        request = {key: value for key, value in body.items() if key not in left_out}
        details = ReplyDetails(note="; ".join(notes), request=request, timings=transcript.timings)
        return replace(details, slots=survey.slots, context=survey.context, build=survey.build)


_TOOL = {
    "type": "function",
    "function": {"name": reading.NAME, "description": reading.DESCRIPTION, "parameters": reading.PARAMETERS},
}


def _end(transcript: Transcript) -> str:
    """Return how the model ended the reply, in one word that is the same for all servers."""
    return refusals.ENDS[transcript.finish.lower()]


def _may_read(question: Question, rounds: Sequence[Round]) -> bool:
    return len(rounds) < reading.most_rounds(question.prompt.files)


def _messages(question: Question, role: str) -> Iterator[dict[str, Any]]:
    """Yield the messages of a question. ``role`` is the role that gets the system text."""
    prompt = question.prompt
    system, user = asked(prompt, role)
    if system:
        yield {"role": "system", "content": system}
    yield {"role": "user", "content": user}
    for turn, exchange in enumerate(prompt.earlier, start=1):
        yield from _read(reading.remembered(exchange, turn, prompt.files))
        yield {"role": "assistant", "content": exchange.answer}
        yield {"role": "user", "content": exchange.told}


def _read(rounds: Iterable[Round]) -> Iterator[dict[str, Any]]:
    """Yield the messages of the rounds in which files were read."""
    for one in rounds:
        yield one.message or _assistant("", one.calls, "")
        for call, result in zip(one.calls, one.results, strict=True):
            yield {"role": "tool", "tool_call_id": call.id, "content": result}


def _assistant(text: str, calls: Sequence[Call], reasoning: str) -> dict[str, Any]:
    functions = [{"name": call.name, "arguments": call.arguments} for call in calls]
    made = [{"id": call.id, "type": "function", "function": one} for call, one in zip(calls, functions, strict=True)]
    message: dict[str, Any] = {"role": "assistant", "content": text, "tool_calls": made}
    # Models that reason between calls expect their reasoning back, under the field name in which they sent it.
    return {**message, "reasoning_content": reasoning} if reasoning else message


def _model_names(listed: object) -> tuple[str, ...]:
    entries = listed.get("data") if isinstance(listed, Mapping) else None
    names = (entry.get("id") for entry in entries or () if isinstance(entry, Mapping))
    return tuple(name for name in names if isinstance(name, str))
