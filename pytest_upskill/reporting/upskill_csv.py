"""Writes ``results.csv`` in the form of huggingface/upskill, for tools that read upskill's runs."""

from datetime import datetime

from pytest_upskill.records import Outcome, VerdictKind
from pytest_upskill.reporting.csv_report import table
from pytest_upskill.reporting.failure import one_line
from pytest_upskill.reporting.view import BASELINE_ARM, SKILL_ARM, View

_COLUMNS = (
    "batch_id", "run_number", "model", "task", "timestamp", "passed", "assertions_passed", "assertions_total",
    "input_tokens", "output_tokens", "total_tokens", "conversation_span_ms", "llm_time_ms", "tool_time_ms", "turns",
    "tool_calls", "tool_errors", "mcp_calls", "execute_calls", "error_message", "session_id", "session_history_file",
    "run_type", "skill_name",
)  # fmt: skip
"""The last two columns are not in upskill's own file. Without them, the arms could not be distinguished."""
_DECIDED = (VerdictKind.PASSED, VerdictKind.FAILED)
_RUN_TYPES = {SKILL_ARM: "with_skill", BASELINE_ARM: "baseline"}


def render(view: View) -> str:
    """Return the whole file, with one row for each item that has a student. ``passed`` is empty if the item is
    undecided.
    """
    started = view.run.started
    batch = datetime.fromisoformat(started).strftime("%Y_%m_%d_%H_%M")
    return table(_COLUMNS, (_row(item, batch, started) for skill in view.skills for item in skill.judged))


def _row(item: Outcome, batch: str, started: str) -> tuple[object, ...]:
    verdict, tokens = item.verdict, item.tokens
    passed = verdict.kind is VerdictKind.PASSED
    reply, tools = (round(1000 * seconds) for seconds in (item.seconds.reply, item.seconds.build + item.seconds.run))
    return (
        batch, item.trial or 1, item.student, item.case, started, passed if verdict.kind in _DECIDED else "",
        sum(one.passed for one in verdict.assertions), len(verdict.assertions),
        tokens.input, tokens.output, tokens.input + tokens.output, reply + tools, reply, tools,
        len(item.turns) or 1, 0, 0, 0, 0, "" if passed else _why(item), "", "",
        _RUN_TYPES.get(item.arm or "", item.arm), item.skill,
    )  # fmt: skip


def _why(item: Outcome) -> str:
    kind = item.verdict.kind
    return one_line(item) if kind in _DECIDED else f"{kind.value}: {one_line(item)}"
