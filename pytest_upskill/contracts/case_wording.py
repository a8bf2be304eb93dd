"""The parts of a prompt that several contracts share: templates, and sentences about what a case promises of its inputs
(sizes, values of tensors and scalars, conditions, and parameters and results that are tensors).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib import resources
from string import Template

from pytest_upskill.cases.case import Case, Choices, Dim, Named, Range, ScalarSpec, TensorSpec
from pytest_upskill.contracts.base import Teaching
from pytest_upskill.records import FLOATING, ScalarParameter, TensorParameter


@lru_cache
def prompt_template(package: str, name: str) -> Template:
    """The text in ``NAME.md`` of a contract's package."""
    return Template((resources.files(package) / f"{name}.md").read_text(encoding="utf-8"))


def teaching(package: str, readers: str, unit: str, judged: str) -> Teaching:
    """The description of a contract for a teacher; ``package`` has ``teacher_example.md`` and ``teacher_rules.md``."""
    example, rules = (prompt_template(package, name).template for name in ("teacher_example", "teacher_rules"))
    return Teaching(readers, unit, judged, example, rules)


def parameter_lines(case: Case, dtypes: Sequence[str], parameters: Iterable[TensorParameter | ScalarParameter]) -> str:
    """A Markdown list item for each parameter of a function that gets whole tensors: shape, dtype, role, values."""
    return "\n".join(_parameter_line(case, dtypes, one) for one in parameters)


def result_lines(dtypes: Sequence[str], results: Iterable[TensorParameter]) -> str:
    """A Markdown list item for each result; empty if there are no results."""
    shapes = ((one, f"shape [{', '.join(one.shape or ())}]") for one in results)
    unknown = "of the shape that the task gives it"
    return "\n".join(
        f"- `{one.name}`: {unknown if one.shape is None else shape}, {_dtype_text(one.dtype, dtypes)}."
        for one, shape in shapes
    )


def _parameter_line(case: Case, dtypes: Sequence[str], one: TensorParameter | ScalarParameter) -> str:
    if isinstance(one, ScalarParameter):
        scalar = next(scalar for scalar in case.scalars if scalar.name == one.name)
        return f"- `{one.name}`: {scalar_text(scalar, case)}."
    spec = next(tensor for tensor in case.tensors if tensor.name == one.name)
    shape = ", ".join(size.text for size in spec.shape)
    role = "updated in place" if one.role == "inplace" else "only read"
    return f"- `{one.name}`: shape [{shape}], {_dtype_text(one.dtype, dtypes)}, {role}.{values_text(spec, case)}"


def _dtype_text(dtype: str | None, dtypes: Sequence[str]) -> str:
    if dtype is not None or len(dtypes) == 1:
        return dtype or dtypes[0]
    return f"{', '.join(dtypes[:-1])} or {dtypes[-1]}"


def dim_text(dim: Dim, case: Case) -> str:
    """The sizes with which a kernel is called: those that are drawn, and the size at which the kernel is timed."""
    sizes, timed = dim.sizes, case.speed.get(dim.name)
    if isinstance(sizes, Choices):
        further = () if timed is None or timed in sizes.options else (timed,)
        return _options_text(Choices((*sizes.options, *further)))
    text = f"{sizes.low} to {sizes.high}" + ("" if timed is None or _within(sizes, timed) else f", or {timed}")
    least = sizes.low.constant
    if least == 0:
        return f"{text}; it may be 0"
    if case.zero and least in (1, None):
        return f"{text}, or 0" if least == 1 else f"{text}, or 0 where {sizes.low} is 1"
    return text if least is None else f"{text}; it is never 0"


def _within(sizes: Range, size: int) -> bool:
    """Whether a range is known to include a size; False if an end of the range depends on dims."""
    low, high = sizes.low.constant, sizes.high.constant
    return low is not None and high is not None and low <= size <= high


def scalar_text(scalar: ScalarSpec, case: Case) -> str:
    """The values of a scalar."""
    if makes_itself(case, scalar.name):
        return "as the task says"
    values = scalar.values
    return f"{values.low} to {values.high}" if isinstance(values, Range) else _options_text(values)


def values_text(tensor: TensorSpec, case: Case) -> str:
    """A sentence about the values of a tensor, with a leading space; empty for a bool tensor without ``values``."""
    values, dtypes = tensor.values, case.dtypes if tensor.dtype is None else (tensor.dtype,)
    if isinstance(values, Range):
        text = f"{values.low} to {values.high}"
    elif isinstance(values, Choices):
        text = _options_text(Choices(tuple(dict.fromkeys(values.options))))
    elif isinstance(values, Named):
        text = _named_text(values.name, tensor, case, dtypes)
    elif dtypes == ("bool",):
        return ""
    elif makes_itself(case, tensor.name):
        text = "as the task says"
    else:
        text = _finite(dtypes) or "any"
    return f" Values: {text}."


def _finite(dtypes: Sequence[str]) -> str:
    """The word "finite" for floating-point tensors; empty for other tensors."""
    return "finite" if any(dtype in FLOATING for dtype in dtypes) else ""


def _named_text(name: str, tensor: TensorSpec, case: Case, dtypes: Sequence[str]) -> str:
    """What one of ``NAMED_VALUES`` promises about the values."""
    last = tensor.shape[-1].text if tensor.shape else "1"
    nan = "and NaN" if "nan" in case.task.lower() else "but no NaN"
    rules = {
        "normal": "",
        "uniform": "0 or above",
        "positive": "above 0",
        "nonnegative": "0 or above",
        "sorted": "ascending along the last dimension",
    }
    others = {
        "permutation": f"along the last dimension, each of the numbers from 0 below {last} once, in any order",
        "bool": "one of true, false" if dtypes == ("bool",) else "0 or 1",
        "wild": f"any, also very large, denormal and infinite ones and zeros of both signs, {nan}",
        **({"uniform": "0 to 1"} if all(dtype in FLOATING for dtype in dtypes) else {}),
    }
    return others.get(name) or ", ".join(filter(None, (_finite(dtypes), rules[name])))


def makes_itself(case: Case, name: str) -> bool:
    """Whether the case's ``## Inputs`` may return this argument, because the section contains its name."""
    return case.inputs is not None and re.search(rf"\b{re.escape(name)}\b", case.inputs.source) is not None


def _options_text(choices: Choices) -> str:
    texts = [str(option).lower() if isinstance(option, bool) else f"{option}" for option in choices.options]
    return f"always {texts[0]}" if len(texts) == 1 else f"one of {', '.join(texts)}"


def conditions(case: Case) -> str:
    """The case's conditions as a list item; empty if it has none."""
    if not case.where:
        return ""
    return "- These conditions hold: " + "; ".join(f"`{condition}`" for condition in case.where) + ".\n"
