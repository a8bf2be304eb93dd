"""Builds do not depend on where the package is installed: copies share them, and messages name the right files."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

import pytest_upskill
from pytest_upskill.paths import cache_folder
from tests.unit.sandbox_kernels import compiler

SCRIPT = """
import json, os
from pathlib import Path
import pytest_upskill
from pytest_upskill.sandbox.client import Sandbox
from tests.unit.sandbox_kernels import *

BEFORE = "__global__ void beyond(int64_t* out) {\\n  atomicAdd((float*)out + 4096 + threadIdx.x, 1.0f);\\n}"
LAUNCH = f"beyond<<<1, 4, 0, stream>>>(out); /* {os.environ['ONCE']}: no earlier run has built it */"
built = build(probe(LAUNCH, BEFORE), PROBE_SIGNATURE)
with sandbox_of(probe(LAUNCH, BEFORE)) as sandbox:
    findings = sandbox.call(probe_call()).findings
wrong = build(probe("__syncwarp(1, 2, 3, 4);"), PROBE_SIGNATURE)
print(json.dumps({
    "package": str(Path(pytest_upskill.__file__).parent), "cached": built.cached, "library": str(built.library),
    "runtime": str(compiler().prepare().runtime), "message": wrong.message,
    "findings": [(finding.kind, finding.line) for finding in findings],
}))
"""
PROGRAM = """#include <cuda_runtime.h>
__global__ void beyond(float* out) {
  atomicAdd(out + 4096 + threadIdx.x, 1.0f);
}
int main() {
  float* out;
  cudaMalloc(&out, 16);
  beyond<<<1, 4>>>(out);
  return cudaDeviceSynchronize();
}
"""


@pytest.fixture(scope="module", params=[True, pytest.param(False, marks=pytest.mark.full)], ids=["shared", "fresh"])
def copies(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What two copies of the package at different places say; the first one is gone before the second one builds.

    The first one builds the runtime in a fresh cache, and finds that of this checkout in the cache of the tests.
    """
    ours = compiler().prepare().runtime
    folder, said = tmp_path_factory.mktemp("copies"), []
    tests = Path(__file__).resolve().parents[1]
    (folder / "program.cu").write_text(PROGRAM)
    cache = str(cache_folder() if request.param else folder / "cache")
    environment = {"PATH": os.environ["PATH"], "UPSKILL_CACHE_DIR": cache, "ONCE": uuid.uuid4().hex}
    for name in ("first", "second"):
        place = folder / name / "site-packages"
        shutil.copytree(Path(pytest_upskill.__file__).parent, place / "pytest_upskill")
        shutil.copytree(tests / "unit", place / "tests" / "unit")

        def run(*arguments: str, place: Path = place) -> subprocess.CompletedProcess[str]:
            argv = [sys.executable, *arguments]
            return subprocess.run(argv, cwd=place, capture_output=True, text=True, env=environment, check=False)

        ran = run("-c", SCRIPT)
        assert ran.returncode == 0, ran.stderr
        program = run("-m", "pytest_upskill", "run", str(folder / "program.cu"))
        said.append({**json.loads(ran.stdout), "program": program.stderr})
        shutil.rmtree(folder / name)
    if request.param:
        assert {Path(one["runtime"]) for one in said} == {ours}
    return said


def test_copies_share_the_runtime_and_a_kernel(copies: list[dict[str, Any]]) -> None:
    first, second = copies
    assert first["package"] != second["package"]
    assert (first["cached"], second["cached"]) == (False, True)
    assert (first["runtime"], first["library"]) == (second["runtime"], second["library"])


def test_no_copys_place_is_in_what_is_built(copies: list[dict[str, Any]]) -> None:
    for library in (copies[0]["runtime"], copies[0]["library"]):
        built = Path(library).read_bytes()
        assert b"site-packages" not in built
        assert b"pytest_upskill/native/cpu/" in built


def test_messages_and_findings_of_both_copies_name_the_kernels_lines(copies: list[dict[str, Any]]) -> None:
    for said in copies:
        assert "kernel.cu:5: error: " in said["message"]
        assert "site-packages" not in said["message"]
        assert 5 in [line for _, line in said["findings"]]
        assert "program.cu:3: " in said["program"]
