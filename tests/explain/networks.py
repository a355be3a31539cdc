"""A network with a layer of every kind."""

import numpy as np

from minicnn import Sequential, layers


def perturbed(model, seed=5):
    """The model with random biases and moving averages."""
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        for key, array in layer.state.items():
            array[...] = rng.uniform(0.5, 2.0, array.shape) - (key == "moving_mean")
        for array in layer.params.values():
            array += (0.1 * rng.standard_normal(array.shape)).astype(array.dtype)
    return model


def full_network(dtype="float64", last="softmax"):
    """A layer of every kind."""
    return perturbed(
        Sequential(
            [
                layers.Conv2D(3, 3, activation="relu"),
                layers.MaxPool2D(2),
                layers.Dropout(0.5),
                layers.Conv2D(4, (2, 1), activation="leaky_relu", padding="same", use_bias=False),
                layers.BatchNorm(),
                layers.Tanh(),
                layers.AvgPool2D(2, padding="same"),
                layers.Conv2D(6, 1),
                layers.Reshape((2, 2, 6)),
                layers.Conv2D(5, 2, padding="same", activation="sigmoid"),
                layers.GlobalAvgPool2D(),
                layers.Flatten(),
                layers.Dense(6, activation="tanh"),
                layers.Dropout(0.3),
                layers.Dense(5, activation=last),
            ],
            input_shape=(8, 9, 2),
            seed=3,
            dtype=dtype,
        )
    )
