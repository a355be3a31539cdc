"""The programs that bench.memory starts: a few training steps, then the peak memory.

    python -m bench.memory_program PROGRAM NETWORK IMAGES BATCH
    PROGRAM: "minicnn", "minicnn-numpy", "torch" or "torch-channels-last"

All images are in memory, as uint8; each step converts its batch to float32.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import numpy as np

from minicnn.typing import Array

from .child import peak_memory_mib, send

STEPS = 4
SHAPE = (28, 28, 1)


def main(argv: Sequence[str]) -> None:
    """Send the loss of the last step, and the peak memory in MiB."""
    program, network, images, batch = argv[0], argv[1], int(argv[2]), int(argv[3])
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (images, SHAPE[0] * SHAPE[1]), np.uint8)
    labels = rng.integers(0, 10, images)
    train = _torch if program.startswith("torch") else _minicnn
    loss = train(program, network, pixels, labels, batch)
    send(peak=peak_memory_mib(), loss=loss)
    os._exit(0)


def _minicnn(program: str, network: str, pixels: Array, labels: Array, batch: int) -> float:
    from minicnn import Sequential, architectures, kernels
    from minicnn.data import ScaledImages

    kernels.use_backend("numpy" if program == "minicnn-numpy" else None)
    model = Sequential(architectures.TABLE[network](10), SHAPE, seed=0)
    model.compile()
    x, y = ScaledImages(pixels, SHAPE), np.eye(10, dtype=np.uint8)[labels]
    rows = np.random.default_rng(1)
    loss = 0.0
    for _ in range(STEPS):
        chosen = rows.integers(0, len(x), batch)
        loss = model.train_on_batch(x[chosen], y[chosen])["loss"]
    return loss


def _torch(program: str, network: str, pixels: Array, labels: Array, batch: int) -> float:
    import torch

    from minicnn import Sequential, architectures, kernels

    from .torch_network import layout_of, to_torch

    torch.set_num_threads(kernels.get_threads())
    layout = layout_of(program)
    net = to_torch(Sequential(architectures.TABLE[network](10), SHAPE, seed=0))
    net = net.to(memory_format=layout)
    adam = torch.optim.Adam(net.parameters(), fused=True)
    images = torch.from_numpy(pixels).reshape(-1, 1, *SHAPE[:2])
    targets = torch.from_numpy(labels)
    rows = np.random.default_rng(1)
    loss = torch.zeros(())
    for _ in range(STEPS):
        chosen = torch.from_numpy(rows.integers(0, len(images), batch))
        x = images[chosen].float().div_(255).to(memory_format=layout)
        adam.zero_grad(set_to_none=True)
        loss = torch.nn.functional.cross_entropy(net(x), targets[chosen])
        loss.backward()
        adam.step()
    return float(loss)


if __name__ == "__main__":
    main(sys.argv[1:])
