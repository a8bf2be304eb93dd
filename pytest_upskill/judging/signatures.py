"""Derives the signature of a case, only once per process, because this runs the case's reference.

PyTorch's default dtype is global to the process, so only the thread that owns the default dtype may derive a signature.
"""

from __future__ import annotations

from contextlib import closing

from pytest_upskill.cases.case import Case
from pytest_upskill.contracts import registry as contracts
from pytest_upskill.contracts.base import Contract, Signature
from pytest_upskill.documents.spelling import suggest
from pytest_upskill.errors import CaseError
from pytest_upskill.languages import registry as languages
from pytest_upskill.languages.base import Language
from pytest_upskill.sandbox import confinement

_MOST = 4096
_known: dict[tuple[object, ...], Signature | CaseError] = {}


def contract_of(case: Case) -> Contract:
    """The case's contract.

    Raises CaseError if the contract is unknown, if the contract does not support the case's language, or if the case
    has keys that mean nothing under the contract.
    """
    if (found := contracts.find(case.contract)) is None:
        known = suggest(case.contract, contracts.names())
        raise CaseError(f"contract '{case.contract}' is not known{known}", case.path)
    if case.language not in found.languages:
        meant = ", ".join(found.languages)
        raise CaseError(f"contract '{case.contract}' is for language {meant}, not '{case.language}'", case.path)
    for key, is_given in {"forbid": case.forbid, "vectorised": case.vectorised, "gradients": case.gradients}.items():
        if is_given and key not in found.case_keys:
            raise CaseError(f"'{key}' has no meaning in contract '{case.contract}'; remove it", case.path)
    return found


def language_of(case: Case) -> Language:
    """The language that builds and calls the case's kernels: the one that the contract names, else the case's own.

    Raises CaseError for an unknown name.
    """
    adapter = getattr(contracts.find(case.contract), "adapter", "")
    if (found := languages.find(adapter or case.language)) is None:
        known = suggest(case.language, languages.names())
        raise CaseError(f"language '{case.language}' is not known{known}", case.path)
    return found


def is_known(case: Case) -> bool:
    """Whether the signature was derived before, so that ``signature_of`` does not run the case's reference."""
    return _key(case) in _known


def signature_of(case: Case) -> Signature:
    """The signature of the kernel that a reply must define.

    Raises CaseError if the reference fails, and SandboxError if an untrusted reference cannot be confined.
    """
    key = _key(case)
    if key not in _known:
        if len(_known) >= _MOST:
            _known.clear()
        from pytest_upskill.oracle.reference_runner import by_trust

        with closing(by_trust(confinement.strongest)(case)) as runner:
            try:
                _known[key] = contract_of(case).signature(case, runner.results())
            except CaseError as error:
                _known[key] = error
    found = _known[key]
    if isinstance(found, CaseError):
        raise CaseError(found.message, case.path, found.line) from found.__cause__
    return found


def _key(case: Case) -> tuple[object, ...]:
    """The parts of a case on which its signature depends. The path is not one, because the judge does not know it."""
    reference = case.reference.source if case.reference else None
    return case.text_hash, case.name, case.contract, case.language, case.op, case.dtypes, reference, case.trusted
