"""The contract ``hub``: a reply is the manifest of a published kernel, which no model writes. See
``contracts.base.Contract``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pytest_upskill.cases.case import Case
from pytest_upskill.contracts.base import Extraction
from pytest_upskill.contracts.whole_tensors import parameters_of, results_of
from pytest_upskill.languages.torch_extension.published import NAME, SOURCE, Manifest
from pytest_upskill.records import CallLayout, Kernel, ResultFacts, ScalarParameter, TensorParameter


@dataclass(frozen=True, slots=True)
class Signature:
    """The function of a published kernel. The layout has the results first, then the arguments and sizes; the function
    is called with those that ``arguments`` names.
    """

    name: str
    arguments: tuple[str, ...]
    dtypes: tuple[str, ...]
    results: tuple[TensorParameter, ...]
    parameters: tuple[TensorParameter | ScalarParameter, ...]
    atomics: bool = False

    @property
    def layout(self) -> CallLayout:
        return CallLayout(self.dtypes, (*self.results, *self.parameters))

    @property
    def entry(self) -> str:
        """The entry as JSON, in the form that ``PublishedLanguage.build`` reads."""
        plain = {
            "name": self.name,
            "arguments": self.arguments,
            "results": [one.name for one in self.results],
            "backend": NAME,
            "atomics": self.atomics,
        }
        return json.dumps(plain)

    def for_dtypes(self, dtypes: tuple[str, ...]) -> Signature:
        return replace(self, dtypes=dtypes)


class HubContract:
    """What a case asks of a published kernel."""

    name = NAME
    languages = (NAME,)
    case_keys = ()

    def signature(self, case: Case, results: ResultFacts) -> Signature:
        """The signature of a case. Raises ValueError for a case without ``op`` or ``hub``."""
        if case.op is None or case.hub is None:
            raise ValueError(f"case '{case.name}' names no operator under 'hub', hence no signature")
        sizes = tuple(ScalarParameter(dim.name, "int", dim=True) for dim in case.dims)
        parameters, found = (*parameters_of(case), *sizes), results_of(case, results)
        used = case.hub
        return Signature(used.op, used.arguments, case.dtypes, found, parameters, case.atomics)

    def system_text(self) -> str:
        return ""

    def user_text(self, case: Case, signature: Signature) -> str:
        return f"{case.task.strip()}\n"

    def extract(self, text: str, signature: Signature) -> Extraction:
        try:
            Manifest.read(text)
        except ValueError as error:
            return Extraction(None, False, str(error))
        return Extraction(Kernel(text), True)

    def problem(self, sources: Mapping[str, str], signature: Signature) -> str | None:
        try:
            Manifest.read(sources[SOURCE])
        except (KeyError, ValueError) as error:
            return f"{SOURCE}: {error}"
        return None
