import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console
from small_runs import STEPS, Saver, resumed, train

from minicnn.callbacks import EarlyStopping, LambdaCallback, ProgressBar
from minicnn.callbacks import progress as module

EPOCHS = [
    {"loss": 2.0, "accuracy": 0.25, "val_loss": 2.5, "val_accuracy": 0.125, "learning_rate": 0.1},
    {"loss": 1.0, "accuracy": 0.5, "val_loss": 1.5, "val_accuracy": 0.375, "learning_rate": 0.1},
]
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def terminal(width=120):
    return Console(
        file=io.StringIO(), force_terminal=True, width=width, color_system="truecolor",
        legacy_windows=False, _environ={"TERM": "xterm-256color"},
    )  # fmt: skip


def written(console):
    return console.file.getvalue()


def plain_text(console):
    return ESCAPE.sub("", written(console))


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves."""
    now = [100.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    return now


def tick(clock, *seconds):
    """A callback whose batches take these seconds; all later ones take the last."""
    left = list(seconds)

    def wait(state):
        clock[0] += left.pop(0) if len(left) > 1 else left[0]

    return LambdaCallback(on_batch_end=wait)


def test_a_line_an_epoch_without_a_terminal(drive, clock, capsys):
    validate = LambdaCallback(on_epoch_end=lambda s: clock.__setitem__(0, clock[0] + 1.0))
    drive([tick(clock, 0.5), validate, ProgressBar()], EPOCHS)
    # 29 images in four steps of half a second; validation counts in the time, not in the rate.
    assert capsys.readouterr().out == (
        "Epoch 1/2 loss 2.0000  accuracy 0.2500  val_loss 2.5000  val_accuracy 0.1250  "
        "3.0 s  14 images/s\n"
        "Epoch 2/2 loss 1.0000  accuracy 0.5000  val_loss 1.5000  val_accuracy 0.3750  "
        "3.0 s  14 images/s\n"
    )


@pytest.mark.parametrize("plain", [True, False])
def test_no_escape_codes_in_plain_lines(drive, plain, monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")  # set by many CI services
    console = terminal() if plain else None
    drive([ProgressBar(console=console, plain=plain)], [{"[red]x[/]": 1.0}])
    text = written(console) if plain else capsys.readouterr().out
    assert text.count("\n") == 1
    assert "\x1b" not in text
    assert "\r" not in text
    assert "[red]x[/] 1.0000" in text  # brackets are not markup


def test_a_moving_line_and_permanent_lines_on_a_terminal(drive, clock):
    console = terminal()
    # Compiling takes most of the first batch: it does not count in the rates.
    drive([tick(clock, 9, 0.5), ProgressBar(console=console, every_seconds=0)], EPOCHS)
    text = plain_text(console)
    # 29 + 13 images are left, 16 a second
    assert "3/4  loss 2.0000  accuracy 0.2500  0:00:02 left  16 images/s" in text
    assert "━" in text
    assert text.count("val_accuracy") == 2
    assert "Epoch 2/2 loss 1.0000  accuracy 0.5000  val_loss 1.5000" in text


@pytest.mark.parametrize("error", [None, KeyboardInterrupt(), RuntimeError("x")])
def test_the_cursor_is_shown_again(drive, new_state, error):
    console = terminal()
    bar = ProgressBar(console=console)
    if error is None:
        drive([bar], EPOCHS)
    else:
        with pytest.raises(type(error)):
            drive([bar], EPOCHS, fail_at=(1, 2), error=error)
        assert "Epoch 2/2 stopped after step 2/4  loss 1.0000" in plain_text(console)
    text = written(console)
    assert text.count("\x1b[?25l") == 1  # hidden
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")  # shown again
    bar.on_train_end(new_state())
    assert written(console) == text


def test_a_run_without_on_train_end_does_not_spoil_the_next(drive, new_state):
    console = terminal()
    bar = ProgressBar(console=console)
    bar.on_train_begin(new_state())
    drive([bar], EPOCHS)
    text = written(console)
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 2


def test_the_reason_for_stopping_is_the_last_line(drive, capsys):
    drive([EarlyStopping("loss", mode="max", patience=1), ProgressBar()], EPOCHS)
    *_, last = capsys.readouterr().out.splitlines()
    assert last == "Stopped: loss has not improved for 1 epoch (best: 2 in epoch 1)"


@pytest.mark.parametrize("width", [8, 20, 40, 80, 200])
def test_nothing_is_wider_than_the_terminal(drive, clock, width):
    console = terminal(width)
    stop = EarlyStopping("loss", mode="max", patience=1)
    drive([tick(clock, 0.5), stop, ProgressBar(console=console, every_seconds=0)], EPOCHS)
    lines = re.split(r"[\r\n]", plain_text(console))
    assert max(map(cell_len, lines)) <= width
    moving = [line for line in lines if "/4" in line]
    assert len(moving) >= 8 or width < 20


def test_a_permanent_line_breaks_between_its_parts(drive):
    console = terminal(40)
    drive([ProgressBar(console=console)], EPOCHS[:1])
    assert (
        "Epoch 1/1 loss 2.0000  accuracy 0.2500\n    val_loss 2.5000  val_accuracy 0.1250\n"
        in plain_text(console)
    )


def test_drawing_is_throttled(drive, clock):
    console = terminal()
    drive([tick(clock, 0.01), ProgressBar(console=console)], EPOCHS[:1], steps=1000)
    assert 90 <= plain_text(console).count(" left") <= 101  # every 0.1 s for 10 s


@pytest.mark.parametrize(("done", "end"), [((1, 2), " 1.0 s  8 images/s"), ((1, STEPS), " 0.0 s")])
def test_the_line_of_a_resumed_epoch(tmp_path, clock, capsys, done, end):
    """Of 18 images in steps of half a second, 10 or all were trained on before."""
    train([tick(clock, 0.5), Saver(tmp_path)])
    resumed([tick(clock, 0.5), ProgressBar()], tmp_path, done)
    line, last = capsys.readouterr().out.splitlines()
    assert line.endswith(end)
    assert last.endswith(" 2.0 s  9 images/s")


def test_wrong_arguments():
    with pytest.raises(ValueError, match="every_seconds >= 0, received -1"):
        ProgressBar(every_seconds=-1)


def test_pauses_do_not_count(new_state, clock):
    out = io.StringIO()
    bar, state = ProgressBar(console=Console(file=out, width=120)), new_state(epochs=1, steps=2)
    bar.on_train_begin(state)
    bar.on_epoch_begin(state)
    for state.step in range(2):
        clock[0] += 1
        state.seen = (state.step + 1) * 50
        bar.on_batch_end(state)
        clock[0] += 60
        state.drawing.paused_seconds += 60
    bar.on_epoch_end(state)
    assert "2.0 s" in out.getvalue()
    assert "50 images/s" in out.getvalue()
