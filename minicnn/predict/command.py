"""python -m minicnn.predict: which class is in a picture, says a saved model."""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from ..command_line import (
    add_kernels,
    add_model,
    chosen_kernels,
    positive,
    run_command,
)
from ..data.picture import SUFFIXES
from ..errors import DataError
from ..model import DEFAULT_BATCH, Sequential
from ..pictures import prepare
from ..pictures.greyscale import enlarged, read_sized
from ..runs.classifier import check_finite, load_classifier
from ..typing import Array
from ..version import __version__
from .output import Reading, draw, print_json, print_lines, print_table

EPILOG = """\
examples:
  python -m minicnn.predict runs/2026-01-31_120000-course seven.png
  python -m minicnn.predict digits.safetensors scans --json > read.jsonl
  python -m minicnn.predict digits.safetensors seven.png nine.jpg --show

One digit a picture, upright; dark on bright or bright on dark. It is cut out, fitted into 20×20 of
28×28 pixels and centred, as MNIST was made. For a network that was trained on a sheet of your own
pictures (python -m minicnn.sprite build), a picture is resized as they were.

Exit code: 0, 2 if anything could not be read, 130 after Ctrl-C.
"""
SEEN = "seen.png"
SHOWN = 12  # pictures in it, at most


def main(argv: Sequence[str] | None = None) -> int:
    """Name what is in each picture.

    Returns:
        The exit code: 0; 2 for bad input, be it one picture of many; 130 after Ctrl-C.
    """
    options = parser().parse_args(argv)

    def work() -> int:
        with chosen_kernels(options, default="numpy"):
            return _predict(options)

    return run_command("minicnn.predict", work)


def read(path: Path, model: Sequential, options: argparse.Namespace) -> Reading:
    """A picture file as the network's input, by the way that the options say, or else as the
    images were made that it was trained on.

    Raises:
        DataError: it cannot be read, nothing is drawn, or --raw and another size.
    """
    if path.is_dir():
        raise DataError(f"{path}: expected pictures ({', '.join(sorted(SUFFIXES))}), found none")
    assert model.input_shape is not None
    (grey, whole), size = read_sized(path), model.input_shape[:2]
    if options.tutorial:
        return Reading(path, grey, prepare.tutorial_like(grey, size))
    if options.raw:
        if whole != size:
            raise DataError(
                f"{path}: --raw: expected {size[0]}×{size[1]} pixels, as the network takes, "
                f"received {whole[0]}×{whole[1]}; without --raw it is made to fit"
            )
        return Reading(path, grey, grey)
    known = None if options.polarity == "auto" else options.polarity
    if model.preparation is not None and not options.mnist:
        made = prepare.sheet_like(grey, size, **model.preparation, polarity=known)
        return Reading(path, grey, made.image, inverted=made.inverted)
    try:
        made = prepare.mnist_like(grey, size, options.box, polarity=known)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    true_box = enlarged(made.box, grey.shape, whole)
    return Reading(path, grey, made.image, made.box, true_box, made.inverted)


def _predict(options: argparse.Namespace) -> int:
    model = load_classifier(options.model)
    assert model.input_shape is not None
    assert model.class_names is not None
    if options.box and options.box > min(model.input_shape[:2]):
        raise ValueError(f"--box: expected at most {min(model.input_shape[:2])} pixels")
    if options.box and model.preparation is not None and not options.mnist:
        raise ValueError(
            "--box: the network was trained on whole pictures, from which nothing is cut out; give "
            "--mnist too, or leave it out"
        )
    if options.show:
        _check_free(options.show, options.images)
    tell = print_json if options.json else print_table if sys.stdout.isatty() else print_lines
    kept: list[tuple[Reading, Array]] = []
    total = failed = 0
    paths = _files(options.images)
    at_once = DEFAULT_BATCH if tell is print_table else 1  # a line is told as soon as it is known
    while some := list(itertools.islice(paths, at_once)):
        shown = SHOWN - len(kept) if options.show else 0
        readings = _read_all(some, model, options, shown)
        if readings:
            probabilities = model.predict(np.stack([r.image for r in readings])[..., None])
            check_finite(probabilities)
            tell(readings, probabilities, model.class_names, options.top)
            kept += list(zip(readings, probabilities, strict=True))[:shown]
        sys.stdout.flush()
        total += len(readings)
        failed += len(some) - len(readings)
    if options.show and kept:
        draw(options.show, kept, model.class_names, total)
        print(f"What the network saw: {options.show}", file=sys.stderr)
    return 2 if failed else 0


