"""The sandbox of importers without a process: for code that the tests themselves hold."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from pytest_upskill.cases.case import Case
from pytest_upskill.oracle.prepare import Preparation
from pytest_upskill.oracle.reference_runner import ReferenceRunner


class InProcess:
    """Calls what the real sandbox calls there, and passes arguments and answers through JSON as it does."""

    def __init__(self, confinement: Callable[[], object]) -> None:
        pass

    def begin(self) -> None:
        pass

    def ask(self, function: str, **arguments: object) -> Any:
        module, _, name = function.partition(":")
        call = getattr(importlib.import_module(f"pytest_upskill.importers.{module}"), name)
        with torch.random.fork_rng(devices=[]):
            return json.loads(json.dumps(call(**json.loads(json.dumps(arguments)))))

    def close(self) -> None:
        pass


class Trusting(Preparation):
    """Runs what the tests themselves hold, though it was imported."""

    def for_copy(self, case: Case) -> Preparation:
        return Preparation(replace(case, trusted=True))


class InProcessReferences:
    """Compares cases of the tests' own."""

    def __init__(self, confinement: object) -> None:
        pass

    def open_runner(self, case: Case) -> ReferenceRunner:
        return Trusting(replace(case, trusted=True))

    def go_on(self) -> None:
        pass

    def close(self) -> None:
        pass
