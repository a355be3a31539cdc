import io
import re

import pytest
from rich.cells import cell_len
from rich.console import Console
from small_runs import STEPS, Saver, resumed, train

from minicnn.callbacks import EarlyStopping, LambdaCallback, ProgressBar
from minicnn.callbacks import progress as module
from minicnn.callbacks.progress import _Clock, _duration, _fit

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


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves."""
    now = [100.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: now[0])
    return now


def tick(clock, seconds):
    return LambdaCallback(on_batch_end=lambda state: clock.__setitem__(0, clock[0] + seconds))


def test_a_line_an_epoch_where_there_is_no_terminal(drive, clock, capsys):
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
    monkeypatch.setenv("FORCE_COLOR", "1")  # as many CI services set it
    console = terminal() if plain else None
    drive([ProgressBar(console=console, plain=plain)], EPOCHS)
    text = written(console) if plain else capsys.readouterr().out
    assert text.count("\n") == 2
    assert "\x1b" not in text
    assert "\r" not in text


def test_brackets_in_a_name_are_not_markup(drive, capsys):
    drive([ProgressBar()], [{"[red]x[/]": 1.0}])
    assert "[red]x[/] 1.0000" in capsys.readouterr().out


def test_the_terminal_gets_a_moving_line_and_lasting_ones(drive, clock):
    console = terminal()
    drive([tick(clock, 0.5), ProgressBar(console=console)], EPOCHS)
    text = ESCAPE.sub("", written(console))
    assert "2/4  loss 2.0000  accuracy 0.2500  0:03 left  16 images/s" in text
    assert "━" in text
    assert text.count("val_accuracy") == 2
    assert "Epoch 2/2 loss 1.0000  accuracy 0.5000  val_loss 1.5000" in text


@pytest.mark.parametrize("error", [None, KeyboardInterrupt(), RuntimeError("x")])
def test_the_cursor_comes_back(drive, new_state, error):
    console = terminal()
    bar = ProgressBar(console=console)
    if error is None:
        drive([bar], EPOCHS)
    else:
        with pytest.raises(type(error)):
            drive([bar], EPOCHS, fail_at=(1, 2), error=error)
        assert "Epoch 2/2 stopped after step 2/4  loss 1.0000" in ESCAPE.sub("", written(console))
    text = written(console)
    assert text.count("\x1b[?25l") == 1  # hidden
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")  # shown again
    bar.on_train_end(new_state())
    assert written(console) == text  # once is enough


def test_a_run_that_lost_its_end_doesn_t_spoil_the_next(drive, new_state):
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


@pytest.mark.parametrize("width", [8, 20, 40, 80, 120, 200])
def test_nothing_is_wider_than_the_terminal(drive, clock, width):
    console = terminal(width)
    stop = EarlyStopping("loss", mode="max", patience=1)
    drive([tick(clock, 0.5), stop, ProgressBar(console=console)], EPOCHS)
    lines = re.split(r"[\r\n]", ESCAPE.sub("", written(console)))
    longest = len("val_accuracy 0.1250") + 4  # a part is never broken but where it must be
    assert max(map(cell_len, lines)) <= max(width, longest)
    moving = [line for line in lines if "/4" in line]
    assert len(moving) >= 8 or width == 8
    assert all(cell_len(line) <= width for line in moving)


def test_a_lasting_line_breaks_between_its_parts(drive):
    console = terminal(40)
    drive([ProgressBar(console=console)], EPOCHS[:1])
    text = ESCAPE.sub("", written(console))
    assert (
        "Epoch 1/1 loss 2.0000  accuracy 0.2500\n    val_loss 2.5000  val_accuracy 0.1250\n" in text
    )


PARTS = [("", "45/107"), ("loss", "0.1234"), ("accuracy", "0.9612"), ("", "0:12 left")]


def test_the_moving_line_fits():
    for width in range(1, 130):
        label, parts, bar = _fit("Epoch  3/20", PARTS, width)
        used = len(label) + sum(2 + len(n) + bool(n) + len(v) for n, v in parts)
        used += bar + 1 if bar else 0
        assert used < max(width, 2)
        assert parts == PARTS[: len(parts)]
        assert bar == 0 or 6 <= bar <= 24
        assert width < 40 or (len(parts) >= 1 and bar)
        assert width < 80 or (parts == PARTS and (bar == 24 or used == width - 1))


def test_it_is_drawn_seldom_where_drawing_is_slow(drive, clock, monkeypatch):
    drawn = []

    class SlowLive:
        def __init__(self, **options):
            assert options["auto_refresh"] is False

        def start(self):
            pass

        stop = start

        def update(self, line, refresh=False):
            if refresh:
                drawn.append(line)
                clock[0] += 0.01

    monkeypatch.setattr("rich.live.Live", SlowLive)
    bar = ProgressBar(console=terminal(), every_seconds=0.1)
    drive([tick(clock, 0.0005), bar], EPOCHS[:1], steps=10_000)
    spent = 10_000 * 0.0005
    assert 2 <= len(drawn) <= 1 + 0.01 * spent / 0.01


def test_time_left_and_rate(new_state):
    state = new_state(epochs=3, num_samples=100)
    clock = _Clock()
    clock.begin_epoch(10.0)
    clock.batch(40.0, 10)  # compiling took most of 30 seconds
    clock.batch(41.0, 30)
    assert clock.rate() == 20.0
    # 70 images at 20 a second, and two epochs of 31 s + 3.5 s
    assert clock.seconds_left(41.0, state) == pytest.approx(3.5 + 2 * 34.5)
    clock.batch(44.5, 100)
    assert clock.end_epoch(46.5) == (36.5, 100 / 34.5)
    state.epoch = 1
    clock.begin_epoch(50.0)
    clock.batch(51.0, 50)
    assert clock.rate() == 50.0
    assert clock.seconds_left(51.0, state) == pytest.approx(1.0 + 36.5)


def test_of_a_resumed_epoch_only_what_was_trained_since_counts(new_state):
    state = new_state(epochs=3, num_samples=100)
    clock = _Clock()
    clock.begin_epoch(10.0, 60)
    clock.batch(20.0, 70)  # compiling took most of it
    assert clock.rate() == 1.0
    clock.batch(20.5, 80)
    assert clock.rate() == 20.0
    # 20 images at 20 a second; no epoch was whole, so two epochs that take 100 / 40 of this one
    assert clock.seconds_left(20.5, state) == pytest.approx(1.0 + 2 * 11.5 * 100 / 40)
    clock.batch(21.5, 100)
    assert clock.end_epoch(22.0) == (12.0, 40 / 11.5)
    state.epoch = 1
    clock.begin_epoch(22.0)
    clock.batch(27.0, 50)
    # this epoch's pace alone: the one before was no whole one
    assert clock.seconds_left(27.0, state) == pytest.approx(5.0 + 10.0)


@pytest.mark.parametrize(("done", "end"), [((1, 2), " 1.0 s  8 images/s"), ((1, STEPS), " 0.0 s")])
def test_the_line_of_a_resumed_epoch(tmp_path, clock, capsys, done, end):
    """Of 18 images in steps of half a second, 10 were trained on before, or all."""
    train([tick(clock, 0.5), Saver(tmp_path)])
    resumed([tick(clock, 0.5), ProgressBar()], tmp_path, done)
    line, last = capsys.readouterr().out.splitlines()
    assert line.endswith(end)
    assert last.endswith(" 2.0 s  9 images/s")


def test_durations():
    assert [_duration(s) for s in (-1, 0.4, 59.6, 3599, 3600, 90_061)] == [
        "0:00", "0:00", "1:00", "59:59", "1:00:00", "25:01:01",
    ]  # fmt: skip


def test_wrong_arguments():
    with pytest.raises(ValueError, match="every_seconds >= 0, received -1"):
        ProgressBar(every_seconds=-1)


def test_a_pause_is_no_time_of_training(new_state, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(module.time, "perf_counter", lambda: clock[0])
    out = io.StringIO()
    bar, state = ProgressBar(console=Console(file=out, width=120)), new_state(epochs=1, steps=2)
    bar.on_train_begin(state)
    bar.on_epoch_begin(state)
    for state.step in range(2):
        clock[0] += 1
        state.seen = (state.step + 1) * 50
        bar.on_batch_end(state)
        clock[0] += 60
        state.waited += 60
    bar.on_epoch_end(state)
    assert "2.0 s" in out.getvalue()
    assert "50 images/s" in out.getvalue()
