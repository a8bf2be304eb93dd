"""Time of ``upskill-gen import-kernelbench --no-prove`` on a hundred problems, as they are in KernelBench's level 1.

Run: python benchmarks/importing.py [--quick]. Most problems have the same arguments, so that many have to be compared,
and some ask for the same operator in other words. ``--quick`` takes ten problems.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COUNT = 10 if "--quick" in sys.argv else 100
UNARY = ("relu", "sigmoid", "tanh", "exp", "sin", "cos", "abs", "square", "erf", "atan")
MADE = (
    "torch.softmax(x, 1)", "torch.log_softmax(x, 1)", "x.cumsum(1)", "x.amax(1)", "x.mean(1)", "x.sum(1, keepdim=True)",
    "x.argmin(1)", "x / x.norm(dim=1, keepdim=True)", "F.gelu(x)", "F.elu(x)", "F.hardtanh(x)", "F.softplus(x)",
    "x * torch.sigmoid(x)", "x.prod(1)", "x.flip(1).cumsum(1)", "F.layer_norm(x, x.shape[1:])", "x.var(1)", "x.T @ x",
    "torch.clamp(x, min=0)", "x - x.amax(1, keepdim=True)",
)  # fmt: skip
TWO = ("A @ B", "A @ B.T.contiguous().T", "torch.tril(A @ B)", "torch.relu(A) @ B", "2 * (A @ B)")
LAYERS = (
    ("nn.Linear(m, 48)", "n, m"), ("nn.Conv1d(m, 24, 3)", "n, m, 64"), ("nn.Conv2d(m, 8, 3)", "n, m, 24, 24"),
    ("nn.AvgPool1d(4)", "n, m, 64"), ("nn.MaxPool2d(2)", "n, m, 24, 24"), ("nn.BatchNorm1d(m)", "n, m"),
    ("nn.GroupNorm(4, m)", "n, m, 16"), ("nn.Embedding(10, m)", "n, m"), ("nn.ConvTranspose1d(m, 8, 3)", "n, m, 32"),
    ("nn.InstanceNorm2d(m)", "n, m, 16, 16"),
)  # fmt: skip


def problems() -> list[str]:
    found = [
        problem(f"{factor} * torch.{name}(x)", "torch.rand(n, m)") for name in UNARY for factor in ("1.0", "3.0", "5.0")
    ]
    found += [problem(text, "torch.rand(n, m)") for text in MADE]
    found += [problem(text, "torch.rand(n, m), torch.rand(m, k)", "A, B") for text in TWO * 2]
    for layer, shape in LAYERS:
        found += [problem(f"{act}(self.l(x))", f"torch.rand({shape})", init=layer) for act in ("1.0 * ", "torch.relu")]
    pairs = ("A + B", "A * B", "A - B", "torch.maximum(A, B)", "A / (1 + B)", "F.mse_loss(A, B)", "F.l1_loss(A, B)",
             "F.kl_div(A, B)", "F.cosine_similarity(A, B)", "torch.hypot(A, B)")  # fmt: skip
    found += [problem(text, "torch.rand(n, m), torch.rand(n, m)", "A, B") for text in pairs]
    found += [problem(f"x.{name}(1)[0]", "torch.rand(n, m)") for name in ("max", "min", "median", "sort", "cummax")]
    found += [problem(f"torch.{name}(x) + 0.5", "torch.rand(n, m)") for name in UNARY[:5]]
    return found


def problem(result: str, inputs: str, arguments: str = "x", init: str = "None") -> str:
    return (
        "import torch\nimport torch.nn as nn\nimport torch.nn.functional as F\n\n\n"
        "class Model(nn.Module):\n    def __init__(self, m):\n        super().__init__()\n"
        f"        self.l = {init}\n\n    def forward(self, {arguments}):\n        return {result}\n\n\n"
        f"n = 128\nm = 1024\nk = 512\n\n\ndef get_inputs():\n    return [{inputs}]\n\n\n"
        "def get_init_inputs():\n    return [m]\n"
    )


def main() -> None:
    sources = problems()
    every = max(1, len(sources) // COUNT)
    with tempfile.TemporaryDirectory() as folder:
        for number, source in enumerate(sources[::every][:COUNT]):
            Path(folder, f"{number}_Problem.py").write_text(source, encoding="utf-8")
        command = [sys.executable, "-c", "from pytest_upskill.commands.generate.main import main; main()"]
        began = time.perf_counter()
        done = subprocess.run(
            [*command, "import-kernelbench", ".", "--no-prove", "--json"],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        seconds = time.perf_counter() - began
    found = json.loads(done.stdout)
    print(f"{COUNT} problems: {len(found['new'])} cases, {len(found['not_imported'])} not imported")
    print(f"{seconds:.1f} s; the limit for a hundred is 60 s")
    if "--reasons" in sys.argv:
        print(json.dumps(found["not_imported"], indent=1))


if __name__ == "__main__":
    main()
