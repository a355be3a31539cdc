"""The engine gives the same bits for any number of threads, and while other threads compute."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from engine_cases import (
    CONVOLUTIONS,
    POOLED,
    arrays,
    conv2d,
    conv2d_backward,
    conv_pool,
    conv_pool_backward,
    of,
)

pytest.importorskip("numba")

from minicnn import Sequential, architectures, kernels
from minicnn.kernels.engine.threads import team

SetThreads = Callable[[int | None], None]
Compute = Callable[[], list[bytes]]


def convolution() -> list[bytes]:
    """Outputs and gradients of convolutions large enough to be cut in pieces."""
    found = []
    for name, N in (("first layer", 300), ("stride (1, 2)", 33)):
        case = of(CONVOLUTIONS[name], N)
        x, w, b = arrays(case, whole=False)
        y = conv2d(case, x, w, b)
        found += [y, *conv2d_backward(case, y, x, w)]
    return [array.tobytes() for array in found]


def fused() -> list[bytes]:
    """The same of fused ones."""
    found = []
    for name, N in (("course1", 500), ("1×2, stride 2", 100)):
        pooled = POOLED[name].of(N)
        x, w, b = arrays(pooled.conv, whole=False)
        y, argmax = conv_pool(pooled, x, w, b)
        found += [y, argmax, *conv_pool_backward(pooled, y, argmax, x, w)]
    return [array.tobytes() for array in found]


def dense() -> list[bytes]:
    """The same of a dense layer."""
    rng = np.random.default_rng(0)
    x, w, b = (rng.standard_normal(s).astype(np.float32) for s in ((400, 37), (37, 35), (35,)))
    y = kernels.dense(x, w, b, algorithm="tile", backend="numba")
    gradients = kernels.dense_backward(y, x, w, algorithm="tile", backend="numba")
    return [array.tobytes() for array in (y, *gradients) if array is not None]


def elementwise() -> list[bytes]:
    """Losses, pixels, a ReLU's gradient, and weights after a step of Adam."""
    rng = np.random.default_rng(0)
    z, q = rng.standard_normal((2, 3000, 10)).astype(np.float32)
    losses, dz = kernels.softmax_crossentropy(z, q)
    pixels = rng.integers(0, 256, (200, 784), np.uint8)
    scaled = kernels.take_scaled(pixels, rng.integers(0, 200, 512), backend="numba")
    passed = kernels.relu_backward(z, q, backend="numba")
    probabilities = kernels.softmax(z)
    shapes = [(300, 301), (7,), (40_000,), (1,), (0,)]
    parameters = [tuple(rng.random((4, *s), np.float32)) for s in shapes]
    with kernels.use_backend("numba"):
        kernels.PreparedAdam(parameters)(kernels.AdamStep(1e-3, 0.9, 0.999, 1e-7, 3))
    moved = [array for each in parameters for array in each]
    return [array.tobytes() for array in (losses, dz, probabilities, scaled, passed, *moved)]


SUBJECTS: dict[str, Compute] = {
    function.__name__: function for function in (convolution, fused, dense, elementwise)
}


@contextmanager
def busy_team() -> Iterator[None]:
    """Another thread of the program uses the team."""
    taken, done = threading.Event(), threading.Event()

    def hold() -> None:
        with team._busy:
            taken.set()
            done.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    taken.wait(60)
    try:
        yield
    finally:
        done.set()
        holder.join()


@pytest.mark.parametrize("subject", SUBJECTS)
def test_1_2_or_5_threads_give_the_same_bits(subject: str, threads: SetThreads) -> None:
    compute = SUBJECTS[subject]
    threads(1)
    expected = compute()
    for n in (2, 5, 2):
        threads(n)
        assert compute() == expected, n


@pytest.mark.parametrize("subject", SUBJECTS)
def test_the_bits_are_the_same_while_another_thread_uses_the_team(
    subject: str, threads: SetThreads
) -> None:
    compute = SUBJECTS[subject]
    threads(2)
    expected = compute()
    with busy_team():
        assert compute() == expected


def test_these_tests_share_work_between_threads(
    threads: SetThreads, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads(2)
    shared: list[str] = []
    call = team.call

    def spy(kernel: Callable[..., object], *given: object) -> object:
        shared.append("")
        return call(kernel, *given)

    monkeypatch.setattr(team, "call", spy)
    for subject, compute in SUBJECTS.items():
        shared.clear()
        compute()
        assert shared, subject


def trained() -> list[bytes]:
    """The weights and losses of the course network after some steps."""
    rng = np.random.default_rng(0)
    model = Sequential(architectures.course(), (28, 28, 1), seed=0)
    model.compile("adam", "categorical_crossentropy", ["accuracy"])
    losses = []
    for size in (64, 17, 64):  # an epoch's last batch is smaller
        x = rng.random((size, 28, 28, 1), np.float32)
        y = np.eye(10, dtype=np.uint8)[rng.integers(0, 10, size)]
        losses.append(model.train_on_batch(x, y)["loss"])
    return [np.array(losses).tobytes(), *(w.tobytes() for w in model.get_weights())]


def test_training_the_course_network_gives_the_same_bits_for_any_team(
    threads: SetThreads,
) -> None:
    with kernels.use_backend("numba"):
        threads(1)
        expected = trained()
        for n in (2, 5):
            threads(n)
            assert trained() == expected, n
        threads(2)
        with busy_team():
            assert trained() == expected
