"""Why there is no reply: extracts a server's own words from an error of any form, and interprets them."""

from __future__ import annotations

import json
import re
import urllib.parse
from collections.abc import Collection, Iterator, Mapping
from typing import Any

ENDS: Mapping[str, str] = {
    "stop": "stop", "length": "length", "tool_calls": "tool_calls", "function_call": "tool_calls",
    "eos": "stop", "eos_token": "stop", "stop_sequence": "stop", "end_turn": "stop", "complete": "stop",
    "max_tokens": "length", "tool_use": "tool_calls",
}  # fmt: skip
"""The ends of a reply that a model chose, by the servers' words in lower case. Any other end is a failure of the
server.
"""
FILTERED = re.compile(
    r"content[ _-]?(?:filter|policy|management|safety)|responsible ?ai|data_?inspection|moderation|prohibited_content"
    r"|policy violation|flagged|high risk",
    re.IGNORECASE,
)
"""Matches a server's message which says that a content filter, not the student, decided."""
REFUSAL = re.compile(
    r"unexpected|un(?:supported|known|recogni[sz]ed)|not (?:\w+ )?(?:supported?|permit(?:ted)?"
    r"|allow(?:ed)?|accept(?:ed)?|implement(?:ed)?|recogni[sz]ed?|known|available|used?)|cannot be|deprecated"
    r"|additional|invalid|extra (?:inputs|fields)",
    re.IGNORECASE,
)
"""Matches the message of a server that responds to an unknown field with a server error."""
_FILTER_ENDS = re.compile(
    r"(?<!call[ _-])filter|sensitive|safety|block|prohibited|recitation|spii|guardrail|toxic|moderat|polic[iy]|\brisk"
    r"|violation|inspection",
    re.IGNORECASE,
)
"""Matches a ``finish_reason``, such as 'content_filter: OTHER', if a content filter ended the reply."""
_REFUSAL_ENDS = re.compile(r"refus|declined", re.IGNORECASE)
_FULL_CONTEXTS = re.compile(r"context|model_length", re.IGNORECASE)
_WORDS = (
    "error", "err", "message", "msg", "errmsg", "detail", "details", "errors", "errormessage", "errormsg",
    "errordescription", "description", "exception", "excmessage", "exceptionmessage", "reason", "reasons", "title",
    "fault", "faultstring", "failure", "cause", "hint", "baseresp", "statusmsg", "statusmessage", "metadata", "raw",
    "innererror", "fieldviolations", "responsemetadata", "result", "response", "data", "body", "content", "text",
)  # fmt: skip
"""The fields in which servers describe an error, without case and underscores. Each may hold a text, a list or an
object.
"""
_PLACES = ("param", "params", "parameter", "field", "target", "property", "pointer")
"""The fields that name the part of the request that caused an error."""
_NAMES = ("code", "type", "status", "status_code")
"""The fields with the name of an error, used for errors without a description."""
_SECRETS = re.compile(
    r"(?i)\bbearer\s+[\w.~+/=-]+"
    r"|\b(?:sk|pk|rk|gsk|csk|hf|xai|nvapi|fw|tgp|ghp|github_pat|glpat|pplx|r8|tvly|jina)[-_][A-Za-z0-9_-]{10,}"
    r"|\bAIza[\w-]{20,}|\b(?:AKIA|ASIA)[A-Z0-9]{12,}|\beyJ[\w-]{8,}(?:\.[\w-]+){1,2}"
    r"|[\w-]+\*{3,}[\w-]*|\*{3,}[\w-]+"  # a key that the server itself has shortened
    r"|(?<=://)[^\s/@:]+:[^\s/@]+(?=@)"
    r"|(?<=key[:=])[^\s&,;]{12,}|(?<=key: )[^\s&,;]{12,}|(?<=token=)[^\s&,;]{12,}"
)
_NO_LETTER = re.compile(r"[^a-z]")
_SHORTEST_PIECE = 8
"""The least length (in characters) of a piece of a key that is recognised if a server shortens the key."""
_MARKUP = re.compile(r"(?is)<(script|style)\b.*?</\1>|<[^<>]*>")
OPTIONAL = ("seed", "stream_options", "temperature", "cache_prompt")
"""Fields that we send to every server, although a question can be asked without them."""


def words(body: object) -> str:
    """Return everything that a server says about an error, each text once; empty if it says nothing."""
    said = dict.fromkeys(text.strip() for text in _texts(body) if text.strip())
    if said:
        return "; ".join(said)
    return json.dumps(body, default=str) if body else ""


