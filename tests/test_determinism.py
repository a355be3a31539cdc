"""Training gives the same bits for any number of threads and in any process."""

import os
import subprocess
import sys

import pytest

from minicnn import kernels, set_threads, use_backend

BACKENDS = [name for name in kernels.available_backends() if name != "reference"]
DETERMINISM = """
import hashlib
import numpy as np
from minicnn import Sequential, layers

def digest():
    rng = np.random.default_rng(0)
    x = rng.random((150, 12, 12, 1), dtype=np.float32)
    y = np.eye(4, dtype=np.uint8)[rng.integers(0, 4, 150)]
    model = Sequential(
        [
            layers.Conv2D(6, 3, padding="same"), layers.BatchNorm(), layers.ReLU(),
            layers.MaxPool2D(2), layers.Conv2D(5, 3, activation="relu"), layers.AvgPool2D(2),
            layers.Flatten(), layers.Dropout(0.3), layers.Dense(9, activation="tanh", l2=1e-3),
            layers.Dense(4, activation="softmax"),
        ],
        input_shape=(12, 12, 1), seed=0,
    )
    model.compile("adam", metrics=["accuracy"])
    history = model.fit(
        x, y, batch_size=64, epochs=2, verbose=0, validation_split=0.1
    ).history
    total = hashlib.sha256(repr(history).encode())
    for weight in model.get_weights() + [model.predict(x)]:
        total.update(weight.tobytes())
    return total.hexdigest()
"""


@pytest.fixture(autouse=True)
def settings():
    """Backend and threads are restored after each test."""
    threads = kernels.get_threads()
    with use_backend(kernels.current_backend()):
        yield
    set_threads(threads)


def digest_here():
    scope = {}
    exec(DETERMINISM, scope)
    return scope["digest"]()


@pytest.mark.parametrize("backend", BACKENDS)
def test_any_number_of_threads_in_any_process_gives_the_same_bits(backend):
    other = subprocess.Popen(
        [sys.executable, "-c", DETERMINISM + "\nprint(digest())"],
        env={**os.environ, "MINICNN_BACKEND": backend, "MINICNN_THREADS": "2"},
        stdout=subprocess.PIPE,
        text=True,
    )
    use_backend(backend)
    digests = set()
    for threads in (1, 2, 5):
        set_threads(threads)
        digests.add(digest_here())
    digests.add(other.communicate(timeout=120)[0].strip())
    assert len(digests) == 1
