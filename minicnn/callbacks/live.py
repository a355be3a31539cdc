"""LiveLog: the events of a run, written so that other programs can follow it (the visor does).

A line of JSON for each event, with its kind in `event`; all counts begin at 0:

    begin     the run begins, or continues after `done` [finished epochs, steps of the next one]:
              earlier lines about later steps are void. {epochs, steps, batch_size, num_samples,
              metrics, model, done, seconds, time}
    batches   points of the curves, each the mean over the batches since the point before. Lists of
              equal length: {epoch, step: of each point's last batch, seconds, learning_rate, loss
              and the metrics by their names}
    epoch     an epoch has ended: {epoch, seconds, logs}; now and then with {wrong, mistakes: [[row,
              true, predicted, probability], …] of the validation samples, most confident first}
    pause, continue   training pauses or continues: {seconds}
    end       {epoch, seconds, reason, failed}

`seconds` since training began, without pauses and with the time before a resumption; NaN and
infinity are null.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping

from .. import state_checks
from ..hooks import State
from ..metrics import class_indices
from ..strict_json import number, to_json
from .drawing import most_confident_mistakes, probabilities
from .lines import FileLogger
from .throttle import Throttle

POINT_SECONDS = 0.05  # the shortest time between two points of a curve
WRITE_SECONDS = 0.25  # the shortest time between two writes
MISTAKES_SHARE = 0.005  # the largest share of the time for finding mistakes


class LiveLog(FileLogger):
    """Appends the events of the run to `path`; the module's docstring describes the format.

    A second of the run gives at most twenty points of each curve. If the file can't be written, one
    RunWarning is issued and training continues. A resumed run continues its file.

    Args:
        path: the file; missing folders are made.
        mistakes: how many misclassified validation samples an epoch's line names at most.

    Raises:
        OSError: at the start of training, if the file can't be created.
    """

    needs_outputs = True

    def __init__(self, path: str | os.PathLike[str], mistakes: int = 24) -> None:
        super().__init__(path)
        self.mistakes = mistakes
        self._throttle = Throttle(0.0, MISTAKES_SHARE)
        self._reset()

    def _reset(self) -> None:
        self._start, self._seconds, self._earlier = time.perf_counter(), 0.0, 0.0
        self._lines: list[str] = []  # not yet written
        self._points: dict[str, list[float | None]] = {}  # not yet in a line
        self._sums: dict[str, float] = {}  # of the batches that are not yet in a point
        self._batches = 0
        self._last_point = self._last_written = 0.0  # seconds
        self._begun = False

    def get_state(self) -> dict[str, object]:
        return {"seconds": self._seconds}

    def set_state(self, saved: Mapping[str, object]) -> None:
        self._earlier = state_checks.number(saved, "seconds")

    def on_train_begin(self, state: State) -> None:
        self._reset()
        self._throttle.begin()
        super().on_train_begin(state)

    def on_epoch_begin(self, state: State) -> None:
        if self._begun:
            return
        self._begun = True  # here, because on_train_begin comes before State.resume.done is known
        self._add(
            state,
            "begin",
            epochs=state.epochs,
            steps=state.steps,
            batch_size=state.batch_size,
            num_samples=state.num_samples,
            metrics=["loss", *(metric.name for metric in state.model.metrics)],
            model=state.model.name,
            done=list(state.resume.done),
            time=time.time(),
        )
        self._write()

    def on_batch_end(self, state: State) -> None:
        for name, value in state.batch_logs.items():
            self._sums[name] = self._sums.get(name, 0.0) + value
        self._batches += 1
        seconds = self._clock(state)
        if seconds - self._last_point >= POINT_SECONDS:
            self._add_point(state)
            if seconds - self._last_written >= WRITE_SECONDS:
                self._write()

    def on_epoch_end(self, state: State) -> None:
        self._add_point(state)
        logs = {name: number(value) for name, value in state.logs.items()}
        is_last = state.stop or state.epoch + 1 == state.epochs
        mistakes = self._mistakes(state) if is_last or self._throttle.due() else {}
        self._add(state, "epoch", epoch=state.epoch, logs=logs, **mistakes)
        if self._seconds - self._last_written >= WRITE_SECONDS:
            self._write()

    def on_train_end(self, state: State) -> None:
        done, failed = state.resume.done, state.resume.failed
        self._add_point(state)
        self._add(state, "end", epoch=done[0], reason=state.stop_reason, failed=failed)
        self._write()

    def say(self, event: str, state: State) -> None:
        """Write "pause" or "continue" at once."""
        self._add_point(state)
        self._add(state, event)
        self._write()

    def _clock(self, state: State) -> float:
        now = time.perf_counter() - state.drawing.paused_seconds
        self._seconds = self._earlier + now - self._start
        return self._seconds

    def _add(self, state: State, event: str, **content: object) -> None:
        """Add a line, after the points so far."""
        self._add_points()
        seconds = number(self._clock(state), 6)
        self._lines.append(to_json({"event": event, "seconds": seconds, **content}))

    def _add_points(self) -> None:
        if self._points:
            self._lines.append(to_json({"event": "batches", **self._points}))
            self._points = {}

    def _add_point(self, state: State) -> None:
        """Make the batches since the last point a new point."""
        if not self._batches:
            return
        optimizer = state.model.optimizer
        point = {
            "epoch": state.epoch,
            "step": state.step,
            "seconds": number(self._clock(state), 6),
            "learning_rate": number(optimizer.schedule(max(optimizer.iterations - 1, 0)), 6),
        }
        for name, total in self._sums.items():
            point[name] = number(total / self._batches, 6)
        for name, value in point.items():
            self._points.setdefault(name, []).append(value)
        self._sums, self._batches, self._last_point = {}, 0, self._seconds

    def _mistakes(self, state: State) -> dict[str, object]:
        """The validation samples' mistakes; {} if the outputs are no classes."""
        samples, outputs = state.drawing.validation, state.drawing.val_outputs
        if samples is None or samples.y is None or outputs is None or outputs.ndim != 2:
            return {}
        with self._throttle.working():
            true = class_indices(samples.y, outputs)
            found = most_confident_mistakes(true, probabilities(outputs), self.mistakes)
            predicted, confidence = found.predicted, found.confidence
            mistakes = [
                [int(row), int(true[row]), int(predicted[row]), number(confidence[row], 4)]
                for row in found.rows
            ]
            return {"wrong": found.wrong, "mistakes": mistakes}

    def _write(self) -> None:
        self._add_points()
        lines, self._lines = self._lines, []
        self._last_written = self._seconds
        with self._warning.instead_of_error(self.path):
            self._file.append("".join(f"{line}\n" for line in lines))
