"""Vector units: registers, how work is cut, and equal results with every unit."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_cases import python

pytest.importorskip("numba")

from llvmlite import binding

from minicnn.kernels.engine.codegen.simd import (
    UNITS,
    Vectors,
    largest_divisor,
    split_evenly,
    vectors,
)
from minicnn.kernels.engine.panels import cut_panels

counts = st.integers(1, 3000)
units = st.sampled_from(list(UNITS.values()))
item_sizes = st.sampled_from([4, 8])


# ---- cutting ----


@given(total=counts, most=st.integers(1, 300))
def test_split_evenly_cuts_into_the_fewest_nearly_equal_pieces(total: int, most: int) -> None:
    count, size, last = split_evenly(total, most)
    assert count >= 1
    assert count * size + last == total
    assert 0 <= last < size <= most
    pieces = count + (last > 0)
    assert pieces == -(-total // most)
    assert size == -(-total // pieces)


@given(n=counts, most=st.integers(-2, 300))
def test_largest_divisor_divides_and_no_larger_number_does(n: int, most: int) -> None:
    found = largest_divisor(n, most)
    assert n % found == 0
    assert found == 1 or found <= most
    assert all(n % d for d in range(found + 1, min(n, most) + 1))


@given(F=counts, unit=units, itemsize=item_sizes, widest=st.sampled_from([2, 8]))
def test_panels_hold_each_filter_once(F: int, unit: Vectors, itemsize: int, widest: int) -> None:
    cut = cut_panels(F, unit, itemsize, widest)
    assert cut.full >= 0
    assert 1 <= cut.tail <= cut.lanes <= unit.most_lanes(itemsize)
    assert 0 <= cut.last <= cut.vectors <= max(widest, 3)
    held = cut.full * cut.width
    if cut.last:
        held += (cut.last - 1) * cut.lanes + cut.tail
    else:
        assert cut.tail == cut.lanes
    assert held == F
    assert cut.total == cut.full + bool(cut.last) >= 1


@given(count=counts, unit=units, itemsize=item_sizes)
def test_a_vector_is_as_narrow_as_possible(count: int, unit: Vectors, itemsize: int) -> None:
    lanes = unit.lanes(count, itemsize)
    assert lanes in {2**n for n in range(1, 5)}
    assert 16 <= lanes * itemsize <= unit.bytes
    assert lanes >= count or lanes == unit.most_lanes(itemsize)
    assert lanes // 2 < count or lanes * itemsize == 16


def test_some_registers_are_left_for_factors() -> None:
    for unit in UNITS.values():
        assert 8 <= unit.accumulators < unit.registers


# ---- which unit ----


@pytest.fixture
def redetected() -> Iterator[None]:
    """The unit is detected again, before and after."""
    vectors.cache_clear()
    yield
    vectors.cache_clear()


@pytest.mark.parametrize(
    ("text", "name"), [("avx2", "AVX2"), (" AVX512 ", "AVX-512"), ("128", "128-bit")]
)
def test_minicnn_simd_selects_the_unit(
    text: str, name: str, redetected: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINICNN_SIMD", text)
    assert vectors().name == name


@pytest.mark.parametrize("text", ["sse", "256", "avx-512"])
def test_an_unknown_minicnn_simd_is_a_value_error_that_lists_the_units(
    text: str, redetected: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINICNN_SIMD", text)
    with pytest.raises(ValueError, match=f"expected MINICNN_SIMD out of .*received '{text}'") as e:
        vectors()
    for name in UNITS:
        assert name in str(e.value)


@pytest.mark.parametrize(
    ("features", "machine", "unit"),
    [
        ({"avx512f": True, "avx512vl": True, "avx2": True, "fma": True}, "x86_64", "avx512"),
        ({"avx512f": True, "avx512vl": False, "avx2": True, "fma": True}, "x86_64", "avx2"),
        ({"avx2": True, "fma": True}, "AMD64", "avx2"),
        ({"avx2": True, "fma": False}, "x86_64", "128"),
        ({}, "x86_64", "128"),
        ({"neon": True}, "arm64", "neon"),
        ({}, "aarch64", "neon"),
        ({}, "riscv64", "128"),
    ],
)
@pytest.mark.parametrize("unset", [None, ""])
def test_without_minicnn_simd_the_unit_is_the_processors(
    features: dict[str, bool],
    machine: str,
    unit: str,
    unset: str | None,
    redetected: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if unset is None:
        monkeypatch.delenv("MINICNN_SIMD", raising=False)
    else:
        monkeypatch.setenv("MINICNN_SIMD", unset)
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr(binding, "get_host_cpu_features", lambda: features)
    assert vectors() is UNITS[unit]


# ---- the same results ----

COMPUTE = """
import numpy as np
from engine_cases import *
from minicnn.kernels.engine.codegen.simd import vectors

different = []

def compare(name, mine, theirs):
    if any(not np.array_equal(a, b) for a, b in zip(mine, theirs)):
        different.append(name)

case = of(CONVOLUTIONS["few channels, in planes"], 2)
x, w, b = arrays(case)
y = conv2d(case, x, w, b)
compare("conv2d", [y], [conv2d(case, x, w, b, **NUMPY)])
dy = y - 3
given = dy, x, w
compare("dx, dw, db", conv2d_backward(case, *given), conv2d_backward(case, *given, **NUMPY))

pooled = POOLED["2×2, leftovers, padded"]
x, w, b = arrays(pooled.conv)
y, argmax = conv_pool(pooled, x, w, b)
compare("fused", [y, argmax], conv_pool(pooled, x, w, b, **NUMPY))
given = y, argmax, x, w
compare(
    "fused dx, dw, db",
    conv_pool_backward(pooled, *given),
    conv_pool_backward(pooled, *given, **NUMPY),
)

print(vectors().name, different)
"""


def lacks(unit: str) -> bool:
    """Whether this processor lacks a unit."""
    features = binding.get_host_cpu_features()
    needs = {"avx512": ("avx512f", "avx512vl"), "avx2": ("avx2", "fma"), "neon": ("neon",)}
    return not all(features.get(need) for need in needs.get(unit, ()))


@pytest.mark.exhaustive
@pytest.mark.parametrize("unit", UNITS)
def test_every_unit_gives_numpys_results_for_integers(unit: str) -> None:
    if lacks(unit):
        pytest.skip(f"this processor has no {UNITS[unit].name}")
    if UNITS[unit] is vectors():
        pytest.skip(f"the other tests use {UNITS[unit].name}")
    done = python(COMPUTE, seconds=600, MINICNN_SIMD=unit)
    assert done.stdout == f"{UNITS[unit].name} []\n", done.stderr


def test_an_unknown_minicnn_simd_raises_at_a_processs_first_kernel() -> None:
    code = (
        "import numpy as np; from minicnn import kernels; "
        "kernels.dense(np.ones((1, 1)), np.ones((1, 1)), algorithm='tile', backend='numba')"
    )
    done = python(code, MINICNN_SIMD="mmx")
    assert done.returncode == 1
    assert "ValueError: expected MINICNN_SIMD out of avx512, avx2, neon, 128, rec" in done.stderr
