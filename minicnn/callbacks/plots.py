"""PlotMetrics: curves of loss and metrics, drawn while a run goes on."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import state_checks
from ..hooks import Callback, State
from .history import History
from .lines import Complaint
from .names import find, resolve
from .pace import Pace

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PER = ("epoch", "batch", "both")
_POINTS = 1000  # batches kept for a curve: more than there are pixels across a chart


class PlotMetrics(Callback):
    """Draws a chart for each metric, `val_x` on the chart of `x`, in a file, a notebook or both.

    Redraws at most every few seconds, and always at the end. A file is replaced whole, by
    rename. If it can't be written, a RunWarning says so once and training goes on.

    Args:
        path: a .png, .svg or .pdf; None: only live, in a notebook (where a path draws too).
        metrics: names in the logs, a chart each; `acc` is an alias of `accuracy`. None: all.
        per: a point for each "epoch", each "batch", or "both". Thousands of batches are
            averaged in groups. Validation has a point an epoch either way.
        every_seconds: the shortest time between two drawings, >= 0; it grows where drawing is
            slow, so that drawing never takes more than about 1.5 % of the time, that of other
            callbacks included.

    Raises:
        ValueError: an argument out of range; no path and no notebook; or, when the first logs
            come, a metric that they lack; the message lists what they have.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        metrics: Sequence[str] | None = None,
        per: str = "epoch",
        every_seconds: float = 3.0,
    ) -> None:
        if per not in _PER:
            raise ValueError(f"PlotMetrics: expected per in {_PER}, received {per!r}")
        if not every_seconds >= 0:
            raise ValueError(f"PlotMetrics: expected every_seconds >= 0, received {every_seconds}")
        if isinstance(metrics, str):
            raise ValueError(f"PlotMetrics: expected a list of metrics, received {metrics!r}")
        self.path = None if path is None else Path(path)
        self.metrics = None if metrics is None else list(metrics)
        self.per = per
        self.every_seconds = every_seconds
        self._display = _notebook_display()
        if self.path is not None:
            _check_format(self.path)
        elif self._display is None:
            raise ValueError(
                "PlotMetrics: outside a notebook it needs a path, "
                'such as PlotMetrics("history.png")'
            )
        self._reset()

    def _reset(self) -> None:
        self._history = History()
        self._batches = _Series(_POINTS)
        self._handle: Any = None
        self._changed = False
        self._complaint = Complaint("PlotMetrics")
        # A short run is drawn once, at its end: Matplotlib alone takes half a second to import.
        self._pace = Pace(self.every_seconds)

    def on_train_begin(self, state: State) -> None:
        self._reset()
        self._pace.begin(state)
        self._history.on_train_begin(state)

    def get_state(self) -> dict[str, Any]:
        return {"history": self._history.get_state(), "batches": self._batches.get_state()}

    def set_state(self, saved: Mapping[str, Any]) -> None:
        self._history.set_state(state_checks.table(saved, "history"))
        self._batches.set_state(state_checks.table(saved, "batches"))

    def on_batch_end(self, state: State) -> None:
        if self.per != "epoch":
            if not self._batches:
                self._wanted([n for n in self.metrics or () if not n.startswith("val_")], state)
            epoch = state.epoch + (state.step + 1) / state.steps
            self._batches.add({"epoch": epoch, **state.batch_logs})
            self._changed = True
        last = state.step + 1 == state.steps  # the end of the epoch follows, with more to draw
        if self._changed and not last and self._pace.due():
            self._draw(state)

    def on_epoch_end(self, state: State) -> None:
        self._wanted(self.metrics or (), state)
        self._history.on_epoch_end(state)
        self._changed = True
        if self._pace.due():
            self._draw(state)

    def on_train_end(self, state: State) -> None:
        if self._changed:
            self._draw(state)

    def _wanted(self, names: Sequence[str], state: State) -> list[str]:
        return [find(name, state.logs, "PlotMetrics") for name in names]

    def _draw(self, state: State) -> None:
        with self._pace.working():
            figure = self.figure()
            if self.path is not None:
                self._write(figure, self.path)
            self._show(figure)
        self._changed = False

    def figure(self) -> Figure:
        """The curves so far, as a Matplotlib figure."""
        from .. import plots

        history, batches = self._history.history, self._batches.values()
        if self.metrics is not None:
            history = _chosen(history, self.metrics)
            batches = _chosen(batches, self.metrics)
        if self.per == "batch":
            history = {k: v for k, v in history.items() if k == "epoch" or k.startswith("val_")}
        return plots.history(history, batches=batches)

    def _write(self, figure: Figure, path: Path) -> None:
        from .. import plots

        with self._complaint.instead_of_error(path):
            plots.save(figure, path)

    def _show(self, figure: Figure) -> None:
        if self._display is None:
            return
        from IPython.display import Image

        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=144)
        image = Image(data=png.getvalue(), retina=True)
        if self._handle is None:
            self._handle = self._display(image, display_id=True)
        else:
            self._handle.update(image)


