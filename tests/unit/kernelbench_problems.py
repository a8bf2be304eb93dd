"""Problems in the form of KernelBench, by what is to become of them."""

from __future__ import annotations

HEAD = "import torch\nimport torch.nn as nn\n\n\n"


def problem(
    forward: str, inputs: str, sizes: str = "", init: str = "", settings: str = "", arguments: str = "x"
) -> str:
    """A problem; ``forward``, ``inputs`` and ``settings`` are expressions, ``init`` and ``sizes`` are lines."""
    body = "".join(f"        {line}\n" for line in init.strip().split("\n") if line)
    names = f", {', '.join(one.strip() for one in settings.split(','))}" if settings else ""
    return (
        f"{HEAD}class Model(nn.Module):\n    def __init__(self{names}):\n        super().__init__()\n{body}\n"
        f"    def forward(self, {arguments}):\n        return {forward}\n\n\n{sizes}\n\n"
        f"def get_inputs():\n    return [{inputs}]\n\n\ndef get_init_inputs():\n    return [{settings}]\n"
    )


GOOD = {
    "matmul": (
        problem(
            "torch.matmul(A, B)",
            "torch.rand(M, K), torch.rand(K, N)",
            "M = 1024 * 2\nK = 2**12\nN = 2048",
            arguments="A, B",
        ),
        {"dims": {"M": "1..512", "K": "1..512", "N": "1..512"}, "args": {"A": "M, K", "B": "K, N"}},
    ),
    "square": (
        problem("A @ B", "torch.rand(N, N), torch.rand(N, N)", "N = 4096", arguments="A, B"),
        {"dims": {"N": "1..512"}, "args": {"A": "N, N", "B": "N, N"}},
    ),
    "tuple_shape": (
        problem(
            "torch.cumsum(x, dim=self.dim)",
            "torch.rand(batch_size, *input_shape)",
            "batch_size = 128\ninput_shape = (4000,)\ndim = 1",
            "self.dim = dim",
            "dim",
        ),
        {"dims": {"batch_size": "1..128", "input_shape": "1..512"}, "args": {"x": "batch_size, input_shape"}},
    ),
    "unpacked": (
        problem("x.amax((2, 3)).amin(1)", "torch.rand(batch, C, D, H)", "batch = 16\nC, D, H = 32, 24, 20"),
        {"dims": {"batch": "1..16", "C": "1..24", "D": "1..24", "H": "1..20"}, "args": {"x": "batch, C, D, H"}},
    ),
    "grouped": (
        problem(
            "self.conv(x)",
            "torch.randn(batch, channels, length)",
            "batch = 8\nchannels = 32\nout = 64\nwidth = 3\ngroups = 4\nlength = 512",
            "self.conv = nn.Conv1d(channels, out, width, groups=groups)",
            "channels, out, width, groups",
        ),
        {
            "dims": {"batch": "1..8", "channels": "4..32", "out_size": "4..64", "length": "3..64"},
            "args": {
                "x": "batch, channels, length",
                "conv_weight": "out_size, channels // 4, 3",
                "conv_bias": "out_size",
            },
            "where": ["channels % 4 == 0", "out_size % 4 == 0"],
        },
    ),
    "derived": (
        problem(
            "self.up(x)",
            "torch.rand(batch, features)",
            "batch = 64\nfeatures = 128\nhidden = 4 * features",
            "self.up = nn.Linear(features, hidden, bias=False)",
            "features, hidden",
        ),
        {
            "dims": {"batch": "1..64", "features": "1..128"},
            "args": {"x": "batch, features", "up_weight": "4 * features, features"},
        },
    ),
    "classes": (
        problem(
            "nn.functional.cross_entropy(p, t)",
            "torch.rand(n, c), torch.randint(0, c, (n,))",
            "n = 4096\nc = 1000",
            arguments="p, t",
        ),
        {"dims": {"n": "1..512", "c": "1..512"}, "args": {"p": "n, c", "t": "n"}, "values": {"t": "0..c-1"}},
    ),
    "signs": (
        problem(
            "torch.clamp(1 - p * t, min=0).mean()",
            "torch.rand(n, m), torch.randint(0, 2, (m,)).float() * 2 - 1",
            "n = 4096\nm = 4096",
            arguments="p, t",
        ),
        {"dims": {"n": "1..512", "m": "1..512"}, "args": {"p": "n, m", "t": "m"}, "values": {"t": [-1.0, 1.0]}},
    ),
    "logarithm": (
        problem("torch.log(x).sum(1)", "torch.rand(n, m)", "n = 64\nm = 64"),
        {"dims": {"n": "1..64", "m": "1..64"}, "args": {"x": "n, m"}, "values": {"x": "uniform"}},
    ),
    "chained": (
        problem("x.amax(2)", "torch.rand(n, height, width)", "n = 16\nheight = width = 128"),
        {"dims": {"n": "1..16", "height": "1..64"}, "args": {"x": "n, height, height"}},
    ),
    "number": (
        problem("A * s", "torch.rand(M, N), 3.0", "M = 64\nN = 64", arguments="A, s"),
        {"dims": {"M": "1..64", "N": "1..64"}, "args": {"A": "M, N"}},
    ),
    "inline": (
        problem("self.l(x)", "torch.randn(64, 128)", init="self.l = nn.Linear(128, 32)"),
        {"dims": {"size0": "1..64"}, "args": {"x": "size0, 128", "l_weight": "32, 128", "l_bias": "32"}},
    ),
    "together": (
        problem(
            "torch.mean(p * t)", "torch.rand(n, *shape), torch.rand(n)", "n = 256\nshape = (256,)", arguments="p, t"
        ),
        {"dims": {"n": "1..256"}, "args": {"p": "n, n", "t": "n"}},
    ),
    "batch_norm": (
        problem("self.bn(x)", "torch.rand(n, c)", "n = 64\nc = 32", "self.bn = nn.BatchNorm1d(c)", "c"),
        {"dims": {"n": "2..64", "c": "1..32"}, "args": {"x": "n, c", "bn_weight": "c", "bn_bias": "c"}},
    ),
}
"""By name: the source, and what is found."""

