from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minicnn import metrics
from minicnn.metrics import Accuracy, MeanSquaredError, Metric, TopK, confusion_matrix

OUTPUTS = np.array([[0.1, 0.7, 0.2], [0.5, 0.3, 0.2], [0.1, 0.2, 0.7], [0.2, 0.5, 0.3]])
CLASSES = np.array([1, 1, 2, 0])
FORMS = {
    "one-hot": np.eye(3, dtype=np.uint8)[CLASSES],
    "one-hot floats": np.eye(3)[CLASSES],
    "whole numbers": CLASSES,
    "a column": CLASSES[:, None].astype(np.uint8),
}
any_form = pytest.mark.parametrize("targets", FORMS.values(), ids=FORMS)


@any_form
def test_accuracy_is_one_where_the_largest_output_is_the_true_class(targets: np.ndarray) -> None:
    assert Accuracy().per_sample(OUTPUTS, targets).tolist() == [1, 0, 1, 0]


@any_form
@pytest.mark.parametrize(("k", "expected"), [(1, [1, 0, 1, 0]), (2, [1, 1, 1, 0]), (3, [1] * 4)])
def test_top_k_is_one_where_the_true_class_is_among_the_k_largest(
    targets: np.ndarray, k: int, expected: list[float]
) -> None:
    assert TopK(k).per_sample(OUTPUTS, targets).tolist() == expected


def test_ties_count_for_the_true_class_in_top_k() -> None:
    outputs = np.array([[0.25, 0.25, 0.25, 0.25], [0.4, 0.3, 0.3, 0.0]])
    for true in range(4):
        assert TopK(1).per_sample(outputs, np.array([true, 0])).tolist() == [1, 1]
    assert TopK(2).per_sample(outputs, np.array([0, 2])).tolist() == [1, 1]
    assert TopK(2).per_sample(outputs, np.array([0, 3])).tolist() == [1, 0]


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_a_nan_output_is_never_correct_in_top_k(k: int) -> None:
    outputs = np.array([[np.nan, 0.5, 0.2], [np.nan, np.nan, np.nan]])
    assert TopK(k).per_sample(outputs, np.array([0, 0])).tolist() == [0, 0]


def test_a_nan_of_another_class_counts_as_larger_in_top_k() -> None:
    outputs, true = np.array([[np.nan, 0.5, 0.2]]), np.array([1])
    assert TopK(1).per_sample(outputs, true).tolist() == [0]
    assert TopK(2).per_sample(outputs, true).tolist() == [1]


def test_mean_squared_error_by_hand() -> None:
    y, t = np.array([[1.0, 2.0], [0.0, -4.0]]), np.array([[1.0, 4.0], [3.0, 0.0]])
    assert MeanSquaredError().per_sample(y, t).tolist() == [2, 12.5]
    assert MeanSquaredError().per_sample(y[:, :1], t[:, 0]).tolist() == [0, 9]


def test_mean_squared_error_of_unsigned_targets_does_not_wrap_round() -> None:
    y = np.zeros((1, 2), np.float32)
    assert MeanSquaredError().per_sample(y, np.array([[200, 0]], np.uint8)).tolist() == [20_000]


@pytest.mark.parametrize("metric", [Accuracy(), TopK(2), MeanSquaredError()], ids=repr)
def test_no_samples_have_no_values(metric: Metric) -> None:
    assert metric.per_sample(OUTPUTS[:0], FORMS["one-hot"][:0]).shape == (0,)


@pytest.mark.parametrize("metric", [Accuracy(), TopK(2)], ids=repr)
@pytest.mark.parametrize("wrong", [CLASSES / 2, FORMS["one-hot"][:, :2], np.zeros((4, 3, 1), int)])
def test_targets_that_are_neither_one_hot_nor_whole_are_a_value_error(
    metric: Metric, wrong: np.ndarray
) -> None:
    with pytest.raises(ValueError, match=r"expected targets one-hot \(4, 3\) or whole .*received"):
        metric.per_sample(OUTPUTS, wrong)


# ---- names ----


@pytest.mark.parametrize(
    ("given", "cls", "name"),
    [
        ("accuracy", Accuracy, "accuracy"),
        ("acc", Accuracy, "accuracy"),
        ("top_k_accuracy", TopK, "top_5_accuracy"),
        ("top_3_accuracy", TopK, "top_3_accuracy"),
        ("top_10_accuracy", TopK, "top_10_accuracy"),
        ("mse", MeanSquaredError, "mean_squared_error"),
        ("mean_squared_error", MeanSquaredError, "mean_squared_error"),
        ("Accuracy", Accuracy, "accuracy"),
    ],
)
def test_metrics_by_name_and_their_names_in_the_logs(
    given: str, cls: type[Metric], name: str
) -> None:
    metric = metrics.get(given)
    assert type(metric) is cls
    assert metric.name == name
    assert metrics.get(metric) is metric


