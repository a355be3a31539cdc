"""Checks backpropagation against the definition of a derivative.

For a scalar L of the inputs and parameters, each entry p of an array is changed a little in both
directions: ∂L/∂p ≈ (L(p + ε) - L(p - ε)) / 2ε (central difference), with an error of order ε². In
float64 with ε = 1e-5, both agree to about ten digits if backpropagation is right, and to hardly
one digit if it is wrong.

`python -m minicnn.gradcheck` prints the comparison for every layer and loss.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from . import kernels, layers, losses
from .command_line import run_command
from .layers import Layer
from .losses import Loss
from .network import Network
from .summary import note
from .typing import Array, Shape

EPSILON = 1e-5
TOLERANCE = 1e-7


class Check(NamedTuple):
    """One line of the table."""

    what: str  # the layer or loss, with its options
    parameter: str  # "x" for the gradient with respect to the input
    shape: Shape
    error: float  # relative


def numerical_gradient(f: Callable[[], float], array: Array, epsilon: float = EPSILON) -> Array:
    """∂f/∂array by central differences, entry by entry.

    Args:
        f: computes L from `array`, which is changed in place and restored.
        array: float64, any shape.
        epsilon: the step.

    Returns:
        The shape of `array`.
    """
    gradient = np.empty_like(array)
    for index in np.ndindex(*array.shape):
        value = array[index]
        array[index] = value + epsilon
        above = f()
        array[index] = value - epsilon
        below = f()
        array[index] = value
        gradient[index] = (above - below) / (2 * epsilon)
    return gradient


def relative_error(a: Array, b: Array) -> float:
    """max |a - b| / max(|a|, |b|), over whole arrays; 0 if both are zero, NaN if any is NaN."""
    scale = max(float(np.max(np.abs(a), initial=0)), float(np.max(np.abs(b), initial=0)))
    difference = float(np.max(np.abs(a - b), initial=0))
    return difference / scale if scale else difference


def spread(shape: Shape, rng: np.random.Generator) -> Array:
    """Distinct numbers in (-1, 1), none near 0, no two near each other, in random order.

    Then no step of ε crosses a kink: of ReLU at 0, or of max-pooling where two values are equal.
    """
    n = int(np.prod(shape))
    return ((rng.permutation(n) + 0.5) / n * 2 - 1 + 0.1 / n).reshape(shape)


def check_layer(layer: Layer, input_shape: Shape, batch: int = 3, seed: int = 0) -> Iterator[Check]:
    """Check a layer's gradients with respect to its input and to each of its parameters.

    L = Σ r · y for fixed random r, plus the layer's penalty.

    Args:
        layer: is built here, in float64.
        input_shape: without the batch axis.
    """
    rng = np.random.default_rng(seed)
    layer.build(input_shape, rng, np.float64)
    for p in layer.params.values():
        p += 0.1 * rng.standard_normal(p.shape)  # biases at zero would hide mistakes
    x = spread((batch, *input_shape), rng)
    r = rng.standard_normal((batch, *layer.output_shape))
    state = {key: value.copy() for key, value in layer.state.items()}

    def loss() -> float:
        for key, value in state.items():
            layer.state[key][...] = value
        if isinstance(layer, layers.Dropout):
            layer.rng = np.random.default_rng(seed)  # the same mask every time
        return float(np.sum(r * layer.forward(x, training=True))) + layer.penalty()

    loss()
    dx = layer.backward(r)
    assert dx is not None
    grads = {"x": dx} | layer.grads
    for name, array in ({"x": x} | layer.params).items():
        error = relative_error(grads[name], numerical_gradient(loss, array))
        yield Check(f"{type(layer).__name__}({note(layer)})", name, array.shape, error)


def check_stages(layer_list: list[Layer], input_shape: Shape, seed: int = 0) -> Iterator[Check]:
    """Check a network of these layers with fused stages, two images at a time.

    L = Σ r · y for fixed random r. (check_layer() checks layers without fusion.)
    """
    rng = np.random.default_rng(seed)
    network = Network(layer_list, input_shape, seed=seed, dtype=np.float64)
    for layer in network.layers:
        for p in layer.params.values():
            p += 0.1 * rng.standard_normal(p.shape)
    x = spread((2, *input_shape), rng)
    r = rng.standard_normal((2, *network.output_shape))
    network.forward_logits(x, training=True)
    dx = network.backward_logits(r, need_dx=True)
    assert dx is not None
    grads = [("x", x, dx.copy())]
    grads += [(f"{i}.{key}", w, layer.grads[key].copy()) for i, layer in enumerate(network.layers)
              for key, w in layer.params.items()]  # fmt: skip
    what = ", ".join(stage.label for stage in network.stages)
    for name, array, gradient in grads:
        numeric = numerical_gradient(lambda: float(np.sum(r * network.forward_logits(x))), array)
        yield Check(f"[{what}]", name, array.shape, relative_error(gradient, numeric))


def check_loss(loss: Loss, outputs: Array, targets: Array) -> Check:
    """Check the gradient with respect to outputs (N, K), float64; L is the sum over samples."""
    numeric = numerical_gradient(lambda: float(np.sum(loss.per_sample(outputs, targets))), outputs)
    error = relative_error(loss.gradient(outputs, targets), numeric)
    smoothing = getattr(loss, "label_smoothing", 0)
    what = f"{type(loss).__name__}({f'label_smoothing={smoothing}' if smoothing else ''})"
    return Check(what, "outputs", outputs.shape, error)


def all_layers() -> list[tuple[Layer, Shape]]:
    """Every kind of layer, with various options, and an input shape."""
    image = (6, 5, 3)
    return [
        (layers.Conv2D(4, 3), image),
        (layers.Conv2D(4, (3, 2), strides=(2, 1), padding="same", l2=0.1), image),
        (layers.Conv2D(2, 2, dilation_rate=2, padding=((1, 0), (2, 1)), activation="tanh"), image),
        (layers.MaxPool2D(2), image),
        (layers.MaxPool2D(3, 1, padding="same"), image),
        (layers.AvgPool2D(2), image),
        (layers.AvgPool2D(3, 2, padding=1), image),
        (layers.GlobalAvgPool2D(), image),
        (layers.Dense(5, activation="sigmoid", l2=0.1), (7,)),
        (layers.Dense(4, activation="softmax", use_bias=False), (7,)),
        (layers.Flatten(), image),
        (layers.Reshape((15, 6)), image),
        (layers.ReLU(), image),
        (layers.LeakyReLU(0.2), image),
        (layers.Sigmoid(), image),
        (layers.Tanh(), image),
        (layers.Softmax(), (6,)),
        (layers.Dropout(0.4), image),
        (layers.BatchNorm(), image),
        (layers.BatchNorm(), (6,)),
    ]


def checks(seed: int = 0) -> Iterator[Check]:
    """Check all layers, a network of fused stages, then all losses."""
    for layer, shape in all_layers():
        yield from check_layer(layer, shape, seed=seed)
    if kernels.current_backend() != "reference":  # it would take minutes, and fuses nothing
        pooled = [layers.Conv2D(8, 3, activation="relu"), layers.MaxPool2D(2), layers.Flatten()]
        yield from check_stages([*pooled, layers.Dense(16, activation="relu")], (12, 12, 3), seed)
    rng = np.random.default_rng(seed)
    outputs, classes = rng.standard_normal((4, 5)), rng.integers(0, 5, 4)
    onehot = np.eye(5)[classes]
    yield check_loss(losses.CategoricalCrossentropy(), outputs, onehot)
    yield check_loss(losses.CategoricalCrossentropy(label_smoothing=0.1), outputs, onehot)
    yield check_loss(losses.SparseCategoricalCrossentropy(), outputs, classes)
    yield check_loss(losses.MeanSquaredError(), outputs, onehot)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; returns 1 if an error is over the tolerance."""
    parser = argparse.ArgumentParser(
        prog="python -m minicnn.gradcheck",
        description="Compare backpropagation with central differences in float64, layer by layer.",
    )
    parser.add_argument("--backend", choices=kernels.available_backends())
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tolerance", type=float, default=TOLERANCE, help="default: %(default)g")
    options = parser.parse_args(argv)
    if options.seed < 0:
        parser.error(f"expected --seed >= 0, received {options.seed}")
    return run_command("minicnn.gradcheck", lambda: _print_table(options))


def _print_table(options: argparse.Namespace) -> int:
    from rich.console import Console
    from rich.table import Table

    backend = options.backend or kernels.current_backend()
    table = Table(title=f"Gradient check, {backend} kernels")
    for heading in ("layer or loss", "gradient of", "shape", "relative error", ""):
        table.add_column(heading, justify="right" if heading == "relative error" else "left")
    failed, previous = 0, ""
    with kernels.use_backend(backend):
        for check in checks(options.seed):
            right = check.error <= options.tolerance  # False for NaN
            failed += not right
            mark = "ok" if right else "[bold red]WRONG[/]"
            what = "" if check.what == previous else check.what
            error = f"{check.error:.1e}"
            table.add_row(what, check.parameter, str(check.shape), error, mark)
            previous = check.what
    Console().print(table)
    verdict = f"{failed} wrong" if failed else "all right"
    print(f"{table.row_count} gradients, {verdict} (at most {options.tolerance:g})")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
