"""Renew ``docs/run.svg``, the picture in the README: ``python tools/terminal_picture.py``.

Runs ``COMMAND`` in colour and turns what it prints into an SVG. Needs rich, which the development environment has.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).resolve().parents[1]
PICTURE = ROOT / "docs" / "run.svg"
COMMAND = "pytest skills/cuda-kernels -k 'rms_norm or softmax' --upskill-student=files:docs/example-replies"
WIDTH = 80


def main() -> None:
    printed = coloured_output()
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    shown = COMMAND.replace(" --", " \\\n    --")
    console.print(Text.assemble(("$ ", "bold green"), shown), Text.from_ansi(printed), sep="\n")
    svg = console.export_svg(title="pytest-upskill", unique_id="run")
    # The default style loads a font from the network; a page that embeds the picture must not.
    PICTURE.write_text(re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL), encoding="utf-8")
    print(f"{PICTURE.relative_to(ROOT)} written")


def coloured_output() -> str:
    """What ``COMMAND`` prints, without what depends on this machine: pytest's header, and that a run waits; and without
    the short summary."""
    # The seed is fixed so that a new picture differs only where the output does.
    fixed = ["--no-header", "-rN", "--color=yes", "--upskill-seed=7"]
    plain = {name: value for name, value in os.environ.items() if name not in ("CI", "BUILD_NUMBER", "PYTEST_ADDOPTS")}
    done = subprocess.run(
        [sys.executable, "-m", *shlex.split(COMMAND), *fixed],
        cwd=ROOT, env={**plain, "COLUMNS": str(WIDTH)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 1:  # one of the replies is wrong
        sys.exit(f"exit status {done.returncode} instead of 1:\n{done.stdout}{done.stderr}")
    return re.sub(r"\nupskill waits for .*\n", "", done.stdout.rstrip())


if __name__ == "__main__":
    main()