def _read_all(
    paths: Sequence[Path], model: Sequential, options: argparse.Namespace, shown: int
) -> list[Reading]:
    """Those that can be read, the first `shown` with their pictures; the others are told of."""
    readings: list[Reading] = []
    for path in paths:
        try:
            reading = read(path, model, options)
            if len(readings) >= shown:
                reading.picture = np.empty((0, 0))  # large ones of a whole folder would pile up
            readings.append(reading)
        except (DataError, OSError) as error:
            print(f"minicnn.predict: {error}", file=sys.stderr)
            if options.json:
                print(json.dumps({"image": str(path), "error": str(error)}))
    return readings


def _files(images: Iterable[Path]) -> Iterator[Path]:
    """The pictures that are named, and those in folders that are (a folder without: itself)."""
    for path in images:
        inside = path.iterdir() if path.is_dir() else ()
        pictures = [
            file
            for file in inside
            if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
        ]
        yield from sorted(pictures) or [path]


def _check_free(show: Path, images: Iterable[Path]) -> None:
    """A picture that a figure would overwrite by mistake: `--show seven.png nine.png`.

    Raises:
        ValueError: a file of this name exists, and is no figure that this command drew.
    """
    from PIL import Image

    if show.suffix.lower() != ".png":
        raise ValueError(f"--show: expected a path that ends in .png, received {show}")
    if not show.exists():
        return
    try:
        with Image.open(show, formats=["PNG"]) as image:
            drawn = str(image.info.get("Software", "")).startswith("Matplotlib")
    except (OSError, ValueError, SyntaxError):
        drawn = False
    if not drawn or show in images:
        raise ValueError(
            f"--show: {show} exists, and is no figure of this command; write --show behind the "
            "pictures, or name a new file"
        )


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    p = argparse.ArgumentParser(
        prog="python -m minicnn.predict",
        description="Name what is in a picture: the class, its probability, the runners-up.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_model(p)
    p.add_argument(
        "images",
        type=Path,
        nargs="+",
        metavar="IMAGE",
        help="picture files, or folders of them; one digit a picture",
    )
    made = p.add_argument_group("what is made of a picture")
    way = made.add_mutually_exclusive_group()
    way.add_argument(
        "--mnist",
        action="store_true",
        help="as MNIST was made; default, unless the network was trained on a sheet of your own "
        "pictures: then as these were made",
    )
    way.add_argument(
        "--raw",
        action="store_true",
        help="nothing: it has the network's input size already, bright on dark",
    )
    way.add_argument(
        "--tutorial",
        action="store_true",
        help="as the TensorFlow.js tutorial does: every tenth pixel of 280×280, bright on dark",
    )
    made.add_argument(
        "--polarity",
        choices=("auto", "dark-on-bright", "bright-on-dark"),
        default="auto",
        help="default: %(default)s, by the border",
    )
    made.add_argument(
        "--box",
        type=positive,
        metavar="PIXELS",
        help="that the digit has to fit into; default: 20 of 28 (Fashion-MNIST has 28)",
    )
    out = p.add_argument_group("what is told")
    out.add_argument("--top", type=positive, default=3, metavar="K", help="default: %(default)s")
    out.add_argument("--json", action="store_true", help="a line of JSON for each picture")
    out.add_argument(
        "--show",
        type=Path,
        nargs="?",
        const=Path(SEEN),
        metavar="PATH.png",
        help=f"draw what the network saw, beside the picture (default: {SEEN}); put it last",
    )
    run = p.add_argument_group("running")
    add_kernels(run, backend="numpy, which starts at once")
    p.add_argument("--version", action="version", version=f"minicnn {__version__}")
    return p


if __name__ == "__main__":
    sys.exit(main())
