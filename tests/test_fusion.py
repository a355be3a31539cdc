"""Fused networks train like layer by layer, and a user sees no other difference."""

from __future__ import annotations

import copy
import pickle
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytest.importorskip("numba")

from minicnn import (
    MnistData,
    Sequential,
    architectures,
    kernels,
    layers,
    losses,
    optimizers,
)
from minicnn.layers.stages import MAX_OPERATIONS, Stage

STEPS = 12


@pytest.fixture(autouse=True)
def with_numba() -> Iterator[None]:
    with kernels.use_backend("numba"):
        yield


@pytest.fixture(scope="module")
def digits() -> tuple[NDArray[Any], NDArray[Any]]:
    """x (1000, 28, 28, 1) float32 and y (1000, 10): real digits."""
    batch = MnistData("sample").load().next_train_batch(1000)
    return batch.xs.reshape(-1, 28, 28, 1), batch.labels


def course(fused: bool = True, dtype: str = "float32", **options: Any) -> Sequential:
    """The course network, compiled."""
    model = Sequential(architectures.course(), (28, 28, 1), seed=0, dtype=dtype)
    options.setdefault("optimizer", "adam")
    model.compile(metrics=["accuracy"], **options)
    model.fused = fused
    return model


def backend_of(fused: bool) -> kernels.use_backend:
    """Numba for fused networks, NumPy, which has nothing to compile, for the others."""
    return kernels.use_backend("numba" if fused else "numpy")


def train(
    model: Sequential, digits: tuple[NDArray[Any], NDArray[Any]], steps: int, size: int = 64
) -> list[float]:
    """The losses of the first steps."""
    x, y = digits
    found = []
    with backend_of(model.fused):
        for step in range(steps):
            rows = np.arange(step * size, (step + 1) * size) % len(x)
            found.append(model.train_on_batch(x[rows], y[rows])["loss"])
    return found


def bits(model: Sequential) -> list[bytes]:
    """The weights."""
    return [w.tobytes() for w in model.get_weights()]


def is_run_by_the_engine(model: Sequential) -> bool:
    """Whether every stage has prepared an operation."""
    stages = [stage for stage in model.stages if isinstance(stage, Stage)]
    return bool(stages) and all(
        stage._operations.prepared and all(stage._operations.prepared.values()) for stage in stages
    )


# ---- fused and not ----


@pytest.mark.parametrize(
    ("dtype", "apart"),
    [("float32", 1e-5), pytest.param("float64", 1e-9, marks=pytest.mark.exhaustive)],
)
def test_steps_of_the_course_network_have_the_same_losses_fused_and_not(
    dtype: str, apart: float, digits: tuple[NDArray[Any], NDArray[Any]]
) -> None:
    fused, separate = course(True, dtype), course(False, dtype)
    mine, theirs = (train(model, digits, STEPS) for model in (fused, separate))
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=apart)
    assert mine[-1] < 0.9 * mine[0]  # they learn
    assert is_run_by_the_engine(fused)
    assert not any(isinstance(stage, Stage) for stage in separate.stages)
    x, y = (part[:50] for part in digits)
    with kernels.use_backend("numpy"):
        outputs, results = separate.predict(x), separate.evaluate(x, y)
    np.testing.assert_allclose(fused.predict(x), outputs, rtol=0, atol=100 * apart)
    np.testing.assert_allclose(fused.evaluate(x, y)["loss"], results["loss"], atol=100 * apart)


@pytest.mark.parametrize(
    "options",
    [
        {"loss": losses.CategoricalCrossentropy(label_smoothing=0.1)},
        {"optimizer": optimizers.SGD(0.05, momentum=0.9, nesterov=True)},
        {"optimizer": optimizers.AdamW(1e-3, weight_decay=0.1, global_clipnorm=0.5)},
        {"loss": "mse"},
    ],
    ids=["smoothed labels", "SGD", "AdamW, clipped", "mse"],
)
def test_other_losses_and_optimizers_train_the_same_fused_and_not(
    options: dict[str, Any], digits: tuple[NDArray[Any], NDArray[Any]]
) -> None:
    runs = [train(course(fused, **copy.deepcopy(options)), digits, 8) for fused in (True, False)]
    np.testing.assert_allclose(*runs, rtol=0, atol=1e-5)


def test_fit_with_weights_and_an_incomplete_last_batch_is_the_same_fused_and_not(
    digits: tuple[NDArray[Any], NDArray[Any]],
) -> None:
    x, y = (part[:150] for part in digits)
    histories = []
    for fused in (True, False):
        model = course(fused)
        weights = np.linspace(0, 2, 150)
        with backend_of(fused):
            history = model.fit(x, y, 64, 2, verbose=0, sample_weight=weights, validation_split=0.2)
        histories.append(history.history)
    assert histories[0].keys() == histories[1].keys()
    for name, values in histories[0].items():
        np.testing.assert_allclose(values, histories[1][name], rtol=0, atol=1e-5, err_msg=name)


