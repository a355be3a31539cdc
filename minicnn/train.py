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

from . import kernels, machine, networks, optimizers, recipes, runs
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
from .model import Sequential
from .recipes import Recipe
from .registry import config_of
from .version import __version__

Part = tuple[Any, Any]  # (x, one-hot labels)
Say = Callable[[str], None]

EPILOG = """\
examples:
  python -m minicnn.train                        the sample digits, in half a minute
  python -m minicnn.train --data mnist           all of MNIST, downloaded once (11 MB)
  python -m minicnn.train --data my_sheet        images of your own: see python -m minicnn.sprite
  python -m minicnn.train --tutorial             exactly as the TensorFlow.js tutorial trains
"""


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    p = argparse.ArgumentParser(
        prog="python -m minicnn.train",
        description="Train a convolutional network on a sprite sheet of images, and leave the "
        "model, its curves and its mistakes in a run folder.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = recipes.DEFAULT
    data = p.add_argument_group("data")
    data.add_argument(
        "--data",
        default="sample",
        metavar="NAME|FOLDER",
        help="sample (12,000 MNIST digits, shipped with minicnn; default), mnist, fashion, or a "
        "folder that holds a sheet and its labels",
    )
    data.add_argument(
        "--split",
        type=_split,
        help="standard (default), tutorial, the training share (0.8), or its number (55000)",
    )
    data.add_argument("--data-dir", metavar="DIR", help="where downloads are kept (MINICNN_DATA)")
    data.add_argument("--mirror", metavar="URL", help="base URL of a mirror of the official files")
    model = p.add_argument_group("network and training")
    model.add_argument(
        "--model", choices=networks.TABLE, default="course", help="default: %(default)s"
    )
    model.add_argument(
        "--epochs",
        type=_positive,
        help=f"default: {recipes.SMALL.epochs} below {recipes.FEW:,} training images, "
        f"{recipes.LARGE.epochs} from {recipes.MANY:,} on, else {default.epochs}",
    )
    model.add_argument(
        "--batch-size",
        type=_positive,
        help=f"default: {default.batch_size}; {recipes.SMALL.batch_size} below {recipes.FEW:,}",
    )
    model.add_argument(
        "--lr",
        type=_rate,
        dest="learning_rate",
        help=f"peak learning rate; default: {default.learning_rate:g}; "
        f"{recipes.SMALL.learning_rate:g} below {recipes.FEW:,}",
    )
    model.add_argument(
        "--optimizer", choices=optimizers.TABLE, help=f"default: {default.optimizer}"
    )
    model.add_argument(
        "--tutorial",
        action="store_true",
        help="5,500 training and 1,000 test images, batch 512, 20 epochs, Adam at 0.001",
    )
    model.add_argument(
        "--seed", type=_seed, default=0, help="of weights, order, dropout; default: 0"
    )
    run = p.add_argument_group("running")
    run.add_argument("--backend", choices=kernels.backend.MODULES, help="default: numba if there")
    run.add_argument("--threads", type=_positive, help="default: all processors")
    run.add_argument("--out", type=Path, metavar="DIR", help="default: runs/<time>-<model>")
    run.add_argument("--quiet", action="store_true", help="print the result in one line, no more")
    p.add_argument("--version", action="version", version=f"minicnn {__version__}")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    """Train as the options say.

    Returns:
        The exit code: 0; 1 if training diverged; 2 for bad input; 130 after Ctrl-C.
    """
    options = parser().parse_args(argv)
    try:
        return _train(options)
    except (DataError, ValueError, ImportError, OSError) as error:
        print(f"minicnn.train: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nInterrupted; no model was saved.", file=sys.stderr)
        return 130


def _train(options: argparse.Namespace) -> int:
    say = _silent if options.quiet else print
    _choose_kernels(options, say)
    data = _data(options).load()
    train, test = _parts(data, options.tutorial)
    recipe = _recipe(options, len(train[0]))
    model = Sequential(
        networks.TABLE[options.model](data.num_classes),
        input_shape=data.image_shape,
        seed=options.seed,
        name=options.model,
    )
    model.class_names = list(data.class_names)
    model.compile(recipe.make_optimizer(len(train[0])), recipe.make_loss(), ["accuracy"])
    say(_headline(options, model, len(train[0]), len(test[0])))
    _prepare_kernels(options.model, data, say)
    folder = runs.given_folder(options.out) if options.out else runs.new_folder(options.model)
    try:
        results = _fit(model, train, test, recipe, folder, options.quiet)
    finally:
        runs.remove_if_empty(folder)
    model.save(folder / runs.MODEL)  # first of all: the rest can be made again from it
    test_result = runs.measure(model, *test)
    results |= {"test_accuracy": test_result.accuracy, "test_loss": test_result.loss}
    runs.write_json(folder / runs.RUN, _record(options, recipe, data, model, results))
    runs.draw(folder, model, test[0], test_result, data.class_names)
    _report(folder, len(test_result.wrong), len(test[0]), results, options)
    if results["interrupted"]:
        return 130
    return 0 if math.isfinite(test_result.loss) else 1


def _fit(
    model: Sequential, train: Part, test: Part, recipe: Recipe, folder: Path, quiet: bool
) -> dict[str, Any]:
    """Train, writing the history into `folder`; what came out, for run.json."""
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
    }


