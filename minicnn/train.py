"""python -m minicnn.train: options → data → model → fit → run folder."""

from __future__ import annotations

import argparse
import math
import shlex
import sys
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from . import kernels, machine, networks, recipes, runs
from .callbacks import (
    CSVLogger,
    PlotMetrics,
    ProgressBar,
    StopOnInterrupt,
    TerminateOnNaN,
)
from .data import MnistData
from .errors import DataError
from .kernels.backend import NUMBA_HINT
from .layers import Layer, Weighted
from .model import Sequential
from .options import parser
from .recipes import Recipe
from .registry import config_of

Part = tuple[Any, Any]  # (x, one-hot labels)
Say = Callable[[str], None]

TUTORIAL_TRAIN, TUTORIAL_TEST = 5500, 1000  # images


def main(argv: Sequence[str] | None = None) -> int:
    """Train as the options say.

    Returns:
        The exit code: 0; 1 if training diverged; 2 for bad input; 130 after Ctrl-C.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    options = parser().parse_args(arguments)
    try:
        with warnings.catch_warnings():
            # NumPy's, of a run that diverges: the report says it in plainer words
            warnings.filterwarnings("ignore", category=RuntimeWarning, module="minicnn")
            return _train(options, shlex.join(["python", "-m", "minicnn.train", *arguments]))
    except (ValueError, ImportError, OSError) as error:
        print(f"minicnn.train: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nInterrupted; no model was saved.", file=sys.stderr)
        return 130


def _train(options: argparse.Namespace, command: str) -> int:
    say = _silent if options.quiet else print
    _choose_kernels(options, say)
    data = _data(options).load()
    train, test = _parts(data, options.tutorial)
    recipe = _recipe(options, len(train[0]))
    model = Sequential(
        _layers(options, data.num_classes),
        input_shape=data.image_shape,
        seed=options.seed,
        name=options.model,
    )
    model.class_names = list(data.class_names)
    model.compile(recipe.make_optimizer(len(train[0])), recipe.make_loss(), ["accuracy"])
    say(_headline(options, model, len(train[0]), len(test[0])))
    say(f"Training: {recipe}")
    _prepare_kernels(options.model, data, min(recipe.batch_size, len(train[0])), say)
    folder = runs.given_folder(options.out) if options.out else runs.new_folder(options.model)
    try:
        results = _fit(model, train, test, recipe, folder, options.quiet)
    finally:
        runs.remove_if_empty(folder)
    model.save(folder / runs.MODEL)  # first of all: the rest can be made again from it
    try:
        evaluation = runs.measure(model, *test)
        results |= {"test_accuracy": evaluation.accuracy, "test_loss": evaluation.loss}
        record = {"command": command, "options": vars(options), "recipe": asdict(recipe)}
        record |= _about(data, model, len(train[0]), len(test[0])) | {"results": results}
        runs.write_json(folder / runs.RUN, record)
        runs.draw(folder, model, test[0], evaluation, data.class_names)
    except KeyboardInterrupt:
        print(f"\nInterrupted; the model is in {folder}.", file=sys.stderr)
        return 130
    _report(folder, len(evaluation.wrong), len(test[0]), results, options)
    if results["interrupted"]:
        return 130
    return 0 if math.isfinite(evaluation.loss) else 1


def _fit(
    model: Sequential, train: Part, test: Part, recipe: Recipe, folder: Path, quiet: bool
) -> dict[str, Any]:
    """Train, writing the history into `folder`; what came out, for run.json.

    The test images serve as validation data for the curves alone: nothing is chosen by them.
    """
    watch, interrupt = runs.Stopwatch(), StopOnInterrupt()
    callbacks = [
        watch,
        TerminateOnNaN(),
        CSVLogger(folder / runs.HISTORY_CSV),
        PlotMetrics(folder / runs.HISTORY_PNG),
        interrupt,
        *([] if quiet else [ProgressBar()]),
    ]
    begun = time.perf_counter()
    model.fit(
        *train,
        batch_size=recipe.batch_size,
        epochs=recipe.epochs,
        verbose=0,
        callbacks=callbacks,
        validation_data=test,
    )
    return {
        "seconds": time.perf_counter() - begun,
        "images_per_second": watch.images_per_second,
        "epochs": watch.epochs,
        "interrupted": interrupt.interrupted,
        "peak_memory_mib": machine.peak_memory_mib(),
    }


def _choose_kernels(options: argparse.Namespace, say: Say) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Numba is not installed")  # said below
        kernels.use_backend(options.backend)
        if kernels.current_backend() == "numpy" and "numba" not in kernels.available_backends():
            say(NUMBA_HINT)
    if options.threads:
        kernels.set_threads(options.threads)


def _recipe(options: argparse.Namespace, samples: int) -> Recipe:
    return (recipes.TUTORIAL if options.tutorial else recipes.default(samples)).changed(
        epochs=options.epochs,
        batch_size=options.batch_size,
        learning_rate=options.learning_rate,
        optimizer=options.optimizer,
    )


def _data(options: argparse.Namespace) -> MnistData:
    return MnistData(
        options.data,
        split=options.split or ("tutorial" if options.tutorial else "standard"),
        seed=options.seed,
        cache_dir=options.data_dir,
        base_url=options.mirror,
        progress=False if options.quiet else None,
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
    layers = networks.TABLE[options.model](classes)
    if options.tutorial and options.model != "codelab":  # which has its own
        for layer in layers:
            if isinstance(layer, Weighted):
                layer.kernel_initializer = "glorot_normal"  # the default of TensorFlow.js
    return layers


def _headline(options: argparse.Namespace, model: Sequential, train: int, test: int) -> str:
    height, width, _ = model.input_shape or (0, 0, 0)
    return (
        f"{options.data}: {train:,} training and {test:,} test images, {height}×{width}, "
        f"{model.output_shape[0]} classes\n"
        f"{options.model}: {len(model.layers)} layers, {model.num_params:,} parameters; "
        f"{kernels.current_backend()} on {kernels.get_threads()} threads, {machine.processor()}"
    )


def _prepare_kernels(name: str, data: MnistData, batch_size: int, say: Say) -> None:
    """One step of a model of the same kind on a blank batch: compiles every kernel that fit needs,
    so that the first epoch's time is training time."""
    hint = "Compiling the kernels for this network: on its first run only, some ten seconds …"
    waiting = threading.Timer(1.0, say, [hint])
    waiting.daemon = True
    waiting.start()
    try:
        model = Sequential(networks.TABLE[name](data.num_classes), data.image_shape, seed=0)
        model.compile()
        images = data.train_x[np.zeros(batch_size, np.intp)]  # gathered as a batch is
        labels = np.broadcast_to(data.train_labels[:1], (batch_size, data.num_classes))
        model.train_on_batch(np.zeros_like(images), labels)
    finally:
        waiting.cancel()


