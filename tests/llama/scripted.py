"""A scripted OpenAI-compatible endpoint for tests, on a free local port.

Each request takes the next action of the script; the last one is repeated. An action may be a function of the request.
Requests are recorded in ``questions``.
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Refusal:
    """A response that is not a stream; ``body`` is JSON, or literal text."""

    status: int
    body: Any = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    def send(self, handler: Handler) -> None:
        handler.send_whole(self.status, self.body, self.headers)


@dataclass(frozen=True)
class Stream:
    """Events of a chat stream. ``end``: ``done`` regular, ``silent`` without a final event, ``cut`` inside a chunk.

    ``before`` is called before each event.
    """

    events: tuple[Any, ...]
    end: str = "done"
    before: Callable[[], object] = lambda: None

    def send(self, handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", "text/event-stream")
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for event in self.events:
            self.before()
            handler.send_chunk(f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n")
        if self.end == "cut":
            handler.wfile.write(b"400\r\ndata: ")
            handler.close_connection = True
            return
        if self.end == "done":
            handler.send_chunk("data: [DONE]\n\n")
        handler.wfile.write(b"0\r\n\r\n")


Action = Refusal | Stream | Callable[[dict[str, Any]], Refusal | Stream]


def reply(text: str = "an answer", *, reasoning: str = "", finish: str | None = "stop", **last: Any) -> Stream:
    """A stream of ``text`` like a llama.cpp server's; ``last`` has further fields of the last event."""
    events = [chunk({"role": "assistant", "content": None})]
    events += [chunk({"reasoning_content": part}) for part in halves(reasoning)]
    events += [chunk({"content": part}) for part in halves(text)]
    if finish is not None:
        events.append(chunk({}, finish=finish))
    usage = {
        "prompt_tokens": 11,
        "completion_tokens": 7,
        "total_tokens": 18,
        "prompt_tokens_details": {"cached_tokens": 4},
    }
    return Stream((*events, {**chunk({}), "choices": [], "usage": usage, **last}))


def chunk(delta: Mapping[str, Any], finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "served-model", "choices": [choice]}


def halves(text: str) -> list[str]:
    middle = len(text) // 2
    return [part for part in (text[:middle], text[middle:]) if part]


class Endpoint(ThreadingHTTPServer):
    """The server; ``models`` is what it lists, None for a server that lists nothing (404)."""

    daemon_threads = True

    def __init__(self, actions: tuple[Action, ...], models: tuple[str, ...] | None, port: int) -> None:
        super().__init__(("127.0.0.1", port), Handler)
        self.actions = list(actions)
        self.models = models
        self.model_listings = 0
        self.questions: list[dict[str, Any]] = []
        self.headers: list[Mapping[str, str]] = []
        self.left = threading.Event()
        """Set when a client went away before a stream was over."""
        self._lock = threading.Lock()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore clients that disconnect early, as many tests do; report other errors."""
        if isinstance(sys.exc_info()[1], ConnectionError):
            self.left.set()
        else:
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    @property
    def keys(self) -> list[str]:
        return [headers.get("authorization", "") for headers in self.headers]

    def next_action(self, question: dict[str, Any], headers: Mapping[str, str]) -> Refusal | Stream:
        with self._lock:
            self.questions.append(question)
            self.headers.append(headers)
            action = self.actions.pop(0) if len(self.actions) > 1 else self.actions[0]
            return action if isinstance(action, Refusal | Stream) else action(question)


class Handler(BaseHTTPRequestHandler):
    """HTTP/1.1, so that an interrupted stream differs from a complete one."""

    protocol_version = "HTTP/1.1"
    server: Endpoint

    def do_GET(self) -> None:
        if self.path != "/v1/models" or self.server.models is None:
            return self.send_whole(404, {"error": {"message": "File Not Found"}}, {})
        self.server.model_listings += 1
        return self.send_whole(200, {"data": [{"id": name} for name in self.server.models]}, {})

    def do_POST(self) -> None:
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        action = self.server.next_action(question, {name.lower(): value for name, value in self.headers.items()})
        try:
            action.send(self)
        except (BrokenPipeError, ConnectionResetError):
            self.server.left.set()
            self.close_connection = True

    def send_whole(self, status: int, body: Any, headers: Mapping[str, str]) -> None:
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), "Content-Type": "application/json", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def send_chunk(self, text: str) -> None:
        data = text.encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Log nothing."""


@contextlib.contextmanager
def endpoint(*actions: Action, models: tuple[str, ...] | None = ("served-model",), port: int = 0) -> Iterator[Endpoint]:
    """A running endpoint, on a free port or on the given one."""
    server = Endpoint(actions or (reply(),), models, port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
