"""python -m bench.train: whole training steps (forward, backward, Adam) beside PyTorch.

First both train 20 steps on the same batches from the same weights, and their losses must agree.
Then they take turns: minicnn with NumPy and Numba, PyTorch eager in both memory layouts, with its
fused Adam. Images lie ready in memory.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bench.timing import interleaved, spread
from bench.torch_twin import twin
from minicnn import Sequential, kernels, machine, networks, optimizers
from minicnn.typing import Array

Step = Callable[[], float]


def our_step(model: Sequential, backend: str, x: Array, y: Array) -> Step:
    """One step of minicnn on (x, y); returns the loss from before it."""

    def step() -> float:
        with kernels.use_backend(backend):
            return model.train_on_batch(x, y)["loss"]

    return step


def torch_step(model: Sequential, x: Array, y: Array, channels_last: bool) -> Step:
    """The same of PyTorch."""
    import torch
    from torch import nn

    net, images = twin(model), torch.from_numpy(x.transpose(0, 3, 1, 2).copy())
    if channels_last:
        net = net.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    targets = torch.from_numpy(y.argmax(axis=1))
    adam = torch.optim.Adam(net.parameters(), lr=1e-3, eps=1e-7, fused=True)
    cross_entropy = nn.CrossEntropyLoss()

    def step() -> float:
        adam.zero_grad(set_to_none=True)
        loss = cross_entropy(net(images), targets)
        loss.backward()
        adam.step()
        return float(loss.detach())

    return step


def competitors(name: str, batch: int) -> dict[str, Step]:
    """A step function for each, all from the same weights and on the same batch."""
    rng = np.random.default_rng(0)
    x = rng.random((batch, 28, 28, 1), dtype=np.float32)
    y = np.eye(10, dtype=np.uint8)[rng.integers(0, 10, batch)]

    def model() -> Sequential:
        m = Sequential(networks.TABLE[name](10), (28, 28, 1), seed=0)
        m.compile(optimizers.Adam(1e-3))
        return m

    backends = [b for b in kernels.available_backends() if b != "reference"]
    steps = {f"minicnn {b}": our_step(model(), b, x, y) for b in backends}
    try:
        import torch
    except ImportError:
        print("PyTorch is not installed: timing minicnn alone", file=sys.stderr)
        return steps
    torch.set_num_threads(kernels.get_threads())
    steps["PyTorch NCHW"] = torch_step(model(), x, y, channels_last=False)
    steps["PyTorch channels-last"] = torch_step(model(), x, y, channels_last=True)
    return steps


def check(steps: dict[str, Step], count: int = 20) -> None:
    """Train all for `count` steps; their losses must agree to 1e-3.

    Raises:
        AssertionError: they do not.
    """
    losses = {name: np.array([step() for _ in range(count)]) for name, step in steps.items()}
    first, *others = losses
    for other in others:
        worst = np.abs(losses[first] - losses[other]).max()
        assert worst < 1e-3, f"{first} and {other} differ by {worst} within {count} steps"


def main(argv: Sequence[str] | None = None) -> int:
    """Print a table for each batch size."""
    from rich.console import Console
    from rich.table import Table

    parser = argparse.ArgumentParser(prog="python -m bench.train", description=__doc__)
    parser.add_argument("--model", choices=networks.TABLE, default="course")
    parser.add_argument("--batch", type=int, nargs="+", default=[64, 512])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args(argv)
    kernels.set_threads(options.threads)
    print(f"{machine.processor()}, {kernels.get_threads()} threads, {_versions()}")
    for batch in options.batch:
        steps = competitors(options.model, batch)
        if options.model != "node":  # dropout draws other masks
            check(steps)
        seconds = interleaved(steps, options.rounds)
        table = Table(title=f"{options.model} network, batch {batch}")
        for heading in ("", "ms a step", "quartiles", "images/s", "× best PyTorch"):
            table.add_column(heading, justify="right" if heading else "left")
        best = min((spread(s)[1] for n, s in seconds.items() if "PyTorch" in n), default=None)
        for name, values in seconds.items():
            low, median, high = spread(values)
            ratio = f"{best / median:.2f}" if best else "–"
            quartiles = f"{low * 1e3:.2f}–{high * 1e3:.2f}"
            table.add_row(name, f"{median * 1e3:.2f}", quartiles, f"{batch / median:,.0f}", ratio)
        Console().print(table)
    return 0


def _versions() -> str:
    found: dict[str, Any] = {"numpy": np.__version__}
    for package in ("numba", "torch"):
        if package in sys.modules:
            found[package] = sys.modules[package].__version__
    return ", ".join(f"{name} {version}" for name, version in found.items())


if __name__ == "__main__":
    sys.exit(main())
