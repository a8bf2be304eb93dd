"""Makes the C++ and Python of an exported project: the functions after the kernel, the bindings, and the package."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from string import Template

from pytest_upskill.cases.case import Choices, Dim
from pytest_upskill.contracts.launcher.signature import C_TYPE, Parameter
from pytest_upskill.export.expressions import cpp
from pytest_upskill.export.operation import SCALAR_TYPE, Deduced, Operation, TensorArgument

_CPP_TYPE = {"Tensor": "const at::Tensor&", "float": "double", "int": "int64_t", "bool": "bool"}
_PYTHON_TYPE = {"Tensor": "torch.Tensor", "float": "float", "int": "int", "bool": "bool"}
_HELPERS = {
    "floor_divide": """
int64_t floor_divide(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }
""",
    "modulo": """
int64_t modulo(int64_t a, int64_t b) { return a % b + (a % b != 0 && (a < 0) != (b < 0) ? b : 0); }
""",
}
"""C++ functions for ``//`` and ``%``, with Python's results for negative numbers."""


def template(name: str) -> Template:
    """The template of a file, in the folder ``templates``."""
    return Template((resources.files(__package__) / "templates" / f"{name}.template").read_text(encoding="utf-8"))


def kernel_source(operation: Operation) -> str:
    """The source of the kernel as it was judged, followed by the functions that the binding calls."""
    signature = operation.signature
    types = {C_TYPE[dtype] for dtype in operation.dtypes_used}
    headers = ["cstddef", "cstdint", "cuda_runtime.h"]
    headers += ["cuda_fp16.h"] if "__half" in types else []
    headers += ["cuda_bf16.h"] if "__nv_bfloat16" in types else []
    definitions = "\n\n".join(_definition(operation, dtype) for dtype in signature.dtypes)
    includes = "".join(f"#include <{header}>\n" for header in headers)
    end = template("kernel_end.cu").substitute(includes=includes, space=operation.space, definitions=definitions)
    return f"{operation.source.rstrip()}\n{end}"


def header(operation: Operation) -> str:
    """The text of ``torch_binding.h``."""
    declarations = "\n".join(f"{_head(operation, dtype)};" for dtype in operation.signature.dtypes)
    return template("torch_binding.h").substitute(
        package=operation.package, space=operation.space, declarations=declarations
    )


def binding(operation: Operation) -> str:
    """The text of ``torch_binding.cpp``."""
    function = _function(operation)
    return template("torch_binding.cpp").substitute(
        package=operation.package,
        operator=operation.operator,
        space=operation.space,
        schema=operation.schema,
        helpers="".join(text for name, text in _HELPERS.items() if f"{name}(" in function),
        function=function,
    )


def _head(operation: Operation, dtype: str) -> str:
    parameters = ", ".join(_declared(one) for one in operation.signature.parameters[:-1])
    return f"void for_{dtype}({parameters}, void* stream)"


def _declared(one: Parameter) -> str:
    if one.pointer:
        return f"{'const ' if one.role == 'input' else ''}void* {one.name}"
    return f"{one.ctype} {one.name}"


def _definition(operation: Operation, dtype: str) -> str:
    signature = operation.signature
    arguments = []
    for one in signature.parameters[:-1]:
        ctype = C_TYPE[dtype] if one.ctype == "scalar_t" else one.ctype
        const = "const " if one.role == "input" else ""
        arguments.append(f"static_cast<{const}{ctype}*>({one.name})" if one.pointer else one.name)
    called = f"::{signature.name}{f'<{C_TYPE[dtype]}>' if signature.template else ''}"
    passed = ", ".join([*arguments, "static_cast<cudaStream_t>(stream)"])
    return f"{_head(operation, dtype)} {{\n  {called}({passed});\n}}"


def _function(operation: Operation) -> str:
    """The C++ function ``run``, after the constants that it needs."""
    parameters = ", ".join(f"{_CPP_TYPE[kind]} {name}" for kind, name in operation.parameters)
    known = ((dim.name, _most(operation, dim)) for dim in operation.case.dims)
    limits = [f"constexpr int64_t kMost_{name} = {most};" for name, most in known if most is not None]
    before = f"\n// The largest sizes at which the kernel was judged.\n{chr(10).join(limits)}\n" if limits else ""
    lines = [*_checks(operation), *_sizes(operation), *_allocations(operation), *_launch(operation)]
    body = "\n".join(f"  {line}" if line else "" for line in lines)
    return f"{before}\n{_returned(operation)} run({parameters}) {{\n{body}\n}}\n"