def test_an_unknown_metric_is_a_value_error_that_lists_the_metrics() -> None:
    with pytest.raises(ValueError, match="unknown metric 'acuracy'") as caught:
        metrics.get("acuracy")
    for name in metrics.TABLE:
        assert name in str(caught.value)
    assert "did you mean 'accuracy'" in str(caught.value)
    with pytest.raises(TypeError, match="expected a metric as a name or a Metric, received 3"):
        metrics.get(3)


@pytest.mark.parametrize("k", [0, -1, 1.5, "2"])
def test_a_k_below_one_or_not_whole_is_a_value_error(k: object) -> None:
    with pytest.raises(ValueError, match="expected k >= 1, received"):
        TopK(k)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected k >= 1, received 0"):
        metrics.get("top_0_accuracy")


# ---- the confusion matrix ----


def test_the_confusion_matrix_counts_true_rows_and_predicted_columns() -> None:
    matrix = confusion_matrix(np.array([0, 0, 1, 2, 2, 2]), np.array([0, 1, 1, 0, 2, 2]), 4)
    assert matrix.tolist() == [[1, 1, 0, 0], [0, 1, 0, 0], [1, 0, 2, 0], [0, 0, 0, 0]]
    assert matrix.dtype == np.int64


def test_the_confusion_matrix_of_small_dtypes_does_not_wrap_round() -> None:
    classes = np.array([250, 3], np.uint8)
    matrix = confusion_matrix(classes, classes[::-1], 251)
    assert matrix.sum() == 2
    assert matrix[250, 3] == matrix[3, 250] == 1


@pytest.mark.parametrize(
    ("true", "predicted", "words"),
    [
        ([0, 3], [0, 0], "expected true classes in 0…2, received 0…3"),
        ([0, -1], [0, 0], "expected true classes in 0…2, received -1…0"),
        ([0, 0], [0, 3], "expected predicted classes in 0…2, received 0…3"),
        ([0, 0], [0], r"expected two vectors of one length, received \(2,\) and \(1,\)"),
        ([[0, 0]], [[0, 0]], r"expected two vectors of one length, received \(1, 2\)"),
    ],
)
def test_classes_that_do_not_fit_are_a_value_error(
    true: list[int], predicted: list[int], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        confusion_matrix(np.array(true), np.array(predicted), 3)


# ---- Wilson's interval ----


@pytest.mark.parametrize(
    ("right", "total", "low", "high"),
    [
        # p = 1/2, n = 100: (0.5 + 0.0192 ± 1.96·√(0.0025 + 0.0000960)) / 1.0384
        (50, 100, 0.4038, 0.5962),
        # p = 1: n/(n + z²) to 1
        (10, 10, 10 / (10 + 1.959964**2), 1.0),
        (0, 10, 0.0, 1.959964**2 / (10 + 1.959964**2)),
        (1, 1, 1 / (1 + 1.959964**2), 1.0),
        (81, 263, 0.2553, 0.3662),  # Newcombe 1998, table I, method 3
        (15, 148, 0.0624, 0.1605),
    ],
)
def test_wilson_by_hand(right, total, low, high):
    assert metrics.wilson(right, total) == pytest.approx((low, high), abs=1e-4)


@given(st.integers(1, 10**6), st.data())
def test_wilson_contains_the_measured_share_and_is_symmetric(total, data):
    right = data.draw(st.integers(0, total))
    low, high = metrics.wilson(right, total)
    assert 0 <= low <= right / total <= high <= 1
    assert low < high
    mirrored = metrics.wilson(total - right, total)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-9)
    # the limits are where (p̂ − p)² = z²·p(1−p)/n
    for p in (low, high):
        if 0 < p < 1:
            left = (right / total - p) ** 2
            assert left == pytest.approx(metrics.Z95**2 * p * (1 - p) / total, rel=1e-5)


@pytest.mark.parametrize(("right", "total"), [(0, 0), (-1, 5), (6, 5)])
def test_wilson_of_nothing(right, total):
    with pytest.raises(ValueError, match="expected 0 <= right <= total"):
        metrics.wilson(right, total)


def test_wilson_of_arrays():
    low, high = metrics.wilson(np.array([8, 10, 0]), np.array([10, 10, 10]))
    np.testing.assert_allclose(low, [0.4902, 0.7225, 0.0], atol=1e-4)
    np.testing.assert_allclose(high, [0.9433, 1.0, 0.2775], atol=1e-4)