def _about(data: MnistData, model: Sequential, train: int, test: int) -> dict[str, Any]:
    """What run.json says of the model, the data and the machine."""
    return {
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "seed": model.seed,
        "optimizer": config_of(model.optimizer),
        "model": {"name": model.name, "parameters": model.num_params},
        "data": {
            "train": train,
            "test": test,
            "image_shape": data.image_shape,
            "class_names": data.class_names,
        },
        "backend": kernels.current_backend(),
        "threads": kernels.get_threads(),
        **machine.describe(),
    }


def _report(
    folder: Path, wrong: int, total: int, results: dict[str, Any], options: argparse.Namespace
) -> None:
    line = (
        f"Test accuracy {results['test_accuracy']:.2%} ({wrong:,} of {total:,} misread), "
        f"cross-entropy {results['test_loss']:.4f}; {results['epochs']} epochs in "
        f"{results['seconds']:.1f} s, {results['images_per_second']:,.0f} images/s"
    )
    if options.quiet:
        print(f"{line}; {folder}")
        return
    print(f"\n{line}")
    if not math.isfinite(results["test_loss"]):
        print("The loss is not a finite number: training diverged. Try a lower --lr.")
    print(f"\nIn {folder}:")
    for name, what in runs.CONTENTS.items():
        if (folder / name).exists() and (folder / name).stat().st_size:
            print(f"  {name:18} {what}")
    if not results["epochs"]:
        print("No epoch was finished, so there are no curves.")
    print("\nNext: look at mistakes.png; " + _next(options))


def _next(options: argparse.Namespace) -> str:
    if options.data == "sample":
        return "train on all of MNIST: python -m minicnn.train --data mnist"
    source, other = shlex.quote(options.data), "course" if options.model == "node" else "node"
    return f"try another network: python -m minicnn.train --data {source} --model {other}"


def _silent(text: str) -> None:
    pass


if __name__ == "__main__":
    sys.exit(main())
