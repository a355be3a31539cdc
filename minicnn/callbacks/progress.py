"""ProgressBar: a moving line for the batches, and a permanent line for each epoch."""

from __future__ import annotations

import sys
import textwrap
import time
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from ..hooks import Callback, State
from .throttle import Throttle

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table

_MAX_COST = 0.005  # the largest share of the time for redrawing
_NO_BREAK = "\N{NO-BREAK SPACE}"  # between a metric's name and its value


class ProgressBar(Callback):
    """Shows epoch, step, loss, metrics, images/s and the remaining time of the whole run.

    On a terminal, a line moves with the batches and each epoch leaves a line behind. In a file, a
    pipe or a notebook, each epoch prints its line, without colours or escape codes.

    Args:
        console: the rich Console to write to; None: standard output at the start of training.
        plain: one line an epoch, also on a terminal.
        every_seconds: the shortest time between two updates of the moving line, >= 0. It is longer
            if drawing is slow: drawing costs less than 1 % of the time.
    """

    def __init__(
        self,
        *,
        console: Console | None = None,
        plain: bool = False,
        every_seconds: float = 0.1,
    ) -> None:
        if not every_seconds >= 0:
            raise ValueError(f"ProgressBar: expected every_seconds >= 0, received {every_seconds}")
        self.every_seconds = every_seconds
        self.plain = plain
        self._given = console
        self._console: Console | None = None
        self._live: Live | None = None
        self._throttle = Throttle(every_seconds, _MAX_COST)
        self._run: _Speed | None = None
        self._epoch = _Speed(0.0, 0)
        self._in_epoch, self._done = False, 0

    def on_train_begin(self, state: State) -> None:
        self._close()  # an earlier run may have ended without on_train_end
        console = self._console = self._given or _stdout()
        self._throttle.begin()
        self._run, self._in_epoch = None, False
        no_live = self.plain or console.is_dumb_terminal or console.is_jupyter
        if console.is_terminal and not no_live:
            from rich.live import Live

            # No thread refreshes it: that would take the interpreter's lock from the kernels.
            self._live = Live(console=console, auto_refresh=False, transient=True)
            self._live.start()

    def on_epoch_begin(self, state: State) -> None:
        now = _training_time(state)
        self._epoch = _Speed(now, state.seen)
        self._run = self._run or _Speed(now, _images(state))
        self._in_epoch, self._done = True, 0

    def on_batch_end(self, state: State) -> None:
        now, self._done = _training_time(state), state.step + 1
        self._epoch.batch(now, state.seen)
        if self._run is None or self._live is None:
            return
        self._run.batch(now, _images(state))
        # Validation may take long: show the last step before it.
        is_last = self._done == state.steps and now - self._epoch.begin > 1
        if is_last or self._throttle.due():
            with self._throttle.working():
                self._live.update(self._moving_line(state, self._run.rate()), refresh=True)

    def on_epoch_end(self, state: State) -> None:
        self._in_epoch = False
        parts = [*_metrics(state.logs), f"{_training_time(state) - self._epoch.begin:.1f} s"]
        if rate := self._epoch.mean():  # 0 if the run was resumed after the epoch's last step
            parts.append(f"{rate:,.0f} images/s")
        self._print(_epoch_label(state), "  ".join(parts), state)

    def on_train_end(self, state: State) -> None:
        if self._in_epoch:
            at = f"stopped after step {self._done}/{state.steps}"
            self._print(_epoch_label(state), "  ".join([at, *_metrics(state.logs)]), state)
        if state.stop_reason:
            self._print("Stopped:", state.stop_reason, state)
        self._in_epoch = False
        self._close()

    def _close(self) -> None:
        if self._live is not None:
            self._live.stop()  # erases the moving line, shows the cursor again
            self._live = None

    def _print(self, label: str, rest: str, state: State) -> None:
        if self._console is None:
            return
        from rich.text import Text

        line = f"{label} {rest}"
        if self._live is None:  # maybe a log file: one line an epoch, however long
            self._console.print(Text(line.replace(_NO_BREAK, " ")), soft_wrap=True)
            return
        self._live.update("")  # else the line of the last epoch would be shown again
        width = max(self._console.width, 5)
        line = textwrap.fill(line, width, subsequent_indent="    ", break_on_hyphens=False)
        text = Text(line.replace(_NO_BREAK, " "))
        text.highlight_words(state.logs, "dim")
        text.stylize("yellow" if label == "Stopped:" else "bold", 0, len(label))
        self._console.print(text)

    def _moving_line(self, state: State, run_rate: float) -> Table:
        """Label, bar and numbers; a narrow terminal cuts off the numbers' end, and has no bar."""
        from rich.progress_bar import ProgressBar as Bar
        from rich.table import Table
        from rich.text import Text

        left = state.epochs * state.num_samples - _images(state)
        time_left = timedelta(seconds=round(left / max(run_rate, 1e-9)))
        rate = f"{self._epoch.rate():,.0f} images/s"
        step = f"{self._done}/{state.steps}"
        parts = [step, *_metrics(state.logs), f"{time_left} left", rate]
        numbers = Text("  ".join(parts).replace(_NO_BREAK, " "), overflow="ellipsis", no_wrap=True)
        numbers.highlight_words(state.logs, "dim")
        label = Text(_epoch_label(state), "bold", overflow="ellipsis", no_wrap=True)
        bar = Bar(state.num_samples, state.seen, width=24)
        wide = self._console is not None and self._console.width >= 60
        row = [label, bar, numbers] if wide else [label, numbers]
        line = Table.grid(padding=(0, 1))
        for _ in row[:-1]:
            line.add_column(no_wrap=True)  # only the last column shrinks
        line.add_row(*row)
        return line


class _Speed:
    """Images a second since `begin`. The first batch may include the kernels' compilation."""

    def __init__(self, begin: float, images: int) -> None:
        self.begin = begin
        self._begin = self._first = self._last = (begin, images)

    def batch(self, now: float, images: int) -> None:
        if self._last == self._begin:
            self._first = now, images
        self._last = now, images

    def mean(self) -> float:
        """With the first batch."""
        return (self._last[1] - self._begin[1]) / max(self._last[0] - self.begin, 1e-9)

    def rate(self) -> float:
        """Without the first batch, if there are more."""
        images = self._last[1] - self._first[1]
        return images / max(self._last[0] - self._first[0], 1e-9) if images else self.mean()


def _training_time(state: State) -> float:
    """Seconds, without pauses."""
    return time.perf_counter() - state.drawing.paused_seconds


def _images(state: State) -> int:
    """Images trained on since the first epoch, and before a resumption."""
    return state.epoch * state.num_samples + state.seen


def _metrics(logs: Mapping[str, float]) -> Iterator[str]:
    """Names and values; time and rate are measured here, not taken from the logs."""
    for name, value in logs.items():
        if name not in ("learning_rate", "seconds", "images_per_second"):
            yield name + _NO_BREAK + (f"{value:.4f}" if abs(value) < 1000 else f"{value:.4g}")


def _epoch_label(state: State) -> str:
    return f"Epoch {state.epoch + 1:>{len(str(state.epochs))}}/{state.epochs}"


def _stdout() -> Console:
    from rich.console import Console

    # FORCE_COLOR must not put escape codes into a log file; a notebook gets text, not HTML.
    terminal = sys.stdout.isatty()
    return Console(force_terminal=terminal, force_jupyter=False, highlight=False)
