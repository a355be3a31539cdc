"""The options of python -m minicnn.train."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from . import kernels, networks, optimizers, recipes
from .version import __version__

EPILOG = """\
examples:
  python -m minicnn.train                        the sample digits, in some seconds
  python -m minicnn.train --data mnist           all of MNIST, downloaded once (11 MB)
  python -m minicnn.train --data my_sheet        images of your own: see python -m minicnn.sprite
  python -m minicnn.train --tutorial             exactly as the TensorFlow.js tutorial trains

environment:
  MINICNN_BACKEND, MINICNN_THREADS, MINICNN_DATA   defaults of --backend, --threads, --data-dir
  MINICNN_SIMD                                     avx512, avx2, neon or 128: vectors to use

slow? python -m minicnn.doctor tells what this machine has, and what would help.
"""


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    p = argparse.ArgumentParser(
        prog="python -m minicnn.train",
        description="Train a convolutional network on a sprite sheet of images, and leave\n"
        "the model, its curves and its mistakes in a run folder.",
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