def _choose_kernels(options: argparse.Namespace, say: Say) -> None:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Numba is not installed")  # said below
        kernels.use_backend(options.backend)
        if kernels.current_backend() == "numpy" and not options.backend:
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
    train, test = data.next_train_batch(5500), data.next_test_batch(1000)
    shape = (-1, *data.image_shape)
    return (train.xs.reshape(shape), train.labels), (test.xs.reshape(shape), test.labels)


def _headline(options: argparse.Namespace, model: Sequential, train: int, test: int) -> str:
    height, width, _ = model.input_shape or (0, 0, 0)
    return (
        f"{options.data}: {train:,} training and {test:,} test images, {height}×{width}, "
        f"{model.output_shape[0]} classes\n"
        f"{options.model}: {len(model.layers)} layers, {model.num_params:,} parameters; "
        f"{kernels.current_backend()} on {kernels.get_threads()} threads, {machine.processor()}"
    )


def _prepare_kernels(name: str, data: MnistData, say: Say) -> None:
    """One step of a model of the same kind on blank images: compiles every kernel that fit needs,
    so that the first epoch's time is training time."""
    hint = "Compiling the kernels; this happens on the very first run only, and takes some seconds"
    waiting = threading.Timer(1.0, say, [hint])
    waiting.daemon = True
    waiting.start()
    try:
        model = Sequential(networks.TABLE[name](data.num_classes), data.image_shape, seed=0)
        model.compile()
        model.train_on_batch(np.zeros((2, *data.image_shape), np.float32), data.train_labels[:2])
    finally:
        waiting.cancel()


def _record(
    options: argparse.Namespace,
    recipe: Recipe,
    data: MnistData,
    model: Sequential,
    results: dict[str, Any],
) -> dict[str, Any]:
    """What run.json holds: enough to understand the run, and to do it again."""
    return {
        "command": shlex.join(["python", "-m", "minicnn.train", *sys.argv[1:]]),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "options": vars(options),
        "seed": options.seed,
        "recipe": asdict(recipe),
        "optimizer": config_of(model.optimizer),
        "model": {"name": model.name, "parameters": model.num_params},
        "data": {
            "source": options.data,
            "train": data.num_train,
            "test": data.num_test,
            "image_shape": data.image_shape,
            "class_names": data.class_names,
        },
        "backend": kernels.current_backend(),
        "threads": kernels.get_threads(),
        **machine.describe(),
        "results": results | {"peak_memory_mib": machine.peak_memory_mib()},
    }


def _report(
    folder: Path, wrong: int, total: int, results: dict[str, Any], options: argparse.Namespace
) -> None:
    line = (
        f"Test accuracy {results['test_accuracy']:.2%} ({wrong:,} of {total:,} misread), "
        f"loss {results['test_loss']:.4f}; {results['epochs']} epochs in "
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
        if (folder / name).exists():
            print(f"  {name:18} {what}")
    print("\nNext: look at mistakes.png; " + _next(options))


def _next(options: argparse.Namespace) -> str:
    if options.data == "sample":
        return "train on all of MNIST: python -m minicnn.train --data mnist"
    source = shlex.quote(options.data)
    return f"try another network: python -m minicnn.train --data {source} --model node"


def _silent(text: str) -> None:
    pass


def _split(text: str) -> str | float | int:
    if text in ("standard", "tutorial"):
        return text
    try:
        return int(text) if text.isdecimal() else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected standard, tutorial, a share such as 0.8 or a number, received {text!r}"
        ) from None


def _whole(text: str, minimum: int) -> int:
    if not (text.isascii() and text.isdecimal()) or int(text) < minimum:
        raise argparse.ArgumentTypeError(f"expected a whole number >= {minimum}, received {text!r}")
    return int(text)


def _positive(text: str) -> int:
    return _whole(text, 1)


def _seed(text: str) -> int:
    return _whole(text, 0)


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0 < rate < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number > 0, received {text!r}")
    return rate


if __name__ == "__main__":
    sys.exit(main())
