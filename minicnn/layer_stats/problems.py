"""Problems that a layer's statistics show, and what helps against them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .stats_file import LayerStatistics

DEAD = 0.5
"""Share of dead units of a ReLU above which it is reported."""

EXPLODING = 10.0
"""|gradient| / |weights| above which it is reported: with plain SGD and a rate of 0.1, a step is
longer than the weight vector."""

VANISHING = 1e-4
"""|gradient| / |weights|, relative to the largest among the layers, below which it is reported. A
step that changes the weights of that layer by a thousandth changes these by less than 1e-7, which
is lost in the rounding of float32. (In a trained network the gradients of all layers are small.)

Source: Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks"
(2010), sections 3 and 4, on gradients that shrink from layer to layer."""


class Problem(NamedTuple):
    """A problem of one layer."""

    layer: int
    kind: str
    text: str


def problems(layers: Sequence[LayerStatistics]) -> Iterator[Problem]:
    """The problems of an epoch's layers."""
    ratios = {index: r for index, layer in enumerate(layers) if (r := _ratio(layer)) is not None}
    largest = max(ratios.values(), default=0.0)
    for index, layer in enumerate(layers):
        if text := _nonfinite(layer):
            cure = "a smaller learning rate, global_clipnorm or inputs without NaN"
            yield Problem(index, "nonfinite", f"{text}; {cure} would help")
        if (dead := layer["dead"]) is not None and dead > DEAD:
            text = f"{100 * dead:.0f} % of its ReLUs are 0 for all images of the probe"
            cure = "a smaller learning rate, LeakyReLU or BatchNorm before it"
            yield Problem(index, "dead", f"{text}: they no longer learn; {cure} would help")
    for index, ratio in ratios.items():
        if ratio > EXPLODING:
            text = f"its gradient is {ratio:.3g} times as long as its weights"
            cure = "global_clipnorm, a smaller learning rate or inputs and targets of about 1"
            text = f"{text}: a step may change them too much; {cure} would help"
            yield Problem(index, "exploding", text)
        if ratio < VANISHING * largest:
            text = (
                f"its gradient is {ratio:.1e} times as long as its weights, that of another layer "
                f"{largest:.1e} times"
            )
            cure = "ReLU in place of sigmoid or tanh, he_normal weights or BatchNorm"
            yield Problem(index, "vanishing", f"{text}: it hardly learns; {cure} would help")


def _ratio(layer: LayerStatistics) -> float | None:
    """|gradient| / |weights| of the layer's kernel; None if it has none, or is not finite."""
    weight, gradient = layer["weights"].get("w"), layer["gradients"].get("w")
    if weight is None or gradient is None or weight["nonfinite"] or gradient["nonfinite"]:
        return None
    if not weight["norm"] or gradient["norm"] is None:
        return None
    return gradient["norm"] / weight["norm"]


def _nonfinite(layer: LayerStatistics) -> str:
    """Where the first NaN or infinity is; "" if there is none."""
    groups = {"weights": layer["weights"], "gradients": layer["gradients"]}
    if layer["activations"] is not None:
        groups["activations"] = {"": layer["activations"]}
    for kind, arrays in groups.items():
        for name, measured in arrays.items():
            if measured["nonfinite"]:
                where = f"{kind} {name}".rstrip()
                return f"{measured['nonfinite']:,} of its {where} are NaN or infinite"
    return ""
