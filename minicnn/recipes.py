"""How the command line trains, if not told otherwise."""

from __future__ import annotations

from dataclasses import dataclass, replace

from . import optimizers
from .losses import CategoricalCrossentropy
from .optimizers import Optimizer
from .schedules import Constant, CosineDecay, Schedule


@dataclass(frozen=True)
class Recipe:
    """Everything about a training run but the data and the network.

    warmup is a share of all steps; None for a constant learning rate.
    """

    epochs: int
    batch_size: int
    optimizer: str
    learning_rate: float
    weight_decay: float = 0.0
    label_smoothing: float = 0.0
    warmup: float | None = None

    def changed(self, **options: object) -> Recipe:
        """The recipe with those options that are not None in place of its own."""
        given = {name: value for name, value in options.items() if value is not None}
        return replace(self, **given)  # type: ignore[arg-type]

    def schedule(self, samples: int) -> Schedule:
        """The learning rate for `samples` training samples."""
        if self.warmup is None:
            return Constant(self.learning_rate)
        steps = max(1, self.epochs * -(-samples // self.batch_size))
        warmup = min(int(self.warmup * steps), steps - 1)
        return CosineDecay(self.learning_rate, steps, warmup)

    def make_optimizer(self, samples: int) -> Optimizer:
        """The optimizer, ready for `samples` training samples."""
        cls = optimizers.TABLE[self.optimizer]
        return cls(self.schedule(samples), weight_decay=self.weight_decay)

    def make_loss(self) -> CategoricalCrossentropy:
        """Cross-entropy with the recipe's label smoothing."""
        return CategoricalCrossentropy(self.label_smoothing)


DEFAULT = Recipe(
    epochs=20,
    batch_size=64,
    optimizer="adamw",
    learning_rate=3e-3,
    weight_decay=1e-2,
    label_smoothing=0.1,
    warmup=0.1,
)

TUTORIAL = Recipe(epochs=20, batch_size=512, optimizer="adam", learning_rate=1e-3)
