"""From the command line's options to data, network and recipe."""

from __future__ import annotations

import argparse
import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .. import architectures
from ..batches import ArrayLike
from ..data import MnistData
from ..errors import DataError
from ..layers import Layer, Weighted
from ..model import Sequential
from ..typing import Array
from . import recipes
from .recipes import Recipe

Part = tuple[ArrayLike, Array]  # (x, one-hot labels)
Say = Callable[[str], None]

TUTORIAL_TRAIN, TUTORIAL_TEST = 5500, 1000  # images


@dataclass(frozen=True)
class Plan:
    """What to train, on what, and how."""

    data: MnistData
    train: Part
    test: Part
    recipe: Recipe
    model: Sequential  # compiled


def make(options: argparse.Namespace) -> Plan:
    """Load the data, build and compile the network.

    Raises:
        DataError, ValueError, ImportError, OSError: an option cannot be satisfied.
    """
    if options.tutorial and options.recipe not in (None, "tutorial"):
        raise ValueError(
            f"expected --tutorial or --recipe {options.recipe}, received both; leave one out"
        )
    data, train, test = load_data(options)
    recipe = _recipe(options, len(train[0]))
    options.model = recipe.model  # for the folder's name and the record
    model = Sequential(
        _layers(options, data.num_classes),
        input_shape=data.image_shape,
        seed=options.seed,
        name=options.model,
    )
    model.class_names, model.preparation = list(data.class_names), data.preparation
    model.compile(recipe.make_optimizer(len(train[0])), recipe.make_loss(), ["accuracy"])
    return Plan(data, train, test, recipe, model)


def load_data(options: argparse.Namespace) -> tuple[MnistData, Part, Part]:
    """The data, its training part and its test part.

    Raises:
        DataError, ValueError, OSError: the data is missing, damaged or too small.
    """
    default = "tutorial" if options.tutorial else "standard"
    data = MnistData(
        options.data,
        split=default if options.split is None else options.split,  # 0 is an error
        seed=options.seed,
        cache_dir=options.data_dir,
        base_url=options.mirror,
        progress=False if options.quiet else None,
    ).load()
    return data, *_parts(data, options.tutorial)


def fingerprint(data: MnistData) -> str:
    """The SHA-256 of all images and labels, with dtypes and shapes: the mark of a run's data."""
    digest = hashlib.sha256()
    for array in (data.train_images, data.train_labels, data.test_images, data.test_labels):
        digest.update(f"{array.dtype.str} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def prepare_kernels(plan: Plan, say: Say) -> None:
    """Train a copy of the model for one step on a blank batch. This compiles every kernel that
    fit needs, so that the first epoch's time is training time."""
    hint = "Compiling the kernels for this network (only on its first run, about ten seconds) …"
    timer = threading.Timer(1.0, say, [hint])
    timer.daemon = True
    timer.start()
    data, count = plan.data, min(plan.recipe.batch_size, len(plan.train[0]))
    try:
        layers = architectures.TABLE[plan.model.name](data.num_classes)
        model = Sequential(layers, data.image_shape, seed=0)
        model.compile()
        images = data.train_x[np.zeros(count, np.intp)]  # gathered as a batch is
        labels = np.broadcast_to(data.train_labels[:1], (count, data.num_classes))
        if plan.recipe.augmentation is not None:
            images = plan.recipe.augmentation(images, np.random.default_rng(0))
        model.train_on_batch(np.zeros_like(images), labels)
    finally:
        timer.cancel()


def _recipe(options: argparse.Namespace, samples: int) -> Recipe:
    name = options.recipe or ("tutorial" if options.tutorial else "default")
    return recipes.TABLE[name](samples).changed(
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        optimizer=options.optimizer,
        model=options.model,
    )


def _parts(data: MnistData, tutorial: bool) -> tuple[Part, Part]:
    """(x, labels) to train on and to test on."""
    if not tutorial:
        return (data.train_x, data.train_labels), (data.test_x, data.test_labels)
    if data.num_train < TUTORIAL_TRAIN or data.num_test < TUTORIAL_TEST:
        raise DataError(
            f"--tutorial: expected at least {TUTORIAL_TRAIN:,} training and {TUTORIAL_TEST:,} test "
            f"images, received {data.num_train:,} and {data.num_test:,}; train without --tutorial"
        )
    train, test = data.next_train_batch(TUTORIAL_TRAIN), data.next_test_batch(TUTORIAL_TEST)
    shape = (-1, *data.image_shape)
    return (train.xs.reshape(shape), train.labels), (test.xs.reshape(shape), test.labels)


def _layers(options: argparse.Namespace, classes: int) -> list[Layer]:
    layers = architectures.TABLE[options.model](classes)
    tutorial = options.tutorial or options.recipe == "tutorial"
    if tutorial and options.model != "codelab":  # codelab has its own
        for layer in layers:
            if isinstance(layer, Weighted):
                layer.kernel_initializer = "glorot_normal"  # the default of TensorFlow.js
    return layers
