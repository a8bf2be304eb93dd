"""Every language of ours has all that a language must have: they are found by name, where no type checker looks."""

from __future__ import annotations

import pytest

from pytest_upskill.contracts import registry as contracts
from pytest_upskill.contracts.base import Contract
from pytest_upskill.languages import registry as languages
from pytest_upskill.languages.base import Language


def members(protocol: type) -> set[str]:
    return {name for name in (*vars(protocol), *protocol.__annotations__) if not name.startswith("_")}


@pytest.mark.parametrize("name", languages.OWN)
def test_a_language_has_every_member_of_the_protocol(name: str) -> None:
    found = languages.find(name)
    assert found is not None and found.name == name
    assert {member for member in members(Language) if not hasattr(found, member)} == set()


@pytest.mark.parametrize("name", contracts.OWN)
def test_a_contract_has_every_member_of_the_protocol(name: str) -> None:
    found = contracts.find(name)
    assert found is not None and found.name == name
    assert {member for member in members(Contract) if not hasattr(found, member)} == set()
