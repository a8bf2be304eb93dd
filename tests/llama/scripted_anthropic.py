"""Streams of Anthropic's Messages API for the scripted endpoint."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.llama.scripted import Stream


class EventStream(Stream):
    """Anthropic's streams name each event before its data, and do not end with a word of their own."""

    def send(self, handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for event in self.events:
            handler.send_chunk(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n")
        handler.wfile.write(b"0\r\n\r\n")


def message(
    text: str, stop: str | None = "end_turn", thinking: str = "", use: Mapping[str, Any] | None = None
) -> EventStream:
    """``use`` is the input of a call of the tool, after the text."""
    usage = {"input_tokens": 3, "output_tokens": 1, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 2}
    start = {"id": "m", "type": "message", "role": "assistant", "model": "claude-served", "content": [], "usage": usage}
    events: list[Any] = [{"type": "message_start", "message": {**start, "stop_reason": None, "stop_sequence": None}}]
    blocks = [("thinking", thinking)] * bool(thinking) + [("text", text)]
    for index, (kind, content) in enumerate(blocks):
        events.append({"type": "content_block_start", "index": index, "content_block": {"type": kind, kind: ""}})
        delta = {"type": f"{kind}_delta", kind: content}
        events.append({"type": "content_block_delta", "index": index, "delta": delta})
        events.append({"type": "content_block_stop", "index": index})
    if use is not None:
        block = {"type": "tool_use", "id": "toolu_1", "name": "read_file", "input": {}}
        events.append({"type": "content_block_start", "index": len(blocks), "content_block": block})
        delta = {"type": "input_json_delta", "partial_json": json.dumps(use)}
        events.append({"type": "content_block_delta", "index": len(blocks), "delta": delta})
        events.append({"type": "content_block_stop", "index": len(blocks)})
    if stop is not None:
        ending = {"stop_reason": stop, "stop_sequence": None}
        events.append({"type": "message_delta", "delta": ending, "usage": {"output_tokens": 9}})
        events.append({"type": "message_stop"})
    return EventStream(tuple(events))
