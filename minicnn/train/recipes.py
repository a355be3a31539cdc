"""The training recipes of the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from .. import optimizers
from ..augmentation import Augmentation
from ..losses import CategoricalCrossentropy
from ..optimizers import Optimizer
from ..schedules import Constant, CosineDecay, Schedule


@dataclass(frozen=True)
class Recipe:
    """All settings of a training run except the data.

    warmup is a share of all steps; None for a constant learning rate. model is the network that it
    was tuned for, a name in architectures.TABLE.
    """

    epochs: int
    batch_size: int
    optimizer: str
    learning_rate: float
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    warmup: float | None = None
    augmentation: Augmentation | None = None
    model: str = "course"

    def changed(self, **options: Any) -> Recipe:
        """A copy with the options that are not None.

        Another optimizer comes with its default learning rate and weight decay, because those of
        the recipe were tuned for the recipe's optimizer.
        """
        given = {name: value for name, value in options.items() if value is not None}
        if given.get("optimizer", self.optimizer) != self.optimizer:
            other = optimizers.get(given["optimizer"])
            rate = other.current_learning_rate
            given = {"learning_rate": rate, "weight_decay": other.weight_decay} | given
        return replace(self, **given)

    def __str__(self) -> str:
        """The recipe in one line."""
        rate = "constant" if self.warmup is None else "cosine with warm-up"
        epochs = "epoch" if self.epochs == 1 else "epochs"
        line = (
            f"{self.epochs} {epochs}, batch {self.batch_size}, {self.optimizer} at "
            f"{self.learning_rate:g} ({rate}), weight decay {self.weight_decay:g}, "
            f"label smoothing {self.label_smoothing:g}"
        )
        return line if self.augmentation is None else f"{line}; images: {self.augmentation}"

    def schedule(self, samples: int) -> Schedule:
        """The learning rate for `samples` training samples."""
        if self.warmup is None:
            return Constant(self.learning_rate)
        steps = max(1, self.epochs * -(-samples // self.batch_size))
        warmup = min(int(self.warmup * steps), steps - 1)
        return CosineDecay(self.learning_rate, steps, warmup)

    def make_optimizer(self, samples: int) -> Optimizer:
        """The optimizer for `samples` training samples."""
        cls = optimizers.TABLE[self.optimizer]
        return cls(self.schedule(samples), weight_decay=self.weight_decay)

    def make_loss(self) -> CategoricalCrossentropy:
        """Cross-entropy with the recipe's label smoothing."""
        return CategoricalCrossentropy(self.label_smoothing)


DEFAULT = Recipe(
    epochs=25,
    batch_size=128,
    optimizer="adamw",
    learning_rate=4e-3,
    weight_decay=0.05,
    label_smoothing=0.1,
    warmup=0.05,
)
"""For sheets of some ten thousand images. Label smoothing helps most: it gained half a percentage
point of accuracy on held-out images."""

LARGE = replace(DEFAULT, epochs=10)
"""The same for sheets of MANY images or more, which need fewer passes."""

SMALL = replace(DEFAULT, epochs=100, batch_size=16, learning_rate=2e-3)
"""The same for sheets of less than FEW images: small batches, for enough steps."""

FEW, MANY = 3_000, 30_000

TUTORIAL = Recipe(epochs=20, batch_size=512, optimizer="adam", learning_rate=1e-3)
"""That of the TensorFlow.js tutorial."""


def default(samples: int) -> Recipe:
    """The recipe for `samples` training samples."""
    return SMALL if samples < FEW else LARGE if samples >= MANY else DEFAULT


BEST = replace(
    DEFAULT,
    epochs=20,
    augmentation=Augmentation(shift=2, rotate=10, scale=0.1, shear=10, elastic=1),
    model="wide",
)
"""For handwritten digits of 28×28 pixels. Trained on the first 50,000 training images of MNIST, it
misclassified 37 of the other 10,000; a network half as wide 49, without elastic distortion 56,
without any augmentation 62. With augmentation, dropout helps little; with a learning rate that
ends at zero, averaging the weights does not help."""

FULL = 55_000
"""Training images of MNIST."""


def best(samples: int) -> Recipe:
    """The most accurate recipe for `samples` training samples: up to five times the epochs for
    fewer samples than in MNIST, since augmentation keeps making new ones."""
    return replace(BEST, epochs=BEST.epochs * max(1, min(5, FULL // max(1, samples))))


TABLE: dict[str, Callable[[int], Recipe]] = {
    "default": default,
    "tutorial": lambda samples: TUTORIAL,
    "best": best,
}
"""By name: the recipe for a number of training samples."""
