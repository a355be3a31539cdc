"""TensorBoard: curves, histograms and pictures for TensorBoard's page."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..hooks import Callback, State
from ..layer_stats.array_stats import measure
from .events import EventFile, expect_library
from .lines import Complaint
from .pace import Pace
from .samples import SampleGrid

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 100


class TensorBoard(Callback):
    """Writes event files; `tensorboard --logdir FOLDER` shows them.

    Three runs stand there side by side, each with a file in a folder of its own:

        training     each epoch: loss, metrics, learning_rate; histograms of weights and gradients
                     (of the epoch's last batch); pictures of the first filters and of the
                     validation images that are misread
        validation   each epoch: the same metrics for the validation samples
        batches      each batch: its loss and metrics, if asked for

    Epochs and batches count from 1. Histograms are left out of epochs where they would take more
    than 1 % of the time, pictures are drawn now and then, within the 1.5 % that all who draw share;
    those of the end always come. A run that is resumed writes new files, which tell TensorBoard to
    hide what came after the checkpoint. If one can't be written, a RunWarning says so once and
    training goes on.

    Args:
        folder: is made; a run's files are added to what is there.
        histograms, images: whether to write them.
        batches: whether to write each batch, too.

    Raises:
        ImportError: tensorboardX is missing; says what to install.
        OSError: when training begins, if the folder can't be made.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        histograms: bool = True,
        images: bool = True,
        batches: bool = False,
    ) -> None:
        expect_library()
        self.folder = Path(folder)
        self.histograms, self.images, self.batches = histograms, images, batches
        self.needs_outputs = images
        self._files: dict[str, EventFile] = {}
        self._complaint = Complaint("TensorBoard")
        self._measuring, self._drawing = Pace(0, 0.01), Pace()
        self._grid: SampleGrid | None = None
        self._drawn = True  # nothing to draw yet
        self._purge: tuple[int, int] | None = None

    def on_train_begin(self, state: State) -> None:
        self._close()  # a run before this one may have ended without its last hook
        self._complaint.begin()
        self._measuring.begin()
        self._drawing.begin(state if self.images else None)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._grid = _grid(state) if self.images else None
        self._drawn = True

    def on_epoch_begin(self, state: State) -> None:
        if not self._files and state.resumed:  # where it goes on is known from here on
            epochs, steps = state.done
            self._purge = epochs + 1, epochs * state.steps + steps + 1

    def on_batch_end(self, state: State) -> None:
        if self.batches:
            step = state.epoch * state.steps + state.step + 1
            with self._trying():
                for name, value in state.batch_logs.items():
                    self._file("batches").scalar(name, value, step)

    def on_epoch_end(self, state: State) -> None:
        last = state.stop or state.epoch + 1 == state.epochs
        if self._grid is not None:
            self._grid.on_epoch_end(state)
        self._drawn = False
        with self._trying():
            self._write_logs(state)
            if self.histograms and (last or self._measuring.due()):
                with self._measuring.working():
                    self._write_histograms(state)
            if self.images and self._drawing.due():
                self._write_images(state)
            self._flush()

    def on_train_end(self, state: State) -> None:
        with self._trying():
            if self.images and not self._drawn:
                self._write_images(state)
        self._close()

    def _flush(self) -> None:
        for name, file in list(self._files.items()):
            try:
                file.flush()
            except FileNotFoundError:
                del self._files[name]  # the next epoch begins a new one
                with suppress(OSError):
                    file.close()
                raise

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

    def _file(self, name: str) -> EventFile:
        if name not in self._files:
            purge = None if self._purge is None else self._purge[name == "batches"]
            self._files[name] = EventFile(self.folder / name, purge)
        return self._files[name]

    @contextmanager
    def _trying(self) -> Iterator[None]:
        with self._complaint.instead_of_error(self.folder):
            yield

    def _close(self) -> None:
        with self._trying():
            for file in self._files.values():
                file.close()
        self._files, self._purge = {}, None


def _grid(state: State) -> SampleGrid | None:
    """What draws the misread images; None if there are none that can be shown."""
    grid = SampleGrid(None)
    try:
        grid.on_train_begin(state)
    except ValueError:
        return None
    return grid


def _png(figure: Figure) -> bytes:
    file: Any = io.BytesIO()
    figure.savefig(file, format="png", dpi=DPI)
    return file.getvalue()
