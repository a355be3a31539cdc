"""python -m bench.gallery FOLDER: draws every figure of minicnn.plots.

It trains the course network on the sample digits with three optimizers (seconds). The same seed
gives the same pictures.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from minicnn import architectures, plots
from minicnn.callbacks import Callback, LambdaCallback, State
from minicnn.data import MnistData
from minicnn.explain import attribution
from minicnn.metrics import confusion_matrix
from minicnn.model import Sequential
from minicnn.summary import diagram_rows
from minicnn.typing import Array

_OTHER_OPTIMIZERS = ("sgd", "rmsprop")
_EDGES = np.linspace(-0.6, 0.6, 61)


def main(argv: Sequence[str] | None = None) -> int:
    """Write the pictures; returns the exit code."""
    parser = argparse.ArgumentParser("python -m bench.gallery", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the .png files go")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(argv)
    for name, figure in figures(options.epochs, options.seed):
        path = options.folder / f"{name}.png"
        plots.save(figure, path, dpi=100)
        print(path)
    return 0


def figures(epochs: int, seed: int) -> Iterator[tuple[str, Figure]]:
    """(name of the function, figure), one after the other."""
    data = MnistData("sample").load()
    weights: list[Array] = []  # of the second convolution, counted epoch by epoch

    def count(state: State) -> None:
        w = state.model.layers[2].params["w"]
        weights.append(np.histogram(w, _EDGES)[0])

    watch = LambdaCallback(on_epoch_end=count)
    model, run = _trained(data, epochs, seed, "adam", watch)
    others = {name: _trained(data, epochs, seed, name)[1] for name in _OTHER_OPTIMIZERS}
    yield "history", plots.history(run)
    yield "compare", plots.compare({"adam": run, **others})
    yield (
        "layer_histograms",
        plots.layer_histograms(
            _EDGES, np.array(weights), title="Second convolution", xlabel="weight"
        ),
    )
    yield "model_diagram", plots.model_diagram(diagram_rows(model), "The course network")
    yield from _of_predictions(model, data)
    yield from _of_the_network(model, data)


def _trained(
    data: MnistData, epochs: int, seed: int, optimizer: str, *callbacks: Callback
) -> tuple[Sequential, dict[str, list[float]]]:
    model = Sequential(architectures.course(), data.image_shape, seed=seed)
    model.compile(optimizer, metrics=["accuracy"])
    history = model.fit(
        data.train_x, data.train_labels, 128, epochs, verbose=0, callbacks=callbacks,
        validation_data=(data.test_x, data.test_labels),
    )  # fmt: skip
    return model, history.history


def _of_predictions(model: Sequential, data: MnistData) -> Iterator[tuple[str, Figure]]:
    """Correct and wrong predictions."""
    names, x = data.class_names, data.test_x[:]
    true, chances = data.test_labels.argmax(axis=1), model.predict(x)
    predicted = chances.argmax(axis=1)
    matrix = confusion_matrix(true, predicted, len(names))
    yield "confusion_matrix", plots.confusion_matrix(matrix, names, shares=True)
    yield "per_class_accuracy", plots.per_class_accuracy(matrix, names, sort=True)
    yield "mistakes", plots.mistakes(x, true, predicted, chances, names, limit=16)
    some = np.union1d(np.flatnonzero(true != predicted)[:4], np.arange(14))[:16]
    yield "samples", plots.samples(x[some], true[some], names, probabilities=chances[some])
    some = np.concatenate([np.flatnonzero(true != predicted)[:4], np.arange(4)])
    captions = [
        f"{names[predicted[i]]} ({chances[i].max():.0%})"
        + (f", is {names[true[i]]}" if true[i] != predicted[i] else "")
        for i in some
    ]
    maps = attribution.saliency(model, x[some])
    yield "saliency", plots.saliency(x[some], maps, captions, "Pixels with the largest influence")
    maps = attribution.occlusion(model, x[some])
    yield "occlusion", plots.occlusion(x[some], maps, captions, "If a 5×5 square is covered")


def _of_the_network(model: Sequential, data: MnistData) -> Iterator[tuple[str, Figure]]:
    """The weights, and the outputs of the layers for an image."""
    image, w = data.test_x[:1], model.layers[0].params["w"]
    outputs = attribution.activations(model, image)
    yield "filters", plots.filters(w, "First convolution")
    yield "patch_matrix", plots.patch_matrix(image[0], w)
    layers = [(label, y[0]) for label, y in outputs]
    yield "activation_maps", plots.activation_maps(image[0], layers, data.class_names)
    _, hidden = attribution.activations(model, data.test_x[:500])[5]
    yield "values_distribution", plots.values_distribution(hidden, "Hidden layer, 500 images")


if __name__ == "__main__":
    sys.exit(main())
