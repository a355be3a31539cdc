"""ProgressBar: one moving line for the batch, one lasting line for every epoch."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ..hooks import Callback, State

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult
    from rich.live import Live
    from rich.text import Text

_NAME, _GOOD, _WARN = "dim", "bold", "yellow"  # the terminal's own colours: dark or light
_MAX_COST = 0.005  # at most this share of the time goes into redrawing
_BAR = 24, 6  # columns: the widest and the narrowest bar


class ProgressBar(Callback):
    """Shows epoch, step, loss, metrics, images/s and the time left for the whole run.

    On a terminal, a line moves with the batches and each epoch leaves a line behind. Where
    the output is a file, a pipe or a notebook, each epoch prints its line, without colours or
    escape codes.

    Args:
        console: the rich Console to write to; None: standard output, as it is when training
            begins.
        plain: one line an epoch, also on a terminal.
        every_seconds: the shortest time between two looks of the moving line, >= 0. It is
            drawn less often where drawing is slow, so that it costs below 1 % of the time.
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
        self._clock = _Clock()
        self._next = 0.0
        self._in_epoch, self._done = False, 0

    def on_train_begin(self, state: State) -> None:
        self._close()  # a run before this one may have ended without its last hook
        console = self._console = self._given or _stdout()
        self._clock = _Clock()
        self._next = 0.0
        self._in_epoch = False
        ordinary = console.is_dumb_terminal or console.is_jupyter
        if console.is_terminal and not self.plain and not ordinary:
            from rich.live import Live

            # No thread refreshes it: it would take the interpreter's lock from the kernels.
            self._live = Live(console=console, auto_refresh=False, transient=True)
            self._live.start()

    def on_epoch_begin(self, state: State) -> None:
        self._clock.begin_epoch(_training_time(state), state.seen)
        self._in_epoch, self._done = True, 0

    def on_batch_end(self, state: State) -> None:
        now, images = _training_time(state), state.seen
        self._clock.batch(now, images)
        self._done = state.step + 1
        if self._live is None:
            return
        # Validation may take long: it shouldn't stand at the step before the last meanwhile.
        last = self._done == state.steps and self._clock.seconds(now) > 1
        if now < self._next and not last:
            return
        left = self._clock.seconds_left(now, state)
        self._live.update(_Line(state, images, self._clock.rate(), left), refresh=True)
        cost = _training_time(state) - now
        self._next = now + max(self.every_seconds, cost / _MAX_COST)

    def on_epoch_end(self, state: State) -> None:
        self._in_epoch = False
        seconds, rate = self._clock.end_epoch(_training_time(state))
        parts = [*_metrics(state.logs), ("", f"{seconds:.1f} s")]
        if rate:  # none, if the run was resumed after the epoch's last step
            parts.append(("", f"{rate:,.0f} images/s"))
        self._print(_epoch_label(state), parts)

    def on_train_end(self, state: State) -> None:
        if self._in_epoch:
            at = f"stopped after step {self._done}/{state.steps}"
            self._print(_epoch_label(state), [("", at), *_metrics(state.logs)])
        if state.stop_reason:
            self._print("Stopped:", [("", word) for word in state.stop_reason.split()], gap=" ")
        self._in_epoch = False
        self._close()

    def _close(self) -> None:
        if self._live is not None:
            self._live.stop()  # wipes the moving line, shows the cursor again
            self._live = None

    def _print(self, label: str, parts: list[tuple[str, str]], gap: str = "  ") -> None:
        if self._console is None:
            return
        from rich.text import Text

        if self._live is None:
            line = gap.join(f"{name} {value}".strip() for name, value in parts)
            # A log file has no width to fit: one line an epoch, however long.
            self._console.print(Text(f"{label} {line}"), soft_wrap=True)
        else:
            self._live.update(Text(""))  # or the line of the past epoch would show up again
            self._console.print(_wrapped(label, parts, gap, self._console.width))


def _training_time(state: State) -> float:
    """Seconds on a clock that stands still while training was asked to wait."""
    return time.perf_counter() - state.waited


