"""The base class of all dispatch modes that observe a reference's operators."""

from __future__ import annotations

from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode


class OperatorMode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A dispatch mode that never imports torch's compiler.

    PyTorch's own class would import it, only to exclude the mode from compilation, and that takes a second.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False


def name_of(operator: Any) -> tuple[str, bool]:
    """The name of an operator, without the trailing underscore of in-place operators, and whether it is in place."""
    name = operator.overloadpacket.__name__
    in_place = name.endswith("_") and not name.endswith("__")
    return name.rstrip("_") if in_place else name, in_place
