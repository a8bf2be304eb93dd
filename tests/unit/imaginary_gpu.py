"""A GPU that is not there: a stand-in for the driver's library, and sandboxes that use it.

Kernels are built for the cpu device, whose library serves as "the one library that holds the driver as well", since it
brings the cpu device's runtime along. So a GPU's sandbox is tested from end to end, with the same driver.
"""

from __future__ import annotations

import functools
import os
import subprocess
import tempfile
from pathlib import Path

from pytest_upskill.build import toolchain
from pytest_upskill.build.messages import SOURCE_NAME
from pytest_upskill.contracts.launcher.signature import Signature
from pytest_upskill.sandbox.client import Sandbox
from pytest_upskill.sandbox.confinement import GpuAccess, strongest
from pytest_upskill.sandbox.message_process import Limits
from tests.unit.sandbox_kernels import PROBE_SIGNATURE, library_of

SOURCE = Path(__file__).with_name("fake_libcuda.cpp")


@functools.cache
def driver_folder() -> Path:
    """The folder of an imaginary libcuda.so.1, compiled once per process."""
    folder = Path(tempfile.mkdtemp(prefix="upskill-imaginary-"))
    compiler = str(toolchain.find_compiler().program)
    subprocess.run([compiler, "-shared", "-fPIC", str(SOURCE), "-o", str(folder / "libcuda.so.1")], check=True)
    return folder


def access(runtime: Path | None = None, **environment: str) -> GpuAccess:
    folders = (driver_folder(), *([runtime] if runtime else []))
    path = os.pathsep.join(map(str, folders))
    return GpuAccess((), (*folders, Path("/sys")), {"LD_LIBRARY_PATH": path, **environment})


def gpu_sandbox(
    source: str,
    signature: Signature = PROBE_SIGNATURE,
    *,
    prefix: tuple[str, ...] = (),
    seconds: float = 10.0,
    environment: dict[str, str] | None = None,
    **limits: int,
) -> Sandbox:
    library = library_of(source, signature)
    made = access(library.parent, **(environment or {}))
    made = GpuAccess(made.devices, (*made.readable, *map(Path, prefix[1:])), made.environment, prefix)
    return Sandbox(library, strongest(), Limits(seconds=seconds, **limits), gpu=made, source_name=SOURCE_NAME)
