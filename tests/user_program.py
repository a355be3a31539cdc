"""A user's program over the public API: test_public_api.py runs it, and mypy --strict checks it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import minicnn
from minicnn import (
    Augmentation,
    MnistData,
    Sequential,
    callbacks,
    initializers,
    kernels,
    layers,
    losses,
    metrics,
    optimizers,
    schedules,
)
from minicnn.callbacks import Callback, History, LambdaCallback, State
from minicnn.pictures import prepare


class Patience(Callback):
    """A custom callback."""

    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def on_epoch_end(self, state: State) -> None:
        loss: float = state.logs["loss"]
        if state.epoch >= self.epochs or loss != loss:
            state.stop = True


def train(picture: str, epochs: int, size: int = 5500) -> History:
    data = MnistData("sample").load()
    batch = data.next_train_batch(size)
    x: NDArray[np.float32] = batch.xs.reshape(-1, 28, 28, 1)
    test = data.next_test_batch(1000)
    xt, yt = test.xs.reshape(-1, 28, 28, 1), test.labels
    model = Sequential(
        [
            layers.Conv2D(8, 3, activation="relu", kernel_initializer=initializers.HeNormal()),
            layers.MaxPool2D(2),
            layers.BatchNorm(),
            layers.Dropout(0.2),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ],
        input_shape=(28, 28, 1),
        seed=0,
    )
    model.summary()
    model.compile(
        optimizer=optimizers.Adam(schedules.CosineDecay(1e-3, 100)),
        loss=losses.CategoricalCrossentropy(label_smoothing=0.1),
        metrics=["accuracy", metrics.TopK(3)],
    )
    history = model.fit(
        x,
        batch.labels,
        batch_size=512,
        epochs=epochs,
        validation_data=(xt, yt),
        augmentation=Augmentation(),
        callbacks=[
            callbacks.PlotMetrics("run/history.png"),
            callbacks.EarlyStopping("val_loss", patience=3),
            LambdaCallback(on_batch_end=lambda state: print(state.step)),
            Patience(10),
        ],
    )
    results: dict[str, float] = model.evaluate(xt, yt)
    print(results["accuracy"], model.predict(xt).argmax(axis=1))
    model.save("digits.safetensors")
    loaded: Sequential = Sequential.load("digits.safetensors")
    print([w.shape for w in loaded.get_weights()], loaded.num_params)
    digit = prepare.mnist_like(prepare.read_grey(picture)).image
    print(loaded.predict(digit.reshape(1, 28, 28, 1)).argmax())
    return history


def compute(x: NDArray[np.float64], w: NDArray[np.float64]) -> None:
    with minicnn.use_backend("numpy"):
        y = kernels.conv2d(x, w, stride=2, padding="same", backend="reference")
        dx, dw, db = kernels.conv2d_backward(y, x, w, stride=2, padding="same")
        pooled, argmax = kernels.max_pool2d(y)
        cols = kernels.im2col(x, 3, padding=((1, 1), (0, 0)))
        print(dx is None, dw.shape, db.sum(), pooled.dtype, argmax.max(), cols.T)
    minicnn.set_threads(minicnn.get_threads())


if __name__ == "__main__":
    print(train("five.png", 20).history["loss"][-1])
