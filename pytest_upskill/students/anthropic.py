"""Students behind Anthropic's Messages API. Streams always. The SDK is imported when a question is asked."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pytest_upskill.records import Question, Reply, Tokens
from pytest_upskill.students.remote import CONNECT_TIMEOUT, RemoteStudent
from pytest_upskill.students.retries import Setback

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


class AnthropicStudent(RemoteStudent):
    """Claude. There is no seed to give: trials differ by chance alone."""

    @property
    def _address(self) -> str:
        return self.config.base_url or DEFAULT_URL

    def _make_client(self) -> anthropic.Anthropic:
        import anthropic

        timeout = anthropic.Timeout(self.config.timeout, connect=min(CONNECT_TIMEOUT, self.config.timeout))
        return anthropic.Anthropic(api_key=self._key(), base_url=self._address, max_retries=0, timeout=timeout)

    def _request(self, question: Question) -> dict[str, Any]:
        body: dict[str, Any] = {"model": self.model, "max_tokens": self.config.max_tokens}
        if self.config.temperature is not None:
            body["temperature"] = self.config.temperature
        return {**body, **self.config.options}

    def _attempt(self, question: Question) -> Reply | Setback:
        import anthropic

        started = time.monotonic()
        body = self._request(question)
        try:
            # As ``extra_body``: options that the SDK does not know pass like those that it does.
            with self._connected().messages.stream(
                model=self.model,
                max_tokens=self.config.max_tokens,
                system=question.prompt.system or anthropic.omit,
                messages=[{"role": "user", "content": question.prompt.user}],
                extra_body=body,
            ) as stream:
                for _ in stream:
                    if (overdue := self._overdue(started)) is not None:
                        return overdue
                message = stream.get_final_message()
        except (anthropic.AnthropicError, ValueError, RuntimeError, AssertionError) as error:
            return self._explain(anthropic, error)
        return self._finished(message, body, time.monotonic() - started)

    def _finished(self, message: Any, body: Mapping[str, Any], seconds: float) -> Reply | Setback:
        if message.stop_reason is None:
            return Setback(f"{self._address} dropped the stream before the reply was complete", transient=True)
        text = "".join(block.text for block in message.content if block.type == "text")
        thinking = "".join(block.thinking for block in message.content if block.type == "thinking")
        return self._reply(
            text=text,
            reasoning=thinking,
            finish=_FINISH.get(message.stop_reason, message.stop_reason),
            tokens=_tokens(message.usage),
            seconds=seconds,
            model=message.model,
            details={"request": dict(body)},
        )


def _tokens(usage: Any) -> Tokens:
    """Their ``input_tokens`` leave out what was read from, or written to, the cache; ours count everything."""
    cached = usage.cache_read_input_tokens or 0
    written = usage.cache_creation_input_tokens or 0
    return Tokens(input=usage.input_tokens + cached + written, output=usage.output_tokens, cached=cached)
