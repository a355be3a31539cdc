"""The output of `show`: tables, and images as text."""

import numpy as np
from rich.table import Table
from rich.text import Text

from ..data import MnistData
from ..data.manifest import FORMAT

RAMP = np.array(list(" .:-=+*#%@"))  # characters for dark to bright pixels


def facts(data: MnistData) -> Table:
    """Files, sizes and source of a sheet."""
    (height, width, _), files = data.image_shape, data.files
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
        if built := files.manifest.built:
            rows["built"] = ", ".join(f"{key} {value}" for key, value in built.items())
    else:
        rows["manifest"] = "none"
    for name, value in rows.items():
        table.add_row(name, Text(value))  # a str could hold markup
    return table


def classes(data: MnistData) -> Table:
    """Number of images of each class."""
    table = Table(title="Classes")
    for name in ("class", "name", "train", "test"):
        table.add_column(name, justify="left" if name == "name" else "right")
    train, test = data.train_labels.sum(0, int), data.test_labels.sum(0, int)
    for number, name in enumerate(data.class_names):
        table.add_row(str(number), Text(name), f"{train[number]:,}", f"{test[number]:,}")
    return table


def images_as_text(data: MnistData, columns: int) -> str:
    """As many training images as fit into `columns` characters, side by side.

    Two rows of pixels make one line: a character is twice as tall as it is wide.
    """
    height, width, _ = data.image_shape
    images = data.train_images[: max(1, columns // (width + 1))].reshape(-1, height, width)
    lines = []
    for top in range(0, height, 2):
        line = images[:, top : top + 2].mean(axis=1)
        letters = RAMP[(line * (len(RAMP) - 1) / 255).round().astype(int)]
        lines.append(" ".join("".join(row) for row in letters).rstrip())
    return "\n".join(lines)