# The convolutions have shapes that the kernel tests compile too.
DEFAULT_VARIANTS = ["convolution, ReLU, pool", "without bias, with l2", "dilation"]
VARIANTS: dict[str, Callable[[], list[layers.Layer]]] = {
    "convolution, ReLU, pool": lambda: [
        layers.Conv2D(20, 3, strides=2, padding="same"),
        layers.ReLU(),
        layers.MaxPool2D((1, 2)),
    ],
    "without bias, with l2": lambda: [
        layers.Conv2D(20, 3, strides=2, padding="same", activation="relu", use_bias=False, l2=0.1),
        layers.MaxPool2D((1, 2)),
    ],
    "overlapping pool": lambda: [
        layers.Conv2D(20, 3, strides=2, padding="same", activation="relu"),
        layers.MaxPool2D(2, 1),
    ],
    "padded pool": lambda: [
        layers.Conv2D(20, 3, strides=2, padding="same", activation="relu"),
        layers.MaxPool2D(2, padding="same"),
    ],
    "mean pool and batch norm": lambda: [
        layers.Conv2D(20, 3, strides=2, padding="same"),
        layers.BatchNorm(),
        layers.ReLU(),
        layers.AvgPool2D(2),
    ],
    "another activation": lambda: [
        layers.Conv2D(20, 3, strides=2, padding="same", activation="tanh"),
        layers.MaxPool2D(2),
    ],
    "dilation": lambda: [
        layers.Conv2D(20, 3, dilation_rate=2, activation="relu"),
        layers.MaxPool2D(2),
    ],
    "a pool too large for the registers": lambda: [
        layers.Conv2D(20, 3, strides=2, padding="same", activation="relu"),
        layers.MaxPool2D(5),
    ],
}


@pytest.mark.parametrize(
    "variant",
    [
        pytest.param(name, marks=[pytest.mark.exhaustive] * (name not in DEFAULT_VARIANTS))
        for name in VARIANTS
    ],
)
def test_outputs_and_gradients_of_other_networks_are_the_same_fused_and_not(variant: str) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((3, 9, 9, 11)).astype(np.float32)
    found = []
    for fused in (True, False):
        model = Sequential(VARIANTS[variant](), x.shape[1:], seed=0)
        model.fused = fused
        with backend_of(fused):
            y = model.forward_logits(x, training=True)
            dx = model.backward_logits(np.cos(y), need_dx=True)
            assert dx is not None
            found.append([y, dx, *(g.copy() for _, _, g in model.parameters()), model.forward(x)])
    for mine, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-4)


# ---- the switch ----


def test_switching_fusion_and_backend_during_training_changes_losses_by_rounding_alone(
    digits: tuple[NDArray[Any], NDArray[Any]],
) -> None:
    expected = train(course(), digits, 9)
    model = course()
    found: list[float] = []
    for fused in (True, False, True):
        model.fused = fused
        steps = digits[0][64 * len(found) :], digits[1][64 * len(found) :]
        found += train(model, steps, 3)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_under_another_backend_nothing_is_run_that_was_prepared_for_numba(
    digits: tuple[NDArray[Any], NDArray[Any]],
) -> None:
    used, fresh, x = course(), course(), digits[0][:100]
    by_the_engine = used.predict(x)
    with kernels.use_backend("numpy"):
        assert used.predict(x).tobytes() == fresh.predict(x).tobytes() != by_the_engine.tobytes()
    assert used.predict(x).tobytes() == by_the_engine.tobytes()


# ---- returned and given arrays ----


def test_given_and_returned_arrays_are_never_overwritten(
    digits: tuple[NDArray[Any], NDArray[Any]],
) -> None:
    model, (x, y) = course(), digits
    one, other = x[:32], x[32:64]
    kept: list[tuple[str, NDArray[Any], NDArray[Any]]] = []

    def keep(what: str, array: NDArray[Any] | None) -> None:
        assert array is not None
        kept.append((what, array, array.copy()))

    def call_everything(rows: NDArray[Any]) -> None:
        keep("forward", model.forward(rows))
        keep("call", model(rows))
        keep("forward, training", model.forward(rows, training=True))
        keep("predict", model.predict(rows))
        keep("predict in batches", model.predict(rows, batch_size=8))
        keep("forward_logits", model.forward_logits(rows))
        z = model.forward_logits(rows, training=True)
        keep("forward_logits, training", z)
        keep("apply_head", model.apply_head(z))
        keep("backward_logits", model.backward_logits(np.sin(z), need_dx=True))

    keep("given x", x)
    call_everything(one)
    call_everything(other)
    model.train_on_batch(other, y[:32])
    model.evaluate(other, y[:32])
    for what, array, before in kept:
        assert array.tobytes() == before.tobytes(), what


