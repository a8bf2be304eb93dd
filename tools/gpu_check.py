"""Runs everything that needs a GPU and prints a table: ``make gpu-check``.

``python tools/gpu_check.py`` uses the current Python environment (3.11 to 3.13, with PyTorch) and installs nothing into
it. If packages are missing and ``--wheels DIR`` names a folder with their wheels, they are unpacked into a separate
folder. ``--rehearse`` runs the same steps on the cpu device, to test this program without a GPU.

Exit status: 0 if everything passed, 1 if something failed, 2 if nothing could be checked.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PLACE = ROOT / ".upskill" / "gpu-check"
SECONDS = 470.0
"""For everything: a little less than eight minutes."""
SEED = 7

PACKAGES = {
    "pytest": "pytest",
    "pluggy": "pluggy",
    "numpy": "numpy",
    "scipy": "scipy",
    "hypothesis": "hypothesis",
    "openai": "openai",
    "tenacity": "tenacity",
    "ruamel.yaml": "ruamel.yaml",
    "tree_sitter": "tree-sitter",
    "tree_sitter_cuda": "tree-sitter-cuda",
    "filelock": "filelock",
    "platformdirs": "platformdirs",
    "xdist": "pytest-xdist",
}
"""Modules, and the packages that bring them; PyTorch must be there."""


COMPILER = ["nvidia-cuda-nvcc", "nvidia-cuda-runtime"]
"""nvcc from PyPI, where the machine has none."""


@dataclass
class Check:
    """The steps done so far, and the time that is left."""

    device: str
    workers: int
    began: float = field(default_factory=time.monotonic)
    rows: list[tuple[str, str, str, float]] = field(default_factory=list)
    figures: dict[str, str] = field(default_factory=dict)

    def left(self) -> float:
        return SECONDS - (time.monotonic() - self.began)

    def step(self, name: str, work: Callable[[], tuple[bool, str]]) -> None:
        """Run one step; an exception is its failure, and the next step still runs."""
        print(f"== {name}", flush=True)
        began = time.monotonic()
        try:
            if self.left() < 5:
                raise TimeoutError("no time is left")
            good, said = work()
        except Exception as error:
            good, said = False, f"{type(error).__name__}: {error}".splitlines()[0]
        self.rows.append((name, "ok" if good else "FAILED", said, time.monotonic() - began))


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--wheels", type=Path, help="a folder with wheels of missing packages")
    parser.add_argument("--workers", type=int, default=4, help="processes that share the GPU (default: 4)")
    parser.add_argument("--rehearse", action="store_true", help="use the cpu device in the GPU's place")
    options = parser.parse_args()
    missing = unpack(options.wheels)
    if missing:
        print(f"gpu-check: {missing}", file=sys.stderr)
        return 2
    sys.path.insert(0, str(ROOT))
    PLACE.mkdir(parents=True, exist_ok=True)
    check = Check("cpu" if options.rehearse else "cuda", options.workers)
    reason = describe(check)
    if reason:
        print(f"gpu-check: {reason}; nothing was checked", file=sys.stderr)
        return 2
    check.step("solutions compile", lambda: build_solutions(check))
    check.step(f"suite on {check.device}", lambda: suite(check, check.device))
    check.step("suite on cpu", lambda: suite(check, "cpu", "again" if options.rehearse else "cpu"))
    check.step("verdicts agree", lambda: compare(check.device, "again" if options.rehearse else "cpu"))
    check.step("tests with a GPU", lambda: gpu_tests(check, options.rehearse))
    return report(check)


def unpack(wheels: Path | None) -> str:
    """Make all packages importable, also for child processes. Returns what to do if that fails."""
    site = PLACE / "site"
    if site.is_dir():
        use(site)
    absent = [package for module, package in PACKAGES.items() if not importable(module)]
    if not importable("torch"):
        return "PyTorch is missing; start this with the Python that has it: make gpu-check PYTHON=/path/to/python"
    if absent and wheels is None:
        return (
            f"missing packages: {', '.join(absent)}; gather them on a machine with a registry (docs/gpu.md) and name "
            "the folder: make gpu-check WHEELS=DIR"
        )
    absent += [] if wheels is None or has_nvcc() else COMPILER
    if absent:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--find-links", str(wheels)]
        # Into a folder of their own: the environment stays as it is.
        if subprocess.run([*command, "--target", str(site), *absent], check=False).returncode != 0:
            return f"the packages {', '.join(absent)} could not be unpacked from {wheels}"
        use(site)
    return ""


def has_nvcc() -> bool:
    found = shutil.which("nvcc") or os.access("/usr/local/cuda/bin/nvcc", os.X_OK) or os.environ.get("CUDA_HOME")
    return bool(found) or any(True for folder in sys.path for _ in Path(folder).glob("nvidia/*/bin/nvcc"))


def importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def use(site: Path) -> None:
    # Behind everything else: what the environment brings goes first.
    sys.path.append(str(site))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [os.environ.get("PYTHONPATH"), str(site)]))
    importlib.invalidate_caches()


def environment() -> dict[str, str]:
    """The environment of child processes: our sources first, and an empty build cache, so that builds are timed."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PYTHONPATH": path, "UPSKILL_CACHE_DIR": str(PLACE / "cache")}


