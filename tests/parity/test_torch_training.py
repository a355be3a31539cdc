"""The course network, trained from the same weights on the same batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from minicnn import Sequential, architectures, kernels, optimizers
from minicnn.losses import CategoricalCrossentropy

torch = pytest.importorskip("torch")
nn = torch.nn

FAST = [name for name in kernels.available_backends() if name != "reference"]
STEPS = 50


class Theirs(nn.Module):
    """architectures.course() in PyTorch, with the weights of `model`."""

    def __init__(self, model: Sequential) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(1, 8, 3), nn.Conv2d(8, 16, 3)
        self.three, self.four = nn.Linear(400, 128), nn.Linear(128, 10)
        weighted = [layer for layer in model.layers if layer.params]
        self.to(torch.from_numpy(np.zeros(0, model.dtype)).dtype)
        with torch.no_grad():
            for mine, theirs in zip(weighted, self.children(), strict=True):
                w = mine.params["w"]
                turned = w.transpose(3, 2, 0, 1) if w.ndim == 4 else w.T
                theirs.weight.copy_(torch.from_numpy(turned.copy()))
                theirs.bias.copy_(torch.from_numpy(mine.params["b"].copy()))

    def forward(self, x: np.ndarray) -> Any:
        """The logits for NHWC images."""
        pool = nn.functional.max_pool2d
        t = torch.from_numpy(x).permute(0, 3, 1, 2)
        t = pool(torch.relu(self.one(t)), 2)
        t = pool(torch.relu(self.two(t)), 2)
        t = t.permute(0, 2, 3, 1).flatten(1)  # in the order of NHWC
        return self.four(torch.relu(self.three(t)))


def batches(size: int, dtype: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Noise with a bar, whose position is the class."""
    rng = np.random.default_rng(0)
    for _ in range(STEPS):
        classes = rng.integers(0, 10, size)
        x = 0.2 * rng.random((size, 28, 28, 1))
        for image, c in zip(x, classes, strict=True):
            image[2 * c + 2 : 2 * c + 8, 4:20] += 0.8
        yield x.astype(dtype), classes


class Both:
    """The same training, twice."""

    def __init__(
        self, mine: optimizers.Optimizer, make: Any, smoothing: float, dtype: str, seed: int
    ) -> None:
        self.smoothing = smoothing
        self.model = Sequential(architectures.course(), (28, 28, 1), seed=seed, dtype=dtype)
        self.model.compile(replace(mine), CategoricalCrossentropy(smoothing), ["accuracy"])
        self.theirs = Theirs(self.model)
        self.optimizer = make(self.theirs.parameters())

    def step(self, x: np.ndarray, classes: np.ndarray) -> tuple[list[float], list[float]]:
        """(loss, accuracy) of ours and of theirs."""
        logs = self.model.train_on_batch(x, np.eye(10, dtype=np.uint8)[classes])
        self.optimizer.zero_grad()
        logits = self.theirs(x)
        loss = nn.functional.cross_entropy(
            logits, torch.from_numpy(classes), label_smoothing=self.smoothing
        )
        loss.backward()
        self.optimizer.step()
        accuracy = float((logits.argmax(1).numpy() == classes).mean())
        return [logs["loss"], logs["accuracy"]], [loss.item(), accuracy]

    def run(self, size: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
        """(STEPS, 2) of ours and of theirs."""
        ours, others = zip(*[self.step(*batch) for batch in batches(size, dtype)], strict=True)
        return np.array(ours), np.array(others)


CASES: dict[str, tuple[optimizers.Optimizer, Callable[[Any], Any], float]] = {
    "sgd": (optimizers.SGD(0.05), lambda p: torch.optim.SGD(p, 0.05), 0.0),
    "adam": (optimizers.Adam(1e-3), lambda p: torch.optim.Adam(p, 1e-3, eps=1e-7), 0.0),
    "adamw, smoothed labels": (
        optimizers.AdamW(1e-3, weight_decay=0.1),
        lambda p: torch.optim.AdamW(p, 1e-3, eps=1e-7, weight_decay=0.1),
        0.1,
    ),
}


@pytest.mark.parametrize("fast", FAST)
@pytest.mark.parametrize("case", CASES)
def test_fifty_losses_and_the_predictions_after_them_equal_pytorchs(case: str, fast: str) -> None:
    with kernels.use_backend(fast):
        both = Both(*CASES[case], "float64", seed=1)
        ours, others = both.run(32, "float64")
        np.testing.assert_allclose(ours, others, rtol=0, atol=1e-9)
        assert ours[-5:, 0].mean() < 0.8 * ours[:5, 0].mean()  # the loss falls
        x, _ = next(batches(16, "float64"))
        with torch.no_grad():
            chances = torch.softmax(both.theirs(x), 1).numpy()
        np.testing.assert_allclose(both.model.predict(x), chances, rtol=0, atol=1e-9)


@pytest.mark.parametrize("fast", FAST)
@pytest.mark.parametrize("case", ["sgd", "adam"])
def test_fifty_losses_equal_pytorchs_to_1e_4_in_float32(case: str, fast: str) -> None:
    # In float32 two pixels of a pooling window can be equal up to rounding. Which of them gets the
    # gradient then differs, and so do the runs from there on: in about one run of ten. So the
    # median of five runs counts.
    with kernels.use_backend(fast):
        runs = [Both(*CASES[case], "float32", seed).run(8, "float32") for seed in range(5)]
    assert all(ours[-5:, 0].mean() < 0.8 * ours[:5, 0].mean() for ours, _ in runs)
    apart = [abs(ours - others)[:, 0].max() for ours, others in runs]
    assert np.median(apart) <= 1e-4, apart