@pytest.mark.parametrize("end", ["flatten", "dropout", "stage", "reshape"])
def test_a_network_whose_last_layer_returns_a_view_returns_a_copy(end: str) -> None:
    made: list[layers.Layer] = [
        layers.Conv2D(20, 3, strides=2, padding="same", activation="relu"),
        layers.MaxPool2D((1, 2)),
    ]
    if end != "stage":
        made.append(
            {
                "flatten": layers.Flatten(),
                "dropout": layers.Dropout(0.5),
                "reshape": layers.Reshape((-1, 20)),
            }[end]
        )
    model = Sequential(made, (9, 9, 11), seed=0)
    x = np.random.default_rng(0).standard_normal((2, 9, 9, 11)).astype(np.float32)
    y = model.forward(x)
    before = y.copy()
    model.forward(-x)
    np.testing.assert_array_equal(y, before)
    y[...] = 7  # and the caller cannot overwrite arrays of the model
    np.testing.assert_array_equal(model.forward(x), before)


# ---- batches ----


def test_batches_of_changing_sizes_give_the_same_outputs(
    digits: tuple[NDArray[Any], NDArray[Any]],
) -> None:
    model, x = course(), digits[0]
    expected = model.forward(x[:100])
    sizes = (1, 2, 3, 4, 5, 13, 100, 64, 1, 33, 7, 100, 2, 0)
    assert len(set(sizes)) > MAX_OPERATIONS
    for size in sizes:
        z = model.forward(x[:size])
        assert z.shape == (size, 10)
        np.testing.assert_allclose(z, expected[:size], rtol=0, atol=1e-6)
    for stage in model.stages:
        if isinstance(stage, Stage):
            assert len(stage._operations.prepared) <= MAX_OPERATIONS  # nor does memory grow


def test_predictions_between_backward_and_the_step_change_nothing(
    digits: tuple[NDArray[Any], NDArray[Any]],
) -> None:
    x, y = digits
    expected, model = course(), course()
    train(expected, digits, 2)
    for step in range(2):
        rows = slice(64 * step, 64 * (step + 1))
        z = model.forward_logits(x[rows], training=True)
        dz = model.loss.gradient(z, y[rows]) * np.float32(1 / 64)
        model.backward_logits(dz)
        model.predict(x[200:264])  # of the same size
        for size in range(1, MAX_OPERATIONS + 2):  # more than the operations kept
            model.predict(x[:size])
        model.optimizer.step(model.parameters())
    assert bits(model) == bits(expected)


def test_a_batch_without_samples_has_outputs_and_gradients_of_zero(
    digits: tuple[NDArray[Any], NDArray[Any]],
) -> None:
    model = course()
    z = model.forward_logits(digits[0][:0], training=True)
    assert z.shape == (0, 10)
    dx = model.backward_logits(z, need_dx=True)
    assert dx is not None
    assert dx.shape == (0, 28, 28, 1)
    for name, _, g in model.parameters():
        assert not g.any(), name


