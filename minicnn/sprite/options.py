"""The options of python -m minicnn.sprite."""

import argparse

from ..command_line import command_parser
from ..data.folder import INVERT
from ..data.picture import FITS

EXAMPLES = """examples:
  a folder of pictures, one subfolder for each class (letters/a/*.png, letters/b/*.png, ...):
    python -m minicnn.sprite build letters --out letters-sheet
    python -m minicnn.sprite show letters-sheet --png preview.png
    python -m minicnn.train --data letters-sheet
  MNIST's original files (train-images-idx3-ubyte.gz, ...):
    python -m minicnn.sprite idx downloads --out mnist-sheet --name mnist
  2,000 images of a larger sheet:
    python -m minicnn.sprite subset mnist-sheet --train 1500 --test 500 --out small
"""


def parser() -> argparse.ArgumentParser:
    """The command line; `command` is the name of one of the four commands. The other options of
    build, idx and subset have the names of the arguments of the function that does the work."""
    p = command_parser(
        "sprite",
        "Build sprite sheets (one PNG with an image in each row, a file of one-hot labels, a\n"
        "manifest) from your own images, and show them.",
        EXAMPLES,
    )
    commands = p.add_subparsers(dest="command", required=True, metavar="COMMAND")
    build = commands.add_parser(
        "build",
        help="from a folder of pictures, one subfolder for each class",
        description="Build a sheet from a folder of pictures, one subfolder for each class (or "
        "train/ and test/ with these subfolders). Pictures are turned upright, converted to grey, "
        "resized and shuffled.",
    )
    _add_build(build)
    idx = commands.add_parser(
        "idx",
        help="from IDX files, the original format of MNIST",
        description="Build a sheet from train-images-idx3-ubyte, train-labels-idx1-ubyte and the "
        "two t10k files, each plain or .gz.",
    )
    idx.add_argument("folder", metavar="FOLDER", help="holds the four files")
    idx.add_argument(
        "--classes",
        dest="class_names",
        type=lambda text: text.split(","),
        metavar="A,B,…",
        help="class names (default: 0,1,…)",
    )
    _add_target(idx, "idx")
    small = commands.add_parser(
        "subset",
        help="a smaller sheet, drawn at random from a larger one",
        description="Draw a smaller sheet from a larger one: training images from its training "
        "images, test images from its test images, with the same share of each class.",
    )
    small.add_argument("folder", metavar="SHEETFOLDER", help="holds a sheet and its labels")
    small.add_argument("--train", type=int, required=True, help="training images to draw")
    small.add_argument("--test", type=int, required=True, help="test images to draw")
    small.add_argument("--seed", type=int, default=0, help="random seed (default: 0)")
    _add_cache(small)
    _add_target(small, "subset")
    _add_show(commands.add_parser("show", help="show the contents of a sheet"))
    return p


def _add_build(build: argparse.ArgumentParser) -> None:
    build.add_argument("folder", metavar="FOLDER", help="holds one subfolder for each class")
    build.add_argument(
        "--size", type=_size, default=(28, 28), metavar="H[xW]", help="pixels (default: 28)"
    )
    build.add_argument(
        "--fit", choices=FITS, default="pad", help="keep proportions and pad (default), or stretch"
    )
    build.add_argument(
        "--invert",
        choices=INVERT,
        default="auto",
        help="MNIST is white on black: invert all pictures if most have a light border (auto, "
        "the default), decide for each picture, always (yes), or never (no)",
    )
    build.add_argument(
        "--test",
        type=float,
        default=1 / 6,
        metavar="SHARE",
        help="share of test images (default: 1/6)",
    )
    build.add_argument(
        "--seed", type=int, default=0, help="random seed of the shuffling (default: 0)"
    )
    build.add_argument(
        "--on-error", choices=("skip", "fail"), default="skip", help="for unreadable pictures"
    )
    _add_target(build, None)


def _add_target(parser: argparse.ArgumentParser, name: str | None) -> None:
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write to")
    parser.add_argument("--name", default=name, help=f"of the sheet (default: {name or 'FOLDER'})")
    parser.add_argument("--source", help="where the images come from, for the manifest")
    parser.add_argument("--force", action="store_true", help="replace an existing sheet")


def _add_cache(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data-dir",
        dest="cache_dir",
        metavar="DIR",
        help="cache of decoded sheets (default: MINICNN_DATA)",
    )


def _add_show(show: argparse.ArgumentParser) -> None:
    show.add_argument("sheet", metavar="SHEET", help='a folder, a PNG (with --labels), or "sample"')
    show.add_argument("--labels", metavar="FILE", help="the labels of a PNG")
    show.add_argument("--size", type=_size, metavar="H[xW]", help="if the images aren't square")
    show.add_argument("--png", metavar="FILE", help="write a preview with images of each class")
    _add_cache(show)


def _size(text: str) -> tuple[int, int]:
    """ "28" or "28x20", height first."""
    numbers = [int(part) for part in text.lower().replace("×", "x").split("x")]
    if len(numbers) > 2 or min(numbers) < 1:
        raise ValueError(text)
    return numbers[0], numbers[-1]
