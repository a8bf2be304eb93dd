"""__half and __nv_bfloat16 on the host round once, as a GPU does, and compare as IEEE 754 has it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.unit import native_device
from tests.unit.native_device import Array, Device, read_only, silent

pytestmark = pytest.mark.skipif(shutil.which("g++") is None, reason="the cpu device needs g++: apt install g++")

device = native_device.device


def bfloat16_bits(values: Array) -> Array:
    """Rounds doubles to bfloat16, to nearest even: by way of float, rounded to odd."""
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    inexact = np.isfinite(single) & (single.astype(np.float64) != values)
    bits = single.view(np.uint32).copy()
    away = np.abs(single.astype(np.float64)) > np.abs(values)
    even = (bits & 1) == 0
    bits[inexact & even & away] -= 1
    bits[inexact & even & ~away] += 1
    rounded = ((bits.astype(np.uint64) + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
    rounded[np.isnan(values)] = 0x7FFF
    return rounded


def bfloat16_values(bits: Array) -> Array:
    return (bits.astype(np.uint32) << 16).view(np.float32).astype(np.float64)


def half_bits(values: Array) -> Array:
    with np.errstate(over="ignore"):
        rounded = values.astype(np.float16).view(np.uint16).copy()
    rounded[np.isnan(values)] = 0x7FFF
    return rounded


def half_values(bits: Array) -> Array:
    return bits.view(np.float16).astype(np.float64)


NARROW: list[Any] = [
    pytest.param(0, half_bits, half_values, 5, id="half"),
    pytest.param(1, bfloat16_bits, bfloat16_values, 8, id="bfloat16"),
]


@pytest.mark.parametrize(("which", "encode", "decode", "exponent_bits"), NARROW)
def test_narrow_floats_round_once(
    device: Device, which: int, encode: Callable[[Array], Array], decode: Callable[[Array], Array], exponent_bits: int
) -> None:
    count = 4096
    generator = np.random.default_rng(3)
    # All bit patterns in one half, numbers near to each other in the other, so that sums cancel.
    inputs = [generator.integers(0, 65536, count).astype(np.uint16) for _ in range(3)]
    middle = ((1 << (exponent_bits - 1)) - 3) << (15 - exponent_bits)
    for array in inputs:
        array[count // 2 :] = middle + generator.integers(0, 5 << (15 - exponent_bits), count // 2)
        array[count // 2 :: 3] |= 0x8000
    wide = generator.normal(size=count) * 10.0 ** generator.integers(-9, 6, count)
    buffers = {
        **{name: read_only(array) for name, array in zip("xyz", inputs, strict=True)},
        "out": np.zeros(12 * count, np.uint16),
        "widened": np.zeros(65536, np.float32),
        "doubles": read_only(wide),
        "narrowed": np.zeros(2 * count, np.uint16),
        "pairs": np.zeros(9, np.float32),
    }
    result = silent(device.run("narrow_floats", {"which": which, "buffers": buffers})[0])
    out, widened, narrowed, pairs = (result.buffers[index] for index in (3, 4, 6, 7))
    single, longer = np.float32, np.longdouble
    with np.errstate(all="ignore"):
        x, y, z = (decode(array) for array in inputs)
        numbers = ~np.isnan(x) & ~np.isnan(y)
        product = x * y  # exact in double
        exact = product.astype(longer) + z
        fused = exact.astype(np.float64)
        # Sums of far-apart numbers do not fit; the many that do are a test of all of them.
        clear = (fused == exact) & (exact - product == z) & (exact - z == product) | ~np.isfinite(fused)
        summed = decode(encode(decode(encode(x + y)) * -z))
        expected = {
            0: x + y, 1: x - y, 2: product, 3: x / y, 6: np.sqrt(np.abs(x)), 8: (x < y) * 1.0, 9: np.floor(x),
            7: (x.astype(single) * y.astype(single) + z.astype(single)).astype(np.float64), 10: summed,
            11: ((x == y) | (x >= z) | np.isnan(x)) * 1.0,
        }  # fmt: skip
    rows = out.reshape(12, count)
    for row, values in expected.items():
        same_bits(rows[row], encode(values), decode, f"row {row}")
    same_bits(rows[4][clear], encode(fused)[clear], decode, "fma")
    assert clear.mean() > 0.6
    np.testing.assert_array_equal(rows[5][numbers], encode(np.fmax(x, y))[numbers])
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(widened, decode(np.arange(65536, dtype=np.uint16)).astype(np.float32))
    same_bits(narrowed[:count], encode(wide), decode, "from double")
    same_bits(narrowed[count:], encode(wide.astype(np.float32).astype(np.float64)), decode, "from float")
    np.testing.assert_allclose(pairs, [1607, 26, 4, 32, 2, 1, 7, 0.75, 7])


def same_bits(got: Array, expected: Array, decode: Callable[[Array], Array], what: str) -> None:
    with np.errstate(invalid="ignore"):
        nan = np.isnan(decode(got)) & np.isnan(decode(expected))
    wrong = np.flatnonzero((got != expected) & ~nan)
    assert wrong.size == 0, (what, wrong[:5], got[wrong[:5]], expected[wrong[:5]])
