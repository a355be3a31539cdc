import math

import pytest

from minicnn.callbacks.improvement import Improvement

NAN = math.nan


def beats(value, other, monitor="val_loss", mode="auto", min_delta=0.0):
    return Improvement(monitor, mode, min_delta, "X").beats(value, other)


def test_the_name_or_the_mode_gives_the_direction():
    assert beats(1.0, 2.0)
    assert not beats(2.0, 1.0)
    assert beats(2.0, 1.0, "val_acc")
    assert beats(2.0, 1.0, "top_5")
    assert beats(1.0, 2.0, "mean_squared_error")
    assert not beats(1.0, 2.0, "accuracy")
    assert beats(2.0, 1.0, mode="max")
    assert beats(1.0, 2.0, "accuracy", mode="min")


def test_an_improvement_is_more_than_min_delta():
    assert not beats(1.5, 2.0, min_delta=0.5)
    assert beats(1.4, 2.0, min_delta=0.5)
    assert not beats(2.0, 2.0)


@pytest.mark.parametrize("mode", ["min", "max"])
@pytest.mark.parametrize("value", [0.0, -1e30, math.inf])
def test_nan_is_worse_than_any_value(mode, value):
    assert not beats(NAN, value, mode=mode)
    assert not beats(NAN, NAN, mode=mode)
    assert beats(value, NAN, mode=mode)


def test_the_value_in_the_logs():
    improvement = Improvement("val_acc", "auto", 0.0, "Watcher")
    assert improvement.value({"val_accuracy": 0.5}) == 0.5
    with pytest.raises(ValueError, match=r"Watcher: no metric 'val_acc' .* have loss;.*validation"):
        improvement.value({"loss": 1.0})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("loss", "auto", -1), r"^Watcher: expected min_delta >= 0, received -1$"),
        (("loss", "auto", NAN), "min_delta >= 0, received nan"),
        (
            ("loss", "best", 0),
            r"Watcher: expected mode in \('auto', 'min', 'max'\), received 'best'",
        ),
        (
            ("score", "auto", 0),
            r"Watcher: is more or less of 'score' better\? Give mode=\"min\" or mode=\"max\"",
        ),
    ],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        Improvement(*arguments, "Watcher")
