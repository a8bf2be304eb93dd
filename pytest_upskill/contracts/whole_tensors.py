"""The parameters and results of a function that gets whole tensors, derived from the operator of a case."""

from __future__ import annotations

from pytest_upskill.cases.case import Case, TensorSpec
from pytest_upskill.cases.operator_schema import Operator
from pytest_upskill.records import ResultFacts, ScalarParameter, TensorParameter


def operator_of(case: Case) -> Operator:
    """The operator of a case. Raises ValueError for a case without ``op``."""
    if case.op is None:
        raise ValueError(f"case '{case.name}' has no 'op', hence no signature")
    return case.op


def parameters_of(case: Case) -> tuple[TensorParameter | ScalarParameter, ...]:
    """The operator's arguments, in order."""
    own = {spec.name: spec.dtype for spec in case.arguments if isinstance(spec, TensorSpec)}
    return tuple(
        TensorParameter(one.name, "inplace" if one.mutable else "input", own.get(one.name))
        if one.kind == "Tensor"
        else ScalarParameter(one.name, one.kind)
        for one in operator_of(case).arguments
    )


def results_of(case: Case, results: ResultFacts) -> tuple[TensorParameter, ...]:
    """The operator's results, in order. A result's dtype is the case's if the case gives one, otherwise the
    reference's.
    """
    dtypes = {name: case.returns.get(name) or results.dtypes.get(name) for name in operator_of(case).results}
    return tuple(TensorParameter(name, "output", dtype, results.shapes.get(name)) for name, dtype in dtypes.items())
