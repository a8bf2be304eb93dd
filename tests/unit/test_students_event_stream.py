"""The body of a response, as servers and proxies write it: in whatever pieces it arrives, the same values come out."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_upskill.students.event_stream import EventReader

ONE, TWO = '{"a": "x\u2028y"}', '{"b": [2]}'
VALUES = [{"a": "x\u2028y"}, {"b": [2]}]
STREAMS = {
    "plain": f"data: {ONE}\n\ndata: {TWO}\n\ndata: [DONE]\n\n",
    "without spaces": f"data:{ONE}\n\ndata:{TWO}\n\ndata:[DONE]\n\n",
    "comments": f": connected\n\n: PROCESSING\ndata: {ONE}\n\n:\n\ndata: {TWO}\n\ndata: [DONE]\n\n",
    "a retry first": f"retry: 3000\n\ndata: {ONE}\n\ndata: {TWO}\n\ndata: [DONE]\n\n",
    "events with names": f"event: delta\nid: 7\ndata: {ONE}\n\nevent: delta\ndata: {TWO}\n\nevent: e\ndata: [DONE]\n\n",
    "an event without data": f"event: ping\n\nid: 1\n\ndata: {ONE}\n\ndata\n\ndata: {TWO}\n\ndata: [DONE]\n\n",
    "no empty lines": f"data: {ONE}\ndata: {TWO}\ndata: [DONE]\n",
    "no end of the last line": f"data: {ONE}\n\ndata: {TWO}\n\ndata: [DONE]",
    "an event on several lines": 'data: {"a":\ndata:  "x\u2028y"}\n\ndata: {"b": [\ndata: 2]}\n\ndata: [DONE]\n\n',
    "the end on the last event": f"data: {ONE}\n\ndata: {TWO}\ndata: [DONE]\n\n",
    "a byte order mark": f"\ufeffdata: {ONE}\n\ndata: {TWO}\n\ndata: [DONE]\n\n",
    "lines of JSON": f"{ONE}\n{TWO}\n",
    "a list": f"[{ONE},\n {TWO}]",
}


def read(pieces: list[bytes]) -> tuple[EventReader, list[Any]]:
    reader = EventReader()
    values = [value for piece in pieces for value in reader.feed(piece)]
    return reader, [*values, *reader.end()]


@pytest.mark.parametrize("form", STREAMS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_the_values_are_the_same_in_every_form(form: str, end: str, size: int) -> None:
    body = STREAMS[form].replace("\n", end).encode()
    reader, values = read([body[start : start + size] for start in range(0, len(body), size)])
    assert values == VALUES
    assert (reader.done, reader.unreadable) == (True, "")


def test_a_whole_value_may_be_on_many_lines() -> None:
    assert read([b'{\n  "id": "x",\n  "data": {\n   "choices": []\n  }\n}\n'])[1] == [
        {"id": "x", "data": {"choices": []}}
    ]


@pytest.mark.parametrize(
    ("body", "unreadable", "done"),
    [
        ("", "", False),
        (": ping\n\n: ping\n\n", "", False),
        ("data: [DONE]\n\n", "", True),
        (f"data: {ONE}\n\n", "", False),
        ("data: {broken\n\n", "{broken", False),
        (f'data: {ONE}\n\ndata: {{"b": ', '{"b":', False),
        ("<html>\n<p>Welcome</p></html>", "<html>\n<p>Welcome</p></html>", False),
        ("upstream connect error", "upstream connect error", False),
    ],
)
def test_what_holds_no_value_is_told(body: str, unreadable: str, done: bool) -> None:
    reader, _ = read([body.encode()])
    assert (reader.unreadable, reader.done) == (unreadable, done)


def test_an_error_may_come_in_a_field_of_its_own() -> None:
    assert read([b'error: {"code": 400, "message": "too long"}\n\n'])[1] == [
        {"error": {"code": 400, "message": "too long"}}
    ]
