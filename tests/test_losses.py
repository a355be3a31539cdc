from __future__ import annotations

from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minicnn import losses
from minicnn.gradcheck import check_loss
from minicnn.losses import (
    CategoricalCrossentropy,
    Loss,
    MeanSquaredError,
    SparseCategoricalCrossentropy,
)

LOGITS = np.log([[1.0, 2.0, 5.0], [4.0, 4.0, 8.0]])  # softmax: 1/8 2/8 5/8 and 1/4 1/4 1/2
ONEHOT = np.array([[0, 1, 0], [0, 0, 1]], np.uint8)
CLASSES = np.array([1, 2])


# ---- values by hand ----


def test_categorical_crossentropy_by_hand() -> None:
    loss = CategoricalCrossentropy()
    np.testing.assert_allclose(loss.per_sample(LOGITS, ONEHOT), [log(4), log(2)], rtol=1e-14)
    expected = [[1 / 8, 2 / 8 - 1, 5 / 8], [1 / 4, 1 / 4, 1 / 2 - 1]]
    np.testing.assert_allclose(loss.gradient(LOGITS, ONEHOT), expected, rtol=1e-13)


def test_label_smoothing_by_hand() -> None:
    loss = CategoricalCrossentropy(label_smoothing=0.3)
    # q = 0.1, 0.8, 0.1 over -log p = log 8, log 4, log 8/5
    expected = 0.1 * log(8) + 0.8 * log(4) + 0.1 * log(8 / 5)
    assert loss.per_sample(LOGITS, ONEHOT)[0] == pytest.approx(expected, rel=1e-14)
    np.testing.assert_allclose(
        loss.gradient(LOGITS, ONEHOT)[0], [1 / 8 - 0.1, 2 / 8 - 0.8, 5 / 8 - 0.1], rtol=1e-13
    )


def test_mean_squared_error_by_hand() -> None:
    loss = MeanSquaredError()
    y, t = np.array([[1.0, 2.0], [0.0, -4.0]]), np.array([[1, 4], [3, 0]], np.uint8)
    assert loss.per_sample(y, t).tolist() == [2, 12.5]
    assert loss.gradient(y, t).tolist() == [[0, -2], [-3, -4]]


def test_a_loss_over_several_positions_is_their_mean() -> None:
    loss = CategoricalCrossentropy()
    z, q = np.stack([LOGITS, LOGITS[::-1]]), np.stack([ONEHOT, ONEHOT[::-1]])
    expected = (log(4) + log(2)) / 2
    np.testing.assert_allclose(loss.per_sample(z, q), [expected, expected], rtol=1e-14)
    np.testing.assert_allclose(loss.gradient(z, q)[0], loss.gradient(LOGITS, ONEHOT) / 2)
    sparse = SparseCategoricalCrossentropy()
    np.testing.assert_array_equal(sparse.gradient(z, q.argmax(-1)), loss.gradient(z, q))


# ---- sparse ----


@pytest.mark.parametrize("dtype", [np.uint8, np.int64])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_sparse_targets_equal_one_hot_ones(dtype: type, smoothing: float) -> None:
    dense = CategoricalCrossentropy(smoothing)
    sparse = SparseCategoricalCrossentropy(smoothing)
    for targets in (CLASSES.astype(dtype), CLASSES.astype(dtype)[:, None]):
        for f, g in ((sparse.per_sample, dense.per_sample), (sparse.gradient, dense.gradient)):
            np.testing.assert_array_equal(f(LOGITS, targets), g(LOGITS, ONEHOT))


# ---- gradients, dtypes ----

ALL = [
    CategoricalCrossentropy(),
    CategoricalCrossentropy(label_smoothing=0.2),
    SparseCategoricalCrossentropy(),
    SparseCategoricalCrossentropy(label_smoothing=0.2),
    MeanSquaredError(),
]