class _Clock:
    """Measures a run: images a second, and how long the rest will take."""

    def __init__(self) -> None:
        self._epochs: list[float] = []  # seconds of each whole epoch, with validation
        self._begin = self._first = self._last = 0.0
        self._images_begin = self._images_first = self._images = 0

    def begin_epoch(self, now: float, images: int = 0) -> None:
        """`images` of it were trained on before, where a run is resumed within an epoch."""
        self._begin = self._first = self._last = now
        self._images_begin = self._images_first = self._images = images

    def batch(self, now: float, images: int) -> None:
        if self._images == self._images_begin:  # the very first may have waited for a compiler
            self._first, self._images_first = now, images
        self._last, self._images = now, images

    def seconds(self, now: float) -> float:
        """Since this epoch began."""
        return now - self._begin

    def rate(self) -> float:
        """Images a second in this epoch, without its first batch where there are more."""
        images, seconds = self._images - self._images_first, self._last - self._first
        if images == 0:
            images, seconds = self._images - self._images_begin, self._last - self._begin
        return images / max(seconds, 1e-9)

    def end_epoch(self, now: float) -> tuple[float, float]:
        """Seconds with validation, and images a second without it."""
        if not self._images_begin:
            self._epochs.append(self.seconds(now))
        training = max(self._last - self._begin, 1e-9)
        return self.seconds(now), (self._images - self._images_begin) / training

    def seconds_left(self, now: float, state: State) -> float:
        rest = (state.num_samples - self._images) / self.rate()
        # The newest epochs tell best; before there is one, this one's pace must do.
        recent = self._epochs[-3:]
        whole = state.num_samples / (state.num_samples - self._images_begin)
        epoch = sum(recent) / len(recent) if recent else (self.seconds(now) + rest) * whole
        return rest + (state.epochs - state.epoch - 1) * epoch


class _Line:
    """The moving line, laid out for the console's width when it is drawn."""

    def __init__(self, state: State, images: int, rate: float, left: float) -> None:
        self.label = _epoch_label(state)
        self.done, self.total = images, state.num_samples
        self.parts = [
            ("", f"{state.step + 1}/{state.steps}"),
            *_metrics(state.logs),
            ("", f"{_duration(left)} left"),
            ("", f"{rate:,.0f} images/s"),
        ]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.progress_bar import ProgressBar as Bar
        from rich.text import Text

        width = options.max_width
        label, parts, bar = _fit(self.label, self.parts, width)
        yield Text(label, style=_GOOD, end="")
        if bar:
            yield Text(" ", end="")
            yield Bar(total=self.total, completed=self.done, width=bar)
        for name, value in parts:
            yield Text.assemble("  ", (name, _NAME), " " * bool(name), value, end="")


def _fit(
    label: str, parts: list[tuple[str, str]], width: int
) -> tuple[str, list[tuple[str, str]], int]:
    """What of a moving line has room: label, parts, and columns for the bar (0: none)."""
    widest, narrowest = _BAR
    label = label if len(label) < width else label[: max(width - 1, 0)]
    room = width - 1 - len(label)  # the last column stays free: some terminals wrap on it
    kept: list[tuple[str, str]] = []
    for part in parts:
        needed = _width(part) + 2
        if needed > room:
            break
        kept.append(part)
        room -= needed
    # A bar is worth more than the last of the parts, but not more than step and loss.
    while room < narrowest + 1 and len(kept) > 2:
        room += _width(kept.pop()) + 2
    return label, kept, min(widest, room - 1) if room > narrowest else 0


def _wrapped(label: str, parts: list[tuple[str, str]], gap: str, width: int) -> Text:
    """A lasting line, broken between its parts where it must be, and indented then."""
    from rich.text import Text

    indent = min(len(label) + 1, 4)
    text = Text.assemble((label, _GOOD if gap == "  " else _WARN))
    column = len(label)
    for number, part in enumerate(parts):
        space = gap if number else " "
        if column + len(space) + _width(part) > width and column > indent:
            text.append("\n" + " " * indent)
            column = indent
        else:
            text.append(space)
            column += len(space)
        text.append_text(Text.assemble((part[0], _NAME), " " * bool(part[0]), part[1]))
        column += _width(part)
    return text


def _width(part: tuple[str, str]) -> int:
    return len(part[0]) + bool(part[0]) + len(part[1])


def _metrics(logs: Mapping[str, float]) -> Iterator[tuple[str, str]]:
    """Names and values for people; time and rate are measured here, not taken from the logs."""
    for name, value in logs.items():
        if name not in ("learning_rate", "seconds", "images_per_second"):
            yield name, f"{value:.4f}" if abs(value) < 1000 else f"{value:.4g}"


def _epoch_label(state: State) -> str:
    return f"Epoch {state.epoch + 1:>{len(str(state.epochs))}}/{state.epochs}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _stdout() -> Console:
    from rich.console import Console

    # FORCE_COLOR and the like must not put escape codes into a log file, and a notebook shall
    # get text, not a piece of HTML for each line.
    terminal = sys.stdout.isatty()
    return Console(force_terminal=terminal, force_jupyter=False, highlight=False)
