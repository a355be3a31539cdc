"""The command, top to bottom."""

from __future__ import annotations

import argparse
import shlex
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from .. import runs
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
from ..command_line import bear_any_text
from ..errors import CallbackError, RunWarning
from ..runs import machine
from ..saving import checkpoints
from . import closing, plan, resuming, watching
from .options import parser
from .plan import Plan
from .resuming import Resumption
from .watching import Watched

SAVING_COST = 0.02  # at most this share of the time goes into checkpoints at the ends of epochs


def main(argv: Sequence[str] | None = None) -> int:
    """Train as the options say.

    Returns:
        The exit code: 0; 1 if training diverged; 2 for bad input, or if something could not be
        written; 130 after Ctrl-C.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    command = shlex.join(["python", "-m", "minicnn.train", *arguments])
    options = parser().parse_args(arguments)
    bear_any_text()
    try:
        with _plain_warnings():
            return _train(options, command, arguments)
    except (ValueError, ImportError, OSError, CallbackError) as error:
        print(f"minicnn.train: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nInterrupted; no model was saved.", file=sys.stderr)
        return 130


def _train(options: argparse.Namespace, command: str, arguments: Sequence[str]) -> int:
    with ExitStack() as held:
        resumption = None
        if options.resume:  # held from before it is read: another run may be ending there
            held.enter_context(runs.hold(resuming.folder_of(options.resume)))
            resumption = resuming.find(options.resume, arguments)
            options = resumption.options
        say: Callable[[str], None] = _silent if options.quiet else print
        chosen = plan.make(options, say)
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
            held.enter_context(runs.hold(folder))
        return _train_in(folder, chosen, resumption, options, record, held.close)


def _train_in(
    folder: Path,
    chosen: Plan,
    resumption: Resumption | None,
    options: argparse.Namespace,
    record: dict[str, Any],
    release: Callable[[], None],
) -> int:
    """`release` lets others into the folder."""
    try:
        with ExitStack() as at_the_end:
            runs.write_json(folder / runs.RUN, record)
            watched = Watched(folder)
            page = at_the_end.enter_context(watched.by_visor()) if options.visor else None
            results = _fit(chosen, resumption, folder, options, watched)
            code = closing.close(folder, chosen, options, record, results)
            release()
            if page is not None and not results["interrupted"]:
                page.stay()
            return code
    except KeyboardInterrupt:
        print(f"\nInterrupted; no model was saved.{_way_on(folder)}", file=sys.stderr)
        return 130
    finally:
        release()
        runs.remove_if_barren(folder)


def _fit(
    chosen: Plan,
    resumption: Resumption | None,
    folder: Path,
    options: argparse.Namespace,
    watched: Watched,
) -> dict[str, Any]:
    """Train, writing history and checkpoints into `folder`; what came out, for run.json.

    The test images serve as validation data for the curves alone: nothing is chosen by them.
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
    return {
        "seconds": watch.total_seconds,
        "images_per_second": watch.images_per_second,
        "epochs": watch.epochs,
        "interrupted": watched.interrupt.interrupted,
        "peak_memory_mib": machine.peak_memory_mib(),
    }


def _way_on(folder: Path) -> str:
    if not checkpoints.in_folder(folder / runs.CHECKPOINTS):
        return ""
    return f" Go on with: python -m minicnn.train --resume {shlex.quote(str(folder))}"


def _stop_after(epochs: int) -> LambdaCallback:
    def stop(state: State) -> None:
        if state.epoch + 1 >= epochs and state.epoch + 1 < state.epochs:
            state.stop, state.stop_reason = True, f"after epoch {epochs}, as --stop-after asks"

    return LambdaCallback(on_epoch_end=stop)


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """What a run has to say of itself in one line each, and none of NumPy's warnings of a run that
    diverges: the last words say it in plainer ones."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=RuntimeWarning, module="minicnn")
        warnings.simplefilter("always", RunWarning)
        usual = warnings.formatwarning

        def plain(message: Warning | str, category: type[Warning], *rest: Any) -> str:
            if issubclass(category, RunWarning):
                return f"Warning: {message}\n"
            return usual(message, category, *rest)

        warnings.formatwarning = plain  # type: ignore[assignment]
        try:
            yield
        finally:
            warnings.formatwarning = usual


def _silent(text: str) -> None:
    pass
