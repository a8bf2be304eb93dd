"""The parts of a prompt that contracts share: templates, and a case's sizes, scalars and conditions in words."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from string import Template

from pytest_upskill.cases.case import Case, Choices, Dim, Range, ScalarSpec


@lru_cache
def prompt_template(package: str, name: str) -> Template:
    """The text in ``NAME.md`` of a contract's package."""
    return Template((resources.files(package) / f"{name}.md").read_text(encoding="utf-8"))


def dim_text(dim: Dim, case: Case) -> str:
    """The sizes with which a kernel is called: those that are drawn, and the one at which it is timed."""
    sizes, timed = dim.sizes, case.speed.get(dim.name)
    if isinstance(sizes, Choices):
        further = () if timed is None or timed in sizes.options else (timed,)
        return _options_text(Choices((*sizes.options, *further)))
    text = f"{sizes.low} to {sizes.high}" + ("" if timed is None or _within(sizes, timed) else f", or {timed}")
    least = sizes.low.constant
    if least == 0:
        return f"{text}; it may be 0"
    return f"{text}, or 0" if case.zero and least == 1 else text if least is None else f"{text}; it is never 0"


def _within(sizes: Range, size: int) -> bool:
    """Whether a range is known to include a size; False if its ends depend on dims."""
    low, high = sizes.low.constant, sizes.high.constant
    return low is not None and high is not None and low <= size <= high


def scalar_text(scalar: ScalarSpec) -> str:
    """The values of a scalar."""
    values = scalar.values
    return f"{values.low} to {values.high}" if isinstance(values, Range) else _options_text(values)


def _options_text(choices: Choices) -> str:
    texts = [str(option).lower() if isinstance(option, bool) else f"{option}" for option in choices.options]
    return f"always {texts[0]}" if len(texts) == 1 else f"one of {', '.join(texts)}"


def conditions(case: Case) -> str:
    """The case's conditions as a list item; empty if it has none."""
    if not case.where:
        return ""
    return "- These conditions hold: " + "; ".join(f"`{condition}`" for condition in case.where) + ".\n"
