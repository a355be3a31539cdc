"""A small model and its data, for the tests of fit, evaluate and predict."""

import numpy as np

from minicnn import Sequential, layers

SHAPE = (6, 6, 1)


def network(softmax="softmax"):
    return [
        layers.Conv2D(2, 3, activation="relu"),
        layers.MaxPool2D(2),
        layers.Flatten(),
        layers.Dense(3, activation=softmax),
    ]


def new_model(
    *, optimizer="sgd", loss="categorical_crossentropy", metrics=("accuracy",), **options
):
    """A compiled model, with the same weights at each call."""
    softmax = None if loss == "mse" else "softmax"
    model = Sequential(network(softmax), input_shape=SHAPE, **{"seed": 0, **options})
    model.compile(optimizer, loss, metrics)
    return model


def images(n=10, seed=0):
    return np.random.default_rng(seed).random((n, *SHAPE), dtype=np.float32)


def classes(n=10, seed=0):
    return np.random.default_rng(seed + 1).integers(0, 3, n)


def one_hot(n=10, seed=0):
    return np.eye(3, dtype=np.uint8)[classes(n, seed)]


def same(a, b):
    for one, other in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def close(a, b, rtol=1e-6):
    for one, other in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol / 10)


def moved(model):
    return any(
        not np.array_equal(a, b)
        for a, b in zip(model.get_weights(), new_model().get_weights(), strict=True)
    )


class Recorder:
    """An x that is read a batch at a time, and records the rows of each."""

    def __init__(self, x):
        self.x, self.shape, self.batches = x, x.shape, []

    def __len__(self):
        return len(self.x)

    def __getitem__(self, rows):
        self.batches.append(np.arange(len(self.x))[rows].tolist())
        return self.x[rows]


def loss_of_each(model, x, y):
    """-log p of each sample's class."""
    p = model.predict(x).astype(np.float64)
    return -np.log(p[np.arange(len(p)), np.asarray(y).argmax(axis=1)])
