"""What all modes that see a reference's operators share."""

from __future__ import annotations

from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode


class OperatorMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A dispatch mode that does not import torch's compiler, which would take a second, to keep it off its classes."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False


def name_of(operator: Any) -> tuple[str, bool]:
    """An operator's name without the underscore of one that works in place, and whether it does."""
    name = operator.overloadpacket.__name__
    in_place = name.endswith("_") and not name.endswith("__")
    return name.rstrip("_") if in_place else name, in_place
