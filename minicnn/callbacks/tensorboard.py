"""TensorBoard: curves, histograms and pictures for TensorBoard."""

from __future__ import annotations

import io
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..hooks import Callback, State
from ..layer_stats.array_stats import BINS, ArrayStatistics, measure
from .lines import WarnOnce
from .samples import SampleGrid
from .throttle import Throttle

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 100


class TensorBoard(Callback):
    """Writes event files; `tensorboard --logdir FOLDER` shows them.

    It shows three runs, each in its own folder:

        training     each epoch: loss, metrics, learning_rate; histograms of weights and gradients
                     (of the epoch's last batch); pictures of the first filters and of the most
                     confident mistakes among the validation images
        validation   each epoch: the same metrics for the validation samples
        batches      each batch: its loss and metrics, with batches=True

    Epochs and batches count from 1. Histograms take at most 1 % of the time; pictures share 1.5 %
    with the other drawing callbacks. Epochs that would take more are skipped, except the last one.
    A resumed run writes new files, with which TensorBoard hides what followed the
    checkpoint. If a file can't be written, one RunWarning is issued and training continues.

    Args:
        folder: created if missing; a run adds its files.
        histograms, images: whether to write them.
        batches: whether to write each batch, too.

    Raises:
        ImportError: tensorboardX is missing; the message says what to install.
        OSError: at the start of training, if the folder can't be created.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        histograms: bool = True,
        images: bool = True,
        batches: bool = False,
    ) -> None:
        try:
            import tensorboardX  # noqa: F401
        except ImportError as error:
            raise ImportError(
                "TensorBoard needs the library tensorboardX to write its files: "
                'pip install "minicnn[tensorboard]"'
            ) from error
        self.folder = Path(folder)
        self.histograms, self.images, self.batches = histograms, images, batches
        self.needs_outputs = images
        self._files: dict[str, _EventFile] = {}
        self._warning = WarnOnce("TensorBoard")
        self._measuring, self._drawing = Throttle(0, 0.01), Throttle()
        self._grid: SampleGrid | None = None
        self._drawn = True  # nothing to draw yet
        self._purge: tuple[int, int] | None = None

    def on_train_begin(self, state: State) -> None:
        self._close()  # an earlier run may have ended without on_train_end
        self._warning.begin()
        self._measuring.begin()
        self._drawing.begin(state.drawing.throttles if self.images else None)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._grid = None
        if self.images:
            with suppress(ValueError):  # the validation samples are no images
                grid = SampleGrid(None)
                grid.on_train_begin(state)
                self._grid = grid
        self._drawn = True

    def on_epoch_begin(self, state: State) -> None:
        if not self._files and state.resume.resumed:  # in on_train_begin, `done` is not yet known
            epochs, steps = state.resume.done
            self._purge = epochs + 1, epochs * state.steps + steps + 1

    def on_batch_end(self, state: State) -> None:
        if self.batches:
            step = state.epoch * state.steps + state.step + 1
            with self._warning.instead_of_error(self.folder):
                for name, value in state.batch_logs.items():
                    self._file("batches").scalar(name, value, step)

    def on_epoch_end(self, state: State) -> None:
        last = state.stop or state.epoch + 1 == state.epochs
        if self._grid is not None:
            self._grid.on_epoch_end(state)
        self._drawn = False
        with self._warning.instead_of_error(self.folder):
            self._write_logs(state)
            if self.histograms and (last or self._measuring.due()):
                with self._measuring.working():
                    self._write_histograms(state)
            if self.images and self._drawing.due():
                self._write_images(state)
            for file in self._files.values():
                file.flush()

    def on_train_end(self, state: State) -> None:
        with self._warning.instead_of_error(self.folder):
            if self.images and not self._drawn:
                self._write_images(state)
        self._close()

    def _write_logs(self, state: State) -> None:
        for name, value in state.logs.items():
            base = name.removeprefix("val_")
            file = self._file("training" if base == name else "validation")
            file.scalar(base, value, state.epoch + 1)

    def _write_histograms(self, state: State) -> None:
        file = self._file("training")
        for index, layer in enumerate(state.model.layers):
            for name, w in layer.params.items():
                tag = f"{index}.{layer.label}.{name}"
                file.histogram(f"weights/{tag}", measure(w), state.epoch + 1)
                if name in layer.grads:
                    file.histogram(f"gradients/{tag}", measure(layer.grads[name]), state.epoch + 1)

    def _write_images(self, state: State) -> None:
        self._drawn = True
        with self._drawing.working():
            from .. import plots

            file = self._file("training")
            kernels = [w for layer in state.model.layers for w in layer.params.values()]
            if first := [w for w in kernels if w.ndim == 4][:1]:
                file.image("filters", _png(plots.filters(first[0])), state.epoch + 1)
            if self._grid is not None:
                file.image("misread", _png(self._grid.figure()), state.epoch + 1)

    def _file(self, name: str) -> _EventFile:
        if name not in self._files:
            purge = None if self._purge is None else self._purge[name == "batches"]
            self._files[name] = _EventFile(self.folder / name, purge)
        return self._files[name]

    def _close(self) -> None:
        with self._warning.instead_of_error(self.folder):
            for file in self._files.values():
                file.close()
        self._files, self._purge = {}, None


class _EventFile:
    """A new event file in `folder`, which is created; written without tensorboardX's thread.

    Args:
        purge_step: TensorBoard hides the entries of earlier files from this step on; None: none.

    Raises:
        OSError: it can't be created.
    """

    def __init__(self, folder: Path, purge_step: int | None = None) -> None:
        from tensorboardX.event_file_writer import EventsWriter

        folder.mkdir(parents=True, exist_ok=True)
        earlier = len(list(folder.glob("events.out.tfevents.*")))
        # The suffix: two may be created in the same second.
        self._writer = EventsWriter(str(folder / "events"), f".{earlier}")
        self.flush, self.close = self._writer.flush, self._writer.close
        if purge_step is not None:
            self._write(purge_step, session_log={"status": "START"})

    def scalar(self, tag: str, value: float, step: int) -> None:
        self._add(step, tag, simple_value=float(value))

    def histogram(self, tag: str, measured: ArrayStatistics, step: int) -> None:
        """The histogram of array_stats.measure(); nothing if no number was finite."""
        low, high, counts = measured["min"], measured["max"], measured["histogram"]
        total = sum(counts)
        if low is None or high is None or measured["mean"] is None:
            return
        # Each limit is the upper end of its bin; if all numbers are equal, one bin has them all.
        limits = np.linspace(low, high, BINS + 1)[1:].tolist() if high > low else [high]
        square = 0.0 if measured["std"] is None else measured["std"] ** 2 + measured["mean"] ** 2
        self._add(step, tag, histo={
            "min": low, "max": high, "num": total, "sum": measured["mean"] * total,
            "sum_squares": square * total, "bucket_limit": limits,
            "bucket": counts[: len(limits)],
        })  # fmt: skip

    def image(self, tag: str, png: bytes, step: int) -> None:
        height, width = (int.from_bytes(png[at : at + 4], "big") for at in (20, 16))
        self._add(step, tag, image={
            "height": height, "width": width, "colorspace": 4, "encoded_image_string": png,
        })  # fmt: skip

    def _add(self, step: int, tag: str, **value: object) -> None:
        self._write(step, summary={"value": [{"tag": tag, **value}]})

    def _write(self, step: int, **content: Any) -> None:
        from tensorboardX.proto.event_pb2 import Event

        self._writer.write_event(Event(wall_time=time.time(), step=step, **content))


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI)
    return file.getvalue()
