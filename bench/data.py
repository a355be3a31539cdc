"""python -m bench data: how fast is loading data: the first load, later loads, batches?

The first load has an empty cache folder: it validates and decodes the PNG sheet. Sheets of more
than 16 MiB are cached decoded, and later loads map the file (the sample is smaller). Competitors
are Pillow alone, which validates nothing, and for batches NumPy and PyTorch in the usual way.
Pixels are uint8 in memory; a batch is float32.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from minicnn.data import MnistData
from minicnn.data.locate import SAMPLE, in_folder
from minicnn.typing import Array

from . import frameworks
from .agreement import check_alike
from .command import effort, positive, say
from .report import Report, Row, row
from .timing import interleaved

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SECONDS = 20


def add_options(parser: argparse.ArgumentParser) -> None:
    """The sheet and the batch sizes."""
    parser.add_argument("--data", default="sample", help='"sample" or a folder with a sheet')
    parser.add_argument("--batch", type=positive, nargs="+", default=[64, 512])


def run(options: argparse.Namespace) -> Report:
    """Check that all give the same pixels, then time them in turn."""
    folder = SAMPLE if options.data == "sample" else Path(options.data)
    name = Path(options.data).name
    say(f"{name}: loading")
    with tempfile.TemporaryDirectory() as cache:
        rows = _loads(name, folder, Path(cache), options)
        data = MnistData(folder, cache_dir=cache).load()
        for batch in options.batch:
            say(f"{name}: batches of {batch}")
            rows += _batches(name, data, batch, options)
        del data  # it maps a file of the folder, which Windows could not delete
    return Report("data", rows)


def _loads(name: str, folder: Path, cache: Path, options: argparse.Namespace) -> list[Row]:
    files = in_folder(folder)

    def load() -> MnistData:
        return MnistData(folder, cache_dir=cache).load()

    def first() -> MnistData:
        shutil.rmtree(cache, ignore_errors=True)
        return load()

    def pillow() -> Array:
        return np.asarray(Image.open(files.images))

    check_alike("pixels", {"": pillow()}, {"": _pixels(first())})
    check_alike("pixels, second load", {"": pillow()}, {"": _pixels(load())})
    images = first().num_train + load().num_test
    rows = []
    found = interleaved({"minicnn": first, "Pillow alone": pillow}, effort(options))
    found["minicnn, later"] = interleaved({"": load}, effort(options))[""]
    for competitor, what in (
        ("minicnn", "first load"),
        ("Pillow alone", "first load"),
        ("minicnn, later", "later load"),
    ):
        seconds = found[competitor]
        figures = {"images/s": images / float(np.median(seconds))}
        name_shown = competitor.removesuffix(", later")
        rows.append(row(f"{name}: {what}", "load", name_shown, seconds, figures))
    return rows


def _batches(name: str, data: MnistData, batch: int, options: argparse.Namespace) -> list[Row]:
    """Rows in a shuffled order as float32 in [0, 1]: the input of a training step."""
    order = np.random.default_rng(0).permutation(data.num_train)
    order = np.resize(order, (-(-len(order) // batch) + 1) * batch).reshape(-1, batch)
    images, x = data.train_images, data.train_x

    def next_rows() -> Callable[[], Array]:
        numbers = iter(np.resize(np.arange(len(order)), 1 << 22).tolist())
        return lambda: order[next(numbers)]

    def call(gather: Callable[[Array], object]) -> Callable[[], object]:
        rows = next_rows()
        return lambda: gather(rows())

    gathers: dict[str, Callable[[Array], object]] = {
        "minicnn": lambda rows: x[rows],
        "NumPy": lambda rows: images[rows].astype(np.float32) / 255,
    }
    if (torch := frameworks.torch()) is not None:
        pixels = torch.from_numpy(images.copy())
        gathers["PyTorch"] = lambda rows: pixels[torch.from_numpy(rows)].float().div_(255)
    for competitor, gather in gathers.items():
        received = np.asarray(gather(order[0])).reshape(batch, -1)
        check_alike(competitor, {"": x[order[0]].reshape(batch, -1)}, {"": received}, 1e-6)
    runs = {competitor: call(gather) for competitor, gather in gathers.items()}
    runs["minicnn, next_train_batch"] = lambda: data.next_train_batch(batch)
    return [
        row(
            f"{name}: batches of {batch}",
            "batch",
            competitor,
            seconds,
            {"images/s": batch / float(np.median(seconds))},
        )
        for competitor, seconds in interleaved(runs, effort(options)).items()
    ]


def _pixels(data: MnistData) -> Array:
    return np.concatenate([data.train_images, data.test_images])


def draw(report: Report) -> dict[str, Figure]:
    """Images a second, of each competitor."""
    from . import plots

    name = report.rows[0].case.partition(": ")[0]
    rows = [replace(r, case=r.case.partition(": ")[2]) for r in report.rows]
    title = f"Images a second, loaded into memory: {name}"
    return {"": plots.bars(report, rows, "images/s", title, "log")}
