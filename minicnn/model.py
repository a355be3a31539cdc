"""Sequential: a network and what one does with it, in the words of Keras."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from . import losses, optimizers
from .batches import ArrayLike, Samples, samples
from .layers import Layer
from .losses import Loss
from .metrics import Metric
from .metrics import get as get_metric
from .network import Network
from .optimizers import Optimizer
from .typing import Array

if TYPE_CHECKING:
    from .augmentation import Augmentation
    from .callbacks import Callback, History
    from .saving.checkpoints import Checkpoint

DEFAULT_BATCH = 256  # of evaluate and predict: bounds their memory

# fit, saving, summary and the callbacks come after the model; the methods below that are only a
# shorter way to write them reach for them when called.


class Sequential(Network):
    __doc__ = Network.__doc__

    def add(self, layer: Layer) -> None:
        """Append a layer to a model that is neither compiled nor built yet."""
        if self._loss is not None:
            raise RuntimeError("compile() comes after the last add(): it looks at the last layer")
        super().add(layer)

    def compile(
        self,
        optimizer: Any = "adam",
        loss: Any = "categorical_crossentropy",
        metrics: Iterable[Any] | str | None = None,
    ) -> None:
        """Choose how to train: names ("adam", "accuracy", …) or objects.

        Raises:
            ValueError: an unknown name, with what there is; a cross-entropy for a model that
                does not end in softmax, or one from logits for a model that does; an optimizer
                object that has trained another model. The model then stays as it was.
        """
        new_loss, new_optimizer = losses.get(loss), optimizers.get(optimizer)
        if new_optimizer.iterations and new_optimizer.owner is not self:
            raise ValueError("this optimizer object has trained another model; make a new one")
        self._check_softmax(new_loss)
        names = [metrics] if isinstance(metrics, str) else metrics or ()
        new_metrics = [get_metric(name) for name in names if name != "loss"]
        new_optimizer.owner = self
        self._optimizer, self._metrics, self._loss = new_optimizer, new_metrics, new_loss
        self.softmax_in_loss = new_loss.takes_logits

    @property
    def loss(self) -> Loss:
        """The loss given to compile(); RuntimeError before."""
        return self._compiled(self._loss)

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer given to compile(); RuntimeError before."""
        return self._compiled(self._optimizer)

    @property
    def metrics(self) -> list[Metric]:
        """The metrics given to compile()."""
        return self._metrics

    def fit(
        self,
        x: ArrayLike,
        y: Any,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Sequence[Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: tuple[Any, ...] | None = None,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        augmentation: Augmentation | None = None,
        resume: str | os.PathLike[str] | Checkpoint | None = None,
    ) -> History:
        """Train; the arguments are those of Keras, and two more.

        Args:
            x: (N, *input_shape): an array, or anything that gathers rows by an index array
                (such as `MnistData.train_x`).
            y: targets, one-hot (N, K) or whole numbers (N,), as the loss wants them.
            batch_size: samples a step; None: 32.
            epochs: the epoch to stop before; with initial_epoch=4, epochs=10 trains six.
            verbose: 1 or "auto": a progress bar; 2: a plain line an epoch; 0: nothing.
            callbacks: told in the order given, after History.
            validation_split: the share at the end of x that is held out.
            validation_data: (x, y) or (x, y, sample_weight); wins over validation_split.
            shuffle: draw a new order each epoch.
            class_weight: class index → weight of its samples in the loss.
            sample_weight: (N,) weights; the loss is Σ weight·loss / N.
            steps_per_epoch: batches an epoch, if not a whole pass; the next epoch goes on where
                this one stopped.
            augmentation: changes the images of every batch, each time anew (see
                augmentation.py); validation samples stay as they are.
            resume: a checkpoint (see callbacks.ModelCheckpoint), or a folder, whose newest one is
                taken: train on from there as if there had been no interruption, with the same
                weights to the bit. A folder without any: begin at the beginning.

        Returns:
            History: `.history["loss"]` and so on, a value an epoch.

        Raises:
            ValueError, TypeError: data that does not fit the model; says how.
            ModelError: a checkpoint that is damaged, or of another model or run.
            RuntimeError: compile() was not called.
        """
        from . import fit as loop
        from .callbacks import History, ProgressBar
        from .saving import checkpoints

        batch_size = 32 if batch_size is None else batch_size
        _check_count("batch_size", batch_size)
        _check_count("epochs", epochs, minimum=0)
        _check_count("initial_epoch", initial_epoch, minimum=0)
        if steps_per_epoch is not None:
            _check_count("steps_per_epoch", steps_per_epoch)
        if verbose not in (0, 1, 2, "auto"):
            raise ValueError(f'expected verbose 0, 1, 2 or "auto", received {verbose!r}')
        data, validation = self._samples(x, y, sample_weight), None
        if validation_data is not None:
            validation = self._validation(validation_data)
        elif validation_split:
            data, validation = data.split(validation_split)
        if class_weight is not None:
            data = data.weighted(class_weight)
        self._compiled(self._loss)
        if isinstance(resume, (str, os.PathLike)):
            resume = checkpoints.load(resume)
        history = History()
        bar = [ProgressBar(plain=verbose == 2)] if verbose else []
        loop.fit(
            self,
            data,
            batch_size=batch_size,
            epochs=epochs,
            validation=validation,
            shuffle=shuffle,
            callbacks=[history, *(callbacks or ()), *bar],
            initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch,
            augmentation=augmentation,
            checkpoint=resume,
        )
        return history

    def train_on_batch(
        self,
        x: ArrayLike,
        y: Any,
        sample_weight: Any = None,
        class_weight: Mapping[int, float] | None = None,
    ) -> dict[str, float]:
        """One step on one batch; returns its loss and metrics from before the step."""
        from . import fit as loop

        data = self._samples(x, y, sample_weight)
        if class_weight is not None:
            data = data.weighted(class_weight)
        return loop.train_step(self, *data.take(slice(None)))

    def evaluate(
        self,
        x: ArrayLike,
        y: Any,
        batch_size: int | None = None,
        verbose: int | str = 0,
        sample_weight: Any = None,
    ) -> dict[str, float]:
        """Loss and metrics over all samples, by name.

        Memory grows with batch_size alone (None: 256). Unless verbose is 0, the results are
        printed in a line as well.
        """
        from . import fit as loop

        batch_size = DEFAULT_BATCH if batch_size is None else batch_size
        _check_count("batch_size", batch_size)
        data = self._samples(x, y, sample_weight)
        results = loop.evaluate(self, data, batch_size=batch_size)
        if verbose:
            print("  ".join(f"{name} {value:.4f}" for name, value in results.items()))
        return results

    def predict(self, x: ArrayLike, batch_size: int | None = None, verbose: int | str = 0) -> Array:
        """The outputs (N, *output_shape) for x.

        Memory beside them grows with batch_size alone (None: 256). `verbose` is taken for the
        sake of Keras's users; nothing is printed.
        """
        from . import fit as loop

        batch_size = DEFAULT_BATCH if batch_size is None else batch_size
        _check_count("batch_size", batch_size)
        return loop.predict(self, self._samples(x, None), batch_size=batch_size)

    def summary(self, batch_size: int = 1, fused: bool = False) -> None:
        """Print a table: layers, shapes, parameters, FLOPs an image, bytes at `batch_size`.

        With fused, a row for each stage that is run: layers that are run as one share a row, which
        tells the algorithm too (`model.fused = False` runs layer by layer).
        """
        from .summary import print_stages, print_summary

        _check_count("batch_size", batch_size)
        (print_stages if fused else print_summary)(self, batch_size)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write weights and configuration to one `.safetensors` file (see saving.py)."""
        from .saving.model_file import save

        save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Sequential:
        """Read a model that save() wrote. Raises ModelError for anything else."""
        from .saving.model_file import load

        return load(path, cls)

    # ---- private ----

    _loss: Loss | None = None
    _optimizer: Optimizer | None = None
    _metrics: list[Metric] = []  # noqa: RUF012 - replaced by compile, never changed

    def _samples(self, x: Any, y: Any, sample_weight: Any = None) -> Samples:
        if not hasattr(x, "shape"):
            x = np.asarray(x)
        if not self.built:
            self.build(tuple(x.shape)[1:])
        assert self.input_shape is not None
        return samples(x, y, self.input_shape, self.dtype, sample_weight)

    def _validation(self, data: Any) -> Samples:
        if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
            raise ValueError("expected validation_data as (x, y) or (x, y, sample_weight)")
        return self._samples(*data)

    def _check_softmax(self, loss: Loss) -> None:
        if not loss.takes_logits:
            return
        from_logits = getattr(loss, "from_logits", False)
        name = type(loss).__name__
        if self.ends_in_softmax() and from_logits:
            raise ValueError(
                f"{name}(from_logits=True) is for a model without softmax at its end; this one "
                "has one: drop from_logits (the loss takes the logits anyway)"
            )
        if not self.ends_in_softmax() and not from_logits:
            raise ValueError(
                f"{name} needs a model that ends in softmax: give its last layer "
                f'activation="softmax", or use losses.{name}(from_logits=True)'
            )

    @staticmethod
    def _compiled(part: Any) -> Any:
        if part is None:
            raise RuntimeError(
                'call model.compile(optimizer="adam", loss="categorical_crossentropy", '
                'metrics=["accuracy"]) first'
            )
        return part


def _check_count(name: str, value: Any, minimum: int = 1) -> None:
    if not hasattr(value, "__index__") or isinstance(value, bool):
        raise TypeError(f"expected {name} as a whole number, received {value!r}")
    if value < minimum:
        raise ValueError(f"expected {name} >= {minimum}, received {value!r}")
