"""Checks ``build.toml`` with the reader of the package ``kernels``, if it is installed. A file that the reader refuses
fails.

The reader is a private part of the package. It is loaded alone, because the whole package imports torch.
"""

from __future__ import annotations

import functools
import importlib.machinery
import importlib.util
import sys
import tempfile
from pathlib import Path
from typing import Any

from pytest_upskill.languages.torch_extension.build_toml import NAME


def problem(text: str) -> str | None:
    """What the reader says about a ``build.toml`` that it refuses; None if it accepts the text, or if it is not
    installed.
    """
    if (reader := _reader()) is None:
        return None
    with tempfile.TemporaryDirectory(prefix="upskill-") as folder:
        (Path(folder) / NAME).write_text(text, encoding="utf-8", errors="replace")
        try:
            reader.Build.open(folder)
        except ValueError as error:
            said = " ".join(str(error).replace(f"{folder}/", "").split()).rpartition(f"TOML in {NAME}: ")[2]
            return f"{NAME}: the reader of 'kernels' refuses it: {said}"
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # a panic of the reader, which is no Exception, says nothing about the file
            return None
    return None


@functools.cache
def _reader() -> Any:
    """The extension ``kernels._rust`` with its class ``Build``, or None. A process can load the extension only once, so
    it is left in ``sys.modules``, where a later import of ``kernels`` finds it.
    """
    name = "kernels._rust"
    try:
        found = importlib.util.find_spec("kernels")
        origin = Path(found.origin or "").parent if found else None
        library = next(origin.glob("_rust*.so"), None) if origin else None
        if library is None:
            return None
        if (module := sys.modules.get(name)) is None:
            loader = importlib.machinery.ExtensionFileLoader(name, str(library))
            spec = importlib.util.spec_from_loader(name, loader)
            assert spec is not None
            module = importlib.util.module_from_spec(spec)
            loader.exec_module(module)
            sys.modules[name] = module
    except (ImportError, OSError, ValueError):
        return None
    return module if hasattr(getattr(module, "Build", None), "open") else None
