"""What a contract's prompt says of a case: its sizes, scalars and conditions, in words. Knows cases, no signature."""

from __future__ import annotations

from pytest_upskill.cases.case import Case, Choices, Dim, Range, ScalarSpec


def dim_text(dim: Dim, case: Case) -> str:
    """The sizes that a kernel can meet: those that are drawn, and the one at which it is timed."""
    sizes, timed = dim.sizes, case.speed.get(dim.name)
    if isinstance(sizes, Choices):
        further = () if timed is None or timed in sizes.options else (timed,)
        return _options_text(Choices((*sizes.options, *further)))
    text = f"{sizes.low} to {sizes.high}" + ("" if timed is None or _within(sizes, timed) else f", or {timed}")
    least = sizes.low.constant
    if least == 0:
        return f"{text}; it may be 0"
    if case.zero and least == 1:
        return f"{text}, or 0"
    return text if least is None else f"{text}; it is never 0"


def _within(sizes: Range, size: int) -> bool:
    """Whether a range surely holds a size; one whose ends name dims is not sure."""
    low, high = sizes.low.constant, sizes.high.constant
    return low is not None and high is not None and low <= size <= high


def scalar_text(scalar: ScalarSpec) -> str:
    """The values of a scalar."""
    if isinstance(scalar.values, Range):
        return f"{scalar.values.low} to {scalar.values.high}"
    return _options_text(scalar.values)


def _options_text(choices: Choices) -> str:
    texts = [str(option).lower() if isinstance(option, bool) else f"{option}" for option in choices.options]
    if len(texts) == 1:
        return f"always {texts[0]}"
    return f"one of {', '.join(texts)}"


def conditions(case: Case) -> str:
    """A line of a list, or nothing where the case has no conditions."""
    if not case.where:
        return ""
    return "- These conditions hold: " + "; ".join(f"`{condition}`" for condition in case.where) + ".\n"
