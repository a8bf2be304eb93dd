"""Students behind Anthropic's Messages API. Streams always. The SDK is imported when a question is asked."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_upskill.records import Question, ReplyDetails, Tokens
from pytest_upskill.students import reading
from pytest_upskill.students.reading import Call, Round
from pytest_upskill.students.remote import CONNECT_TIMEOUT, RemoteStudent, Said
from pytest_upskill.students.retries import AttemptFailure

if TYPE_CHECKING:
    import anthropic

DEFAULT_URL = "https://api.anthropic.com"

_FINISH: Mapping[str | None, str] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
}
"""Their stop reasons in the words that the other providers use; those that are not here stay as they are."""


_CACHE: Mapping[str, Any] = {"type": "ephemeral"}
"""Marks the end of what the service shall keep for the next question (five minutes; each use renews them)."""

_TOOL: Mapping[str, Any] = {
    "name": reading.NAME,
    "description": reading.DESCRIPTION,
    "input_schema": reading.PARAMETERS,
}


class AnthropicStudent(RemoteStudent):
    """Claude. There is no seed to give: trials differ by chance alone.

    The system text, which holds the skill and is the same for all cases of an arm, is put into the service's cache.
    """

    default_url = DEFAULT_URL

    def _make_client(self) -> anthropic.Anthropic:
        import anthropic

        key = self._key()
        timeout = anthropic.Timeout(self.config.timeout, connect=min(CONNECT_TIMEOUT, self.config.timeout))
        return anthropic.Anthropic(
            api_key=key.reveal() if key else None, base_url=self._address, max_retries=0, timeout=timeout
        )

    def _request(self, question: Question, rounds: Sequence[Round]) -> dict[str, Any]:
        body: dict[str, Any] = {"model": self.model, "max_tokens": self.config.max_tokens}
        if self.config.temperature is not None:
            body["temperature"] = self.config.temperature
        if question.prompt.files:
            body["tools"] = [_TOOL]
            body["tool_choice"] = {
                "type": "auto" if len(rounds) < reading.most_rounds(question.prompt.files) else "none"
            }
        return {**body, **self.config.options}

    def _attempt(self, question: Question, rounds: Sequence[Round]) -> Said | AttemptFailure:
        import anthropic

        started = time.monotonic()
        body = self._request(question, rounds)
        try:
            # As ``extra_body``: options that the SDK does not know pass like those that it does.
            with self._connected().messages.stream(
                model=self.model,
                max_tokens=self.config.max_tokens,
                system=_system(question) or anthropic.omit,
                messages=[*_messages(question), *_read(rounds)],
                extra_body=body,
            ) as stream:
                for _ in stream:
                    if (overdue := self._overdue(started)) is not None:
                        return overdue
                message = stream.get_final_message()
        except (anthropic.AnthropicError, ValueError, RuntimeError, AssertionError) as error:
            return self._explain(anthropic, error)
        return self._finished(message, body, time.monotonic() - started)

    def _finished(self, message: Any, body: Mapping[str, Any], seconds: float) -> Said | AttemptFailure:
        if message.stop_reason is None:
            return AttemptFailure(f"{self._address} dropped the stream before the reply was complete", transient=True)
        text = "".join(block.text for block in message.content if block.type == "text")
        thinking = "".join(block.thinking for block in message.content if block.type == "thinking")
        if message.stop_reason == "end_turn" and not text.strip():
            return AttemptFailure(f"{self._address} ended the reply without a word", transient=True)
        reply = self._reply(
            text=text,
            reasoning=thinking,
            finish=_FINISH.get(message.stop_reason, message.stop_reason),
            tokens=_tokens(message.usage),
            seconds=seconds,
            model=message.model,
            details=ReplyDetails(request={key: value for key, value in body.items() if key != "tools"}),
        )
        return Said(reply, _calls(message), {"role": "assistant", "content": _plain(message)})


def _system(question: Question) -> list[dict[str, Any]]:
    text = question.prompt.system
    return [{"type": "text", "text": text, "cache_control": _CACHE}] if text else []


def _messages(question: Question) -> Iterator[dict[str, Any]]:
    prompt = question.prompt
    yield {"role": "user", "content": prompt.user}
    for turn, exchange in enumerate(prompt.earlier, start=1):
        yield from _read(reading.remembered(exchange, turn, prompt.files))
        # The service refuses a message without text.
        yield {"role": "assistant", "content": exchange.answer.strip() or "(no answer)"}
        yield {"role": "user", "content": exchange.told}


def _read(rounds: Iterable[Round]) -> Iterator[dict[str, Any]]:
    """The messages of rounds in which files were read."""
    for one in rounds:
        yield one.message or {"role": "assistant", "content": [_use(call) for call in one.calls]}
        results: list[dict[str, Any]] = [
            {"type": "tool_result", "tool_use_id": call.id, "content": result}
            for call, result in zip(one.calls, one.results, strict=True)
        ]
        yield {"role": "user", "content": results}


def _use(call: Call) -> dict[str, Any]:
    return {"type": "tool_use", "id": call.id, "name": call.name, "input": json.loads(call.arguments)}


def _calls(message: Any) -> tuple[Call, ...]:
    if message.stop_reason != "tool_use":
        return ()
    uses = (block for block in message.content if block.type == "tool_use")
    return tuple(Call(use.id, use.name, json.dumps(use.input)) for use in uses)


def _plain(message: Any) -> list[Any]:
    """The blocks as they came: thoughts must be sent back with their signatures."""
    return [block.to_dict() for block in message.content]


def _tokens(usage: Any) -> Tokens:
    """Their ``input_tokens`` leave out what was read from, or written to, the cache; ours count everything."""
    cached = usage.cache_read_input_tokens or 0
    written = usage.cache_creation_input_tokens or 0
    return Tokens(
        input=usage.input_tokens + cached + written, output=usage.output_tokens, cached=cached, written=written
    )
