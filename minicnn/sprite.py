"""python -m minicnn.sprite: build sprite sheets, and look into them."""

import argparse
import io
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from .data import MnistData, locate
from .data.folder import INVERT, build_from_folder
from .data.idx import build_from_idx
from .data.manifest import FORMAT
from .data.picture import FITS
from .data.preview import preview_image, preview_text, write_preview
from .data.subset import subset

T = TypeVar("T")
EXAMPLES = """examples:
  a folder of pictures, one subfolder a class (letters/a/*.png, letters/b/*.png, ...):
    python -m minicnn.sprite build letters --out letters-sheet
    python -m minicnn.sprite show letters-sheet --png preview.png
    python -m minicnn.train --data letters-sheet
  MNIST as it is published (train-images-idx3-ubyte.gz, ...):
    python -m minicnn.sprite idx downloads --out mnist-sheet --name mnist
  2,000 images of a larger sheet:
    python -m minicnn.sprite subset mnist-sheet --train 1500 --test 500 --out small
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code: 0, 2 for an error, 130 for Ctrl-C."""
    args = _parser().parse_args(argv)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal may know no × and no table lines
    try:
        args.run(args)
    except (ValueError, OSError) as error:  # DataError is a ValueError
        print("error:", str(error).replace("\n", " "), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; no sheet was written", file=sys.stderr)
        return 130
    return 0


def _build(args: argparse.Namespace) -> None:
    report = build_from_folder(
        args.folder,
        args.out,
        name=args.name,
        size=args.size,
        fit=args.fit,
        invert=args.invert,
        test=args.test,
        seed=args.seed,
        on_error=args.on_error,
        source=args.source,
        force=args.force,
        track=_progress("Reading pictures"),
    )
    for path, reason in report.skipped:
        print(f"skipped {path}: {reason}", file=sys.stderr)
    if report.skipped:
        print(f"skipped {len(report.skipped):,} unreadable pictures", file=sys.stderr)
    if report.inverted:
        print(
            f"inverted {report.inverted:,} of {report.num_images:,} pictures, to white on black "
            f"(--invert {args.invert})"
        )
    _say_written(report.manifest)


def _idx(args: argparse.Namespace) -> None:
    names = args.classes.split(",") if args.classes else None
    _say_written(
        build_from_idx(
            args.folder,
            args.out,
            name=args.name,
            class_names=names,
            source=args.source,
            force=args.force,
        )
    )


def _subset(args: argparse.Namespace) -> None:
    _say_written(
        subset(
            args.folder,
            args.out,
            train=args.train,
            test=args.test,
            seed=args.seed,
            name=args.name,
            source=args.source,
            force=args.force,
            cache_dir=args.data_dir,
        )
    )


def _show(args: argparse.Namespace) -> None:
    path = Path(args.sheet)
    shape = args.size
    if args.labels:
        files = locate.beside(path, Path(args.labels))
        data = MnistData(
            images=path, labels=args.labels, image_shape=shape, cache_dir=args.data_dir
        )
    else:
        folder = locate.SAMPLE if args.sheet == "sample" else path
        files = locate.in_folder(folder)
        data = MnistData(folder, image_shape=shape, cache_dir=args.data_dir)
    data.load()
    console = Console()
    console.print(_facts(files, data), _classes(data))
    print(preview_text(data.train_images, data.image_shape, min(console.width, 120)))
    if args.png:
        picture = preview_image(
            data.train_images, data.train_labels, data.image_shape, data.class_names
        )
        write_preview(picture, Path(args.png))
        print(f"wrote {args.png}")


def _facts(files: locate.SheetFiles, data: MnistData) -> Table:
    height, width, _ = data.image_shape
    table = Table(show_header=False, title="Sheet")
    rows = {
        "images": f"{files.images.name}, {files.images.stat().st_size:,} bytes",
        "labels": f"{files.labels.name}, {files.labels.stat().st_size:,} bytes, one-hot",
        "image size": f"{height}×{width}",
        "number": f"{data.num_train + data.num_test:,}",
        "train / test": f"{data.num_train:,} / {data.num_test:,}",
    }
    if files.manifest and files.manifest_path:
        rows["manifest"] = f"{files.manifest_path.name}, {FORMAT}; both hashes match"
        rows["source"] = files.manifest.source
        rows["built"] = ", ".join(f"{key} {value}" for key, value in files.manifest.built.items())
    else:
        rows["manifest"] = "none"
    for name, value in rows.items():
        table.add_row(name, Text(value))  # a str could hold markup
    return table


def _classes(data: MnistData) -> Table:
    table = Table(title="Classes")
    for name in ("class", "name", "train", "test"):
        table.add_column(name, justify="left" if name == "name" else "right")
    train, test = data.train_labels.sum(0, int), data.test_labels.sum(0, int)
    for number, name in enumerate(data.class_names):
        table.add_row(str(number), Text(name), f"{train[number]:,}", f"{test[number]:,}")
    return table


def _say_written(manifest: Path) -> None:
    folder = manifest.parent
    print(f"wrote the sheet {manifest.stem!r} to {folder}")
    print(f"look at it:  python -m minicnn.sprite show {folder}")
    print(f"train on it: python -m minicnn.train --data {folder}")


def _progress(text: str) -> Callable[[list[T]], Iterable[T]]:
    """A function that wraps a list in a progress bar on stderr, on a terminal only."""
    console = Console(stderr=True)
    return lambda items: track(items, text, console=console) if console.is_terminal else items


def _size(text: str) -> tuple[int, int]:
    """ "28" or "28x20", height first."""
    numbers = [int(part) for part in text.lower().replace("×", "x").split("x")]
    if len(numbers) > 2 or min(numbers) < 1:
        raise ValueError(text)
    return numbers[0], numbers[-1]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m minicnn.sprite",
        description="Build sprite sheets (one PNG with an image in each row, a file of one-hot "
        "labels, a manifest) from images of your own, and look into them.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    build = commands.add_parser(
        "build",
        help="from a folder of pictures, one subfolder a class",
        description="Build a sheet from a folder of pictures, one subfolder a class (or train/ "
        "and test/, each with one subfolder a class). Pictures are turned upright, made grey, "
        "resized and shuffled.",
    )
    _add_build(build)
    idx = commands.add_parser(
        "idx",
        help="from IDX files, as MNIST is published",
        description="Build a sheet from train-images-idx3-ubyte, train-labels-idx1-ubyte and the "
        "two t10k files, each plain or .gz.",
    )
    idx.add_argument("folder", metavar="FOLDER", help="holds the four files")
    idx.add_argument("--classes", metavar="A,B,…", help="class names (default: 0,1,…)")
    _add_target(idx, _idx, "idx")
    small = commands.add_parser(
        "subset",
        help="a random, class-balanced part of a sheet",
        description="Draw a smaller sheet from a larger one: training images from its training "
        "part, test images from its test part, each class with its share.",
    )
    small.add_argument("folder", metavar="SHEETFOLDER", help="holds a sheet and its labels")
    small.add_argument("--train", type=int, required=True, help="training images to draw")
    small.add_argument("--test", type=int, required=True, help="test images to draw")
    small.add_argument("--seed", type=int, default=0, help="of the draw (default: 0)")
    _add_cache(small)
    _add_target(small, _subset, "subset")
    _add_show(commands.add_parser("show", help="what is in a sheet"))
    return parser


