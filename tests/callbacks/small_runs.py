"""Small real training runs, and the same runs resumed from a checkpoint."""

import numpy as np

from minicnn import Sequential, layers, optimizers
from minicnn.callbacks import Callback
from minicnn.saving import checkpoints

SHAPE = (8, 8, 1)
CLASSES = ["nought", "one", "two"]
STEPS = 4  # batches an epoch


def images(n=18, seed=0):
    return np.random.default_rng(seed).random((n, *SHAPE), dtype=np.float32)


def one_hot(n=18, seed=0):
    return np.eye(3, dtype=np.uint8)[np.random.default_rng(seed + 1).integers(0, 3, n)]


VALIDATION = images(10, seed=7), one_hot(10, seed=7)


def new_model(*, dropout=0.3, optimizer=None, seed=0, **options):
    """A model with all kinds of state: moving statistics, a generator, momentum."""
    model = Sequential(
        [
            layers.Conv2D(4, 3, activation="relu"),
            layers.MaxPool2D(2),
            layers.BatchNorm(),
            layers.Flatten(),
            layers.Dense(6, activation="relu"),
            layers.Dropout(dropout),
            layers.Dense(3, activation="softmax"),
        ],
        input_shape=SHAPE,
        seed=seed,
        **options,
    )
    model.compile(optimizer or optimizers.Adam(0.01), metrics=["accuracy"])
    return model


def train(watchers, *, model=None, epochs=3, validation=VALIDATION, **options):
    """A run of STEPS batches an epoch; the last batch is smaller."""
    model = model or new_model()
    history = model.fit(
        images(),
        one_hot(),
        batch_size=5,
        epochs=epochs,
        verbose=0,
        callbacks=watchers,
        validation_data=validation,
        **options,
    )
    return model, history


class Saver(Callback):
    """A checkpoint after every batch and every epoch."""

    runs_last = True

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(exist_ok=True)

    def on_batch_end(self, state):
        content = checkpoints.to_bytes(state.model, state.resume.capture())
        (self.folder / checkpoints.file_name(state.resume.done)).write_bytes(content)

    on_epoch_end = on_batch_end


class SetLogs(Callback):
    """Puts its own values into the logs of the epochs."""

    def __init__(self, name, values):
        self.name, self.values = name, values

    def on_epoch_end(self, state):
        state.logs[self.name] = self.values[state.epoch]


def resumed(watchers, folder, done, **options):
    """The rest of a run with a Saver, resumed after `done` = (epochs, steps)."""
    return train(watchers, resume=folder / checkpoints.file_name(done), **options)


WHERE = [(1, 0), (1, 2), (1, STEPS), (2, 0)]
"""At an epoch's end, within an epoch, between the last batch and validation."""


def same_weights(model, other):
    for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
