"""The options of python -m minicnn.train."""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from .. import architectures, optimizers
from ..command_line import add_data, add_kernels, command_parser, positive, whole
from . import recipes

EPILOG = """\
examples:
  python -m minicnn.train                        the sample digits, in a few seconds
  python -m minicnn.train --data mnist           all of MNIST, downloaded once (11 MB)
  python -m minicnn.train --data my_sheet        images of your own: see python -m minicnn.sprite
  python -m minicnn.train --data mnist --recipe best   the most accurate, in a few minutes
  python -m minicnn.train --tutorial             exactly as the TensorFlow.js tutorial trains
  python -m minicnn.train --resume runs/FOLDER   continue a run that was stopped or killed

environment:
  MINICNN_BACKEND, MINICNN_THREADS, MINICNN_DATA   defaults of --backend, --threads, --data-dir
  MINICNN_SIMD                                     avx512, avx2, neon or 128: vectors to use

Slow? python -m minicnn.doctor shows what limits the speed here, and what would help.
"""


def parser(
    kind: type[argparse.ArgumentParser] = argparse.ArgumentParser,
) -> argparse.ArgumentParser:
    """The options of the command line."""
    p = command_parser(
        "train",
        "Train a convolutional network on a sprite sheet of images, and write\n"
        "the model, its curves and its mistakes to a run folder.",
        EPILOG,
        kind,
    )
    add_data(p, default="sample")
    _add_training(p.add_argument_group("network and training"))
    _add_running(p.add_argument_group("running"))
    return p


def _add_training(model: argparse._ArgumentGroup) -> None:
    default = recipes.DEFAULT
    model.add_argument(
        "--recipe",
        choices=recipes.TABLE,
        help="default; tutorial (its network and training, on all images); or best (a larger "
        "network, with augmentation); the options below change it",
    )
    model.add_argument(
        "--model", choices=architectures.TABLE, help=f"default: the recipe's own, {default.model}"
    )
    model.add_argument(
        "--epochs",
        type=positive,
        help=f"default: {recipes.SMALL.epochs} below {recipes.FEW:,} training images, "
        f"{recipes.LARGE.epochs} from {recipes.MANY:,} images on, else {default.epochs}",
    )
    model.add_argument(
        "--batch-size",
        type=positive,
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


def _add_running(run: argparse._ArgumentGroup) -> None:
    add_kernels(run)
    run.add_argument(
        "--resume",
        type=Path,
        metavar="RUN",
        help="continue a run folder (or one of its checkpoints) as if it had never been "
        "interrupted; with --epochs N: until epoch N",
    )
    run.add_argument(
        "--checkpoint-every",
        type=positive,
        metavar="STEPS",
        help="also save a checkpoint every STEPS steps; default: at the ends of epochs, as long "
        "as that takes at most 2 %% of the time",
    )
    run.add_argument(
        "--stop-after",
        type=positive,
        metavar="EPOCHS",
        help="stop after EPOCHS of the --epochs; --resume continues",
    )
    run.add_argument(
        "--tensorboard", action="store_true", help="also write event files for TensorBoard"
    )
    run.add_argument(
        "--visor",
        action="store_true",
        help="serve a page during training: live curves, draw a digit, look inside (extra: visor)",
    )
    run.add_argument("--out", type=Path, metavar="DIR", help="default: runs/<time>-<model>")
    run.add_argument("--quiet", action="store_true", help="print only the result, in one line")


def given(arguments: Sequence[str]) -> set[str]:
    """The names of the options that `arguments` contain."""
    p, unset = parser(), object()
    found = argparse.Namespace(**dict.fromkeys(vars(p.parse_args([])), unset))
    return {k for k, v in vars(p.parse_args(arguments, found)).items() if v is not unset}


def restored(options: Mapping[str, object], arguments: Sequence[str] = ()) -> argparse.Namespace:
    """The options of a run, from its run.json, overridden by `arguments`; unknown options are left
    out.

    Raises:
        ValueError: the command line does not accept one; the message names it.
    """
    p, before = parser(_Raising), []
    for name in vars(p.parse_args([])).keys() & options.keys():
        value = options[name]
        if value is not None and value is not False:
            before.append(flag(name) if value is True else f"{flag(name)}={value}")
    return p.parse_args([*before, *arguments])  # the later of two counts


def flag(name: str) -> str:
    """The command-line flag of the option `name`."""
    return {"learning_rate": "--lr"}.get(name, f"--{name.replace('_', '-')}")


class _Raising(argparse.ArgumentParser):
    """Raises ValueError instead of ending the process."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def _seed(text: str) -> int:
    return whole(text, 0)


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = -1.0
    if not 0 < rate < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number > 0, received {text!r}")
    return rate
