"""Several runs in comparison: a chart for each metric, a colour and a marker for each run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..metrics import rises
from ..typing import Array
from .curves import NOT_METRICS, begin_chart, limit_from_zero
from .panel import spread_out
from .style import COLOURS, INK, MARKERS, PALE, floats, message, short, styled

_NOT_METRICS = (*NOT_METRICS, "learning_rate")
_MOST = len(COLOURS)

Run = tuple[Array, Array]  # epochs, values


@styled
def compare(
    histories: Mapping[str, Mapping[str, Sequence[float]]],
    *,
    metrics: Iterable[str] | None = None,
    zoom: bool = True,
    title: str | None = None,
) -> Figure:
    """Draw a chart for each metric, with the curves of all runs.

    Each run has a colour and a marker. Validation is a solid line, training a pale, dashed one; if
    a run has only one of them, it is solid. Right of the chart is each run's best value, in the
    order of the curves' ends.

    Args:
        histories: name of a run → its history, as `plots.history` takes it: "epoch", "loss",
            "val_loss", … The first eight runs are drawn; the title says if there are more.
        metrics: names without `val_`; None: all of any run, except times and rates.
        zoom: the first fifth of the epochs does not count for the limits of the y axis; False:
            from 0, accuracy up to 1.

    Raises:
        ValueError: a metric that no run has.
    """
    shown = dict(list(histories.items())[:_MOST])
    names = _metrics(shown, metrics)
    if not names:
        return message("no epochs yet" if histories else "no runs", title)
    if len(histories) > _MOST:
        title = f"{title or 'runs'} (the first {_MOST} of {len(histories)})"
    columns = min(len(names), 2)
    rows = -(-len(names) // columns)
    handles = _handles(shown)
    longest = max(len(str(handle.get_label())) for handle in handles)
    across = max(min(int(5.2 * columns / (0.55 + 0.075 * longest)), len(handles)), 1)
    lines = -(-len(handles) // across) + bool(title)
    figure = Figure(figsize=(5.2 * columns, 3.4 * rows + 0.2 * lines))
    figure.legend(
        handles=handles, loc="outside upper left", ncols=across, columnspacing=1.4, title=title,
        title_fontproperties={"size": 11, "weight": "bold"}, alignment="left",
    )  # fmt: skip
    for number, name in enumerate(names):
        _chart(figure.add_subplot(rows, columns, number + 1), name, shown, zoom)
    return figure


def _metrics(
    histories: Mapping[str, Mapping[str, Sequence[float]]], wanted: Iterable[str] | None
) -> list[str]:
    there = dict.fromkeys(
        key.removeprefix("val_")
        for history in histories.values()
        for key, values in history.items()
        if len(values)
    )
    if wanted is None:
        return [name for name in there if name not in _NOT_METRICS]
    wanted = [wanted] if isinstance(wanted, str) else list(wanted)
    if there and (missing := [name for name in wanted if name not in there]):
        raise ValueError(f"compare: expected metrics of {list(there)}, received {missing}")
    return wanted if there else []


def _handles(histories: Iterable[str]) -> list[Line2D]:
    looks = zip(histories, COLOURS, MARKERS, strict=False)
    found = []
    for name, colour, marker in looks:
        # Legends omit labels that begin with an underscore.
        label = short(f" {name}" if name.startswith("_") else name, 32)
        found.append(Line2D([], [], color=colour, marker=marker, markersize=5, label=label))
    dashed = Line2D([], [], color=PALE, linewidth=1.0, linestyle=(0, (3, 2)), label="training")
    return [*found, dashed]


def _chart(
    axes: Axes, name: str, histories: Mapping[str, Mapping[str, Sequence[float]]], zoom: bool
) -> None:
    begin_chart(axes, name)
    drawn: list[Run] = []
    ends: list[tuple[float, str, str, str]] = []  # height, best value, colour, marker
    for history, colour, marker in zip(histories.values(), COLOURS, MARKERS, strict=False):
        runs = [_run(history, key) for key in (f"val_{name}", name) if len(history.get(key, ()))]
        for (x, y), solid in zip(runs, (True, False), strict=False):
            every = max(len(x) // 8, 1)
            if solid:
                axes.plot(x, y, color=colour, marker=marker, markersize=4.5, markevery=every)
            else:
                axes.plot(x, y, color=colour, linestyle=(0, (3, 2)), linewidth=1.0, alpha=0.6)
        drawn += runs
        if runs and np.isfinite(runs[0][1]).any():
            y = runs[0][1][np.isfinite(runs[0][1])]
            ends.append((float(y[-1]), _best(name, y), colour, marker))
    _limits(axes, name, drawn, zoom)
    _label_ends(axes, ends)


def _run(history: Mapping[str, Sequence[float]], key: str) -> Run:
    y = floats(history[key])
    return floats(history.get("epoch", range(1, len(y) + 1))), y


def _best(name: str, y: Array) -> str:
    rising = rises(name)
    best = y[-1] if rising is None else y.max() if rising else y.min()
    return f"{best:.2%}".replace("%", " %") if "accuracy" in name else f"{best:.4g}"


def _limits(axes: Axes, name: str, runs: Sequence[Run], zoom: bool) -> None:
    late = [y[(x >= x.min() + 0.2 * np.ptp(x)) | (not zoom)] for x, y in runs]
    y = np.concatenate(late)
    y = y[np.isfinite(y)]
    if not y.size:
        axes.set_ylim(0, 1)
    elif zoom:
        pad = 0.06 * np.ptp(y) or 0.05 * abs(y[0]) or 0.5
        axes.set_ylim(y.min() - pad, y.max() + pad)
    else:
        limit_from_zero(axes, name, y)


def _label_ends(axes: Axes, ends: Sequence[tuple[float, str, str, str]]) -> None:
    """Each run's best value, right of the chart and near the end of its curve, without overlap."""
    bottom, top = axes.get_ylim()
    ends = sorted(ends, key=lambda end: end[0])
    wanted = [min(max((end[0] - bottom) / (top - bottom), 0.0), 1.0) for end in ends]
    places = spread_out(wanted, 0.062, 0.0, 1.0)
    right = axes.get_yaxis_transform()
    axes.text(1.075, 1.045, "best", transform=axes.transAxes, fontsize=8, color=PALE)
    for (_, value, colour, marker), at, place in zip(ends, wanted, places, strict=True):
        heights = [bottom + share * (top - bottom) for share in (at, place)]
        axes.plot([1.005, 1.035], heights, color=PALE, linewidth=0.6, transform=right,
                  clip_on=False)  # fmt: skip
        axes.plot(1.05, heights[1], marker, color=colour, markersize=4.5, transform=right,
                  clip_on=False)  # fmt: skip
        axes.text(1.075, heights[1], value, transform=right, va="center", fontsize=8, color=INK)
