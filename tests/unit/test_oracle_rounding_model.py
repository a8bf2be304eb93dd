"""The rounding model: which operations it knows, how far it moves their results, and what it takes for exact."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.nn import functional

from pytest_upskill.oracle.isolation import default_dtype, generator
from pytest_upskill.oracle.rounding_model import ARITHMETIC, COMPUTED, COPIED, ROUNDED_ONCE, Recording, Replays

Tensor = torch.Tensor
Operator = Callable[[Tensor, Tensor], Tensor]

UNIT = 2.0**-24

KNOWN: dict[str, Operator] = {
    "softmax": lambda x, y: torch.softmax(x, -1),
    "log_softmax": lambda x, y: torch.log_softmax(x, -1),
    "logsumexp": lambda x, y: torch.logsumexp(x, -1),
    "layer_norm": lambda x, y: functional.layer_norm(x, (x.shape[-1],), y[0], y[1]),
    "rms_norm": lambda x, y: functional.rms_norm(x, (x.shape[-1],)),
    "group_norm": lambda x, y: functional.group_norm(x[None], 2),
    "batch_norm": lambda x, y: functional.batch_norm(x, None, None, training=True),
    "gelu": lambda x, y: functional.gelu(x),
    "gelu by tanh": lambda x, y: functional.gelu(x, approximate="tanh"),
    "silu": lambda x, y: functional.silu(x) * y,
    "elu": lambda x, y: functional.elu(x),
    "softplus": lambda x, y: functional.softplus(x),
    "mish": lambda x, y: functional.mish(x),
    "var": lambda x, y: x.var(-1, correction=0),
    "std": lambda x, y: x.std(-1),
    "var_mean": lambda x, y: torch.var_mean(x, -1)[1],
    "norm": lambda x, y: x.norm(dim=-1),
    "matmul": lambda x, y: x @ y.T,
    "addmm": lambda x, y: torch.addmm(x[:, :8], x, y.T, beta=2.0),
    "attention": lambda x, y: functional.scaled_dot_product_attention(x[None], y[None], y[None]),
    "cross_entropy": lambda x, y: functional.cross_entropy(x, torch.arange(8)),
    "conv": lambda x, y: functional.conv1d(x[None], y[:, :3].expand(8, 8, 3).contiguous()),
    "cumsum": lambda x, y: x.cumsum(-1),
    "cumprod": lambda x, y: x.cumprod(-1),
    "logcumsumexp": lambda x, y: torch.logcumsumexp(x, -1),
    "scatter_add": lambda x, y: torch.zeros_like(x).scatter_add(1, torch.zeros_like(x, dtype=torch.int64), y),
    "index_add": lambda x, y: torch.zeros_like(x).index_add_(0, torch.zeros(8, dtype=torch.int64), y),
    "pooling": lambda x, y: functional.avg_pool2d(x[None], 2),
    "interpolation": lambda x, y: functional.interpolate(x[None, None], scale_factor=2, mode="bilinear"),
    "einsum": lambda x, y: torch.einsum("ij,kj->ik", x, y),
    "cdist": torch.cdist,
    "losses": lambda x, y: functional.mse_loss(x, y) + functional.huber_loss(x, y),
    "in place": lambda x, y: x.clone().mul_(3).add_(y).sigmoid_(),
    "views": lambda x, y: torch.cat((-x[:, 1::2], x[:, ::2]), -1) * y.cos(),
}


def recorded(function: Operator, x: Tensor, y: Tensor) -> tuple[Recording, Replays, Tensor]:
    recording = Recording(UNIT)
    recording.add_input("x", x)
    recording.add_input("y", y)
    with torch.no_grad(), recording:
        out = function(x, y)
    return recording, recording.finish({"out": out}), out


def inputs(*size: int, seed: int = 1) -> tuple[Tensor, Tensor]:
    random = generator("rounding model", seed)
    x, y = (torch.randn(size or (8, 34), generator=random, dtype=torch.float64) for _ in range(2))
    return x, y


@pytest.mark.parametrize("name", KNOWN)
def test_operator_is_known_and_replayed_faithfully_and_float32_stays_within_its_movement(name: str) -> None:
    x, y = (one.float().double() for one in inputs())
    recording, replays, out = recorded(KNOWN[name], x, y)
    gold = KNOWN[name](x, y)
    assert not recording.unknown
    assert torch.allclose(replays.run({"x": x, "y": y})["out"], gold, rtol=1e-9, atol=1e-12)
    moved = replays.movements({"x": x, "y": y}, {"out": out}, name)["out"]
    error = (KNOWN[name](x.float(), y.float()).double() - gold).abs()
    assert bool((error <= moved + 4 * UNIT * gold.abs()).all())
    assert float((moved / gold.abs().clamp(min=1e-3)).median()) < 1e-3


@pytest.mark.parametrize(
    "function", [lambda x, y: torch.fft.fft(x).abs(), lambda x, y: torch.linalg.inv(x[:, :8])], ids=["fft", "inv"]
)
def test_operator_without_a_rule_is_named(function: Operator) -> None:
    recording, _, _ = recorded(function, *inputs())
    assert recording.unknown


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (lambda x, y: x.T.contiguous(), COPIED),
        (lambda x, y: torch.where(x > 0, x, y), COPIED),
        (lambda x, y: x.to(torch.float32).to(torch.float64), COPIED),
        (lambda x, y: functional.embedding(torch.tensor([1, 0]), x), COPIED),
        (lambda x, y: x + y, ROUNDED_ONCE),
        (lambda x, y: (x * 2)[:, :3], ROUNDED_ONCE),
        (lambda x, y: x * 2.5 + y, ARITHMETIC),
        (lambda x, y: x + 0.1, ARITHMETIC),
        (lambda x, y: x / y, COMPUTED),
        (lambda x, y: x.sum(-1), COMPUTED),
    ],
)
def test_kind_of_a_result_follows_from_its_operations(function: Operator, kind: int) -> None:
    x, y = (one.float().double() for one in inputs())
    recording, _, out = recorded(function, x, y)
    assert recording.kind(out) == kind


def test_writes_to_a_view_change_the_kind_of_the_whole() -> None:
    def function(x: Tensor, y: Tensor) -> Tensor:
        out = torch.empty_like(x)
        out[:] = x
        out[0] = x[0] / y[0]
        return out

    recording, _, out = recorded(function, *inputs())
    assert recording.kind(out) == COMPUTED


def test_sign_of_zero_is_free_once_something_was_computed_or_chosen() -> None:
    free = [recorded(one, *inputs())[0].free_zeros for one in (lambda x, y: x.T, lambda x, y: x.relu(), torch.add)]
    assert free == [False, True, True]


def test_cancellation_is_counted() -> None:
    x = torch.tensor([[1e8, 1.0, -1e8]], dtype=torch.float64)
    _, replays, out = recorded(lambda x, y: x.sum(-1), x, x)
    moved = replays.movements({"x": x, "y": x}, {"out": out}, "label")["out"]
    assert 1.0 < float(moved) < 100.0


@pytest.mark.parametrize(
    ("reference", "kernel"),
    [
        (lambda x, y: x.addcmul(y, y, value=0.001), lambda x, y: x + 0.001 * (y * y)),
        (lambda x, y: x.add(y, alpha=0.1), lambda x, y: x + 0.1 * y),
    ],
)
def test_product_with_a_constant_rounds_the_constant_too(reference: Operator, kernel: Operator) -> None:
    x, y = (1e-3 * inputs(1 << 18, seed=2)[0]).float().double(), (100 * inputs(1 << 18)[1]).float().double()
    _, replays, gold = recorded(reference, x, y)
    moved = replays.movements({"x": x, "y": y}, {"out": gold}, "label")["out"]
    error = (kernel(x.float(), y.float()).double() - gold).abs()
    assert bool((error <= moved + UNIT * gold.abs()).all())
    assert bool((moved <= 8 * UNIT * (x.abs() + gold.abs())).all())


INTEGERS: dict[str, tuple[Callable[[Tensor], Tensor], int]] = {
    "raw * 0.75": (lambda raw: raw * 0.75, ROUNDED_ONCE),
    "raw * 0.3 - 7": (lambda raw: raw * 0.3 - 7, ARITHMETIC),
    "raw / 3": (lambda raw: raw / 3, COMPUTED),
    "raw.sqrt()": (lambda raw: raw.abs().sqrt(), COMPUTED),
    "raw.mean(dtype)": (lambda raw: raw.to(torch.int64).sum(-1) / raw.shape[-1], COMPUTED),
    "a weight of integers": (lambda raw: (-(torch.arange(raw.shape[-1]) ** 2) / 7.3).exp() * 1.5, COMPUTED),
    "raw > 0": (lambda raw: torch.where(raw > 0, 1.5, -2.0), COPIED),
    "raw.clamp * 1.0": (lambda raw: raw.clamp(max=100) * 1.0, ROUNDED_ONCE),
}


@pytest.mark.parametrize("name", INTEGERS)
def test_integers_that_become_floating_are_replayed_in_float64_and_rounded_as_floating_tensors_are(name: str) -> None:
    function, kind = INTEGERS[name]
    raw = torch.randint(-2048, 4096, (6, 40), generator=generator("integers", name), dtype=torch.int16)
    with default_dtype(torch.float64):
        gold = function(raw)
        recording, replays, out = recorded(lambda x, y: function(raw), *inputs())
    assert not recording.unknown and recording.kind(out) == kind
    assert torch.equal(replays.run({"x": raw, "y": raw})["out"], gold), "although the default is float32 here"
    moved = replays.movements({"x": raw, "y": raw}, {"out": out}, name)["out"]
    error = (function(raw).double() - gold).abs()
    assert bool((error <= moved + UNIT * gold.abs()).all())
    assert bool((moved <= 64 * UNIT * gold.abs().clamp(min=1)).all())


def test_integers_that_stay_integers_are_exact_and_change_nothing_twice() -> None:
    def function(x: Tensor, y: Tensor) -> Tensor:
        counts = torch.zeros(4, dtype=torch.int64)
        counts.add_(3).mul_(2).sub_(1)
        return x[counts + (counts - 5).sum()]

    recording, replays, out = recorded(function, *inputs())
    x, y = inputs()
    assert recording.kind(out) == COPIED and torch.equal(replays.run({"x": x, "y": y})["out"], x[[5, 5, 5, 5]])


def test_movements_are_the_same_each_time() -> None:
    x, y = inputs()
    _, replays, out = recorded(KNOWN["layer_norm"], x, y)
    one, other = (replays.movements({"x": x, "y": y}, {"out": out}, "label")["out"] for _ in range(2))
    assert torch.equal(one, other)
