"""PlotMetrics: curves of loss and metrics, drawn during a run."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from .. import state_checks
from ..hooks import Callback, State
from .drawing import check_format
from .history import History
from .improvement import find, resolve
from .lines import WarnOnce
from .throttle import Throttle

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PER = ("epoch", "batch", "both")
_POINTS = 1000  # rows kept for the batches' curves: more than a chart has pixels across


class PlotMetrics(Callback):
    """Draws a chart for each metric, `val_x` on the chart of `x`, in a file, and in a notebook.

    Redraws at most every few seconds, and always at the end. A file is replaced by a rename, so it
    is always complete. If it can't be written, one RunWarning is issued and training continues.

    Args:
        path: a .png, .svg or .pdf; None: they are only shown in the notebook.
        metrics: names in the logs, a chart each; `acc` is an alias of `accuracy`. None: all.
        per: a point for each "epoch", each "batch", or "both". Thousands of batches are
            averaged in groups. Validation always has a point an epoch.
        every_seconds: the shortest time between two drawings, >= 0. It is longer if drawing is
            slow: all drawing callbacks together take at most about 1.5 % of the time.

    Raises:
        ValueError: an argument out of range; no path and no notebook; or, at the first logs,
            a metric that they lack; the message lists what they have.
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
        self.path = None if path is None else check_format("PlotMetrics", path)
        self.metrics = None if metrics is None else list(metrics)
        self.per = per
        self.every_seconds = every_seconds
        self._display = _notebook_display()
        if self.path is None and self._display is None:
            raise ValueError(
                "PlotMetrics: outside a notebook it needs a path, "
                'such as PlotMetrics("history.png")'
            )
        self._warning = WarnOnce("PlotMetrics")
        # A short run is drawn once, at its end: importing Matplotlib takes half a second.
        self._throttle = Throttle(every_seconds)
        self._reset()

    def _reset(self) -> None:
        self._history = History()
        self._batches = _Series(_POINTS)
        self._handle: _Handle | None = None
        self._changed = False

    def on_train_begin(self, state: State) -> None:
        self._reset()
        self._warning.begin()
        self._throttle.begin(state.drawing.throttles)

    def get_state(self) -> dict[str, object]:
        return {"history": self._history.get_state(), "batches": self._batches.get_state()}

    def set_state(self, saved: Mapping[str, object]) -> None:
        self._history.set_state(state_checks.table(saved, "history"))
        self._batches.set_state(state_checks.table(saved, "batches"))

    def on_batch_end(self, state: State) -> None:
        if self.per != "epoch":
            if not self._batches:
                self._check([n for n in self.metrics or () if not n.startswith("val_")], state)
            epoch = state.epoch + (state.step + 1) / state.steps
            self._batches.add({"epoch": epoch, **state.batch_logs})
            self._changed = True
        last = state.step + 1 == state.steps  # the end of the epoch follows, with more to draw
        if self._changed and not last and self._throttle.due():
            self._draw(state)

    def on_epoch_end(self, state: State) -> None:
        self._check(self.metrics or (), state)
        self._history.on_epoch_end(state)
        self._changed = True
        if self._throttle.due():
            self._draw(state)

    def on_train_end(self, state: State) -> None:
        if self._changed:
            self._draw(state)

    def _check(self, names: Sequence[str], state: State) -> None:
        for name in names:
            find(name, state.logs, "PlotMetrics")

    def _draw(self, state: State) -> None:
        with self._throttle.working():
            figure = self.figure()
            if self.path is not None:
                from .. import plots

                with self._warning.instead_of_error(self.path):
                    plots.save(figure, self.path)
            if self._display is not None:
                self._show(figure, self._display)
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

    def _show(self, figure: Figure, display: Callable[..., _Handle]) -> None:
        from IPython.display import Image

        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=144)
        image = Image(data=png.getvalue(), retina=True)
        if self._handle is None:
            self._handle = display(image, display_id=True)
        else:
            self._handle.update(image)


class _Handle(Protocol):
    """IPython's DisplayHandle."""

    def update(self, image: object, /) -> None: ...


class _Series:
    """Rows of numbers in bounded memory: if it is full, neighbours are replaced by their mean."""

    def __init__(self, limit: int) -> None:
        self.limit = limit  # rows kept, even
        self.group = 1  # rows that each kept one is the mean of
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

    def get_state(self) -> dict[str, object]:
        return {"group": self.group, "rows": self._rows, "pending": self._pending}

    def set_state(self, saved: Mapping[str, object]) -> None:
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
        """A list for each name, without the rows of an incomplete group."""
        names = {name: None for row in self._rows for name in row}
        return {name: [row.get(name, float("nan")) for row in self._rows] for name in names}


def _mean(rows: list[dict[str, float]]) -> dict[str, float]:
    if len(rows) == 1:
        return rows[0]
    return {name: sum(row.get(name, float("nan")) for row in rows) / len(rows) for name in rows[0]}


def _chosen(values: Mapping[str, list[float]], metrics: list[str]) -> dict[str, list[float]]:
    """The columns of the wanted charts: `x` and `val_x` share a chart."""
    keep = {"epoch"}
    for metric in metrics:
        name = metric if metric in values else resolve(metric)
        keep |= {name, f"val_{name}"}
    return {name: column for name, column in values.items() if name in keep}


def _notebook_display() -> Callable[..., _Handle] | None:
    """IPython's `display` if an IPython kernel runs (a notebook), else None."""
    if "IPython" not in sys.modules:
        return None
    from IPython import get_ipython
    from IPython.display import display

    return display if getattr(get_ipython(), "kernel", None) is not None else None