def _add_build(build: argparse.ArgumentParser) -> None:
    build.add_argument("folder", metavar="FOLDER", help="holds one subfolder a class")
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
        "default), decide for each, always (yes), never (no)",
    )
    build.add_argument(
        "--test", type=float, default=1 / 6, metavar="SHARE", help="test part (default: 1/6)"
    )
    build.add_argument("--seed", type=int, default=0, help="of the shuffling (default: 0)")
    build.add_argument(
        "--on-error", choices=("skip", "fail"), default="skip", help="with unreadable pictures"
    )
    _add_target(build, _build, None)


def _add_target(
    parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace], None], name: str | None
) -> None:
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write to")
    parser.add_argument("--name", default=name, help=f"of the sheet (default: {name or 'FOLDER'})")
    parser.add_argument("--source", help="where the images come from, for the manifest")
    parser.add_argument("--force", action="store_true", help="replace a sheet that exists")
    parser.set_defaults(run=run)


def _add_cache(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--data-dir", metavar="DIR", help="cache of decoded sheets (default: MINICNN_DATA)"
    )


def _add_show(show: argparse.ArgumentParser) -> None:
    show.add_argument("sheet", metavar="SHEET", help='a folder, a PNG (with --labels), or "sample"')
    show.add_argument("--labels", metavar="FILE", help="the labels of a PNG given by itself")
    show.add_argument("--size", type=_size, metavar="H[xW]", help="if the images aren't square")
    show.add_argument("--png", metavar="FILE", help="write a preview: images of each class")
    _add_cache(show)
    show.set_defaults(run=_show)


if __name__ == "__main__":
    sys.exit(main())
