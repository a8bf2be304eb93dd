"""A function whose sizes and dtypes were found, as a case that asks for a kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_upskill.documents.identifiers import refusal
from pytest_upskill.importers.case_text import Sizes, kernel_case


@dataclass(frozen=True, slots=True)
class FoundFunction:
    """The function ``entry`` of ``code``, whose sizes and dtypes were found. ``arguments`` are plain data as in
    ``sandboxed_function``, and ``found`` is the answer of its ``study``. ``common`` is the dtype of arguments that do
    not have a dtype of their own.
    """

    code: str
    entry: str
    arguments: Sequence[Mapping[str, Any]]
    found: Mapping[str, Any]
    common: str
    keywords: bool = False
    """Whether the function is called with keyword arguments."""

    def case(
        self,
        operator: str,
        task: str,
        *,
        where: Sequence[str] = (),
        results: Sequence[str] = (),
        returns: Mapping[str, str] | None = None,
        inputs: str = "",
        notes: str = "",
    ) -> str:
        """The text of the case. Raises KeyError, TypeError or ValueError if ``found`` has an unexpected form."""
        count = int(self.found["outputs"])
        free = [
            one
            for one in ("out", "result", "returned")
            if one not in {*self.found["dims"], *map(_name_of, self.arguments)}
        ]
        results = results or ([] if free[0] == "out" else [free[0] + str(at) * (count > 1) for at in range(count)])
        named = [f"Tensor {one}" for one in results] or ["Tensor"] * count
        told = {str(one["name"]): one.get("values") for one in self.found["arguments"]}
        used = {*told, *self.found["dims"], *results}
        operator = f"{operator}_op" if operator in used else operator
        conditions = [*where, *map(str, self.found["where"])]
        schema = ", ".join(f"{_kind(one)} {one['name']}" for one in self.arguments)
        returned = named[0] if count == 1 else f"({', '.join(named)})"
        keys: dict[str, object] = {
            "op": f"{operator}({schema}) -> {returned}",
            "dims": {_name(name): Sizes(sizes) for name, sizes in self.found["dims"].items()},
            **({"where": conditions} if conditions else {}),
            "args": {one["name"]: _argument(one, None if inputs else told.get(one["name"])) for one in self.arguments},
            "dtypes": [str(one) for one in self.found["dtypes"]] or [self.common],
            **({"returns": returns} if returns else {}),
        }
        return kernel_case(keys, task, self._reference(operator), inputs=inputs, notes=notes)

    def inputs(self, maker: str, axes: Mapping[str, str]) -> str:
        """The section '## Inputs'. ``maker`` is the function of the code that makes the inputs; ``axes`` are its
        arguments.
        """
        sizes = ", ".join(f"{axis!r}: {text}" for axis, text in axes.items())
        scalars = ", ".join(f"{one['name']!r}: {one['scalar']!r}" for one in self.arguments if "scalar" in one)
        told = {str(one["name"]): one.get("values") for one in self.found["arguments"]}
        entries = [
            f"    _made.setdefault({one['name']!r}, {_drawn(one, told.get(str(one['name'])))})"
            for one in self.arguments
        ]
        casts = ", ".join(repr(one["name"]) for one in self.arguments if "shape" in one and one.get("dtype") is None)
        lines = [
            f"def inputs(generator, dtype, {', '.join(map(_name, self.found['dims']))}):",
            f"    _made = dict({maker}({{{', '.join(filter(None, [sizes, scalars]))}}}, torch.device('cpu')))",
            *entries,
            f"    return {{name: one.to(dtype) if name in [{casts}] else one for name, one in _made.items()}}",
        ]
        return f"{self.code.rstrip()}\n\n\n" + "\n".join(lines) + "\n"

    def _reference(self, operator: str) -> str:
        names = [str(one["name"]) for one in self.arguments]
        tensors = {str(one["name"]) for one in self.arguments if "shape" in one}
        numpy, gradients = self.found["numpy"] is True, self.found["gradients"] is True
        passed = [
            f"{f'{name}=' if self.keywords else ''}{name}{'.detach()' if numpy and name in tensors else ''}"
            f"{'.clone()' if self.found['changed'] and name in tensors else ''}"
            f"{'.numpy()' if numpy and name in tensors else ''}"
            for name in names
        ]
        lines = [
            f"_function = {self.entry}",
            "",
            "",
            f"def {operator}({', '.join(names)}):",
            *(["    with torch.enable_grad():"] if gradients else []),
            f"    {'    ' * gradients}_result = _function({', '.join(passed)})",
            "    _result = tuple(_result.values()) if isinstance(_result, dict) else _result",
        ]
        if numpy:
            lines += [
                "    _result = _result if isinstance(_result, (tuple, list)) else (_result,)",
                "    return tuple(torch.from_numpy(numpy.array(one)) for one in _result)",
            ]
        elif gradients:
            lines += [
                "    _result = _result if isinstance(_result, (tuple, list)) else (_result,)",
                "    return tuple(one.detach() for one in _result)",
            ]
        else:
            lines.append("    return _result")
        head = "import numpy\n" if numpy else ""
        return f"{self.code.rstrip()}\n\n\n{head}" + "\n".join(lines) + "\n"


def _drawn(one: Mapping[str, Any], values: object) -> str:
    """The expression that draws an argument which the function for inputs does not make."""
    if "scalar" in one:
        return repr(one["scalar"])
    shape = f"({', '.join(map(str, one['shape']))}{',' if len(one['shape']) == 1 else ''})"
    dtype = str(one.get("dtype") or "float32")
    if dtype == "bool":
        return f"torch.rand({shape}, generator=generator) < 0.5"
    if dtype.startswith(("int", "uint")):
        low, _, high = str(values or "0..8").partition("..")
        return f"torch.randint({low}, {high} + 1, {shape}, generator=generator, dtype=torch.{dtype})"
    kind = "rand" if values in ("positive", "uniform") else "randn"
    cast = f".to(torch.{dtype})" if one.get("dtype") else ""
    return f"torch.{kind}({shape}, generator=generator, dtype=torch.float32){cast}"


def _name(text: object) -> str:
    if not isinstance(text, str) or refusal(text) is not None:
        raise ValueError(text)
    return text


def _name_of(one: Mapping[str, Any]) -> str:
    return str(one["name"])


def _kind(one: Mapping[str, Any]) -> str:
    if "shape" in one:
        return "Tensor"
    return {bool: "bool", int: "int", float: "float"}[type(one["scalar"])]


def _argument(one: Mapping[str, Any], values: object) -> object:
    if "scalar" in one:
        number = one["scalar"]
        if isinstance(number, bool):
            return {"values": [True, False]}
        if isinstance(number, int):
            return {"values": number}
        low, high = sorted((number / 2, number * 2)) if number else (-1.0, 1.0)
        return {"values": Sizes(f"{low:g}..{high:g}")}
    shape = [int(size) if str(size).isdigit() else str(size) for size in one["shape"]]
    told: dict[str, object] = {"shape": shape}
    if one.get("dtype") is not None:
        told["dtype"] = str(one["dtype"])
    if values is not None:
        told["values"] = Sizes(values)
    return told if len(told) > 1 else shape
