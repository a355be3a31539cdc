"""Augmentation: the random numbers, the changes of an image, and reproducible runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from minicnn import MnistData, Sequential, kernels, layers
from minicnn.augmentation import KNOTS, Augmentation
from minicnn.kernels.warping import splines

Array = NDArray[Any]
EVERYTHING = Augmentation(shift=2, rotate=10, scale=0.1, shear=10, elastic=1)


def numbers(**given_: float) -> Array:
    """The six numbers of one image; 0 unless given."""
    names = ["tall", "wide", "shear", "rotate", "down", "right"]
    return np.array([[given_.get(name, 0.0) for name in names]])


def forward_map(r: Array, a: Augmentation) -> tuple[Array, Array]:
    """R · K · S and t of the docstring, for one image."""
    angle = np.radians(a.rotate * r[3])
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    slant = np.array([[1, 0], [np.tan(np.radians(a.shear * r[2])), 1]])
    stretch = np.diag([1 + a.scale * r[0], 1 + a.scale * r[1]])
    return turn @ slant @ stretch, a.shift * r[4:]


# ---- the matrices ----


@settings(max_examples=50)
@given(seed=st.integers(0, 9999))
def test_the_matrices_are_the_inverse_maps(seed: int) -> None:
    r = np.random.default_rng(seed).uniform(-1, 1, (3, 6))
    a = Augmentation(shift=5, rotate=180, scale=0.6, shear=40)
    for numbers_, inverse in zip(r, a.matrices(r), strict=True):
        forward, shift = forward_map(numbers_, a)
        np.testing.assert_allclose(inverse[:, :2] @ forward, np.eye(2), atol=1e-12)
        np.testing.assert_allclose(inverse[:, :2] @ shift + inverse[:, 2], 0, atol=1e-12)


def test_the_default_is_the_identity(rng: np.random.Generator) -> None:
    matrices = Augmentation().matrices(rng.uniform(-1, 1, (4, 6)))
    np.testing.assert_array_equal(matrices, np.broadcast_to(np.eye(2, 3), (4, 2, 3)))
    x = rng.random((4, 6, 5, 2))
    np.testing.assert_array_equal(Augmentation()(x, rng), x)


def moved(a: Augmentation, x: Array, **given_: float) -> Array:
    return kernels.warp(x, a.matrices(numbers(**given_)))


def test_a_positive_shift_moves_down_and_to_the_right(rng: np.random.Generator) -> None:
    x, a = np.pad(rng.random((1, 5, 5, 1)), ((0, 0), (2, 2), (2, 2), (0, 0))), Augmentation(shift=2)
    np.testing.assert_array_equal(moved(a, x, down=1), np.roll(x, 2, 1))
    np.testing.assert_array_equal(moved(a, x, right=-0.5), np.roll(x, -1, 2))


def test_a_positive_angle_rotates_counter_clockwise() -> None:
    """(down, right) = (1, 0) becomes (cos φ, sin φ)."""
    x = np.zeros((1, 9, 9, 1))
    x[0, 7, 4] = 1  # below the centre
    y = moved(Augmentation(rotate=90), x, rotate=1)
    assert y[0, 4, 7, 0] == pytest.approx(1)
    assert y.sum() == pytest.approx(1)


# ---- calls ----


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(5, 28, 28, 1), (3, 7, 4, 3), (2, 1, 1, 2), (0, 5, 5, 1)])
def test_a_call_returns_a_new_array_of_the_same_shape_and_dtype(
    dtype: type, shape: tuple[int, ...], rng: np.random.Generator
) -> None:
    x = rng.random(shape).astype(dtype)
    before = x.copy()
    for a in (EVERYTHING, Augmentation(), Augmentation(elastic=1)):
        y = a(x, rng)
        assert (y.shape, y.dtype) == (x.shape, x.dtype)
        assert not np.may_share_memory(x, y)
        np.testing.assert_array_equal(x, before)


def test_each_image_of_a_batch_is_changed_differently(rng: np.random.Generator) -> None:
    x = np.repeat(rng.random((1, 12, 12, 1)), 32, axis=0)
    for name in asdict(EVERYTHING):
        y = Augmentation(**{name: asdict(EVERYTHING)[name]})(x, rng)
        assert len(np.unique(y.reshape(32, -1), axis=0)) == 32, name


def test_threads_and_backends_change_no_bit(threads: Callable[[int], None]) -> None:
    x = np.random.default_rng(0).random((40, 12, 12, 1), np.float32)
    results = []
    for n in (1, 2, 5):
        threads(n)
        results.append(EVERYTHING(x, np.random.default_rng(3)).tobytes())
    for name in kernels.available_backends():
        with kernels.use_backend(name):
            results.append(EVERYTHING(x, np.random.default_rng(3)).tobytes())
    assert len(set(results)) == 1


@pytest.fixture
def threads() -> Any:
    before = kernels.get_threads()
    yield kernels.set_threads
    kernels.set_threads(before)


def test_the_random_numbers_are_uniform_and_independent(
    monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    drawn: list[Array] = []
    matrices = Augmentation.matrices
    monkeypatch.setattr(
        Augmentation, "matrices", lambda self, r: drawn.append(r) or matrices(self, r)
    )
    EVERYTHING(np.zeros((20_000, 1, 1, 1)), rng)
    (r,) = drawn
    assert r.shape == (20_000, 6)
    assert -1 <= r.min() < -0.999
    assert 0.999 < r.max() <= 1
    assert np.abs(r.mean(axis=0)).max() < 0.02
    np.testing.assert_allclose(r.std(axis=0), 1 / np.sqrt(3), rtol=0.02)
    assert np.abs(np.corrcoef(r.T) - np.eye(6)).max() < 0.05


def test_elastic_is_the_standard_deviation_of_a_displacement(
    monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    fields: list[Array] = []
    monkeypatch.setattr(kernels, "warp", lambda x, matrices, field: fields.append(field))
    Augmentation(elastic=2.5)(np.zeros((4000, 1, 1, 1)), rng)
    weights = splines(28, KNOTS, np.dtype(np.float64))
    displacements = np.einsum("ia,nabk,jb->nijk", weights, fields[0], weights, optimize=True)
    assert displacements.std() == pytest.approx(2.5, rel=0.02)
    each = displacements.std(axis=0)
    assert 0.93 * 2.5 < each.min() < each.max() < 1.1 * 2.5  # also at the edges


# ---- arguments ----


@pytest.mark.parametrize("name", asdict(Augmentation()))
def test_invalid_arguments(name: str) -> None:
    for wrong in (-0.1, np.nan, np.inf):
        with pytest.raises(ValueError, match=f"expected 0 <= {name}.*, received"):
            Augmentation(**{name: wrong})
    for wrong in ("2", None, True, (1, 2)):
        with pytest.raises(TypeError, match=f"expected {name} as a number, received"):
            Augmentation(**{name: wrong})  # type: ignore[arg-type]
    Augmentation(**{name: np.float32(0.5)})  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "limit"), [("scale", 1), ("shear", 90)])
def test_the_limits_of_scale_and_shear(name: str, limit: float) -> None:
    with pytest.raises(ValueError, match=f"expected 0 <= {name} < {limit}, finite, received"):
        Augmentation(**{name: limit})


def test_it_is_immutable_compared_by_value_and_printed_in_one_line() -> None:
    with pytest.raises(FrozenInstanceError):
        EVERYTHING.shift = 3  # type: ignore[misc]
    assert replace(EVERYTHING, shift=2.0) == EVERYTHING != Augmentation()
    assert str(EVERYTHING) == "shift 2 px, rotate 10°, scale 0.1, shear 10°, elastic 1 px"
    assert str(Augmentation(elastic=0.75)) == "elastic 0.75 px"
    assert str(Augmentation()) == "none"


# ---- training ----


def small() -> Sequential:
    model = Sequential(
        [layers.Flatten(), layers.Dense(10, activation="softmax")],
        input_shape=(28, 28, 1),
        seed=0,
    )
    model.compile("adam", metrics=["accuracy"])
    return model


def test_a_run_with_augmentation_is_reproducible() -> None:
    data = MnistData("sample").load()
    x, y = data.train_x[:200], data.train_labels[:200]
    results = []
    for augmentation in (EVERYTHING, EVERYTHING, None):
        model = small()
        model.fit(x, y, batch_size=50, epochs=2, verbose=0, augmentation=augmentation)
        results.append(b"".join(w.tobytes() for w in model.get_weights()))
    assert results[0] == results[1] != results[2]


def test_augmentation_does_not_change_the_shuffling() -> None:
    """It has its own generator."""
    data = MnistData("sample").load()
    x, y = data.train_x[:100], data.train_labels[:100]
    plain, nothing = small(), small()
    plain.fit(x, y, batch_size=50, epochs=1, verbose=0)
    nothing.fit(x, y, batch_size=50, epochs=1, verbose=0, augmentation=Augmentation())
    for one, other in zip(plain.get_weights(), nothing.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_fit_changes_only_training_batches_with_the_generator_of_the_model() -> None:
    data, model = MnistData("sample").load(), small()
    seen: list[int] = []

    def spy(x: Array, rng: np.random.Generator) -> Array:
        assert rng is model.augment_rng
        seen.append(len(x))
        return x

    part = data.test_x[:60], data.test_labels[:60]
    model.fit(
        data.train_x[:90],
        data.train_labels[:90],
        batch_size=40,
        epochs=2,
        verbose=0,
        validation_data=part,
        augmentation=spy,  # type: ignore[arg-type]
    )
    assert seen == [40, 40, 10] * 2