def without_keys(text: str, key: str | None) -> str:
    """Return a server's text with ``[key]`` in place of the key, of pieces of it, and of anything that looks like a
    key.
    """
    if key:
        for whole in (key, urllib.parse.quote(key, safe="")):
            text = text.replace(whole, "[key]")
        for size in range(len(key) - 1, max(_SHORTEST_PIECE, len(key) // 4) - 1, -1):
            text = text.replace(key[:size], "[key]").replace(key[-size:], "[key]")
    return _SECRETS.sub("[key]", text)


def ended(word: str) -> str | None:
    """Return why a reply with this ``finish_reason`` does not count; None if the model chose the end."""
    if word.lower() in ENDS:
        return None
    if is_refusal(word):
        return f"the model refused to answer, by the policy of its provider (finish_reason '{word}')"
    if _FILTER_ENDS.search(word):
        return f"a content filter of the server ended the reply (finish_reason '{word}')"
    if is_full(word):
        return f"the model's context was full before the reply was complete (finish_reason '{word}')"
    return f"the reply was ended by the server, not by the model (finish_reason '{word}')"


def is_of_question(word: str) -> bool:
    """Return whether a ``finish_reason`` is due to the question or the reply, and not to the server's state."""
    return is_full(word) or is_refusal(word) or _FILTER_ENDS.search(word) is not None


def is_full(word: str) -> bool:
    """Return whether a ``finish_reason`` says that the context is full."""
    return _FULL_CONTEXTS.search(word) is not None


def is_refusal(word: str) -> bool:
    """Return whether a ``finish_reason`` says that the model refused to answer."""
    return _REFUSAL_ENDS.search(word) is not None


def is_filtered(body: object, said: str) -> bool:
    """Return whether a content filter refused the question."""
    error = error_in(body)
    names = " ".join(str(error.get(name)) for name in _NAMES)
    marked = isinstance(body, Mapping) and "contentFilter" in body  # Zhipu
    return marked or FILTERED.search(f"{names} {said}") is not None


def named_fields(body: object, fields: Collection[str]) -> list[str]:
    """Return those of the ``fields`` that an error names."""
    said = words(body)
    param = error_in(body).get("param")
    named = param.partition(".")[0] if isinstance(param, str) else ""
    if named in fields:
        return [named]
    patterns = {name: re.escape(name).replace("_", "[ _]?") for name in fields}
    return [name for name, own in patterns.items() if re.search(rf"(?<![\w-]){own}(?![\w-])", said, re.IGNORECASE)]


def context_overflow(body: object) -> tuple[int | None, int | None] | None:
    """Return the tokens of the prompt and of the context, if an error says that the prompt is too long, else None."""
    error, said = error_in(body), words(body)
    if error.get("type") == "exceed_context_size_error":  # llama.cpp
        return _int_or_none(error.get("n_prompt_tokens")), _int_or_none(error.get("n_ctx"))
    if numbers := re.search(r"prompt is too long: (\d+) tokens > (\d+)", said):  # Anthropic
        return int(numbers[1]), int(numbers[2])
    if error.get("code") == "context_length_exceeded" or "maximum context length" in said:  # OpenAI, vLLM
        context = re.search(r"maximum context length is (\d+)", said)
        tokens = r"(\d+) (?:input |prompt )?tokens? ?(?:in the messages|from the input)|resulted in (\d+)"
        prompt = re.search(tokens, said)
        return (int(prompt[1] or prompt[2]) if prompt else None), (int(context[1]) if context else None)
    return None


def status_in(body: object) -> int | None:
    """Return the HTTP status in an error that was sent inside a stream, None if it has none."""
    error = error_in(body)
    codes = (_int_or_none(error.get(name)) for name in ("code", "status", "status_code"))
    return next((code for code in codes if code is not None and 400 <= code < 600), None)


def error_in(body: object) -> Mapping[str, Any]:
    """Return the object that describes the error. Some servers put it in ``{"error": ...}``, or in a list."""
    if isinstance(body, list) and body:
        return error_in(body[0])
    if not isinstance(body, Mapping):
        return {}
    inner = body.get("error")
    return inner if isinstance(inner, Mapping) else body


def is_error(event: Mapping[str, Any]) -> bool:
    """Return whether an event of a stream, or a whole body, is an error and not a part of a reply."""
    if event.get("error") or event.get("object") == "error" or event.get("type") == "error":
        return True
    base = event.get("base_resp")  # MiniMax
    return isinstance(base, Mapping) and bool(base.get("status_code"))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield from _texts_of(value)
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, Mapping) and isinstance(value.get("loc"), list):  # pydantic's: where, and what is wrong
        yield f"{'.'.join(map(str, value['loc']))}: {value.get('msg') or value.get('message') or value.get('type')}"
    elif isinstance(value, Mapping):
        fields: dict[str, list[object]] = {}
        for name, inner in value.items():
            fields.setdefault(_NO_LETTER.sub("", str(name).lower()), []).append(inner)
        said = [text for name in _WORDS for text in _texts(fields.get(name, []))]
        said = said or [str(value[name]) for name in _NAMES if isinstance(value.get(name), str)][:1]
        places = [one for name in _PLACES for one in _listed(value.get(name)) if not any(one in text for text in said)]
        yield from [": ".join([", ".join(places), *said[:1]]), *said[1:]] if places else said


def _listed(value: object) -> list[str]:
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str) and one]


def _texts_of(text: str) -> Iterator[str]:
    """Yield the texts in a text. A server may pass on a text that is JSON, or a page for browsers."""
    inner: object = None
    if text.lstrip().startswith(("{", "[")):
        try:
            inner = json.loads(text)
        except (ValueError, RecursionError):
            inner = None
    if isinstance(inner, dict | list) and (said := list(_texts(inner))):
        yield from said
    else:
        yield _MARKUP.sub(" ", text) if text.lstrip().startswith("<") else text


def _int_or_none(value: object) -> int | None:
    if isinstance(value, str) and value.isdigit():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None