BAD = {
    "fixed": (problem("x.view(3, 5, 7).sum(1)", "torch.randn(105)"), "none of its sizes can vary"),
    "dropout": (
        problem("self.drop(x)", "torch.rand(n, 8)", "n = 64", "self.drop = nn.Dropout(0.2)"),
        "its result is random",
    ),
    "hidden_noise": (
        problem("x + self.noise", "torch.rand(n, 8)", "n = 64", "self.noise = torch.randn(8)"),
        "its result is random",
    ),
    "zero": (problem("x - x", "torch.rand(n, 8)", "n = 64"), "is the same whatever the inputs are"),
    "rounding_only": (
        problem(
            "self.norm(self.conv(x)).mean((1, 2))",
            "torch.rand(n, 3, 32)",
            "n = 16",
            "self.conv = nn.Conv1d(3, 24, 3)\nself.norm = nn.GroupNorm(8, 24)",
        ),
        "is the same whatever the inputs are",
    ),
    "single_mean": (
        problem(
            "(lambda y: y - y.mean(1, keepdim=True))(x.amax(1, keepdim=True))", "torch.rand(n, m)", "n = 64\nm = 512"
        ),
        "is the same whatever the inputs are",
    ),
    "network": (
        problem(
            "self.layers(x)",
            "torch.rand(n, 8)",
            "n = 64",
            "self.layers = nn.Sequential(*[nn.Linear(8, 8) for _ in range(12)])",
        ),
        "it has 25 tensors",
    ),
    "no_finite_result": (problem("x / 0", "torch.rand(n, 8)", "n = 64"), "is the same whatever the inputs are"),
    "empty": (problem("x * 2", "torch.rand(n, 8)", "n = 0"), "its result is empty"),
    "no_tensor": (problem("torch.ones(2) * x", "3"), "'get_inputs' returns no tensor"),
    "text_input": (problem("y", "'a', torch.rand(n)", "n = 8", arguments="x, y"), "input 0 is str"),
    "dictionary": (problem("{'a': x}", "torch.rand(n)", "n = 8"), "'forward' returns dict"),
    "complex": (problem("torch.fft.fft(x)", "torch.rand(n)", "n = 8"), "complex64"),
    "raises": (problem("x @ x", "torch.rand(n, 3)", "n = 8"), "'forward' raises RuntimeError"),
    "gpu": (problem("x", "torch.rand(n, device='cuda')", "n = 8"), "'get_inputs' raises"),
    "unknown_package": (
        "import no_such_package\n" + problem("x", "torch.rand(n)", "n = 8"),
        "No module named 'no_such_package'",
    ),
    "unbound": (problem("x + y", "torch.rand(n)", "n = 8"), "name 'y' is not defined"),
    "exits": ("import sys\nsys.exit(3)\n" + problem("x", "torch.rand(n)", "n = 8"), "raises SystemExit"),
}
