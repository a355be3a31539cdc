from __future__ import annotations

from math import sqrt

import numpy as np
import pytest

from minicnn import initializers
from minicnn.initializers import Initializer, fans
from minicnn.typing import Shape

CONV, DENSE = (5, 3, 40, 60), (300, 400)


@pytest.mark.parametrize(
    ("shape", "fan_in", "fan_out"),
    [
        ((3, 3, 8, 16), 72, 144),
        ((5, 2, 1, 4), 10, 40),
        ((400, 128), 400, 128),
        ((7,), 7, 7),
        ((1, 1, 1, 1), 1, 1),
    ],
)
def test_fans(shape: Shape, fan_in: int, fan_out: int) -> None:
    assert fans(shape) == (fan_in, fan_out)


def test_fans_of_an_empty_shape() -> None:
    with pytest.raises(ValueError, match=r"expected a shape with at least one axis, received \(\)"):
        fans(())


def variance(name: str, shape: Shape) -> float:
    fan_in, fan_out = fans(shape)
    return 2 / fan_in if name.startswith("he") else 2 / (fan_in + fan_out)


RANDOM = ["glorot_uniform", "glorot_normal", "he_uniform", "he_normal"]


@pytest.mark.parametrize("name", RANDOM)
@pytest.mark.parametrize("shape", [CONV, DENSE])
def test_mean_and_variance(name: str, shape: Shape, rng: np.random.Generator) -> None:
    w = initializers.get(name)(shape, rng, "float64")
    expected = variance(name, shape)
    assert abs(w.mean()) < 5 * sqrt(expected / w.size)
    assert w.var() == pytest.approx(expected, rel=5 * sqrt(2 / w.size))


@pytest.mark.parametrize("shape", [CONV, DENSE])
def test_limits_of_uniform_weights(shape: Shape, rng: np.random.Generator) -> None:
    fan_in, fan_out = fans(shape)
    for name, limit in (
        ("glorot_uniform", sqrt(6 / (fan_in + fan_out))),
        ("he_uniform", sqrt(6 / fan_in)),
    ):
        w = initializers.get(name)(shape, rng, "float64")
        assert 0.99 * limit < w.max() <= limit
        assert -limit <= w.min() < -0.99 * limit


@pytest.mark.parametrize("name", ["glorot_normal", "he_normal"])
def test_tails_of_normal_weights(name: str, rng: np.random.Generator) -> None:
    w = initializers.get(name)(DENSE, rng, "float64") / sqrt(variance(name, DENSE))
    for sigmas, share in ((1, 0.3173), (2, 0.0455), (3, 0.0027)):
        assert (abs(w) > sigmas).mean() == pytest.approx(share, rel=0.15)


def test_zeros_and_ones(rng: np.random.Generator) -> None:
    before = rng.bit_generator.state
    np.testing.assert_array_equal(initializers.Zeros()((2, 3), rng), np.zeros((2, 3)))
    np.testing.assert_array_equal(initializers.Ones()((2, 3), rng), np.ones((2, 3)))
    assert rng.bit_generator.state == before  # nothing was drawn


@pytest.mark.parametrize("name", initializers.TABLE)
def test_seeds_and_dtypes(
    name: str,
) -> None:
    def draw(seed: int, dtype: str) -> np.ndarray:
        return initializers.get(name)((3, 2, 4, 5), np.random.default_rng(seed), dtype)

    single, double = draw(1, "float32"), draw(1, "float64")
    assert single.dtype == np.float32
    assert double.dtype == np.float64
    assert single.shape == double.shape == (3, 2, 4, 5)
    np.testing.assert_array_equal(single, double.astype(np.float32))
    np.testing.assert_array_equal(double, draw(1, "float64"))
    assert single.flags.writeable
    if name in RANDOM:
        assert (draw(2, "float64") != double).all()


def test_draw_has_to_be_overridden(rng: np.random.Generator) -> None:
    with pytest.raises(TypeError, match=r"override draw\(\)"):
        Initializer()((2,), rng)
