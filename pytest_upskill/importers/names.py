"""Makes the names of imported cases: the names of the source, as far as a file, an operator and a repository can have
them.
"""

from __future__ import annotations

import re
from collections.abc import Container

from pytest_upskill.documents.identifiers import refusal
from pytest_upskill.generator.answers import README, is_reserved

LONGEST = 48


def case_name(wanted: str, taken: Container[str] = ()) -> str:
    """A name for a case, in lower-case letters, digits and '_', that is not ``taken``."""
    tidy = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])", "_", wanted).lower()).strip("_")
    tidy = tidy[:LONGEST].strip("_") or "case"
    if not tidy[0].isalpha() or tidy == README or is_reserved(tidy):
        tidy = f"case_{tidy}"[:LONGEST].strip("_")
    found, number = tidy, 2
    while found in taken:
        found = f"{tidy[: LONGEST - 4].rstrip('_')}_{number}"
        number += 1
    return found


def operator_name(name: str) -> str:
    """The name of the operator of a case."""
    tidy = re.sub(r"_+", "_", re.sub(r"[^A-Za-z0-9_]", "_", name)).strip("_") or "op"
    return tidy if refusal(tidy) is None else f"run_{tidy}"
