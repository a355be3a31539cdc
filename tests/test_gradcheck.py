"""The gradient check itself: it must find mistakes, and say what it checked."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

from minicnn import gradcheck, kernels, layers, losses
from minicnn.gradcheck import Check, check_layer, numerical_gradient, relative_error, spread
from minicnn.typing import Array


def test_numerical_gradient_is_the_derivative_and_leaves_the_array_as_it_was() -> None:
    a = np.array([[1.0, -2.0], [0.5, 3.0]])
    before = a.copy()
    gradient = numerical_gradient(lambda: float((a**3).sum()), a)
    np.testing.assert_allclose(gradient, 3 * before**2, rtol=1e-8)
    np.testing.assert_array_equal(a, before)


def test_relative_error_is_of_the_largest_numbers() -> None:
    assert relative_error(np.array([1.0, 4.0]), np.array([1.0, 3.0])) == 0.25
    assert relative_error(np.array([-8.0, 1e-9]), np.array([-8.0, 0.0])) == 1e-9 / 8
    assert relative_error(np.zeros(3), np.zeros(3)) == 0
    assert relative_error(np.zeros(0), np.zeros(0)) == 0
    assert relative_error(np.zeros(2), np.array([0.0, 1e-12])) == 1


@pytest.mark.parametrize("a", [[np.nan, 1.0], [1.0, np.nan]])
def test_relative_error_is_nan_if_any_number_is(a: list[float]) -> None:
    assert np.isnan(relative_error(np.array(a), np.ones(2)))
    assert np.isnan(relative_error(np.ones(2), np.array(a)))


@pytest.mark.parametrize("shape", [(1,), (2,), (3,), (4, 5), (3, 6, 5, 3)])
def test_spread_numbers_are_distinct_and_far_from_zero_and_from_each_other(
    shape: tuple[int, ...], rng: np.random.Generator
) -> None:
    x = spread(shape, rng)
    assert x.shape == shape
    assert abs(x).max() < 1
    assert abs(x).min() > 10 * gradcheck.EPSILON
    assert np.diff(np.sort(x, axis=None)).min(initial=1) > 10 * gradcheck.EPSILON


class Wrong(layers.Dense):
    """A dense layer with a mistake in one gradient."""

    mistake = ""

    def backward_from_linear(self, dy: Array, need_dx: bool = True) -> Array | None:
        dx = super().backward_from_linear(dy, need_dx)
        if self.mistake == "x":
            assert dx is not None
            dx[0, 0] *= 1.001
        else:
            self.grads[self.mistake].flat[0] += 0.001
        return dx


@pytest.mark.parametrize("mistake", ["x", "w", "b"])
def test_a_mistake_of_a_thousandth_in_one_number_is_found_where_it_is(mistake: str) -> None:
    layer = Wrong(3)
    layer.mistake = mistake
    errors = {check.parameter: check.error for check in check_layer(layer, (4,))}
    assert errors.pop(mistake) > 1e-5
    assert max(errors.values()) < 1e-9


def test_a_nan_in_a_gradient_is_found() -> None:
    layer = Wrong(3)
    layer.mistake = "b"
    layer.l2 = float("nan")
    with np.errstate(invalid="ignore"):
        errors = {check.parameter: check.error for check in check_layer(layer, (4,))}
    assert not errors["w"] <= gradcheck.TOLERANCE


def test_each_line_says_what_was_checked_by_what_and_of_which_shape() -> None:
    lines = list(check_layer(layers.Conv2D(2, 3, strides=2), (5, 4, 3), batch=2))
    assert [(line.parameter, line.shape) for line in lines] == [
        ("x", (2, 5, 4, 3)),
        ("w", (3, 3, 3, 2)),
        ("b", (2,)),
    ]
    assert {line.what for line in lines} == {"Conv2D(2, 3, strides=2)"}


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (layers.MaxPool2D(3, 1, padding="same"), ["pool_size=3", "strides=1", "padding=same"]),
        (layers.AvgPool2D(3, 2, padding=1), ["pool_size=3", "strides=2", "padding=1"]),
        (layers.AvgPool2D(2, (2, 1)), ["strides=(2, 1)"]),
        (layers.LeakyReLU(0.2), ["slope=0.2"]),
        (layers.Dense(4, use_bias=False, l2=0.1), ["4", "use_bias=False", "l2=0.1"]),
    ],
    ids=lambda value: value.label if isinstance(value, layers.Layer) else None,
)
def test_what_was_checked_names_every_option_that_is_not_at_its_default(
    layer: layers.Layer, words: list[str]
) -> None:
    what = next(check_layer(layer, (4,) if isinstance(layer, layers.Dense) else (5, 4, 2))).what
    for word in words:
        assert word in what


def test_all_layers_and_losses_are_right_in_every_backend_that_is_fast() -> None:
    for backend in set(kernels.available_backends()) - {"reference"}:
        with kernels.use_backend(backend):
            lines = list(gradcheck.checks())
        assert max(line.error for line in lines) <= gradcheck.TOLERANCE
        kinds = {line.what.partition("(")[0] for line in lines}
        assert kinds >= {cls.__name__ for cls in losses.TABLE.values()}
        assert kinds >= {cls.__name__ for cls in layers.TABLE.values()}


def test_a_running_state_is_put_back_between_the_steps() -> None:
    layer = layers.BatchNorm(momentum=0)
    assert max(check.error for check in check_layer(layer, (3,))) <= gradcheck.TOLERANCE


# ---- the command line ----


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two quick lines in place of all; records under which backend they were made."""
    backends: list[str] = []

    def checks(seed: int = 0) -> Any:
        backends.append(kernels.current_backend())
        yield Check("Good()", "x", (2, 3), 1e-11)
        yield Check("Bad()", "w", (4,), 1e-6 * (1 + seed))

    monkeypatch.setattr(gradcheck, "checks", checks)
    return backends


