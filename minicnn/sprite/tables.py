"""The tables of `show`."""

from rich.table import Table
from rich.text import Text

from ..data import MnistData, locate
from ..data.manifest import FORMAT


def facts(files: locate.SheetFiles, data: MnistData) -> Table:
    """Files, sizes and source of a sheet."""
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
