"""python -m minicnn.predict: predict the class of pictures with a saved model."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from ..command_line import (
    add_kernels,
    add_model,
    chosen_kernels,
    command_parser,
    positive,
    run_command,
)
from ..data.picture import SUFFIXES
from ..errors import DataError
from ..model import Sequential
from ..pictures import prepare
from ..pictures.greyscale import box_in_file, read_sized
from ..runs.classifier import check_finite, load_classifier
from .output import Reading, Result, draw, print_json, print_lines, print_table

EPILOG = """\
examples:
  python -m minicnn.predict runs/2026-01-31_120000-course seven.png
  python -m minicnn.predict digits.safetensors scans --json > predictions.jsonl
  python -m minicnn.predict digits.safetensors seven.png nine.jpg --show

Each picture shows one upright digit, dark on bright or bright on dark. MNIST preprocessing crops
it, fits it into 20×20 of 28×28 pixels and centres it. If the network was trained on a sheet of your
own pictures (python -m minicnn.sprite build), the pictures are resized like those instead.

Exit code: 0; 2 if a file could not be read; 130 after Ctrl-C.
"""
FIGURE = "seen.png"
MAX_SHOWN = 12  # pictures in the figure
TABLE_ROWS = 256  # of a table; a longer list is printed in several


def main(argv: Sequence[str] | None = None) -> int:
    """Predict the class of each picture.

    Returns:
        The exit code: 0; 2 if a picture or another input is invalid; 130 after Ctrl-C.
    """
    options = parser().parse_args(argv)

    def work() -> int:
        with chosen_kernels(options, default="numpy"):
            return _predict(options)

    return run_command("minicnn.predict", work)


def read(path: Path, model: Sequential, options: argparse.Namespace) -> Reading:
    """Read a picture and preprocess it as the options say; by default, like the training images.

    Raises:
        DataError: it can't be read, nothing is drawn, or a wrong size with --raw.
    """
    if path.is_dir():
        raise DataError(f"{path}: expected pictures ({', '.join(sorted(SUFFIXES))}), found none")
    assert model.input_shape is not None
    (grey, file_size), size = read_sized(path), model.input_shape[:2]
    if options.tutorial:
        return Reading(path, grey, prepare.tutorial_like(grey, size))
    if options.raw:
        if file_size != size:
            raise DataError(
                f"{path}: --raw: expected {size[0]}×{size[1]} pixels, the network's input size, "
                f"received {file_size[0]}×{file_size[1]}; without --raw the picture is resized"
            )
        return Reading(path, grey, grey)
    polarity = None if options.polarity == "auto" else options.polarity
    if model.preparation is not None and not options.mnist:
        prepared = prepare.sheet_like(grey, size, **model.preparation, polarity=polarity)
        return Reading(path, grey, prepared.image, inverted=prepared.inverted)
    try:
        prepared = prepare.mnist_like(grey, size, options.box, polarity=polarity)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    file_box = box_in_file(prepared.box, grey.shape, file_size)
    return Reading(path, grey, prepared.image, prepared.box, file_box, prepared.inverted)


def _predict(options: argparse.Namespace) -> int:
    model = load_classifier(options.model)
    assert model.class_names is not None
    _check_box(model, options)
    if options.show:
        _check_free(options.show, options.images)
    terminal = sys.stdout.isatty() and not options.json
    print_results = print_json if options.json else print_table if terminal else print_lines
    shown: list[Result] = []
    pending: list[Result] = []
    total = failed = 0
    for path in _files(options.images):
        try:
            reading = read(path, model, options)
        except (DataError, OSError) as error:
            failed += 1
            print(f"minicnn.predict: {error}", file=sys.stderr)
            if options.json:
                print(json.dumps({"image": str(path), "error": str(error)}))
        else:
            total += 1
            probabilities = model.predict(reading.image[None, ..., None])[0]
            check_finite(probabilities)
            if options.show and len(shown) < MAX_SHOWN:
                shown.append((reading, probabilities))
            else:
                reading.picture = np.empty((0, 0))  # saves memory
            pending.append((reading, probabilities))
        if pending and len(pending) >= (TABLE_ROWS if terminal else 1):
            print_results(pending, model.class_names, options.top)
            pending.clear()
        sys.stdout.flush()
    if pending:
        print_results(pending, model.class_names, options.top)
    if shown:
        draw(options.show, shown, model.class_names, total)
        print(f"The network's input: {options.show}", file=sys.stderr)
    return 2 if failed else 0


def _check_box(model: Sequential, options: argparse.Namespace) -> None:
    assert model.input_shape is not None
    if options.box and options.box > min(model.input_shape[:2]):
        raise ValueError(f"--box: expected at most {min(model.input_shape[:2])} pixels")
    if options.box and model.preparation is not None and not options.mnist:
        raise ValueError(
            "--box: the network was trained on whole pictures, which are not cropped; add --mnist, "
            "or omit --box"
        )


def _files(images: Iterable[Path]) -> Iterator[Path]:
    """The given pictures and those in given folders; a folder without pictures yields itself."""
    for path in images:
        inside = path.iterdir() if path.is_dir() else ()
        pictures = [
            file
            for file in inside
            if file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
        ]
        yield from sorted(pictures) or [path]


def _check_free(show: Path, images: Iterable[Path]) -> None:
    """Check that --show would not overwrite a picture by mistake: `--show seven.png nine.png`.

    Raises:
        ValueError: the file exists, and is not a figure of this command.
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
            f"--show: {show} exists, and is not a figure of this command; put --show after the "
            "pictures, or give a new file name"
        )


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    description = "Predict the class of pictures: the most probable classes with probabilities."
    p = command_parser("predict", description, EPILOG)
    add_model(p)
    p.add_argument(
        "images",
        type=Path,
        nargs="+",
        metavar="IMAGE",
        help="picture files, or folders of them; one digit in each picture",
    )
    _add_preprocessing(p.add_argument_group("preprocessing"))
    out = p.add_argument_group("output")
    out.add_argument(
        "--top",
        type=positive,
        default=3,
        metavar="K",
        help="number of classes to print; default: %(default)s",
    )
    out.add_argument("--json", action="store_true", help="print a line of JSON for each picture")
    out.add_argument(
        "--show",
        type=Path,
        nargs="?",
        const=Path(FIGURE),
        metavar="PATH.png",
        help=f"draw each picture beside the network's input (default: {FIGURE}); put it last",
    )
    run = p.add_argument_group("running")
    add_kernels(run, backend="numpy, which starts fastest")
    return p


def _add_preprocessing(group: argparse._ArgumentGroup) -> None:
    kind = group.add_mutually_exclusive_group()
    kind.add_argument(
        "--mnist",
        action="store_true",
        help="MNIST preprocessing; the default, unless the network was trained on a sheet of your "
        "own pictures: then their preprocessing",
    )
    kind.add_argument(
        "--raw",
        action="store_true",
        help="none: the picture has the network's input size, bright on dark",
    )
    kind.add_argument(
        "--tutorial",
        action="store_true",
        help="none (as in the TF.js tutorial): every tenth pixel of 280×280, bright on dark",
    )
    group.add_argument(
        "--polarity",
        choices=("auto", "dark-on-bright", "bright-on-dark"),
        default="auto",
        help="default: %(default)s, from the border",
    )
    group.add_argument(
        "--box",
        type=positive,
        metavar="PIXELS",
        help="maximum size of the digit; default: 20 of 28 (Fashion-MNIST: 28)",
    )
