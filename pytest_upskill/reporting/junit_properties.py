"""The properties of an item in JUnit XML, which pytest writes with ``--junit-xml``."""

from collections.abc import Iterator

from pytest_upskill.records import Outcome
from pytest_upskill.reporting.view import has_student

PREFIX = "upskill_"


def properties(item: Outcome) -> list[tuple[str, str]]:
    """Return names and values, in this order. Unknown values are left out."""
    return [(PREFIX + name, str(value)) for name, value in _values(item) if value not in (None, "")]


def _values(item: Outcome) -> Iterator[tuple[str, object]]:
    verdict = item.verdict
    yield "verdict", verdict.kind.value
    yield "kind", item.kind.value
    yield "skill", item.skill
    yield "case", item.case
    if has_student(item):
        yield from (("student", item.student), ("arm", item.arm), ("trial", item.trial))
        yield from (("input_tokens", item.tokens.input), ("output_tokens", item.tokens.output))
        yield "cost_usd", item.cost_usd
        yield from ((f"{name}_seconds", f"{getattr(item.seconds, name):.3f}") for name in ("reply", "build", "run"))
    if verdict.assertions:
        yield "assertions", f"{sum(one.passed for one in verdict.assertions)}/{len(verdict.assertions)}"
    if (first := verdict.headline) is not None:
        yield from (("failed", first.name), ("message", first.message))
    if verdict.counterexample is not None:
        yield "counterexample", verdict.counterexample.example
    yield "replay", item.replay