class _Series:
    """Rows of numbers in bounded memory: when full, neighbours are merged into their mean."""

    def __init__(self, limit: int) -> None:
        self.limit = limit  # rows kept, even
        self.group = 1  # rows behind each one kept
        self._rows: list[dict[str, float]] = []
        self._pending: list[dict[str, float]] = []

    def __bool__(self) -> bool:
        return bool(self._rows or self._pending)

    def add(self, row: dict[str, float]) -> None:
        self._pending.append(row)
        if len(self._pending) < self.group:
            return
        self._rows.append(_mean(self._pending))
        self._pending = []
        if len(self._rows) >= self.limit:
            pairs = zip(self._rows[::2], self._rows[1::2], strict=True)
            self._rows = [_mean(list(pair)) for pair in pairs]
            self.group *= 2

    def get_state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"group": self.group, "rows": self._rows, "pending": self._pending}

    def set_state(self, saved: Mapping[str, Any]) -> None:
        """Take back what get_state() returned; ValueError if it is something else."""
        group = state_checks.whole(saved, "group", minimum=1)
        rows, pending = state_checks.rows(saved, "rows"), state_checks.rows(saved, "pending")
        if len(rows) >= self.limit or len(pending) >= group:
            raise ValueError(
                f"expected less than {self.limit} rows and {group} pending ones, "
                f"received {len(rows)} and {len(pending)}"
            )
        for row in (*rows, *pending):
            for name in {"epoch", *row}:
                state_checks.number(row, name)
        self.group, self._rows, self._pending = group, rows, pending

    def values(self) -> dict[str, list[float]]:
        """A list for each name; what hasn't filled a group yet is left out."""
        names = {name: None for row in self._rows for name in row}
        return {name: [row.get(name, float("nan")) for row in self._rows] for name in names}


def _mean(rows: list[dict[str, float]]) -> dict[str, float]:
    if len(rows) == 1:
        return rows[0]
    return {name: sum(row.get(name, float("nan")) for row in rows) / len(rows) for name in rows[0]}


def _chosen(values: Mapping[str, list[float]], metrics: list[str]) -> dict[str, list[float]]:
    """The columns of the charts asked for: `x` asks for `val_x` too, as on one chart."""
    keep = {"epoch"}
    for metric in metrics:
        name = metric if metric in values else resolve(metric)
        keep |= {name, f"val_{name}"}
    return {name: column for name, column in values.items() if name in keep}


def _check_format(path: Path) -> None:
    # The same rule as plots.save, without paying for Matplotlib before training starts.
    if path.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise ValueError(f"PlotMetrics: expected a path in .png, .svg or .pdf, received {path}")


def _notebook_display() -> Any:
    """IPython's `display` where an IPython kernel runs (a notebook), else None."""
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython
    from IPython.display import display

    return display if getattr(get_ipython(), "kernel", None) is not None else None
