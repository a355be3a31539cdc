"""Timer: how long the parts of a run take."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from .. import state_checks
from ..hooks import Callback, State

PARTS = ("training", "validation", "callbacks", "rest")


class Timer(Callback):
    """Measures training, validation, callbacks and the rest, for each epoch and in total.

    Put it first in the list, and `timer.last` anywhere (it is called last):

        timer = Timer()
        model.fit(…, callbacks=[timer, PlotMetrics("curves.png"), timer.last])
        print(timer.table())

    The parts, up to the few microseconds of History and of calling the hooks:

        training     gathering the rows of each batch, augmentation, forward, backward, update
        validation   from the last batch to the end of the epoch (0 without validation data)
        callbacks    from `timer` to `timer.last`, in the hooks of epochs and batches
        rest         before the first epoch and after the last one: what the callbacks before
                     `timer` do at the beginning and the end of the run, such as the last drawing

    Without `timer.last`, the callbacks' work after a batch counts as training (after the last
    batch of an epoch: as validation), and their work at the end and the beginning of epochs as
    callbacks.

    In a resumed run, the times in the checkpoint are added; the time in between is not.

    Attributes:
        epochs: a dict for each epoch, also an unfinished one: "epoch" (from 1), "images" trained
            on, and seconds under each of the four names.
        last: a callback for the same list.
    """

    def __init__(self) -> None:
        self.last = TimerEnd(self)
        self._reset()

    def _reset(self) -> None:
        self.epochs: list[dict[str, float]] = []
        self._outside = 0.0  # before the first epoch
        self._mark = time.perf_counter()
        self._in_epoch, self._seen = False, 0
        self._ends = False  # whether `last` is in the list too

    def on_train_begin(self, state: State) -> None:
        self._reset()

    def get_state(self) -> dict[str, object]:
        return {"epochs": self.epochs, "outside": self._outside}

    def set_state(self, saved: Mapping[str, object]) -> None:
        rows = state_checks.rows(saved, "epochs")
        self.epochs = [{name: state_checks.number(row, name) for name in row} for row in rows]
        self._outside = state_checks.number(saved, "outside")

    def on_epoch_begin(self, state: State) -> None:
        # Since the last epoch's end. Without `last`, the other callbacks worked in between.
        self._lap("rest" if self._ends or not self._in_epoch else "callbacks")
        self._in_epoch = True
        if not state.resume.done[1] or not self.epochs:
            times = dict.fromkeys(PARTS, 0.0)
            self.epochs.append({"epoch": state.epoch + 1, "images": 0, **times})
        self._seen = state.seen

    def on_batch_end(self, state: State) -> None:
        self._lap("training")
        self.epochs[-1]["images"] += state.seen - self._seen
        self._seen = state.seen

    def on_epoch_end(self, state: State) -> None:
        self._lap("rest" if state.drawing.validation is None else "validation")

    def on_train_end(self, state: State) -> None:
        self._lap("rest")
        self._in_epoch = False

    def _lap(self, part: str) -> None:
        """Add the time since the last lap to `part`."""
        now = time.perf_counter()
        if self.epochs:
            self.epochs[-1][part] += now - self._mark
        else:
            self._outside += now - self._mark
        self._mark = now

    def report(self) -> dict[str, Any]:
        """{"epochs": as the attribute, each also with "seconds" and "images_per_second" (of the
        training time); "total": the same for the whole run}."""
        epochs = [_summed(row) for row in self.epochs]
        total = {name: sum(row[name] for row in self.epochs) for name in ("images", *PARTS)}
        total["rest"] += self._outside
        return {"epochs": epochs, "total": _summed(total)}

    def table(self) -> str:
        """The report as text: a line an epoch, then the total and its shares; seconds."""
        report = self.report()
        head = ["epoch", *PARTS, "seconds", "images/s"]
        rows = [[f"{row['epoch']:.0f}", *_cells(row)] for row in report["epochs"]]
        total = report["total"]
        shares = [f"{100 * total[part] / max(total['seconds'], 1e-9):.1f} %" for part in PARTS]
        rows += [["total", *_cells(total)], ["", *shares, "", ""]]
        widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
        lines = [
            "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in (head, *rows)
        ]
        return "\n".join(lines)


class TimerEnd(Callback):
    """Called last: it ends the other callbacks' time in its Timer."""

    runs_last = True

    def __init__(self, timer: Timer) -> None:
        self.timer = timer

    def on_train_begin(self, state: State) -> None:
        self.timer._ends = True

    def on_epoch_begin(self, state: State) -> None:
        self.timer._lap("callbacks")

    on_batch_end = on_epoch_end = on_epoch_begin


def _summed(row: Mapping[str, float]) -> dict[str, float]:
    seconds = sum(row[part] for part in PARTS)
    rate = row["images"] / row["training"] if row["training"] else 0.0
    return {**row, "seconds": seconds, "images_per_second": rate}


def _cells(row: Mapping[str, float]) -> list[str]:
    times = [f"{row[part]:.3f}" for part in PARTS]
    return [*times, f"{row['seconds']:.3f}", f"{row['images_per_second']:,.0f}"]
