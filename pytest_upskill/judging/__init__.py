"""Judges the sources of a reply: ``judge(JudgeRequest) -> JudgeResult``, and the backends that run this function."""

from __future__ import annotations

from pytest_upskill.judging.interface import JudgeRequest, JudgeResult, Limits, Problem
from pytest_upskill.judging.judge import judge

__all__ = ["JudgeRequest", "JudgeResult", "Limits", "Problem", "judge"]
