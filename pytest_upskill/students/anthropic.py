"""Students behind Anthropic's Messages API. Replies are always streamed. The SDK is imported when a question is
asked.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pytest_upskill.records import Question, ReplyDetails, Tokens
from pytest_upskill.students import fields, reading, refusals
from pytest_upskill.students.reading import Call, Round
from pytest_upskill.students.remote import RemoteStudent, Response, asked
from pytest_upskill.students.retries import AttemptFailure

if TYPE_CHECKING:
    import anthropic

DEFAULT_URL = "https://api.anthropic.com"

_CACHE: Mapping[str, Any] = {"type": "ephemeral"}
"""Marks the end of the part that the service caches for the next question (for five minutes after each use)."""
_TOOL = {"name": reading.NAME, "description": reading.DESCRIPTION, "input_schema": reading.PARAMETERS}


class AnthropicStudent(RemoteStudent):
    """Claude. The API takes no seed, so trials differ by chance alone.

    The system text, which holds the skill, is the same for all cases of an arm. It is put into the service's cache.
    """

    default_url = DEFAULT_URL

    def _make_client(self) -> anthropic.Anthropic:
        import anthropic

        return anthropic.Anthropic(
            api_key=key.get_secret_value() if (key := self._key()) else None,
            base_url=self._address,
            max_retries=0,
            timeout=anthropic.Timeout(self.config.timeout, connect=self._connect_timeout),
        )

    def _request(self, question: Question, rounds: Sequence[Round]) -> dict[str, Any]:
        body: dict[str, Any] = {"model": self.model, "max_tokens": self.config.max_tokens}
        if self.config.temperature is not None:
            body["temperature"] = self.config.temperature
        if question.prompt.files:
            more = len(rounds) < reading.most_rounds(question.prompt.files)
            body |= {"tools": [_TOOL], "tool_choice": {"type": "auto" if more else "none"}}
        return fields.with_options(body, self.config.options)

    def _sent(
        self, question: Question, rounds: Sequence[Round], body: Mapping[str, Any], refused: Mapping[str, str]
    ) -> Response | AttemptFailure:
        import anthropic

        started = time.monotonic()
        system, user = asked(question.prompt, self.config.system)
        try:
            # The SDK sends everything in ``extra_body``, even options that it does not know.
            with self._connected().messages.stream(
                model=self.model,
                max_tokens=self.config.max_tokens,
                system=[{"type": "text", "text": system, "cache_control": _CACHE}] if system else anthropic.omit,
                messages=[*_messages(question, user), *_read(rounds)],
                extra_body=body,
            ) as stream:
                for _ in stream:
                    if (overdue := self._overdue(started)) is not None:
                        return overdue
                message = stream.get_final_message()
        except (anthropic.AnthropicError, ValueError, RuntimeError, AssertionError) as error:
            return self._explain(anthropic, error)
        return self._finished(message, body, refused, time.monotonic() - started)

    def _finished(
        self, message: Any, body: Mapping[str, Any], refused: Mapping[str, str], seconds: float
    ) -> Response | AttemptFailure:
        if message.stop_reason is None:
            return AttemptFailure(f"{self._address} dropped the stream before the reply was complete", transient=True)
        text = "".join(block.text for block in message.content if block.type == "text")
        if (failure := self._ended(message.stop_reason, text)) is not None:
            return failure
        finish = refusals.ENDS[message.stop_reason.lower()]
        if finish == "stop" and not text.strip():
            return AttemptFailure(f"{self._address} ended the reply without any text", transient=True)
        tokens = _tokens(message.usage)
        request = {key: value for key, value in body.items() if key != "tools"}
        details = ReplyDetails(request=request, note="; ".join(self._notes_on(refused, tokens)))
        reasoning = "".join(block.thinking for block in message.content if block.type == "thinking")
        said = {"text": text, "reasoning": reasoning, "finish": finish}
        reply = self._reply(tokens, **said, model=message.model, seconds=seconds, details=details)
        uses = [block for block in message.content if block.type == "tool_use"]
        calls = tuple(Call(use.id, use.name, json.dumps(use.input)) for use in uses)
        # The blocks are sent back unchanged, because thoughts must keep their signatures.
        sent_back = {"role": "assistant", "content": [block.to_dict() for block in message.content]}
        return Response(reply, calls if finish == "tool_calls" else (), sent_back)


def _messages(question: Question, user: str) -> Iterator[dict[str, Any]]:
    prompt = question.prompt
    yield {"role": "user", "content": user}
    for turn, exchange in enumerate(prompt.earlier, start=1):
        yield from _read(reading.remembered(exchange, turn, prompt.files))
        # The service refuses a message without text.
        yield {"role": "assistant", "content": exchange.answer.strip() or "(no answer)"}
        yield {"role": "user", "content": exchange.told}


def _read(rounds: Iterable[Round]) -> Iterator[dict[str, Any]]:
    """Yield the messages of the rounds in which files were read."""
    for one in rounds:
        uses = [{"id": call.id, "name": call.name, "input": json.loads(call.arguments)} for call in one.calls]
        yield one.message or {"role": "assistant", "content": [{"type": "tool_use", **use} for use in uses]}
        pairs = zip(one.calls, one.results, strict=True)
        results = [{"type": "tool_result", "tool_use_id": call.id, "content": result} for call, result in pairs]
        yield {"role": "user", "content": results}


def _tokens(usage: Any) -> Tokens:
    """Return the tokens. Anthropic's ``input_tokens`` exclude tokens read from, or written to, the cache; ours include
    them.
    """
    cached = usage.cache_read_input_tokens or 0
    written = usage.cache_creation_input_tokens or 0
    return Tokens((usage.input_tokens or 0) + cached + written, usage.output_tokens or 0, cached, written)
