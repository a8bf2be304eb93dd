"""The signature of a case, worked out once in a process: doing so runs the case's reference.

Only on the thread that owns PyTorch's default dtype, which belongs to the process; others may ask what is known.
"""

from __future__ import annotations

from pytest_upskill.cases.case import Case
from pytest_upskill.contracts import registry as contracts
from pytest_upskill.contracts.base import Contract, Signature
from pytest_upskill.documents.spelling import suggest
from pytest_upskill.errors import CaseError
from pytest_upskill.languages import registry as languages
from pytest_upskill.languages.base import Language

_MOST = 4096
_known: dict[tuple[object, ...], Signature | CaseError] = {}


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


def is_known(case: Case) -> bool:
    """Whether ``signature_of`` needs to run nothing."""
    return _key(case) in _known


def signature_of(case: Case) -> Signature:
    """What the case asks for. Raises CaseError where its reference fails."""
    key = _key(case)
    if key not in _known:
        if len(_known) >= _MOST:
            _known.clear()
        try:
            _known[key] = _derive(case)
        except CaseError as error:
            _known[key] = error
    found = _known[key]
    if isinstance(found, CaseError):
        raise CaseError(found.message, case.path, found.line) from found.__cause__
    return found


def _derive(case: Case) -> Signature:
    from pytest_upskill.oracle.reference_runner import in_this_process

    return contract_of(case).signature(case, in_this_process(case).results())


def _key(case: Case) -> tuple[object, ...]:
    """What a signature depends on: not the case's path, which the judge does not know."""
    reference = case.reference.source if case.reference else None
    return case.text_hash, case.name, case.contract, case.language, case.op, case.dtypes, reference
