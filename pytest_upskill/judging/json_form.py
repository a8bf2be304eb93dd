"""Requests and results as JSON, without loss. Field names are those of the dataclasses; nothing stores this form."""

from __future__ import annotations

from functools import cache

from pydantic import TypeAdapter

from pytest_upskill.judging.request import JudgeRequest
from pytest_upskill.judging.result import JudgeResult


def request_to_json(request: JudgeRequest) -> str:
    """The inverse of ``request_from_json``."""
    return _requests().dump_json(request).decode()


def request_from_json(text: str) -> JudgeRequest:
    """Raises ValueError for a text of another form."""
    return _requests().validate_json(text)


def result_to_json(result: JudgeResult) -> str:
    """The inverse of ``result_from_json``."""
    return _results().dump_json(result).decode()


def result_from_json(text: str) -> JudgeResult:
    """Raises ValueError for a text of another form."""
    return _results().validate_json(text)


@cache
def _requests() -> TypeAdapter[JudgeRequest]:
    return TypeAdapter(JudgeRequest)


@cache
def _results() -> TypeAdapter[JudgeResult]:
    return TypeAdapter(JudgeResult)
