"""What looks ill in the numbers of a layer, and what would help."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

DEAD = 0.5
"""A ReLU's share of dead units above which it is told: most of the layer is then in vain."""

EXPLODING = 10.0
"""|gradient| / |weights| above which it is told. In plain SGD a rate of 0.1 would then move the
weights by more than all of their length in one step: what they held is lost."""

VANISHING = 1e-4
"""|gradient| / |weights|, as a share of the largest among the layers, below which it is told. In a
step that moves the best layer by a sound thousandth of its length, such a layer moves by less than
1e-7 of its own, which is what a float32 rounds away. (The gradients of a network that has learnt
everything get small too, but all together.)

Source: Glorot & Bengio, "Understanding the difficulty of training deep feedforward neural networks"
(2010), sections 3 and 4, on gradients that shrink from layer to layer."""

Finding = tuple[int, str, str]  # (layer, kind, what was measured and what would help)


def findings(layers: Sequence[dict[str, Any]]) -> Iterator[Finding]:
    """What looks ill in an epoch's `layers` (see stats_file.py)."""
    ratios = {index: r for index, layer in enumerate(layers) if (r := _ratio(layer)) is not None}
    largest = max(ratios.values(), default=0.0)
    for index, layer in enumerate(layers):
        yield from ((index, "nonfinite", text) for text in _nonfinite(layer))
        if (dead := layer["dead"]) is not None and dead > DEAD:
            text = f"{100 * dead:.0f} % of its ReLUs are 0 for all images of the probe"
            cure = "a smaller learning rate, LeakyReLU or BatchNorm before it"
            yield index, "dead", f"{text}: they no longer learn; {cure} would help"
    for index, ratio in ratios.items():
        if ratio > EXPLODING:
            text = f"its gradient is {ratio:.3g} times as long as its weights"
            cure = "global_clipnorm, a smaller learning rate or inputs and targets of about 1"
            yield index, "exploding", f"{text}: a step may throw them far; {cure} would help"
        if ratio < VANISHING * largest:
            text = (
                f"its gradient is {ratio:.1e} times as long as its weights, that of another layer "
                f"{largest:.1e} times"
            )
            cure = "ReLU in place of sigmoid or tanh, he_normal weights or BatchNorm"
            yield index, "vanishing", f"{text}: it hardly learns; {cure} would help"


def _ratio(layer: dict[str, Any]) -> float | None:
    """|gradient| / |weights| of the layer's kernel; None if it has none, or isn't finite."""
    weight, gradient = (layer[kind].get("w") for kind in ("weights", "gradients"))
    if weight is None or gradient is None or weight["nonfinite"] or gradient["nonfinite"]:
        return None
    return (
        gradient["norm"] / weight["norm"]
        if weight["norm"] and gradient["norm"] is not None
        else None
    )


def _nonfinite(layer: dict[str, Any]) -> Iterator[str]:
    """At most one finding: where the first numbers that are not finite are."""
    groups = {"weights": layer["weights"], "gradients": layer["gradients"]}
    if layer["activations"] is not None:
        groups["activations"] = {"": layer["activations"]}
    for kind, arrays in groups.items():
        for name, measured in arrays.items():
            if measured["nonfinite"]:
                where = f"{kind} {name}".rstrip()
                cure = "a smaller learning rate, global_clipnorm or inputs without NaN"
                yield (
                    f"{measured['nonfinite']:,} of its {where} are NaN or infinite; {cure} would "
                    "help"
                )
                return
