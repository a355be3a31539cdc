"""Sequential: a network with Keras's methods to train, measure, save and print it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from . import fit as loop
from . import saving
from .augmentation import Augmentation
from .batches import Inputs, Samples, samples
from .callbacks import History, ProgressBar
from .hooks import Callback
from .network import Network
from .saving import checkpoints
from .saving.checkpoints import Checkpoint
from .state_checks import whole_number
from .summary import print_stages, print_summary
from .typing import Array

DEFAULT_BATCH = 256  # of evaluate and predict: bounds their memory


class Sequential(Network):
    __doc__ = Network.__doc__

    def fit(
        self,
        x: Inputs,
        y: npt.ArrayLike,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int | str = "auto",
        callbacks: Sequence[Callback] | None = None,
        validation_split: float = 0.0,
        validation_data: Sequence[object] | None = None,
        shuffle: bool = True,
        class_weight: Mapping[int, float] | None = None,
        sample_weight: npt.ArrayLike | None = None,
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
            callbacks: called in this order, after History.
            validation_split: the share at the end of x that is not trained on.
            validation_data: (x, y) or (x, y, sample_weight); wins over validation_split.
            shuffle: draw a new order for each epoch.
            class_weight: class index → weight of its samples in the loss.
            sample_weight: (N,) weights; the loss is Σ weight·loss / N.
            steps_per_epoch: batches an epoch, if not a whole pass; the next epoch continues where
                this one stopped.
            augmentation: changes the images of every batch (augmentation.py); validation samples
                stay as they are.
            resume: a checkpoint (callbacks.ModelCheckpoint), or a folder with checkpoints, of which
                the newest counts: continue as if there had been no interruption, with the same
                weights to the bit. With an empty folder, training starts from the beginning.

        Returns:
            History: `.history["loss"]` and so on, a value an epoch.

        Raises:
            ValueError, TypeError: the data does not fit the model; the message says how.
            ModelError: the checkpoint is damaged, or of another model or run.
            RuntimeError: compile() was not called.
        """
        batch_size = 32 if batch_size is None else batch_size
        whole_number("batch_size", batch_size)
        whole_number("epochs", epochs, 0)
        whole_number("initial_epoch", initial_epoch, 0)
        if steps_per_epoch is not None:
            whole_number("steps_per_epoch", steps_per_epoch)
        if verbose not in (0, 1, 2, "auto"):
            raise ValueError(f'expected verbose 0, 1, 2 or "auto", received {verbose!r}')
        data, validation = self._samples(x, y, sample_weight), None
        if validation_data is not None:
            validation = self._validation(validation_data)
        elif validation_split:
            data, validation = data.split(validation_split)
        if class_weight is not None:
            data = data.weighted(class_weight)
        self.loss  # noqa: B018 - raises if compile() was not called
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
        x: Inputs,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        class_weight: Mapping[int, float] | None = None,
    ) -> dict[str, float]:
        """One step on one batch; returns its loss and metrics from before the step."""
        data = self._samples(x, y, sample_weight)
        if class_weight is not None:
            data = data.weighted(class_weight)
        return loop.train_step(self, *data.take(slice(None)))

    def evaluate(
        self,
        x: Inputs,
        y: npt.ArrayLike,
        batch_size: int | None = None,
        verbose: int | str = 0,
        sample_weight: npt.ArrayLike | None = None,
    ) -> dict[str, float]:
        """Loss and metrics over all samples, by name.

        Memory grows with batch_size alone (None: 256). Unless verbose is 0, the results are
        printed in a line as well.
        """
        batch_size = DEFAULT_BATCH if batch_size is None else batch_size
        whole_number("batch_size", batch_size)
        data = self._samples(x, y, sample_weight)
        results = loop.evaluate(self, data, batch_size=batch_size)
        if verbose:
            print("  ".join(f"{name} {value:.4f}" for name, value in results.items()))
        return results

    def predict(self, x: Inputs, batch_size: int | None = None, verbose: int | str = 0) -> Array:
        """The outputs (N, *output_shape) for x.

        Memory beside them grows with batch_size alone (None: 256). `verbose` is accepted because
        Keras has it; nothing is printed.
        """
        batch_size = DEFAULT_BATCH if batch_size is None else batch_size
        whole_number("batch_size", batch_size)
        return loop.predict(self, self._samples(x, None), batch_size=batch_size)

    def summary(self, batch_size: int = 1, fused: bool = False) -> None:
        """Print a table: layers, shapes, parameters, FLOPs an image, bytes at `batch_size`.

        With fused, a row for each stage: layers that run as one share a row, which names the
        algorithm too (`model.fused = False` runs layer by layer).
        """
        whole_number("batch_size", batch_size)
        (print_stages if fused else print_summary)(self, batch_size)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write weights and configuration to one `.safetensors` file (saving/model_file.py)."""
        saving.save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Sequential:
        """Read a model that save() wrote. Raises ModelError for anything else."""
        return saving.load(path, cls)

    # ---- private ----

    def _samples(
        self,
        x: Inputs,
        y: npt.ArrayLike | None,
        sample_weight: npt.ArrayLike | None = None,
    ) -> Samples:
        if not hasattr(x, "shape"):
            x = np.asarray(x)
        if not self.built:
            self.build(tuple(x.shape)[1:])
        assert self.input_shape is not None
        return samples(x, y, self.input_shape, self.dtype, sample_weight)

    def _validation(self, data: Sequence[object]) -> Samples:
        if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
            raise ValueError("expected validation_data as (x, y) or (x, y, sample_weight)")
        return self._samples(*data)
