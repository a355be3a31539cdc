"""The file that LayerStats writes, and its reader.

Strict JSON, one object:

    {"format": "minicnn layer stats", "version": 1, "bins": 40, "probe": 32,
     "layers": [{"name": "conv", "kind": "Conv2D", "output_shape": [26, 26, 8]}, …],
     "epochs": [
       {"epoch": 1,
        "layers": [{"weights": {"w": M, "b": M}, "gradients": {"w": M, "b": M},
                    "activations": M, "dead": 0.0}, …]},
       …]}

`probe` is the number of images of the activations (0: there were none). "epochs" holds the measured
epochs, counted from 1, in rising order; some may be skipped. Each has a row for each of "layers":
"weights" and "gradients" (of the epoch's last batch, after clipping) by the parameters' names, {}
if there are none; "activations": of the layer's outputs, or null; "dead": the share of a ReLU's
units that are 0 for the whole probe, null for other layers. M stands for

    {"mean": -0.01, "std": 0.2, "norm": 1.7, "min": -0.5, "max": 0.5, "zeros": 0.0,
     "nonfinite": 0, "histogram": [40 counts]}

as array_stats.measure() describes it; mean to zeros are null if no number is finite, or if they
overflow.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypedDict

from ..errors import DataError
from ..layers import Layer
from ..strict_json import object_from_json, to_json
from .array_stats import BINS, ArrayStatistics

FORMAT, VERSION = "minicnn layer stats", 1
NUMBERS = ("mean", "std", "norm", "min", "max", "zeros")


class LayerStatistics(TypedDict):
    """A layer in an epoch."""

    weights: dict[str, ArrayStatistics]
    gradients: dict[str, ArrayStatistics]
    activations: ArrayStatistics | None
    dead: float | None


class Epoch(TypedDict):
    """An epoch of the file."""

    epoch: int
    layers: list[LayerStatistics]


def to_text(layers: Iterable[Layer], probe: int, epochs: Sequence[str]) -> str:
    """The file, given the JSON of each of its epochs."""
    about = {
        "format": FORMAT,
        "version": VERSION,
        "bins": BINS,
        "probe": probe,
        "layers": [
            {
                "name": layer.label,
                "kind": type(layer).__name__,
                "output_shape": list(layer.output_shape),
            }
            for layer in layers
        ],
    }
    return to_json(about)[:-1] + ',"epochs":[\n' + ",\n".join(epochs) + "\n]}\n"


def read_layer_stats(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read and check a file of LayerStats; the module's docstring describes the content.

    Raises:
        FileNotFoundError: there is no such file.
        DataError: another content; the message says where, what was expected and what received.
    """
    path = Path(path)
    try:
        found = object_from_json(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(
            f"{path}: expected a JSON object, received something else: {error}"
        ) from error
    check = _Check(path)
    for name, expected in (("format", FORMAT), ("version", VERSION), ("bins", BINS)):
        check.that(name, found.get(name), repr(expected), found.get(name) == expected)
    check.whole("probe", found.get("probe"))
    layers = check.items("layers", found.get("layers"))
    for index, layer in enumerate(layers):
        check.keys(f"layers[{index}]", layer, "name", "kind", "output_shape")
        check.items(f"layers[{index}].output_shape", layer["output_shape"])
    last = 0
    for index, epoch in enumerate(check.items("epochs", found.get("epochs"))):
        where = f"epochs[{index}]"
        check.keys(where, epoch, "epoch", "layers")
        check.whole(f"{where}.epoch", epoch["epoch"], last + 1)
        last = epoch["epoch"]
        rows = check.items(f"{where}.layers", epoch["layers"])
        check.that(f"{where}.layers", len(rows), f"{len(layers)} layers", len(rows) == len(layers))
        for number, row in enumerate(rows):
            check.layer(f"{where}.layers[{number}]", row)
    return found


class _Check:
    """Raises DataError for unexpected content."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def that(self, where: str, value: object, expected: str, holds: bool) -> None:
        if not holds:
            raise DataError(f"{self.path}: {where}: expected {expected}, received {value!r:.80}")

    def keys(self, where: str, value: object, *names: str) -> None:
        holds = isinstance(value, dict) and value.keys() == set(names)
        self.that(where, value, ", ".join(names), holds)

    def items(self, where: str, value: object) -> list[Any]:
        self.that(where, value, "a list", isinstance(value, list))
        return value if isinstance(value, list) else []

    def whole(self, where: str, value: object, minimum: int = 0) -> None:
        holds = isinstance(value, int) and _is_number(value) and value >= minimum
        self.that(where, value, f"a whole number >= {minimum}", holds)

    def number(self, where: str, value: object) -> None:
        self.that(where, value, "a number or null", value is None or _is_number(value))

    def layer(self, where: str, row: Any) -> None:
        self.keys(where, row, "weights", "gradients", "activations", "dead")
        self.number(f"{where}.dead", row["dead"])
        for kind in ("weights", "gradients"):
            self.that(f"{where}.{kind}", row[kind], "an object", isinstance(row[kind], dict))
            for name, measured in row[kind].items():
                self.array(f"{where}.{kind}.{name}", measured)
        if row["activations"] is not None:
            self.array(f"{where}.activations", row["activations"])

    def array(self, where: str, value: Any) -> None:
        self.keys(where, value, *NUMBERS, "nonfinite", "histogram")
        for name in NUMBERS:
            self.number(f"{where}.{name}", value[name])
        self.whole(f"{where}.nonfinite", value["nonfinite"])
        counts = self.items(f"{where}.histogram", value["histogram"])
        self.that(f"{where}.histogram", counts, f"{BINS} numbers", len(counts) == BINS)
        for count in counts:
            self.whole(f"{where}.histogram", count)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
