"""From a reply's sources to a verdict: ``judge(JudgeRequest) -> JudgeResult``, and the backends that do it.

Knows no student, no arm and no pytest. Requests and results are plain data: they can be pickled, and written as JSON.
"""

from __future__ import annotations

from pytest_upskill.judging.judge import judge
from pytest_upskill.judging.request import JudgeRequest, Limits
from pytest_upskill.judging.result import JudgeResult, Problem

__all__ = ["JudgeRequest", "JudgeResult", "Limits", "Problem", "judge"]
