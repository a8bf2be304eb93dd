"""The contract ``launcher``: see ``contracts.base.Contract``."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_upskill.cases.case import Case
from pytest_upskill.contracts.base import Extraction
from pytest_upskill.contracts.launcher import extraction, prompt
from pytest_upskill.contracts.launcher.signature import Signature, derive
from pytest_upskill.records import ResultFacts


class LauncherContract:
    """A host function that launches CUDA kernels on a stream."""

    name = "launcher"
    languages = ("cuda",)
    case_keys = ()

    def signature(self, case: Case, results: ResultFacts) -> Signature:
        return derive(case, results.dtypes, results.shapes)

    def system_text(self) -> str:
        return prompt.system_text()

    def user_text(self, case: Case, signature: Signature) -> str:
        return prompt.user_text(case, signature)

    def extract(self, text: str, signature: Signature) -> Extraction:
        return extraction.extract_kernel(text, signature)

    def problem(self, sources: Mapping[str, str], signature: Signature) -> str | None:
        return extraction.problem("\n".join(sources.values()), signature)