def test_the_table_shows_every_gradient_and_its_error(
    few: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert gradcheck.main(["--tolerance", "1e-5"]) == 0
    shown = capsys.readouterr().out
    for word in ("Good()", "Bad()", "(2, 3)", "(4,)", "1.0e-11", "1.0e-06", "ok", "2 gradients"):
        assert word in shown
    assert "WRONG" not in shown


def test_an_error_over_the_tolerance_is_marked_and_gives_exit_code_1(
    few: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert gradcheck.main([]) == 1
    shown = capsys.readouterr().out
    assert shown.count("WRONG") == 1
    assert "1 wrong" in shown


def test_a_nan_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradcheck, "checks", lambda seed: [Check("Lost()", "x", (1,), np.nan)])
    assert gradcheck.main(["--tolerance", "inf"]) == 1


@pytest.mark.parametrize("name", kernels.available_backends())
def test_backend_chooses_the_kernels_for_the_check_alone(
    name: str, few: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with kernels.use_backend("numpy"):
        gradcheck.main(["--backend", name])
        assert kernels.current_backend() == "numpy"
    assert few == [name]
    assert f"{name} kernels" in capsys.readouterr().out


def test_without_backend_the_kernels_in_the_title_are_those_that_are_checked(
    few: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with kernels.use_backend("reference"):
        gradcheck.main([])
    assert f"{few[0]} kernels" in capsys.readouterr().out


@pytest.mark.skipif(os.name == "nt", reason="closes a pipe")
def test_a_reader_that_has_seen_enough(unread: Any) -> None:
    done = unread("gradcheck", "--backend", "numpy")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("arguments", [["--seed", "-1"], ["--backend", "cuda"], ["--seed", "x"]])
def test_wrong_options_end_with_exit_code_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        gradcheck.main(arguments)
    assert caught.value.code == 2
    assert arguments[0] in capsys.readouterr().err