def describe(check: Check) -> str:
    """Record the machine; returns the reason if nothing can be checked."""
    import torch

    from pytest_upskill.devices.choose import choose
    from pytest_upskill.errors import UsageError

    os.environ["UPSKILL_CACHE_DIR"] = str(PLACE / "cache")
    try:
        machine = choose(check.device)
    except UsageError as error:
        return str(error)
    check.figures = {
        "date": time.strftime("%Y-%m-%d"),
        "python": sys.version.split()[0],
        "torch": torch.__version__,
        **{name: str(value) for name, value in machine.facts().items() if value is not None},
    }
    return ""


def build_solutions(check: Check) -> tuple[bool, str]:
    """Build every case's solution, one per core at a time, then time a single build."""
    from pytest_upskill.cases.case_file import load_case
    from pytest_upskill.contracts.launcher.signature import Signature, derive
    from pytest_upskill.devices.choose import choose
    from pytest_upskill.languages.cuda.language import CudaLanguage
    from pytest_upskill.oracle.reference import result_dtypes
    from pytest_upskill.records import Build

    machine, language = choose(check.device), CudaLanguage()
    asked: list[tuple[str, str, Signature]] = []
    for path in sorted((ROOT / "skills").glob("*/evals/*.md")):
        case = load_case(path, path.parents[1].name)
        if case.solution is not None and case.language == "cuda" and case.kind == "kernel":
            asked.append((case.name, f"{case.solution.source}\n// {time.time()}\n", derive(case, result_dtypes(case))))

    def build(one: tuple[str, str, Signature]) -> Build:
        return language.build({language.source_name: one[1]}, one[2].entry, machine)

    build(asked[0])
    with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
        made = list(pool.map(build, asked))
    alone = [build((name, source + "// alone\n", signature)).seconds for name, source, signature in asked[:5]]
    check.figures["build of a kernel"] = f"{statistics.median(alone):.2f} s (median of {len(alone)}, one at a time)"
    broken = [
        f"{name}: {done.message.splitlines()[0]}" for (name, _, _), done in zip(asked, made, strict=True) if not done.ok
    ]
    return not broken, broken[0] if broken else f"{len(made)} kernels, {check.figures['build of a kernel']}"


def run_pytest(check: Check, arguments: Sequence[str], limit: float, workers: int) -> subprocess.CompletedProcess[str]:
    plugin = [] if metadata.entry_points(group="pytest11", name="upskill") else ["-p", "pytest_upskill.plugin"]
    # An environment of other versions may warn of what ours do not: no reason to fail.
    common = ["-p", "no:cacheprovider", "-W", "default", "-n", str(workers)]
    command = [sys.executable, "-m", "pytest", *plugin, *common, *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False,
        timeout=max(5.0, min(limit, check.left())),
    )  # fmt: skip
    print(done.stdout[-6000:], done.stderr[-2000:], flush=True)
    return done


def suite(check: Check, device: str, label: str = "") -> tuple[bool, str]:
    path = PLACE / f"{label or device}.json"
    path.unlink(missing_ok=True)
    began = time.monotonic()
    options = ["--upskill", f"--upskill-device={device}", f"--upskill-seed={SEED}", f"--upskill-report={path}"]
    done = run_pytest(check, ["skills", "-q", *options], 200, check.workers)
    items = verdicts(path)
    passed = sum(verdict == "passed" for verdict in items.values())
    check.figures[f"suite on {label or device}"] = f"{time.monotonic() - began:.0f} s with -n {check.workers}"
    return done.returncode == 0 and bool(items), f"{passed} of {len(items)} items pass"


def verdicts(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return {item["id"]: item["verdict"] for item in data["items"]}


def compare(device: str, other: str) -> tuple[bool, str]:
    first, second = verdicts(PLACE / f"{device}.json"), verdicts(PLACE / f"{other}.json")
    differing = sorted(name for name in first.keys() | second.keys() if first.get(name) != second.get(name))
    for name in differing:
        print(f"{name}: {first.get(name)} on {device}, {second.get(name)} on {other}")
    if differing:
        return False, f"{len(differing)} differ, the first {differing[0]}"
    return bool(first), f"{len(first)} items alike"


def gpu_tests(check: Check, rehearsal: bool) -> tuple[bool, str]:
    folders = [str(folder) for folder in (Path("tests/gpu"), Path("tests/hostile")) if (ROOT / folder).is_dir()]
    done = run_pytest(
        check, [*folders, "-q", "-m", "gpu", "--durations=3"], 240, max(check.workers, min(8, os.cpu_count() or 1))
    )
    said = next((line for line in reversed(done.stdout.splitlines()) if " in " in line), "no summary").strip("= ")
    skipped_all = "skipped" in said and "passed" not in said
    return done.returncode == 0 and (rehearsal or not skipped_all), said


def report(check: Check) -> int:
    """Print the table, and write it with the figures as Markdown for docs/gpu.md."""
    lines = [f"| {name} | {value} |" for name, value in check.figures.items()]
    (PLACE / "figures.md").write_text("| | |\n|---|---|\n" + "\n".join(lines) + "\n", encoding="utf-8")
    print("\n" + "\n".join(f"{name:<20} {value}" for name, value in check.figures.items()) + "\n")
    width = max(len(name) for name, _, _, _ in check.rows)
    for name, result, said, seconds in check.rows:
        print(f"{name:<{width}}  {result:<6}  {seconds:6.1f} s  {said}")
    good = all(result == "ok" for _, result, _, _ in check.rows)
    total = time.monotonic() - check.began
    print(f"\ngpu-check on {check.device}: {'green' if good else 'FAILED'} in {total:.0f} s; see {PLACE}/figures.md")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
