"""A published kernel in a worker: loads its build with ``kernels``, calls the function that its package offers.

Imports what ``extension_kernel`` imports.
"""

from typing import Any

import extension_kernel  # type: ignore[import-not-found]
import torch
import worker_kernel  # type: ignore[import-not-found]


class Published(extension_kernel.Extension):  # type: ignore[misc]
    """The function is called with the arguments that the case names; results among them are written in place."""

    def __init__(self, plan: "dict[str, object]") -> None:
        super().__init__(plan)
        self.arguments: list[str] = plan["entry"]["arguments"]  # type: ignore[index]
        wanted: list[str] = plan["entry"]["results"]  # type: ignore[index]
        self.results: list[str] = [name for name in wanted if name not in self.arguments]
        self.operator: Any = None

    def call(self, request: "dict[str, object]", memory: object) -> "dict[str, object]":
        """One call. Raises what the kernel raises; a wrong result gives a ``kind`` and a ``message``."""
        if request.get("mode") == "load":
            self.loaded()
            return {"facts": self.facts}
        outputs: dict[str, torch.Tensor] = {}
        values: dict[str, Any] = {}
        for one in request["arguments"]:  # type: ignore[attr-defined]
            values[one["name"]] = one["value"] if "value" in one else worker_kernel.tensor_at(memory, one)
            if one.get("role") == "output":
                outputs[one["name"]] = values[one["name"]]
        given = [values[name] for name in self.arguments]
        with torch.no_grad():
            result = self.loaded()(*given)
        if not self.results:  # many kernels return the tensor that they have written
            return {}
        problem = self.store(result, outputs, given)
        return {"kind": "result", "message": problem, "line": None} if problem else {}

    def loaded(self, *, inspect: bool = False) -> Any:
        """The function; loads the build if that has not been done."""
        if self.operator is None:
            import kernels

            found: Any = kernels.get_local_kernel(self.place, backend="cpu")
            for part in self.name.split("."):
                found = getattr(found, part, None)
            self.operator = found
            offered = callable(found)
            self.facts = {"schema": "", "others": [], "offered": offered, "implemented": offered}
        return self.operator