def outcome(call: Callable[[], Any]) -> Any:
    """What a call returns, or the error it raises."""
    try:
        return call()
    except (TypeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"


X = np.random.default_rng(0).random((6, 28, 28, 1), np.float32)
READ_ONLY = X.copy()
READ_ONLY.flags.writeable = False


XS: list[Any] = [
    *(X[::2], X[:, ::-1], np.asfortranarray(X), READ_ONLY, X.astype(np.float64)),
    *(X.astype(np.float16), (X * 255).astype(np.uint8), X[..., 0], X.reshape(6, -1)),
    *(X[..., [0, 0]], X[0], X.tolist(), "digits"),
]
DZS: list[Any] = [
    *(np.ones((6, 10), np.float64), np.ones((6, 10), np.int64), np.ones((6, 9), np.float32)),
    *(np.ones((5, 10), np.float32), np.ones((7, 10), np.float32), np.ones((60,), np.float32)),
    np.asfortranarray(np.arange(60, dtype=np.float32).reshape(6, 10)),
]


@pytest.mark.parametrize(
    ("x", "dz"),
    [*((x, None) for x in XS), *((X, dz) for dz in DZS)],
    ids=lambda a: f"{getattr(a, 'dtype', type(a).__name__)} {getattr(a, 'shape', '')}",
)
def test_x_or_gradient_of_another_layout_dtype_or_shape_gives_the_usual_result_or_error(
    x: Any, dz: Any
) -> None:
    found = []
    for fused in (True, False):
        model = course(fused)
        with backend_of(fused):
            model.forward(X)  # prepares an operation
            y = outcome(lambda model=model: model.forward_logits(x, training=True))
            if dz is not None:
                y = outcome(lambda model=model: model.backward_logits(dz, need_dx=True))
        found.append(y)
    if isinstance(found[1], str):
        assert found[0] == found[1]
    else:
        np.testing.assert_allclose(found[0], found[1], rtol=1e-4, atol=1e-6)


def test_custom_loss_whose_gradient_has_another_dtype_is_refused() -> None:
    class Own(losses.Loss):
        def per_sample(self, outputs: Any, targets: Any) -> Any:
            return np.square(outputs - targets).sum(axis=1)

        def gradient(self, outputs: Any, targets: Any) -> Any:
            return 2.0 * (outputs - targets)  # float64, as the targets are

    for fused in (True, False):
        model = Sequential([layers.Dense(35, activation="relu")], (37,), seed=0)
        model.compile(loss=Own())
        model.fused = fused
        x, y = np.ones((4, 37), np.float32), np.zeros((4, 35))
        with backend_of(fused), pytest.raises(TypeError, match="expected arrays of one dtype"):
            model.train_on_batch(x, y)


# ---- several threads ----


def test_predictions_in_another_thread_change_no_bit_of_training(
    digits: tuple[NDArray[Any], NDArray[Any]],
) -> None:
    expected, model, x = course(), course(), digits[0]
    losses_alone = train(expected, digits, 30)
    stop, errors = threading.Event(), []
    seen: list[int] = []

    def predict() -> None:
        try:
            while not stop.is_set():
                seen.append(len(model.predict(x[:64], batch_size=64)))
        except BaseException as error:
            errors.append(error)

    others = [threading.Thread(target=predict) for _ in range(2)]
    for other in others:
        other.start()
    try:
        losses_beside = train(model, digits, 30)
    finally:
        stop.set()
        for other in others:
            other.join()
    assert not errors
    assert len(seen) > 2
    assert losses_beside == losses_alone
    assert bits(model) == bits(expected)


def test_predictions_of_several_threads_at_once_are_right(
    digits: tuple[NDArray[Any], NDArray[Any]],
) -> None:
    model, x = course(), digits[0]
    parts = [x[:64], x[64:128], x[128:192], x[:7]]
    expected = [model.predict(part) for part in parts]
    wrong: list[int] = []

    def predict(index: int) -> None:
        for _ in range(30):
            if not np.array_equal(model.predict(parts[index]), expected[index]):
                wrong.append(index)

    callers = [threading.Thread(target=predict, args=(index,)) for index in range(len(parts))]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert not wrong


# ---- copies, files, tables ----


def test_saving_and_loading_do_not_depend_on_fusing(
    digits: tuple[NDArray[Any], NDArray[Any]], tmp_path: Path
) -> None:
    x = digits[0][:20]
    files = {}
    for fused in (True, False):
        model = course(fused)
        model.forward(x)
        files[fused] = tmp_path / f"{fused}.safetensors"
        model.save(files[fused])
    assert files[True].read_bytes() == files[False].read_bytes()
    loaded = Sequential.load(files[True])
    assert loaded.fused
    assert loaded.predict(x).tobytes() == course().predict(x).tobytes()
    assert is_run_by_the_engine(loaded)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_a_copy_of_a_fused_model_trains_by_itself(
    copied: Callable[[Any], Any], digits: tuple[NDArray[Any], NDArray[Any]]
) -> None:
    model = course()
    train(model, digits, 2)
    before = bits(model)
    other = copied(model)
    assert bits(other) == before
    train(other, digits, 2)
    assert bits(model) == before
    assert bits(other) != before
    train(model, digits, 2)
    assert bits(model) == bits(other)


def test_set_weights_reach_the_stages(digits: tuple[NDArray[Any], NDArray[Any]]) -> None:
    model, x = course(), digits[0][:20]
    before = model.predict(x)
    weights = model.get_weights()
    model.set_weights([w * 0 for w in weights])
    np.testing.assert_allclose(model.predict(x), 0.1, rtol=1e-6)
    model.set_weights(weights)
    assert model.predict(x).tobytes() == before.tobytes()


def test_stages_name_their_algorithm() -> None:
    model = course()
    stages = [stage for stage in model.stages if isinstance(stage, Stage)]
    assert [stage.algorithm for stage in stages] == ["fused", "fused", "tile", "tile"]
    with kernels.use_backend("numpy"):
        assert {stage.algorithm for stage in stages} == {"separate"}