def _returned(operation: Operation) -> str:
    count = len(operation.results)
    return "void" if count == 0 else "at::Tensor" if count == 1 else f"std::tuple<{', '.join(['at::Tensor'] * count)}>"


def _checks(operation: Operation) -> Iterator[str]:
    """Checks of devices, dimensions, contiguity and dtypes."""
    yield f"const at::Device device_ = {operation.tensors[0].name}.device();"
    for one in operation.tensors:
        yield f'check_tensor({one.name}, "{one.name}", {-1 if one.shape is None else len(one.shape)}, device_);'
    for one in operation.tensors:
        if one.dtype is not None:
            yield f'check_dtype({one.name}, "{one.name}", at::{SCALAR_TYPE[one.dtype]});'
        elif one.name != operation.chooser:
            yield f'check_dtype({one.name}, "{one.name}", {operation.chooser}.scalar_type());'


def _sizes(operation: Operation) -> Iterator[str]:
    """Statements that read the sizes, and check that the case allows them."""
    for name, found in operation.deduced.items():
        yield f"const int64_t {name} = {_deduced(found)};"
    for name, number in operation.fixed.items():
        yield f"const int64_t {name} = {number};"
    for one in operation.tensors:
        for axis, size in enumerate(one.shape or ()):
            if operation.deduced.get(size.text) != Deduced(one.name, axis):
                yield f'check_size({one.name}, "{one.name}", {axis}, {cpp(size)}, "{size.text}");'
    for dim in operation.case.dims:
        yield from _range(operation, dim)
    for condition in operation.case.where:
        yield f'TORCH_CHECK({cpp(condition)}, "{operation.operator}: {condition.text} must hold");'


def _deduced(found: Deduced) -> str:
    size = f"{found.tensor}.size({found.axis})"
    size = f"({size} - {found.less})" if found.less else size
    return f"{size} / {found.factor}" if found.factor != 1 else size


def _range(operation: Operation, dim: Dim) -> Iterator[str]:
    case, name, said = operation.case, dim.name, f'"{operation.operator}: {dim.name} is ", {dim.name}'
    timed = case.speed.get(name)
    if name in operation.fixed:
        return
    if isinstance(dim.sizes, Choices):
        options = sorted({int(one) for one in (*dim.sizes.options, *([timed] if timed else []))})
        either = " || ".join(f"{name} == {one}" for one in options)
        yield f'TORCH_CHECK({either}, {said}, "; it must be one of {", ".join(map(str, options))}");'
        return
    low, high = dim.sizes.low, dim.sizes.high
    least = cpp(low) if low.constant is None else str(0 if case.zero and low.constant == 1 else int(low.constant))
    yield f'TORCH_CHECK({name} >= {least}, {said}, "; it must be at least ", {least});'
    if _most(operation, dim) is not None:
        rule = f"the kernel was judged up to this size; test larger ones, then raise kMost_{name}"
        yield f'TORCH_CHECK({name} <= kMost_{name}, {said}, "; at most ", kMost_{name}, ": {rule}");'
    else:
        beyond = f" || {name} == {timed}" if timed else ""
        yield f'TORCH_CHECK({name} <= {cpp(high)}{beyond}, {said}, "; it must be at most {high.text}");'


def _most(operation: Operation, dim: Dim) -> int | None:
    """The largest size of a dim; None if it is not a number."""
    if isinstance(dim.sizes, Choices) or dim.sizes.high.constant is None:
        return None
    return max(int(dim.sizes.high.constant), operation.case.speed.get(dim.name, 0))


def _like(operation: Operation) -> str:
    return operation.chooser or operation.tensors[0].name


def _allocations(operation: Operation) -> Iterator[str]:
    for one in operation.results:
        shape = ", ".join(cpp(size) for size in one.shape or ())
        dtype = f".dtype(at::{SCALAR_TYPE[one.dtype]})" if one.dtype else ""
        yield f"const at::Tensor {one.name} = at::empty({{{shape}}}, {_like(operation)}.options(){dtype});"


