"""Reads transcripts of coding agents as text: what was asked and answered, and tool calls with their results.

The formats are JSON Lines and JSON of Claude Code, Codex, OpenHands, SWE-agent, and of chats in the forms of OpenAI,
Anthropic and Gemini. Markdown and plain text stay as they are. Nothing is cut off. Parts that are not text, such as
images, are replaced by their names.
"""

from __future__ import annotations

import codecs
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_upskill.errors import UsageError, shown_path
from pytest_upskill.importers.foreign import read_start

MOST_BYTES = 64 << 20
_TEXT = (".md", ".markdown", ".txt", ".log", ".rst")
_JSON = (".jsonl", ".json", ".ndjson", ".traj")
_COLORS = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)")
_LISTS = ("trajectory", "messages", "history", "conversation", "events", "items", "steps")
_SKIPPED = ("session_meta", "turn_context", "event_msg", "compacted", "summary", "file-history-snapshot", "progress",
            "queue-operation", "system", "token_count", "turn.started", "turn.completed", "thread.started")  # fmt: skip
"""Types of entries that repeat what other entries say, or say nothing about the work."""
_DEPTH = 12
UNREAD = "\ufffd"
"""Stands for bytes that are not text."""
_LOST = 0.1
"""The largest share of characters ``UNREAD`` in a text."""

