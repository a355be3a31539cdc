"""The programs that bench.accuracy starts: they train and report the accuracy at intervals.

    python -m bench.accuracy_program PROGRAM DATA NETWORK SEED EFFORT
    PROGRAM: "minicnn", "minicnn-numpy", "torch" or "torch-channels-last"; EFFORT: "quick" or "full"

All use the recipe that minicnn's command line uses for this data: the same initial weights, the
same batches in the same order, the same learning rates.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from minicnn import Sequential, architectures, kernels
from minicnn.batches import Batches
from minicnn.data import MnistData
from minicnn.train import recipes
from minicnn.typing import Array

from .child import send

if TYPE_CHECKING:
    import torch

EVALUATIONS = 4  # in an epoch
TEST_BATCH = 512
QUICK_STEPS = 3


class Job(NamedTuple):
    """What all programs train, and when they evaluate."""

    program: str
    model: Sequential
    data: MnistData
    recipe: recipes.Recipe
    batches: Iterator[Array | slice]
    steps: int
    interval: int  # steps between two evaluations

    def steps_and_rows(self) -> Iterator[tuple[int, Array | slice, bool]]:
        """(number of the step, rows of its batch, whether to evaluate after it)."""
        for step in range(1, self.steps + 1):
            yield step, next(self.batches), step % self.interval == 0 or step == self.steps


def main(argv: Sequence[str]) -> None:
    """Send {"epoch": …, "accuracy": …} after each evaluation."""
    program, source, network, seed, effort = argv
    data = MnistData(source, seed=int(seed)).load()
    recipe = recipes.default(data.num_train)
    layers = architectures.TABLE[network](data.num_classes)
    model = Sequential(layers, data.image_shape, seed=int(seed))
    batches = Batches(data.num_train, recipe.batch_size, np.random.default_rng(int(seed)))
    steps = recipe.epochs * -(-data.num_train // recipe.batch_size)
    interval = max(1, steps // recipe.epochs // EVALUATIONS)
    if effort == "quick":
        steps = interval = QUICK_STEPS
    train = _torch if program.startswith("torch") else _minicnn
    for step, accuracy in train(Job(program, model, data, recipe, batches, steps, interval)):
        send(epoch=step * recipe.batch_size / data.num_train, accuracy=accuracy)


def _minicnn(job: Job) -> Iterator[tuple[int, float]]:
    kernels.use_backend("numpy" if job.program == "minicnn-numpy" else None)
    model, data, recipe = job.model, job.data, job.recipe
    model.compile(recipe.make_optimizer(data.num_train), recipe.make_loss(), ["accuracy"])
    x, y = data.train_x, data.train_labels
    for step, rows, evaluates in job.steps_and_rows():
        model.train_on_batch(x[rows], y[rows])
        if evaluates:
            results = model.evaluate(data.test_x, data.test_labels, batch_size=TEST_BATCH)
            yield step, results["accuracy"]


def _torch(job: Job) -> Iterator[tuple[int, float]]:
    import torch

    from .torch_network import layout_of, to_torch

    torch.set_num_threads(kernels.get_threads())
    data, recipe, layout = job.data, job.recipe, layout_of(job.program)
    net = to_torch(job.model).to(memory_format=layout)
    adam = torch.optim.AdamW(
        net.parameters(), weight_decay=recipe.weight_decay, eps=1e-7, fused=True
    )
    cross_entropy = torch.nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
    schedule = recipe.schedule(data.num_train)
    H, W, _ = data.image_shape

    def images(pixels: Array) -> torch.Tensor:
        batch = torch.from_numpy(pixels).reshape(-1, 1, H, W)
        return batch.float().div_(255).to(memory_format=layout)

    targets = torch.from_numpy(data.train_labels.argmax(axis=1))
    for step, rows, evaluates in job.steps_and_rows():
        adam.param_groups[0]["lr"] = schedule(step - 1)
        adam.zero_grad(set_to_none=True)
        cross_entropy(net(images(data.train_images[rows])), targets[rows]).backward()
        adam.step()
        if evaluates:
            right = 0
            with torch.inference_mode():
                for start in range(0, data.num_test, TEST_BATCH):
                    rows = slice(start, start + TEST_BATCH)
                    found = net(images(data.test_images[rows])).argmax(dim=1).numpy()
                    right += int((found == data.test_labels[rows].argmax(axis=1)).sum())
            yield step, right / data.num_test


if __name__ == "__main__":
    main(sys.argv[1:])
