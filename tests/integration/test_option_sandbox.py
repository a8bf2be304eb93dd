"""--upskill-sandbox, as a user calls it, alone and with two workers; and the contract, settled after the run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_upskill.sandbox.confinement import strongest
from tests.integration.conftest import BOTH, Workbench, kernel

STUDENT = "--upskill-student=files:answers"

needs_all = pytest.mark.skipif(
    bool(strongest().reason), reason=f"the strongest confinement is missing: {strongest().reason}"
)


@pytest.fixture(autouse=True)
def _probed_again() -> Iterator[None]:
    """The level of confinement is found once per process, and these tests change what there is to find."""
    yield
    strongest.cache_clear()


def without_bubblewrap(bench: Workbench, monkeypatch: pytest.MonkeyPatch, fake: str = "") -> None:
    """A PATH on which all else is; with ``fake``, a bubblewrap that does what this script does comes first."""
    tools = bench.root / "tools"
    tools.mkdir()
    for folder in os.environ["PATH"].split(os.pathsep):
        for program in sorted(Path(folder).glob("*")):
            if program.name != "bwrap" and not (tools / program.name).is_symlink():
                (tools / program.name).symlink_to(program)
    if fake:
        (tools / "bwrap").write_text(f"#!/bin/sh\n{fake}\n")
        (tools / "bwrap").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools))
    strongest.cache_clear()


@BOTH
@needs_all
def test_strict_runs_where_all_is_there_and_the_header_names_the_level(bench: Workbench, workers: list[str]) -> None:
    bench.right_with_the_skill()
    result = bench.run("skills", STUDENT, "--upskill-sandbox=strict", "-k", "scale", *workers)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*sandbox: bubblewrap (no network, read-only file system, limits)"])


@BOTH
def test_strict_refuses_less_and_names_what_to_install(
    bench: Workbench, workers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    without_bubblewrap(bench, monkeypatch)
    result = bench.run("skills", "--upskill", "--upskill-sandbox=strict", *workers)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--upskill-sandbox=strict: kernels would be confined by *apt install bubblewrap*"])


@BOTH
def test_auto_goes_on_without_bubblewrap_and_says_what_to_install(
    bench: Workbench, workers: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    without_bubblewrap(bench, monkeypatch)
    bench.right_with_the_skill()
    result = bench.run("skills", STUDENT, "-k", "scale", *workers)
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        ["*sandbox: * (*limits*; install bubblewrap 0.8 or later (Debian, Ubuntu: apt install *"]
    )


def test_auto_goes_on_where_bubblewrap_does_not_work_and_says_why(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_bubblewrap(bench, monkeypatch, "echo 'bwrap: No permissions to create new namespace' >&2; exit 1")
    bench.right_with_the_skill()
    result = bench.run("skills", STUDENT, "-k", "scale")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*sandbox: *bubblewrap is installed but does not work here: bwrap: No permissions*"])


def test_the_ini_value_counts_and_the_command_line_wins(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    without_bubblewrap(bench, monkeypatch)
    bench.pytester.makeini("[pytest]\nupskill_sandbox = strict\n")
    assert bench.run("skills", "--upskill").ret == pytest.ExitCode.USAGE_ERROR
    assert bench.run("skills", "--upskill", "--upskill-sandbox=auto", "-k", "spec").ret == 0


def test_another_word_is_refused_with_the_accepted_ones(bench: Workbench) -> None:
    result = bench.run("skills", "--upskill", "--upskill-sandbox=tight")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*unknown sandbox level 'tight'; accepted: auto, strict"])


# ------------------------------------------------------------------------------------------- the contract

ON_THE_HOST = """
#include <vector>
template <typename scalar_t> __global__ void nothing(scalar_t*) {}
template <typename scalar_t>
void scale(scalar_t* out, const scalar_t* x, float factor, int64_t n, cudaStream_t stream) {
  if (n == 0) return;
  std::vector<scalar_t> host(n);
  cudaMemcpyAsync(host.data(), x, n * sizeof(scalar_t), cudaMemcpyDeviceToHost, stream);
  cudaStreamSynchronize(stream);
  for (auto& value : host) value = static_cast<scalar_t>(static_cast<float>(value) * factor);
  cudaMemcpyAsync(out, host.data(), n * sizeof(scalar_t), cudaMemcpyHostToDevice, stream);
  LAUNCH
}
"""


def contract_of(bench: Workbench, source: str) -> tuple[dict[str, bool], str]:
    """Each assertion of the one item, and the message of ``contract``."""
    bench.answer("scale", "skill", source)
    bench.run("skills/tiny/evals/scale.md", STUDENT, "--upskill-report=out.json")
    item = json.loads((bench.root / "out.json").read_text(encoding="utf-8"))["items"][0]
    assertions = {assertion["name"]: assertion for assertion in item["assertions"]}
    return {name: one["passed"] for name, one in assertions.items()}, assertions["contract"]["message"]


@pytest.mark.parametrize(
    ("launch", "words"),
    [
        ("", "no kernel was launched in"),
        ("nothing<scalar_t><<<1, 1, 0, stream>>>(out);", "bytes of device memory to the host in one call"),
    ],
)
def test_result_that_was_computed_on_the_host_fails_the_contract_and_nothing_else(
    bench: Workbench, launch: str, words: str
) -> None:
    passed, message = contract_of(bench, ON_THE_HOST.replace("LAUNCH", launch))
    assert [name for name, good in passed.items() if not good] == ["contract"]
    assert words in message


def test_forbidden_call_fails_the_contract_and_nothing_else(bench: Workbench) -> None:
    source = kernel("scale").replace("{\n  scale_kernel", '{\n  if (n < 0) system("id");\n  scale_kernel')
    assert "system" in source
    passed, message = contract_of(bench, f"#include <cstdlib>\n{source}")
    assert [name for name, good in passed.items() if not good] == ["contract"]
    assert message == "the kernel calls 'system'; kernels may not start processes: remove the call"


def test_honest_kernel_keeps_the_contract(bench: Workbench) -> None:
    passed, message = contract_of(bench, kernel("scale"))
    assert all(passed.values())
    assert message == ""