Turn = tuple[str, str]
"""Who spoke (or which tool gave a result), and the text."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """A transcript. ``turns`` are in order; ``unread`` is the number of lines that are not JSON."""

    turns: tuple[Turn, ...]
    unread: int = 0

    def __str__(self) -> str:
        return "\n\n".join(f"[{who}]\n{text}" if who else text for who, text in self.turns)


def read_transcript(path: Path) -> Transcript:
    """The transcript in a file. Raises UsageError."""
    text = read_text(path)
    suffix = path.suffix.lower()
    if not text.strip():
        raise UsageError(f"{shown_path(path)} is empty: name the file of a transcript")
    if suffix in _TEXT:
        return Transcript((("", text),))
    entries, unread = _entries(text)
    if suffix not in _JSON and not entries:
        return Transcript((("", text),))
    try:
        turns = tuple(_without_repeats(turn for entry in entries for turn in _turns(entry)))
    except RecursionError:
        raise UsageError(f"{shown_path(path)} is nested too deeply: leave the entry out that is") from None
    if not turns:
        known = "Claude Code, Codex, OpenHands, SWE-agent, chats with 'role' and 'content'"
        why = f"none of its {unread} lines is JSON" if not entries else "no entry of it has a known form"
        raise UsageError(f"{shown_path(path)} has no transcript: {why}; supported are {known}, and Markdown (.md)")
    return Transcript(turns, unread)


def read_text(path: Path) -> str:
    """The text of a file in UTF-8 (or UTF-16 with a byte order mark), without the control sequences of terminals.

    Raises UsageError, also if the file is not text.
    """
    try:
        if len(data := read_start(path, MOST_BYTES)) > MOST_BYTES:
            raise UsageError(
                f"{shown_path(path)} has more than {MOST_BYTES >> 20} MiB, the most that is read: split it"
            )
    except OSError as error:
        raise UsageError(f"{shown_path(path)} cannot be read: {error.strerror}") from None
    is_wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = data.decode("utf-16" if is_wide else "utf-8-sig", errors="replace")
    if (lost := text.count(UNREAD)) > _LOST * len(text):
        what = f"{lost:,} of {len(text):,} characters are not UTF-8"
        raise UsageError(f"{shown_path(path)} is not text: {what}; save it as UTF-8, or leave it out")
    return _COLORS.sub("", text).replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")


def _entries(text: str) -> tuple[list[Any], int]:
    """The JSON values in a file (one for the whole file, or one in each line), and the number of lines that are not
    JSON.
    """
    try:
        found = json.loads(text)
        return (found if isinstance(found, list) else [found]), 0
    except (ValueError, RecursionError):
        pass
    entries, unread = [], 0
    for line in text.split("\n"):
        if not line.strip():
            continue
        try:
            one = json.loads(line)
        except (ValueError, RecursionError):
            unread += 1
            continue
        if isinstance(one, Mapping | list):
            entries.append(one)
        else:
            unread += 1
    return entries, unread


def _turns(entry: Any, depth: int = 0) -> Iterator[Turn]:
    """The turns in an entry of any of the agents."""
    if isinstance(entry, list):
        for one in entry if depth < _DEPTH else ():
            yield from _turns(one, depth + 1)
        return
    if not isinstance(entry, Mapping) or depth > _DEPTH or (entry.get("type") in _SKIPPED and "role" not in entry):
        return
    for key in ("message", "payload", "item", "llm_message"):  # Claude Code, Codex, OpenHands
        if isinstance(entry.get(key), Mapping):
            yield from _turns({"role": entry.get("type"), **entry[key]}, depth + 1)
            return
    kinds = (_openhands, _swe_agent, _codex, _chat)
    for kind in kinds:
        if found := list(kind(entry)):
            yield from found
            return
    if isinstance(entry.get("trajectory"), list):  # other messages of the history repeat the steps
        yield from itertools.islice((one for one in _turns(entry.get("history"), depth + 1) if one[0] == "user"), 1)
    for key in _LISTS:
        if isinstance(entry.get(key), list) and (found := list(_turns(entry[key], depth + 1))):
            yield from found
            return


def _chat(entry: Mapping[str, Any]) -> Iterator[Turn]:
    """A message with a role and its content. Its tool calls follow."""
    role = entry.get("role") or entry.get("from")
    if not isinstance(role, str):
        return
    content = next((entry[key] for key in ("content", "parts", "text", "value") if entry.get(key)), None)
    yield from _blocks(content, "result" if role in ("tool", "function") else role)
    calls = entry.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        inner = call.get("function", call) if isinstance(call, Mapping) else call
        function = inner if isinstance(inner, Mapping) else {"name": inner}
        yield f"call of {function.get('name')}", _shown(function.get("arguments", ""))


def _blocks(content: Any, role: str) -> Iterator[Turn]:
    if isinstance(content, str):
        yield role, content
        return
    for block in content if isinstance(content, list) else [content]:
        if isinstance(block, str):
            yield role, block
        if not isinstance(block, Mapping):
            continue
        kind = block.get("type")
        if kind == "tool_use":
            yield f"call of {block.get('name')}", _shown(block.get("input"))
        elif kind == "tool_result":
            yield from _blocks(block.get("content"), "error" if block.get("is_error") else "result")
        elif isinstance(block.get("functionCall"), Mapping):
            yield f"call of {block['functionCall'].get('name')}", _shown(block["functionCall"].get("args"))
        elif isinstance(block.get("functionResponse"), Mapping):
            yield "result", _shown(block["functionResponse"].get("response"))
        elif kind == "thinking":
            yield f"{role}, thinking", str(block.get("thinking") or "")
        elif isinstance(block.get("text"), str):
            yield role, block["text"]
        elif kind is not None:
            yield role, f"[{kind}]"


def _codex(entry: Mapping[str, Any]) -> Iterator[Turn]:
    """An item of Codex that is not a message."""
    kind = entry.get("type") or entry.get("role")
    if kind in ("function_call", "custom_tool_call", "local_shell_call"):
        given = next((entry[key] for key in ("arguments", "input", "action") if entry.get(key)), "")
        yield f"call of {entry.get('name') or 'shell'}", _shown(given)
    elif kind in ("function_call_output", "custom_tool_call_output", "local_shell_call_output"):
        output = entry.get("output")
        yield from _blocks(
            output.get("content", output.get("output")) if isinstance(output, Mapping) else output, "result"
        )
    elif kind == "reasoning":
        yield from _blocks(entry.get("summary") or entry.get("text"), "assistant, thinking")
    elif kind == "agent_message":
        yield "assistant", str(entry.get("text") or "")
    elif kind == "command_execution":
        yield "call of shell", str(entry.get("command") or "")
        yield "result", str(entry.get("aggregated_output") or "")


def _openhands(entry: Mapping[str, Any]) -> Iterator[Turn]:
    """An action or an observation of OpenHands, in either generation of its format."""
    if isinstance(entry.get("action"), str) and isinstance(entry.get("args"), Mapping):
        given = dict(entry["args"])
        for key in ("thought", "content"):
            if isinstance(given.get(key), str) and given[key].strip():
                yield str(entry.get("source") or "agent"), given.pop(key)
        if entry["action"] not in ("message", "system", "think", "recall", "change_agent_state"):
            yield (
                f"call of {entry['action']}",
                _shown({key: one for key, one in given.items() if one not in (None, "")}),
            )
    elif isinstance(entry.get("observation"), str) and isinstance(entry.get("content"), str):
        if "action" in entry:
            return
        yield "result", entry["content"]
    elif entry.get("kind") == "ActionEvent":
        yield from _blocks(entry.get("thought"), "agent")
        yield f"call of {entry.get('tool_name')}", _shown(entry.get("action"))
    elif entry.get("kind") == "ObservationEvent" and isinstance(entry.get("observation"), Mapping):
        observation = entry["observation"]
        yield from _blocks(observation.get("content", observation.get("output")), "result")


def _swe_agent(entry: Mapping[str, Any]) -> Iterator[Turn]:
    """A step of SWE-agent: a thought, an action and its result."""
    if "observation" not in entry or not isinstance(entry.get("action"), str) or "args" in entry:
        return
    if told := entry.get("thought") or entry.get("response"):
        yield "assistant", str(told)
    yield "call of shell", entry["action"]
    yield "result", _shown(entry["observation"])


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1)


def _without_repeats(turns: Iterator[Turn]) -> Iterator[Turn]:
    """The turns that have text. If a turn repeats the one before it, it is left out."""
    before: Turn | None = None
    for who, text in turns:
        turn = (who, _COLORS.sub("", text).strip())
        if turn[1] and turn != before:
            yield turn
            before = turn
