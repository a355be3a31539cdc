"""The networks of the tutorial's variants, each as one list of layers for Sequential.

The numbers of parameters are for 28×28×1 images and 10 classes.
"""

from __future__ import annotations

from collections.abc import Callable

from .layers import Conv2D, Dense, Dropout, Flatten, Layer, MaxPool2D


def course(classes: int = 10) -> list[Layer]:
    """Two 3×3 convolutions and a hidden layer of 128: 53,866 parameters."""
    return [
        Conv2D(8, 3, activation="relu"),
        MaxPool2D(2),
        Conv2D(16, 3, activation="relu"),
        MaxPool2D(2),
        Flatten(),
        Dense(128, activation="relu"),
        Dense(classes, activation="softmax"),
    ]


def codelab(classes: int = 10) -> list[Layer]:
    """Two 5×5 convolutions and no hidden layer: 5,994 parameters."""
    start = "lecun_normal"  # the tutorial's "variance scaling"
    return [
        Conv2D(8, 5, activation="relu", kernel_initializer=start),
        MaxPool2D(2),
        Conv2D(16, 5, activation="relu", kernel_initializer=start),
        MaxPool2D(2),
        Flatten(),
        Dense(classes, activation="softmax", kernel_initializer=start),
    ]


def examples(classes: int = 10) -> list[Layer]:
    """Three 3×3 convolutions: 33,194 parameters."""
    return [
        Conv2D(16, 3, activation="relu"),
        MaxPool2D(2),
        Conv2D(32, 3, activation="relu"),
        MaxPool2D(2),
        Conv2D(32, 3, activation="relu"),
        Flatten(),
        Dense(64, activation="relu"),
        Dense(classes, activation="softmax"),
    ]


def node(classes: int = 10) -> list[Layer]:
    """Four 3×3 convolutions, dropout, a hidden layer of 512: 594,922 parameters."""
    return [
        Conv2D(32, 3, activation="relu"),
        Conv2D(32, 3, activation="relu"),
        MaxPool2D(2),
        Conv2D(64, 3, activation="relu"),
        Conv2D(64, 3, activation="relu"),
        MaxPool2D(2),
        Flatten(),
        Dropout(0.25),
        Dense(512, activation="relu"),
        Dropout(0.5),
        Dense(classes, activation="softmax"),
    ]


def wide(classes: int = 10) -> list[Layer]:
    """Three 3×3 convolutions of 32, 64 and 128 filters, dropout, a hidden layer of 128: 241,546
    parameters. The network of the recipe "best"."""
    return [
        Conv2D(32, 3, activation="relu", padding="same"),
        MaxPool2D(2),
        Conv2D(64, 3, activation="relu", padding="same"),
        MaxPool2D(2),
        Conv2D(128, 3, activation="relu", padding="same"),
        MaxPool2D(2),
        Flatten(),
        Dropout(0.2),
        Dense(128, activation="relu"),
        Dropout(0.2),
        Dense(classes, activation="softmax"),
    ]


TABLE: dict[str, Callable[[int], list[Layer]]] = {
    "course": course,
    "codelab": codelab,
    "examples": examples,
    "node": node,
    "wide": wide,
}
