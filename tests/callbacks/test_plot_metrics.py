import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from minicnn import plots
from minicnn.callbacks import LambdaCallback, PlotMetrics, throttle
from minicnn.callbacks.plots import _Series
from minicnn.plots import style

EPOCHS = [
    {"loss": 2.0 / n, "accuracy": 1 - 0.5 / n, "val_loss": 2.5 / n, "val_accuracy": 1 - 0.6 / n}
    for n in (1, 2, 3)
]


def titles(figure):
    return [axes.get_title(loc="left") for axes in figure.axes]


def lines(figure, title):
    """Labelled lines of the chart `title`: {label: (x, y)}."""
    axes = next(axes for axes in figure.axes if axes.get_title(loc="left") == title)
    return {
        line.get_label(): (list(line.get_xdata()), list(line.get_ydata()))
        for line in axes.lines
        if not line.get_label().startswith(("_", "best"))
    }


def test_it_writes_a_picture_at_the_end(drive, tmp_path):
    path = tmp_path / "new" / "history.png"
    plot = PlotMetrics(path)
    drive([plot], EPOCHS)
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert min(image.size) > 300
    assert [file.name for file in path.parent.iterdir()] == ["history.png"]
    assert titles(plot.figure()) == ["loss", "accuracy"]
    assert lines(plot.figure(), "loss") == {
        "training": ([1, 2, 3], [2.0, 1.0, 2.0 / 3]),
        "validation": ([1, 2, 3], [2.5, 1.25, 2.5 / 3]),
    }


@pytest.fixture
def saves(monkeypatch):
    """When the picture was written, on a clock that the test moves; drawing takes 50 ms."""
    now, times = [0.0], []

    def save(figure, path):
        times.append(now[0])
        now[0] += 0.05

    monkeypatch.setattr(throttle.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(plots, "save", save)
    return SimpleNamespace(now=now, times=times)


def passing(saves, seconds):
    return LambdaCallback(on_batch_end=lambda s: saves.now.__setitem__(0, saves.now[0] + seconds))


def test_it_draws_every_few_seconds_and_at_the_end(drive, saves, tmp_path):
    drive([passing(saves, 0.25), PlotMetrics(tmp_path / "a.png")], EPOCHS * 4)  # 1 s an epoch
    # 50 ms are 1.5 % of 3.3 s; a batch ends every 0.25 s
    assert saves.times == pytest.approx([3.0, 6.55, 10.1, 12.15])


def test_it_draws_within_an_epoch(drive, saves, tmp_path):
    plot = PlotMetrics(tmp_path / "a.png", every_seconds=2.0)
    drive([passing(saves, 0.5), plot], EPOCHS[:2], steps=3)  # epochs end at 1.5 and 3
    assert saves.times[0] == 2.0


@pytest.mark.parametrize(("fail_at", "count"), [((2, 1), 1), ((0, 0), 0)])
def test_it_draws_after_an_error_if_an_epoch_has_ended(drive, saves, tmp_path, fail_at, count):
    with pytest.raises(KeyboardInterrupt):
        drive([PlotMetrics(tmp_path / "a.png")], EPOCHS, fail_at=fail_at, error=KeyboardInterrupt())
    assert len(saves.times) == count


def test_per_batch(drive, saves, tmp_path):
    plot = PlotMetrics(tmp_path / "a.png", per="batch")
    drive([plot], EPOCHS[:2], losses={(0, 0): 9.0})
    chart = lines(plot.figure(), "loss")
    assert chart["validation"] == ([1, 2], [2.5, 1.25])
    assert chart["training (smoothed)"][0] == [0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0]
    raw = plot.figure().axes[0].lines[0]
    assert list(raw.get_ydata()) == [9.0, 2.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0]


@pytest.mark.parametrize("name", ["accuracy", "acc", "val_accuracy", "val_acc"])
def test_metrics_choose_the_charts(drive, saves, tmp_path, name):
    plot = PlotMetrics(tmp_path / "a.png", metrics=[name])
    drive([plot], EPOCHS)
    assert titles(plot.figure()) == ["accuracy"]
    expected = {"validation"} if name.startswith("val") else {"training", "validation"}
    assert set(lines(plot.figure(), "accuracy")) == expected


@pytest.mark.parametrize(
    ("per", "name", "when"),
    [("epoch", "f1", (0, 3)), ("batch", "f1", (0, 0)), ("both", "val_f1", (0, 3))],
)
def test_a_missing_metric_is_an_error(drive, saves, tmp_path, per, name, when):
    seen = []
    watch = LambdaCallback(on_batch_end=lambda state: seen.append((state.epoch, state.step)))
    plot = PlotMetrics(tmp_path / "a.png", metrics=["acc", name], per=per)
    with pytest.raises(
        ValueError, match=rf"PlotMetrics: no metric '{name}' .* have loss, accuracy"
    ):
        drive([watch, plot], EPOCHS)
    assert seen[-1] == when  # as early as possible


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"path": "a.jpg"}, r"\.png, \.svg or \.pdf, received a\.jpg"),
        ({"path": "a.png", "per": "step"}, "received 'step'"),
        ({"path": "a.png", "every_seconds": -1}, "every_seconds >= 0, received -1"),
        ({"path": "a.png", "metrics": "loss"}, "a list of metrics, received 'loss'"),
        ({}, "outside a notebook it needs a path"),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        PlotMetrics(**arguments)


def test_its_formats_are_those_of_plots():
    for suffix in style.FORMATS:
        PlotMetrics("a" + suffix)


def test_a_notebook_updates_one_picture(drive, saves, monkeypatch):
    shown, updated = [], []

    def display(image, display_id):
        shown.append(image)
        return SimpleNamespace(update=updated.append)

    kernel = SimpleNamespace(kernel=object())
    fake = SimpleNamespace(get_ipython=lambda: kernel)
    inside = SimpleNamespace(display=display, Image=lambda data, retina: data)
    monkeypatch.setitem(sys.modules, "IPython", fake)
    monkeypatch.setitem(sys.modules, "IPython.display", inside)
    drive([passing(saves, 1.0), PlotMetrics()], EPOCHS)
    assert len(shown) == 1
    assert len(updated) >= 1
    assert all(image.startswith(b"\x89PNG") for image in shown + updated)
    kernel.kernel = None  # IPython in a terminal
    with pytest.raises(ValueError, match="outside a notebook"):
        PlotMetrics()


def test_a_series_has_bounded_memory_and_the_right_means():
    series = _Series(100)
    values = np.random.default_rng(0).random(100 * 64)
    for place, value in enumerate(values):
        series.add({"epoch": place, "loss": value})
    kept = series.values()
    assert 50 <= len(kept["loss"]) < 100
    np.testing.assert_allclose(
        kept["loss"], values.reshape(-1, series.group).mean(1)[: len(kept["loss"])]
    )
    assert kept["epoch"] == sorted(kept["epoch"])


def test_lazy_imports_and_no_pyplot(tmp_path):
    code = (
        "import sys, minicnn.callbacks as c; c.ProgressBar(); c.PlotMetrics('a.png');"
        "assert not {'matplotlib', 'rich', 'IPython'} & set(sys.modules);"
        "from minicnn import plots; plots.save(plots.history({'loss': [1]}), sys.argv[1]);"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.png")], check=True, timeout=60)
