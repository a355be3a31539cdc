"""The file that LayerStats writes, and its reader.

Strict JSON, one object:

    {"format": "minicnn layer stats", "version": 1, "bins": 40, "probe": 32,
     "layers": [{"name": "conv", "kind": "Conv2D", "output_shape": [26, 26, 8]}, …],
     "epochs": [
       {"epoch": 1,
        "layers": [{"weights": {"w": M, "b": M}, "gradients": {"w": M, "b": M},
                    "activations": M, "dead": 0.0}, …]},
       …]}

`probe` is how many images the activations are of (0: none were there). In "epochs" the epochs that
were measured, counted from 1, in rising order; some may be left out. In each, a layer for each of
"layers", in their order: "weights" and "gradients" (of the epoch's last batch, after clipping) by
the names of the parameters, {} if there are none; "activations": the layer's outputs, or null;
"dead": the share of a ReLU's units that are 0 for the whole probe, null for other layers. Where M
stands:

    {"mean": -0.01, "std": 0.2, "norm": 1.7, "min": -0.5, "max": 0.5, "zeros": 0.0,
     "nonfinite": 0, "histogram": [40 counts]}

as measures.measure() says; mean to zeros are null where no number is finite, or where they
overflow.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..strict_json import from_json, to_json
from .array_stats import BINS

FORMAT, VERSION = "minicnn layer stats", 1
NUMBERS = ("mean", "std", "norm", "min", "max", "zeros")


def to_text(layers: Sequence[Mapping[str, Any]], probe: int, epochs: Iterable[str]) -> str:
    """The file, given the JSON of each of its epochs."""
    about = {"format": FORMAT, "version": VERSION, "bins": BINS, "probe": probe, "layers": layers}
    return to_json(about)[:-1] + ',"epochs":[\n' + ",\n".join(epochs) + "\n]}\n"


def read_layer_stats(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read and check a file that LayerStats wrote; the layout is that of the module's docstring.

    Raises:
        FileNotFoundError: there is no such file.
        DataError: it is not such a file; says where it differs, what was expected and what came.
    """
    path = Path(path)
    try:
        found = from_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path}: expected strict JSON, received {error}") from error
    check = _Check(path)
    check.that("file", found, "a JSON object", isinstance(found, dict))
    check.that("format", found.get("format"), repr(FORMAT), found.get("format") == FORMAT)
    check.that("version", found.get("version"), repr(VERSION), found.get("version") == VERSION)
    check.that("bins", found.get("bins"), repr(BINS), found.get("bins") == BINS)
    check.whole("probe", found.get("probe"))
    layers = check.items("layers", found.get("layers"))
    for index, layer in enumerate(layers):
        where = f"layers[{index}]"
        check.that(where, layer, "name, kind, output_shape", _has(layer, "name kind output_shape"))
        check.items(f"{where}.output_shape", layer["output_shape"])
    last = 0
    for index, epoch in enumerate(check.items("epochs", found.get("epochs"))):
        where = f"epochs[{index}]"
        check.that(where, epoch, "epoch, layers", _has(epoch, "epoch layers"))
        check.whole(f"{where}.epoch", epoch["epoch"], last + 1)
        last = epoch["epoch"]
        rows = check.items(f"{where}.layers", epoch["layers"])
        check.that(f"{where}.layers", len(rows), f"{len(layers)} layers", len(rows) == len(layers))
        for number, row in enumerate(rows):
            check.layer(f"{where}.layers[{number}]", row)
    return found


class _Check:
    """Raises DataError for what is not as expected."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def that(self, where: str, value: Any, expected: str, holds: bool) -> None:
        if not holds:
            raise DataError(f"{self.path}: {where}: expected {expected}, received {value!r:.80}")

    def items(self, where: str, value: Any) -> list[Any]:
        self.that(where, value, "a list", isinstance(value, list))
        return value

    def whole(self, where: str, value: Any, least: int = 0) -> None:
        self.that(where, value, f"a whole number >= {least}", _is_whole(value) and value >= least)

    def layer(self, where: str, row: Any) -> None:
        keys = "weights gradients activations dead"
        self.that(where, row, keys.replace(" ", ", "), _has(row, keys))
        self.that(f"{where}.dead", row["dead"], "a number or null", _is_number(row["dead"]))
        for kind in ("weights", "gradients"):
            self.that(f"{where}.{kind}", row[kind], "an object", isinstance(row[kind], dict))
            for name, measured in row[kind].items():
                self.measured(f"{where}.{kind}.{name}", measured)
        if row["activations"] is not None:
            self.measured(f"{where}.activations", row["activations"])

    def measured(self, where: str, value: Any) -> None:
        keys = " ".join((*NUMBERS, "nonfinite", "histogram"))
        self.that(where, value, keys.replace(" ", ", "), _has(value, keys))
        for name in NUMBERS:
            self.that(f"{where}.{name}", value[name], "a number or null", _is_number(value[name]))
        self.whole(f"{where}.nonfinite", value["nonfinite"])
        counts = self.items(f"{where}.histogram", value["histogram"])
        whole = len(counts) == BINS and all(_is_whole(count) for count in counts)
        self.that(f"{where}.histogram", counts, f"{BINS} whole numbers", whole)


def _has(value: Any, keys: str) -> bool:
    return isinstance(value, dict) and value.keys() == set(keys.split())


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))
