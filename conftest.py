"""Our own tests: ``pytester`` runs pytest inside a test. The plugin itself is loaded by its entry point."""

import atexit
import functools
import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest

from pytest_upskill.paths import cache_folder

pytest_plugins = ["pytester"]

# pytester gives each test a home of its own: without this, each would build the device's runtime again.
os.environ["UPSKILL_CACHE_DIR"] = str(cache_folder())

# Each worker has a core of its own at best: threads of torch that wait for others' cores take a sixth of the time.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# A shell starts what runs in its background with Ctrl-C ignored, which tests of interrupts would inherit.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No test depends on what its user has accepted, or adds to it.
os.environ["UPSKILL_STATE_DIR"] = tempfile.mkdtemp(prefix="upskill-state-")
atexit.register(shutil.rmtree, os.environ["UPSKILL_STATE_DIR"], ignore_errors=True)


NVCC = frozenset(
    (
        "test_build_nvcc.py",
        "test_cuda_gpu_build.py",
        "test_devices_choose.py",
        "test_kernel_builder_compilation.py",
        "test_kernel_compilation.py",
        "test_native_driver.py",
        "test_sandbox_gpu.py",
    )
)
"""The tests that are about nvcc, besides those in tests/gpu."""


@pytest.fixture(autouse=True)
def _without_nvcc(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere nothing is compiled with nvcc, also in runs that tests start: it takes most of the time of a build."""
    if request.path.name not in NVCC and request.path.parent.name != "gpu":
        monkeypatch.setenv("UPSKILL_NVCC", "none")


SAMPLE = "not full"


SLOW = (
    "functions",
    "fuzz",
    "gpu",
    "hostile",
    "hostile_functions",
    "integration",
    "test_benchmarks.py",
    "test_readme.py",
    "test_wheel.py",
    "unit/test_build_elf.py",
    "unit/test_build_nvcc.py",
    "unit/test_build_relocation.py",
    "unit/test_case_quality_result_mutants.py",
    "unit/test_code_digest.py",
    "unit/test_commands_refine.py",
    "unit/test_commands_triggers.py",
    "unit/test_cuda_cpu_build.py",
    "unit/test_cuda_gpu_build.py",
    "unit/test_cuda_symbol_policy.py",
    "unit/test_cuda_tracing.py",
    "unit/test_demo_model.py",
    "unit/test_devices_choose.py",
    "unit/test_export_build.py",
    "unit/test_generator_leakage.py",
    "unit/test_generator_near_duplicates.py",
    "unit/test_generator_new.py",
    "unit/test_generator_refine.py",
    "unit/test_importers_function.py",
    "unit/test_importers_kernelbench.py",
    "unit/test_importers_sol.py",
    "unit/test_judging.py",
    "unit/test_launch_statistics.py",
    "unit/test_launcher_extraction.py",
    "unit/test_ledger.py",
    "unit/test_native_bugs.py",
    "unit/test_native_command_line.py",
    "unit/test_native_cpu.py",
    "unit/test_native_driver.py",
    "unit/test_native_faults.py",
    "unit/test_native_features.py",
    "unit/test_native_late_work.py",
    "unit/test_native_narrow_floats.py",
    "unit/test_native_programs.py",
    "unit/test_native_silence.py",
    "unit/test_operator_gradients.py",
    "unit/test_oracle_catalogue.py",
    "unit/test_oracle_exact.py",
    "unit/test_oracle_explore.py",
    "unit/test_oracle_garbage.py",
    "unit/test_oracle_reference_stream.py",
    "unit/test_oracle_rounding_model.py",
    "unit/test_oracle_sandboxed_reference.py",
    "unit/test_oracle_shrink.py",
    "unit/test_oracle_slips.py",
    "unit/test_oracle_tolerance.py",
    "unit/test_plugin.py",
    "unit/test_sandbox_client.py",
    "unit/test_sandbox_compiler_attacks.py",
    "unit/test_sandbox_confinement.py",
    "unit/test_sandbox_gpu.py",
    "unit/test_sandbox_hostile_processes.py",
    "unit/test_scheduling.py",
    "unit/test_self_check.py",
    "unit/test_serving_server.py",
    "unit/test_statistics_reference.py",
    "unit/test_students_dialects.py",
    "unit/test_students_openai.py",
    "unit/test_text_check.py",
    "unit/test_torch_extension.py",
)
"""What compiles, judges or runs pytest, for seconds: ``--fast`` does not even import it. Paths below tests/."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """For ``make test-fast``."""
    parser.addoption("--fast", action="store_true", help="leave out what compiles, judges or runs pytest")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leaves out the slow files of ``--fast``."""
    if config.option.fast and collection_path in _slow_paths():
        return True
    return None


@functools.cache
def _slow_paths() -> frozenset[Path]:
    """Those of SLOW. Raises UsageError for one that is not there."""
    paths = [Path(__file__).with_name("tests") / name for name in SLOW]
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise pytest.UsageError(f"SLOW in conftest.py names {', '.join(missing)}, which does not exist")
    return frozenset(paths)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Says that the run is a sample, where it is."""
    if config.option.fast:
        return "fast tests only: make test runs the others, too"
    if config.option.markexpr == SAMPLE:
        return "a fixed sample: tests that are marked 'full' are deselected; make test-all runs them"
    return None


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Not ``--dist=loadgroup``: pytest-xdist 3.8 does not see the groups with pytest 9.2."""
    from tests.scheduling import GroupScheduling

    return GroupScheduling(config, log) if config.option.dist == "load" else None
