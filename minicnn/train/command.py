"""The command: options, data, model, fit, run folder."""

from __future__ import annotations

import argparse
import shlex
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from .. import kernels, runs
from ..callbacks import (
    CSVLogger,
    LambdaCallback,
    LayerStats,
    ModelCheckpoint,
    PlotMetrics,
    ProgressBar,
    State,
    TensorBoard,
    TerminateOnNaN,
)
from ..command_line import chosen_kernels, run_command
from ..errors import RunWarning
from ..kernels.backend import NUMBA_HINT
from ..runs import machine
from ..saving import checkpoints
from . import closing, plan, resuming, watching
from .closing import FitResults
from .options import parser
from .plan import Plan
from .resuming import Resumption
from .watching import Visor, Watched

SAVING_COST = 0.02  # the largest share of the time for checkpoints at the ends of epochs


def main(argv: Sequence[str] | None = None) -> int:
    """Train with the options in `argv`.

    Returns:
        The exit code: 0; 1 if training diverged; 2 for bad input, or if a file could not be
        written; 130 after Ctrl-C.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    command = shlex.join(["python", "-m", "minicnn.train", *arguments])
    options = parser().parse_args(arguments)

    def work() -> int:
        with _short_warnings():
            return _train(options, command, arguments)

    return run_command(
        "minicnn.train", work, interrupted="Interrupted; no model was saved.", broken_pipe=2
    )


def _train(options: argparse.Namespace, command: str, arguments: Sequence[str]) -> int:
    with ExitStack() as stack:
        lock, resumption = stack.enter_context(ExitStack()), None
        if options.resume:  # locked before it is read: another run may be ending there
            lock.enter_context(runs.hold(resuming.folder_of(options.resume)))
            resumption = resuming.find(options.resume, arguments)
            options = resumption.options
        say: plan.Say = (lambda text: None) if options.quiet else print
        stack.enter_context(chosen_kernels(options, None))
        if kernels.current_backend() == "numpy" and "numba" not in kernels.available_backends():
            say(NUMBA_HINT)
        chosen = plan.make(options)
        data = plan.fingerprint(chosen.data)
        say(closing.headline(options, chosen))
        record = closing.opening_record(options, command, chosen, data)
        if resumption is not None:
            say(resumption.prepare(chosen, data))
            record = resumption.continued(record, command)
        if options.visor:
            watching.check_installed()
        plan.prepare_kernels(chosen, say)
        if resumption is not None:
            folder = resumption.folder
        else:
            named = options.out
            folder = runs.given_folder(named) if named else runs.new_folder(options.model)
            lock.enter_context(runs.hold(folder))
        return _train_in(folder, chosen, resumption, options, record, lock.close)


def _train_in(
    folder: Path,
    chosen: Plan,
    resumption: Resumption | None,
    options: argparse.Namespace,
    record: Mapping[str, object],
    release: Callable[[], None],
) -> int:
    """Train in a locked folder; `release` unlocks it."""
    try:
        with ExitStack() as stack:
            runs.write_json(folder / runs.RUN, record)
            watched = Watched(folder)
            page = Visor(folder, watched.control) if options.visor else None
            if page is not None:
                stack.callback(page.end)
            results = _fit(chosen, resumption, folder, options, watched)
            code = closing.close(folder, chosen, options, record, results)
            release()
            if page is not None and not results.interrupted:
                page.stay()
            return code
    except KeyboardInterrupt:
        print(f"\nInterrupted; no model was saved.{_how_to_continue(folder)}", file=sys.stderr)
        return 130
    finally:
        release()
        runs.remove_if_empty(folder)


def _fit(
    chosen: Plan,
    resumption: Resumption | None,
    folder: Path,
    options: argparse.Namespace,
    watched: Watched,
) -> FitResults:
    """Train, and write history and checkpoints into `folder`.

    The test images are the validation data, but only for the curves: nothing is chosen by them.
    """
    watch, every = runs.Stopwatch(), options.checkpoint_every
    saving = ModelCheckpoint(
        folder / runs.CHECKPOINTS,
        monitor=None,
        every=every,
        max_cost=None if every else SAVING_COST,
    )
    callbacks = [
        watch,
        TerminateOnNaN(),
        CSVLogger(folder / runs.HISTORY_CSV),
        PlotMetrics(folder / runs.HISTORY_PNG),
        LayerStats(folder / runs.LAYERS),
        *([TensorBoard(folder / runs.TENSORBOARD)] if options.tensorboard else []),
        watched.live,
        watched.control,
        watched.interrupt,
        *([_stop_after(options.stop_after)] if options.stop_after else []),
        *([] if options.quiet else [ProgressBar()]),
        saving,
    ]
    chosen.model.fit(
        *chosen.train,
        batch_size=chosen.recipe.batch_size,
        epochs=chosen.recipe.epochs,
        verbose=0,
        callbacks=callbacks,
        validation_data=chosen.test,
        augmentation=chosen.recipe.augmentation,
        resume=resumption.checkpoint if resumption else None,
    )
    return FitResults(
        seconds=watch.total_seconds,
        images_per_second=watch.images_per_second,
        epochs=watch.epochs,
        interrupted=watched.interrupt.interrupted,
        peak_memory_mib=machine.peak_memory_mib(),
    )


def _how_to_continue(folder: Path) -> str:
    if not checkpoints.in_folder(folder / runs.CHECKPOINTS):
        return ""
    return f" To continue: python -m minicnn.train --resume {shlex.quote(str(folder))}"


def _stop_after(epochs: int) -> LambdaCallback:
    def stop(state: State) -> None:
        if state.epoch + 1 >= epochs and state.epoch + 1 < state.epochs:
            state.stop, state.stop_reason = True, f"after epoch {epochs}, because of --stop-after"

    return LambdaCallback(on_epoch_end=stop)


@contextmanager
def _short_warnings() -> Iterator[None]:
    """Print each RunWarning in one line. Hide what the command prints itself: that Numba is not
    installed, and NumPy's warnings of a run that diverges."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Numba is not installed")
        warnings.filterwarnings("ignore", category=RuntimeWarning, module="minicnn")
        warnings.simplefilter("always", RunWarning)
        usual = warnings.formatwarning

        def short(message: Warning | str, category: type[Warning], *rest: Any) -> str:
            if issubclass(category, RunWarning):
                return f"Warning: {message}\n"
            return usual(message, category, *rest)

        warnings.formatwarning = short  # type: ignore[assignment]
        try:
            yield
        finally:
            warnings.formatwarning = usual