def _launch(operation: Operation) -> Iterator[str]:
    yield "{"
    yield f"  const Launch launch_({operation.tensors[0].name});"
    tensors = _on_device(operation)
    for one, is_read in tensors:
        flags = f"{str(is_read).lower()}, {str(one.written).lower()}"
        yield f"  const DeviceTensor {one.name}_({one.name}, {flags});"
    yield from (f"  {line}" for line in _calls(operation))
    yield "  launch_.finish();"
    yield from (f"  {one.name}_.copy_back();" for one, _ in tensors if one.written)
    yield "}"
    names = ", ".join(one.name for one in operation.results)
    if len(operation.results) == 1:
        yield f"return {names};"
    elif operation.results:
        yield f"return {{{names}}};"


def _on_device(operation: Operation) -> list[tuple[TensorArgument, bool]]:
    """The tensors of a launch, each with whether the kernel may read it."""
    given = {one.name for one in operation.given}
    return [
        *((one, False) for one in operation.results),
        *((one, one.name not in given) for one in operation.tensors),
    ]


def _calls(operation: Operation) -> Iterator[str]:
    signature, chooser = operation.signature, operation.chooser
    passed = []
    for one in signature.parameters[:-1]:
        cast = f"static_cast<float>({one.name})" if one.ctype == "float" else one.name
        passed.append(f"{one.name}_.data()" if one.pointer else cast)
    arguments = ", ".join([*passed, "launch_.stream()"])
    if not signature.template or chooser is None:
        yield f"{operation.space}::for_{signature.dtypes[0]}({arguments});"
        return
    yield f"switch ({chooser}.scalar_type()) {{"
    for dtype in signature.dtypes:
        yield f"  case at::{SCALAR_TYPE[dtype]}: {operation.space}::for_{dtype}({arguments}); break;"
    known = f"{', '.join(signature.dtypes[:-1])} or {signature.dtypes[-1]}"
    message = f'"{operation.operator}: \'{chooser}\' has dtype ", {chooser}.scalar_type(), "; it must be {known}"'
    yield f"  default: TORCH_CHECK(false, {message});"
    yield "}"


def package(operation: Operation) -> str:
    """The text of ``torch-ext/PACKAGE/__init__.py``."""
    name = operation.operator
    parameters = ", ".join(f"{one}: {_PYTHON_TYPE[kind]}" for kind, one in operation.parameters)
    names = ", ".join(one for _, one in operation.parameters)
    count = len(operation.results)
    tuple_ = f"tuple[{', '.join(['torch.Tensor'] * count)}]"
    returned = "None" if count == 0 else "torch.Tensor" if count == 1 else tuple_
    written = [one.name for one in operation.tensors if one.written]
    note = f", and writes to {', '.join(f'``{one}``' for one in written)}" if written else ""
    lines = [
        f'"""The operator ``{name}``, computed by a CUDA kernel."""',
        "",
        "import torch",
        "",
        "from ._ops import add_op_namespace_prefix",
        "from ._ops import ops as _operators",
        "",
        "",
        f"def {name}({parameters}) -> {returned}:",
        f'    """Calls the kernel{note}. Raises RuntimeError for arguments that it cannot take."""',
        f"    {'return ' if count else ''}_operators.{name}({names})",
        "",
        "",
        f'@torch.library.register_fake(add_op_namespace_prefix("{name}"))',
        f"def _fake({names}):",
        *(f"    {line}" for line in _fake(operation)),
        "",
        "",
        f'__all__ = ["{name}"]',
    ]
    return "\n".join(lines) + "\n"


def _fake(operation: Operation) -> Iterator[str]:
    """A function that allocates the results without computing them, for torch.compile."""
    needed = {name for one in operation.results for size in one.shape or () for name in size.names}
    for name, found in operation.deduced.items():
        if name in needed:
            yield f"{name} = {_deduced(found).replace(' / ', ' // ')}"
    for name, size in operation.fixed.items():
        if name in needed:
            yield f"{name} = {size}"
    made = []
    for one in operation.results:
        shape = "".join(f"{size.text}, " for size in one.shape or ())
        dtype = f", dtype=torch.{one.dtype}" if one.dtype else ""
        made.append(f"{_like(operation)}.new_empty(({shape.rstrip() if shape.count(',') == 1 else shape[:-2]}){dtype})")
    yield f"return {', '.join(made)}" if made else "return None"
