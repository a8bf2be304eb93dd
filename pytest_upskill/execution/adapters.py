"""The contract and the language of a case, by the names that the case gives them."""

from __future__ import annotations

from pytest_upskill.cases.case import Case
from pytest_upskill.contracts import registry as contracts
from pytest_upskill.contracts.base import Contract
from pytest_upskill.documents.spelling import suggest
from pytest_upskill.errors import CaseError
from pytest_upskill.languages import registry as languages
from pytest_upskill.languages.base import Language


def contract_of(case: Case) -> Contract:
    """What a reply to the case must define. Raises CaseError for a name that nothing stands for."""
    found = contracts.find(case.contract)
    if found is None:
        known = suggest(case.contract, contracts.names())
        raise CaseError(f"contract '{case.contract}' is not known{known}", case.path)
    if case.language not in found.languages:
        raise CaseError(
            f"contract '{case.contract}' is for language {', '.join(found.languages)}, not '{case.language}'", case.path
        )
    given = {"forbid": bool(case.forbid), "vectorised": case.vectorised}
    for key, is_given in given.items():
        if is_given and key not in found.case_keys:
            raise CaseError(f"'{key}' has no meaning in contract '{case.contract}'; remove it", case.path)
    return found


def language_of(case: Case) -> Language:
    """What the case's kernels are written in. Raises CaseError for a name that nothing stands for."""
    found = languages.find(case.language)
    if found is None:
        raise CaseError(
            f"language '{case.language}' is not known{suggest(case.language, languages.names())}", case.path
        )
    return found
