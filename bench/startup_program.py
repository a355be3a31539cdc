"""The programs that bench.startup starts: a user's programs that end after a training step.

    python -m bench.startup_program minicnn           like python -m minicnn.train
    python -m bench.startup_program torch [compile]   the same network and data in PyTorch

They send a message when Python runs, after all imports, and after each of two steps: one on blank
images, which compiles, and one of training.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .child import ROOT, send

BATCH = 128
PHASES = ("Python", "imports", "data and first step (compiles)", "a training step")


def main(argv: Sequence[str]) -> None:
    """Start, do two steps, and exit at once, without Python's cleanup."""
    send(phase=PHASES[0])
    if argv[0] == "torch":
        _torch("compile" in argv)
    else:
        _minicnn()
    os._exit(0)


def _minicnn() -> None:
    from minicnn import fit, train

    send(phase=PHASES[1])
    step, phases = fit.train_step, list(PHASES[2:])

    def counted(*arguments: Any) -> Any:
        result = step(*arguments)
        send(phase=phases.pop(0))
        if not phases:
            os._exit(0)
        return result

    fit.train_step = counted  # type: ignore[assignment]
    train.main(["--quiet"])


def _torch(compiled: bool) -> None:
    import numpy as np
    import torch
    from PIL import Image
    from torch import nn

    send(phase=PHASES[1])
    sample: Path = ROOT / "minicnn" / "data" / "sample"
    pixels = np.asarray(Image.open(sample / "mnist_sample_images.png"))
    labels = np.fromfile(sample / "mnist_sample_labels_uint8", np.uint8).reshape(-1, 10)
    images = torch.from_numpy(pixels.reshape(-1, 1, 28, 28).copy())
    net: Any = nn.Sequential(
        *(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 16, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(400, 128), nn.ReLU(), nn.Linear(128, 10)),
    )
    net = net.to(memory_format=torch.channels_last)
    run = torch.compile(net) if compiled else net
    adam = torch.optim.AdamW(net.parameters(), fused=True)
    cross_entropy = nn.CrossEntropyLoss(label_smoothing=0.1)
    targets = torch.from_numpy(labels[:BATCH].argmax(axis=1))
    for phase in PHASES[2:]:
        x = (images[:BATCH].float() / 255).to(memory_format=torch.channels_last)
        adam.zero_grad()
        cross_entropy(run(x), targets).backward()
        adam.step()
        send(phase=phase)


if __name__ == "__main__":
    main(sys.argv[1:])
