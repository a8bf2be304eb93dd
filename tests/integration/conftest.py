"""A small skill with two cases, and replies to them, for tests that run pytest inside pytest."""

from __future__ import annotations

import os
import sys
import textwrap
import warnings
from pathlib import Path

import pytest

import tests.preloaded  # noqa: F401 - pytester unloads modules that are first imported during a test

SKILL = """
    ---
    name: tiny
    description: Writes very small kernels. Use when a test needs a skill.
    ---
    # Tiny kernels

    Guard every access with the size. SKILL-MARKER
    """

CASE = """
    ---
    op: {name}(Tensor x, float factor) -> Tensor
    dims: {{n: 1..3000}}
    args:
      x: [n]
      factor: {{values: 0.5..2.0}}
    dtypes: [float32, float16]
    ---
    Multiply each element of `x` by `factor`{more}.

    ## Reference

    ```python
    def {name}(x, factor):
        return x * factor{plus}
    ```

    ## Solution

    ```cuda
    {kernel}
    ```
    """

KERNEL = """
    template <typename scalar_t>
    __global__ void {name}_kernel(scalar_t* out, const scalar_t* x, float factor, int64_t n) {{
      const int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
      if (i < {limit}) out[i] = static_cast<scalar_t>(static_cast<float>(x[i]) * factor{plus});
    }}

    template <typename scalar_t>
    void {name}(scalar_t* out, const scalar_t* x, float factor, int64_t n, cudaStream_t stream) {{
      {name}_kernel<scalar_t><<<static_cast<unsigned>((n + 255) / 256), 256, 0, stream>>>(out, x, factor, n);
    }}
    """


def _alone_and_with_two_workers(*marks: pytest.MarkDecorator) -> pytest.MarkDecorator:
    both = [pytest.param([], id="alone"), pytest.param(["-n", "2"], id="two-workers", marks=marks)]
    return pytest.mark.parametrize("workers", both)


BOTH_ALWAYS = _alone_and_with_two_workers()
"""For what the workers of a run share: each of them pays for PyTorch's import."""
BOTH = _alone_and_with_two_workers(pytest.mark.full)


def dedented(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


def kernel(name: str, *, limit: str = "n", plus: str = "") -> str:
    return dedented(KERNEL).format(name=name, limit=limit, plus=plus)


def case(name: str, *, plus: str = "", more: str = "") -> str:
    body = textwrap.indent(kernel(name, plus=f" + {plus}f" if plus else ""), "    ").strip()
    return dedented(CASE.format(name=name, plus=f" + {plus}" if plus else "", more=more, kernel=body))


def fenced(source: str) -> str:
    return f"Here it is.\n\n```cuda\n{source}```\n"


class Workbench:
    """A folder with ``skills/tiny`` and its cases ``scale`` and ``shift``, and with replies in ``answers/``."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.root = pytester.path
        self.skill = self.root / "skills" / "tiny"
        self.answers = self.root / "answers"
        self.write("skills/tiny/SKILL.md", dedented(SKILL))
        self.write("skills/tiny/evals/scale.md", case("scale"))
        self.write("skills/tiny/evals/shift.md", case("shift", plus="1.0", more=", and add 1"))
        self.pytester.makeini("[pytest]\n")

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def answer(self, case_name: str, arm: str, source: str, trial: str = "") -> Path:
        """A student's reply, as a file."""
        return self.write(f"answers/tiny/{case_name}.{arm}{trial}.md", fenced(source))

    def right_with_the_skill(self) -> None:
        """A student that drops the last element without the skill, and is right with it."""
        for name, plus in (("scale", ""), ("shift", " + 1.0f")):
            self.answer(name, "skill", kernel(name, plus=plus))
            self.answer(name, "baseline", kernel(name, plus=plus, limit="n - 1"))

    def run(self, *arguments: str, own_process: bool = False) -> pytest.RunResult:
        """A whole run of pytest: in this process, which has loaded PyTorch already, or in one of its own."""
        if own_process:
            return self.pytester.runpytest_subprocess("--upskill-examples=4", *arguments)
        with warnings.catch_warnings():
            warnings.simplefilter("default")  # as in a new process; ours are errors
            return self.pytester.runpytest_inprocess("--upskill-examples=4", *arguments)


@pytest.fixture
def bench(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Workbench:
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)  # each run would compile everything again
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)  # that of our own job
    monkeypatch.setenv("PATH", os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))
    return Workbench(pytester)
