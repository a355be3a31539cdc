"""The programs that bench.accuracy starts: train, and tell the accuracy again and again.

    python -m bench.accuracy_program WHO DATA NETWORK SEED QUICK
    WHO: "minicnn", "minicnn-numpy", "torch" or "torch-channels-last"; QUICK: "quick" or "full"

All follow the recipe that minicnn's command line would take for this data: the same weights at
first, the same batches in the same order, the same schedule of the learning rate.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from minicnn import Sequential, architectures, kernels
from minicnn.batches import Batches
from minicnn.data import MnistData
from minicnn.train import recipes
from minicnn.typing import Array

from .child import tell

LOOKS = 4  # at the test images, an epoch
TEST_BATCH = 512
QUICK_STEPS = 3


def main(argv: Sequence[str]) -> None:
    """Tell {"epoch": …, "accuracy": …} after each part of an epoch."""
    who, source, network, seed, quick = argv
    data = MnistData(source, seed=int(seed)).load()
    recipe = recipes.default(data.num_train)
    layers = architectures.TABLE[network](data.num_classes)
    model = Sequential(layers, data.image_shape, seed=int(seed))
    steps = recipe.epochs * -(-data.num_train // recipe.batch_size)
    looks = max(1, steps // recipe.epochs // LOOKS)
    batches = Batches(data.num_train, recipe.batch_size, np.random.default_rng(int(seed)))
    train = _torch if who.startswith("torch") else _minicnn
    if quick == "quick":
        steps, looks = QUICK_STEPS, QUICK_STEPS
    for step, accuracy in train(who, model, data, recipe, batches, steps, looks):
        tell(epoch=step * recipe.batch_size / data.num_train, accuracy=accuracy)


def _minicnn(
    who: str,
    model: Sequential,
    data: MnistData,
    recipe: recipes.Recipe,
    batches: Iterator[Array | slice],
    steps: int,
    looks: int,
) -> Iterator[tuple[int, float]]:
    kernels.use_backend("numpy" if who == "minicnn-numpy" else None)
    model.compile(recipe.make_optimizer(data.num_train), recipe.make_loss(), ["accuracy"])
    x, y = data.train_x, data.train_labels
    for step in range(1, steps + 1):
        rows = next(batches)
        model.train_on_batch(x[rows], y[rows])
        if step % looks == 0 or step == steps:
            results = model.evaluate(data.test_x, data.test_labels, batch_size=TEST_BATCH)
            yield step, results["accuracy"]


def _torch(
    who: str,
    model: Sequential,
    data: MnistData,
    recipe: recipes.Recipe,
    batches: Iterator[Array | slice],
    steps: int,
    looks: int,
) -> Iterator[tuple[int, float]]:
    import torch

    from .torch_twin import twin

    torch.set_num_threads(kernels.get_threads())
    layout = torch.channels_last if who.endswith("last") else torch.contiguous_format
    net: Any = twin(model).to(memory_format=layout)
    options: dict[str, Any] = {"weight_decay": recipe.weight_decay, "eps": 1e-7, "fused": True}
    adam = torch.optim.AdamW(net.parameters(), **options)
    cross_entropy = torch.nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
    schedule = recipe.schedule(data.num_train)
    H, W, _ = data.image_shape

    def images(pixels: Array) -> Any:
        batch = torch.from_numpy(pixels).reshape(-1, 1, H, W)
        return batch.float().div_(255).to(memory_format=layout)

    targets = torch.from_numpy(data.train_labels.argmax(axis=1))
    for step in range(1, steps + 1):
        rows = next(batches)
        adam.param_groups[0]["lr"] = schedule(step - 1)
        adam.zero_grad(set_to_none=True)
        cross_entropy(net(images(data.train_images[rows])), targets[rows]).backward()
        adam.step()
        if step % looks == 0 or step == steps:
            right = 0
            with torch.inference_mode():
                for start in range(0, data.num_test, TEST_BATCH):
                    part = slice(start, start + TEST_BATCH)
                    found = net(images(data.test_images[part])).argmax(dim=1).numpy()
                    right += int((found == data.test_labels[part].argmax(axis=1)).sum())
            yield step, right / data.num_test


if __name__ == "__main__":
    main(sys.argv[1:])
