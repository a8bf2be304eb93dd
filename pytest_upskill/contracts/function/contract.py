"""The contract ``function``: see ``contracts.base.Contract``."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_upskill.cases.case import Case
from pytest_upskill.contracts.base import Extraction
from pytest_upskill.contracts.function import extraction, prompt
from pytest_upskill.contracts.function.signature import Signature, derive
from pytest_upskill.records import ResultFacts


class FunctionContract:
    """A Python function that gets tensors and scalars, and returns tensors."""

    name = "function"
    languages = ("python",)
    case_keys = ("forbid", "vectorised")

    def signature(self, case: Case, results: ResultFacts) -> Signature:
        return derive(case, results)

    def system_text(self) -> str:
        return prompt.system_text()

    def user_text(self, case: Case, signature: Signature) -> str:
        return prompt.user_text(case, signature)

    def extract(self, text: str, signature: Signature) -> Extraction:
        return extraction.extract_function(text, signature)

    def problem(self, sources: Mapping[str, str], signature: Signature) -> str | None:
        return extraction.problem("\n".join(sources.values()), signature)