@pytest.mark.parametrize("loss", ALL, ids=repr)
@settings(max_examples=20)
@given(N=st.integers(1, 4), K=st.integers(1, 6), seed=st.integers(0, 999))
def test_the_gradient_is_that_of_central_differences(loss: Loss, N: int, K: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    outputs, classes = 2 * rng.standard_normal((N, K)), rng.integers(0, K, N)
    sparse = isinstance(loss, SparseCategoricalCrossentropy)
    if K == 1 and not isinstance(loss, MeanSquaredError):
        gradient = loss.gradient(outputs, classes if sparse else np.ones((N, 1)))
        np.testing.assert_allclose(gradient, np.zeros((N, 1)), atol=1e-15)
    else:
        assert check_loss(loss, outputs, classes if sparse else np.eye(K)[classes]).error <= 1e-7


@pytest.mark.parametrize(
    "loss", [CategoricalCrossentropy(), CategoricalCrossentropy(0.1)], ids=["plain", "smoothed"]
)
def test_the_gradient_is_right_for_targets_that_do_not_sum_to_one(loss: Loss) -> None:
    targets = np.array([[0.5, 2.0, 0.0], [0.0, 0.0, 0.0]])
    assert check_loss(loss, LOGITS.copy(), targets).error <= 1e-7


@pytest.mark.parametrize("loss", ALL, ids=repr)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_losses_have_one_value_per_sample_and_gradients_of_the_shape_and_dtype_of_the_outputs(
    loss: Loss, dtype: type
) -> None:
    outputs = LOGITS.astype(dtype)
    targets = CLASSES if isinstance(loss, SparseCategoricalCrossentropy) else ONEHOT
    before = outputs.copy(), targets.copy()
    values, gradient = loss.per_sample(outputs, targets), loss.gradient(outputs, targets)
    assert (values.shape, values.dtype) == ((2,), dtype)
    assert (gradient.shape, gradient.dtype) == ((2, 3), dtype)
    np.testing.assert_array_equal(outputs, before[0])
    np.testing.assert_array_equal(targets, before[1])


@pytest.mark.parametrize("loss", ALL, ids=repr)
def test_no_samples_have_no_losses(loss: Loss) -> None:
    targets = CLASSES[:0] if isinstance(loss, SparseCategoricalCrossentropy) else ONEHOT[:0]
    assert loss.per_sample(LOGITS[:0], targets).shape == (0,)
    assert loss.gradient(LOGITS[:0], targets).shape == (0, 3)


# ---- errors ----


@pytest.mark.parametrize("call", ["per_sample", "gradient"])
def test_targets_that_do_not_fit_are_a_value_error_that_suggests_the_other_loss(call: str) -> None:
    dense, sparse, mse = CategoricalCrossentropy(), SparseCategoricalCrossentropy(), ALL[-1]
    for wrong in (CLASSES, ONEHOT[:, :2], ONEHOT[:1]):
        with pytest.raises(ValueError, match=r"expected one-hot .*\(2, 3\), received .*sparse"):
            getattr(dense, call)(LOGITS, wrong)
        with pytest.raises(ValueError, match=r"expected targets of shape \(2, 3\), received"):
            getattr(mse, call)(LOGITS, wrong)
    for wrong in (ONEHOT, CLASSES[:1], CLASSES.astype(np.float32), CLASSES.astype(bool)):
        with pytest.raises(ValueError, match=r"expected whole-number .*\(2,\), received .*cat"):
            getattr(sparse, call)(LOGITS, wrong)
    for index in (3, -1):
        with pytest.raises(ValueError, match=rf"expected targets in 0…2, received .*{index}"):
            getattr(sparse, call)(LOGITS, np.array([1, index]))


@pytest.mark.parametrize("smoothing", [-0.1, 1, 1.5, float("nan")])
def test_label_smoothing_out_of_range_is_a_value_error(smoothing: float) -> None:
    for cls in (CategoricalCrossentropy, SparseCategoricalCrossentropy):
        with pytest.raises(ValueError, match=f"0 <= label_smoothing < 1, received {smoothing}"):
            cls(smoothing)


# ---- names ----


@pytest.mark.parametrize(
    ("name", "cls"),
    [
        ("categorical_crossentropy", CategoricalCrossentropy),
        ("sparse_categorical_crossentropy", SparseCategoricalCrossentropy),
        ("mean_squared_error", MeanSquaredError),
        ("mse", MeanSquaredError),
        ("CategoricalCrossentropy", CategoricalCrossentropy),
    ],
)
def test_losses_by_name(name: str, cls: type[Loss]) -> None:
    assert type(losses.get(name)) is cls
