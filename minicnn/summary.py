"""The tables of model.summary(), and the rows of a model diagram."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from . import kernels
from .typing import Shape

if TYPE_CHECKING:
    from .layers import Layer
    from .network import Network


def print_summary(model: Network, batch_size: int = 1) -> None:
    """Print layers, output shapes, parameters, FLOPs per image, and bytes at `batch_size`.

    "outputs" are the bytes of the layer's output; "patches" those of the im2col matrix of the
    whole batch (the kernels build it for a block of images at a time).

    Raises:
        RuntimeError: the model is not built.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not model.built:
        raise RuntimeError("the model has no shapes yet: give Sequential an input_shape, or fit it")
    item = model.dtype.itemsize * batch_size
    title = f"{model.name}: input {model.input_shape}, bytes at batch size {batch_size}"
    table = Table(title=Text(title), title_justify="left")
    table.add_column("layer")
    table.add_column("shape", no_wrap=True)
    for heading in ("params", "FLOPs/image", "outputs", "patches"):
        table.add_column(heading, justify="right", no_wrap=True)
    totals = [0, 0, 0, 0]
    for layer in model.layers:
        label = Text(layer.label + _activation(layer))  # Text: a name may contain brackets
        numbers = [
            layer.num_params,
            layer.flops(),
            prod(layer.output_shape) * item,
            layer.patch_size() * item,
        ]
        totals = [total + number for total, number in zip(totals, numbers, strict=True)]
        table.add_row(label, str(layer.output_shape), *_cells(numbers))
    table.add_section()
    table.add_row("total", "", *_cells(totals), style="bold")
    Console().print(table)


def print_stages(model: Network, batch_size: int = 1) -> None:
    """Print the stages: their layers, algorithms and output bytes.

    Raises:
        RuntimeError: the model is not built.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    if not model.built:
        raise RuntimeError("the model has no shapes yet: give Sequential an input_shape, or fit it")
    item = model.dtype.itemsize * batch_size
    how = "layers fused" if model.fused else "layer by layer"
    title = f"{model.name}, as run by {kernels.current_backend()}, {how}; batch {batch_size}"
    table = Table(title=Text(title), title_justify="left")
    table.add_column("stage")
    table.add_column("shape", no_wrap=True)
    table.add_column("algorithm")
    for heading in ("params", "written", "saved"):
        table.add_column(heading, justify="right", no_wrap=True)
    for stage in model.stages:
        layers = getattr(stage, "layers", [stage])
        inside = sum(prod(layer.output_shape) * item for layer in layers[:-1])
        algorithm = getattr(stage, "algorithm", "")
        saved = human_bytes(inside if algorithm == "fused" else 0)
        written = human_bytes(prod(stage.output_shape) * item)
        label = Text(" + ".join(layer.label + _activation(layer) for layer in layers))
        table.add_row(
            label, str(stage.output_shape), algorithm, f"{stage.num_params:,}", written, saved
        )
    if model.softmax_in_loss:
        table.add_row("Softmax", str(model.output_shape), "in the loss", "0", "", "")
    Console().print(table)


def diagram_rows(model: Network) -> list[tuple[str, str, Shape, int, str]]:
    """(label, kind, output shape, parameters, note) of the input and of every layer, for
    `plots.model_diagram`.

    Raises:
        RuntimeError: the model is not built.
    """
    if model.input_shape is None:
        raise RuntimeError("the model has no shapes yet: give Sequential an input_shape, or fit it")
    rows = [("input", "input", model.input_shape, 0, "")]
    for layer in model.layers:
        kind = type(layer).__name__
        rows.append((layer.label, kind, layer.output_shape, layer.num_params, note(layer)))
    return rows


def note(layer: Layer) -> str:
    """A layer's window and options that are not defaults: "3×3, stride 2, same padding, ReLU"."""
    window = getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None)
    strides = getattr(layer, "strides", None)
    default = getattr(layer, "pool_size", (1, 1))  # of the strides
    padding = getattr(layer, "padding", "valid")
    dilation = getattr(layer, "dilation_rate", (1, 1))
    parts = [
        _by(window) if window else "",
        f"stride {_by(strides)}" if strides not in (None, default) else "",
        f"dilation {_by(dilation)}" if dilation != (1, 1) else "",
        f"{padding} padding" if isinstance(padding, str) else f"padding {padding}",
        f"rate {rate:g}" if (rate := getattr(layer, "rate", None)) is not None else "",
        _activation(layer).strip(),
        "no bias" if not getattr(layer, "use_bias", True) else "",
        f"L2 {l2:g}" if (l2 := getattr(layer, "l2", 0.0)) else "",
    ]
    return ", ".join(part for part in parts if part and part != "valid padding")


def _by(size: object) -> str:
    """(3, 3) → "3×3"."""
    return "×".join(map(str, size)) if isinstance(size, tuple) else str(size)


def _activation(layer: Layer) -> str:
    activation = getattr(layer, "nonlinearity", None)
    return f" {type(activation).__name__}" if activation else ""


def _cells(numbers: list[int]) -> list[str]:
    params, flops, activation, patches = numbers
    return [f"{params:,}", f"{flops:,}", human_bytes(activation), human_bytes(patches)]


def human_bytes(n: float) -> str:
    """1536 → "1.5 KiB"; 0 → "–"."""
    if not n:
        return "–"
    for unit in ("B", "KiB", "MiB"):
        if n < 1024:
            return f"{n:.0f} {unit}" if unit == "B" else f"{n:.1f} {unit}"
        n /= 1024
    return f"{n:.1f} GiB"
