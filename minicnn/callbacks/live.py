"""LiveLog: a run as it goes, written so that others can read along (the visor does).

A line of JSON for each thing that happens, in `event` its kind; all counts begin at 0:

    begin     the run begins, or goes on after `done` [whole epochs, steps of the next one]:
              what was told of later steps is void. {epochs, steps, batch_size, num_samples,
              metrics, model, done, seconds, time}
    batches   points of the curves, each the mean over the batches since the one before. Lists of
              one length: {epoch, step: the last of each point's steps, seconds, learning_rate,
              and loss and the metrics by their names}
    epoch     an epoch has ended: {epoch, seconds, logs}; now and then with {wrong, mistakes: [[row,
              true, predicted, probability], …] of the validation samples, the surest first}
    pause, continue   training waits, and goes on: {seconds}
    end       {epoch, seconds, reason, failed}

`seconds` since training began, without pauses and with what came before a resumption; NaN and
infinity are null.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any

from .. import state_checks
from ..hooks import Callback, State
from ..metrics import class_indices
from ..strict_json import number, to_json
from .drawing import probabilities, worst
from .lines import Complaint, LineFile
from .pace import Pace

POINT_SECONDS = 0.05  # between two points of a curve, at least
WRITE_SECONDS = 0.25  # between two times of writing
LOOKING_SHARE = 0.005  # of the time, for finding the worst mistakes


class LiveLog(Callback):
    """Appends to `path` what happens in the run; see above.

    However long a run, a second of it takes at most twenty points of each curve. If the file can't
    be written, a RunWarning says so once, and training goes on. A run that is resumed goes on with
    its file.

    Args:
        path: the file; missing folders are made.
        mistakes: how many of the misread validation samples to tell of at the end of an epoch.

    Raises:
        OSError: at the start of training, if the file can't be made.
    """

    needs_outputs = True

    def __init__(self, path: str | os.PathLike[str], mistakes: int = 24) -> None:
        self.mistakes = mistakes
        self._file, self._complaint = LineFile(path), Complaint("LiveLog")
        self._looking = Pace(0.0, LOOKING_SHARE)
        self._forget()

    def _forget(self) -> None:
        self._start, self._seconds, self._earlier = time.perf_counter(), 0.0, 0.0
        self._lines: list[str] = []  # not yet written
        self._points: dict[str, list[Any]] = {}  # not yet a line
        self._sums: dict[str, float] = {}  # of the batches that are not yet a point
        self._batches = 0
        self._last_point = self._last_written = 0.0  # seconds
        self._begun = False

    @property
    def state_name(self) -> str:
        return f"{type(self).__name__}({self._file.path.name})"

    def get_state(self) -> dict[str, Any]:
        return {"seconds": self._seconds}

    def set_state(self, saved: Mapping[str, Any]) -> None:
        self._earlier = state_checks.number(saved, "seconds")

    def on_train_begin(self, state: State) -> None:
        self._forget()
        self._complaint.begin()
        self._looking.begin()
        self._file.open(append=state.remembers(self))

    def on_epoch_begin(self, state: State) -> None:
        if self._begun:
            return
        self._begun = True  # only now it is known where a resumed run goes on
        self._add(
            state,
            "begin",
            epochs=state.epochs,
            steps=state.steps,
            batch_size=state.batch_size,
            num_samples=state.num_samples,
            metrics=["loss", *(metric.name for metric in state.model.metrics)],
            model=state.model.name,
            done=list(state.done),
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
        mistakes = self._mistakes(state) if is_last or self._looking.due() else {}
        self._add(state, "epoch", epoch=state.epoch, logs=logs, **mistakes)
        if self._seconds - self._last_written >= WRITE_SECONDS:
            self._write()

    def on_train_end(self, state: State) -> None:
        self._add_point(state)
        self._add(state, "end", epoch=state.done[0], reason=state.stop_reason, failed=state.failed)
        self._write()

    def say(self, event: str, state: State) -> None:
        """Tell at once of a "pause", or that training goes on ("continue")."""
        self._add_point(state)
        self._add(state, event)
        self._write()

    def _clock(self, state: State) -> float:
        self._seconds = self._earlier + time.perf_counter() - self._start - state.waited
        return self._seconds

    def _add(self, state: State, event: str, **content: Any) -> None:
        """A line; what points there are come before it."""
        self._add_points()
        seconds = number(self._clock(state), 6)
        self._lines.append(to_json({"event": event, "seconds": seconds, **content}))

    def _add_points(self) -> None:
        if self._points:
            self._lines.append(to_json({"event": "batches", **self._points}))
            self._points = {}

    def _add_point(self, state: State) -> None:
        """The batches since the last point become one."""
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

    def _mistakes(self, state: State) -> dict[str, Any]:
        """What the validation samples' outputs say; nothing, where they are no classes."""
        part, outputs = state.validation, state.val_outputs
        if part is None or part.y is None or outputs is None or outputs.ndim != 2:
            return {}
        with self._looking.working():
            true, shares = class_indices(part.y, outputs), probabilities(outputs)
            rows, predicted, sure, wrong = worst(true, shares, self.mistakes)
            found = [
                [int(row), int(true[row]), int(predicted[row]), number(sure[row], 4)]
                for row in rows
            ]
            return {"wrong": wrong, "mistakes": found}

    def _write(self) -> None:
        """Everything that is not yet written, in one go."""
        self._add_points()
        lines, self._lines = self._lines, []
        self._last_written = self._seconds
        with self._complaint.instead_of_error(self._file.path):
            self._file.append("".join(f"{line}\n" for line in lines))
