"""The binary interfaces that a library depends on: Python's limited API, and the C and C++ libraries.

Read with the package ``kernel-abi-check``, where it is installed.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pytest_upskill.build.elf import Image
from pytest_upskill.languages.torch_extension.compiler import LIMITED_API

_MANYLINUX = "manylinux_2_28"
_OUTSIDE = re.compile(r"_Py\w*\Z|Py(?:Unicode_AsUTF8|FrameObject)\w*\Z")
"""Functions of Python that no limited API has; all that is found without the package."""
_MOST = 5


def problem(library: Path, image: Image) -> str:
    """How a library breaks Python's limited API; empty if it keeps to it."""
    if (checker := _checker()) is None:
        names = sorted(name for name in image.imports if _OUTSIDE.match(name) and name not in ("_Py_Dealloc",))
    else:
        try:
            names = sorted({_name(one) for one in checker.ObjectFile(str(library)).check_python_abi(LIMITED_API)})
        except ValueError as error:
            return f"the library cannot be read: {error}"
    if not names:
        return ""
    shown = ", ".join(names[:_MOST]) + (f" and {len(names) - _MOST} more" if len(names) > _MOST else "")
    return f"it calls {shown}, outside Python's limited API {LIMITED_API}; do without these functions"


def notes(library: Path) -> list[str]:
    """What the library needs of the system beyond ``manylinux_2_28``, which comes from this machine's compiler."""
    if (checker := _checker()) is None:
        return []
    try:
        names = sorted({_name(one) for one in checker.ObjectFile(str(library)).check_manylinux(_MANYLINUX)})
    except ValueError:
        return []
    return [f"beyond {_MANYLINUX}: {', '.join(names[:_MOST])}"] if names else []


def _name(violation: object) -> str:
    """The symbol that a violation is about."""
    return str(getattr(violation, "name", None) or violation)


def _checker() -> Any:
    try:
        import kernel_abi_check
    except ImportError:
        return None
    return kernel_abi_check
