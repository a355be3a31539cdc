"""The gradient check: it finds mistakes, and names what it checks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minicnn import gradcheck, kernels, layers, losses
from minicnn.gradcheck import Check, check_layer, numerical_gradient, relative_error, spread
from minicnn.typing import Array


def test_numerical_gradient() -> None:
    a = np.array([[1.0, -2.0], [0.5, 3.0]])
    before = a.copy()
    gradient = numerical_gradient(lambda: float((a**3).sum()), a)
    np.testing.assert_allclose(gradient, 3 * before**2, rtol=1e-8)
    np.testing.assert_array_equal(a, before)


def test_relative_error() -> None:
    assert relative_error(np.array([1.0, 4.0]), np.array([1.0, 3.0])) == 0.25
    assert relative_error(np.array([-8.0, 1e-9]), np.array([-8.0, 0.0])) == 1e-9 / 8
    assert relative_error(np.zeros(3), np.zeros(3)) == 0
    assert relative_error(np.zeros(0), np.zeros(0)) == 0
    assert relative_error(np.zeros(2), np.array([0.0, 1e-12])) == 1
    assert np.isnan(relative_error(np.array([np.nan, 1.0]), np.ones(2)))
    assert np.isnan(relative_error(np.ones(2), np.array([1.0, np.nan])))


@pytest.mark.parametrize("shape", [(1,), (2,), (3,), (4, 5), (3, 6, 5, 3)])
def test_spread(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    x = spread(shape, rng)
    assert x.shape == shape
    assert abs(x).max() < 1
    assert abs(x).min() > 10 * gradcheck.EPSILON
    assert np.diff(np.sort(x, axis=None)).min(initial=1) > 10 * gradcheck.EPSILON


class Wrong(layers.Dense):
    """A dense layer with a mistake in one gradient."""

    mistake = ""

    def backward(self, dy: Array, need_dx: bool = True) -> Array | None:
        dx = super().backward(dy, need_dx)
        if self.mistake == "x":
            assert dx is not None
            dx[0, 0] *= 1.001
        else:
            self.grads[self.mistake].flat[0] += 0.001
        return dx


@pytest.mark.parametrize("mistake", ["x", "w", "b"])
def test_a_small_mistake_in_one_number_is_found(mistake: str) -> None:
    layer = Wrong(3)
    layer.mistake = mistake
    errors = {check.parameter: check.error for check in check_layer(layer, (4,))}
    assert errors.pop(mistake) > 1e-5
    assert max(errors.values()) < 1e-9


def test_nan_in_a_gradient_is_found() -> None:
    layer = Wrong(3)
    layer.mistake = "b"
    layer.l2 = float("nan")
    with np.errstate(invalid="ignore"):
        errors = {check.parameter: check.error for check in check_layer(layer, (4,))}
    assert not errors["w"] <= gradcheck.TOLERANCE


def test_the_lines_of_a_layer() -> None:
    lines = list(check_layer(layers.Conv2D(2, 3, strides=2), (5, 4, 3), batch=2))
    assert [(line.parameter, line.shape) for line in lines] == [
        ("x", (2, 5, 4, 3)),
        ("w", (3, 3, 3, 2)),
        ("b", (2,)),
    ]
    assert {line.what for line in lines} == {"Conv2D(3×3, stride 2×2)"}


@pytest.mark.parametrize("name", ["numpy", pytest.param("numba", marks=pytest.mark.exhaustive)])
def test_all_layers_and_losses(name: str) -> None:
    if name not in kernels.available_backends():
        pytest.skip("needs Numba")
    with kernels.use_backend(name):
        lines = list(gradcheck.checks())
    assert max(line.error for line in lines) <= gradcheck.TOLERANCE
    kinds = {line.what.partition("(")[0] for line in lines}
    assert kinds >= {cls.__name__ for cls in losses.TABLE.values()}
    assert kinds >= {cls.__name__ for cls in layers.TABLE.values()}


# ---- the command line ----


@pytest.fixture
def two_checks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replaces the checks by two quick ones; records their backends."""
    backends: list[str] = []

    def checks(seed: int = 0) -> Any:
        backends.append(kernels.current_backend())
        yield Check("Good()", "x", (2, 3), 1e-11)
        yield Check("Bad()", "w", (4,), 1e-6 * (1 + seed))
        yield Check("Lost()", "x", (1,), np.nan if seed else 0.0)

    monkeypatch.setattr(gradcheck, "checks", checks)
    return backends


def test_the_table(two_checks: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert gradcheck.main(["--tolerance", "1e-5"]) == 0
    shown = capsys.readouterr().out
    for word in ("Good()", "Bad()", "(2, 3)", "(4,)", "1.0e-11", "1.0e-06", "ok", "3 gradients"):
        assert word in shown
    assert "WRONG" not in shown


def test_errors_over_the_tolerance_and_nan_are_wrong(
    two_checks: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert gradcheck.main(["--seed", "1"]) == 1
    shown = capsys.readouterr().out
    assert shown.count("WRONG") == 2
    assert "2 wrong" in shown
    assert gradcheck.main(["--seed", "1", "--tolerance", "inf"]) == 1  # NaN


@pytest.mark.parametrize("name", kernels.available_backends())
def test_backend_applies_to_the_check_only(
    name: str, two_checks: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with kernels.use_backend("numpy"):
        gradcheck.main(["--backend", name])
        assert kernels.current_backend() == "numpy"
    assert two_checks == [name]
    assert f"{name} kernels" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--seed", "-1"], ["--backend", "cuda"], ["--seed", "x"]])
def test_wrong_options(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        gradcheck.main(arguments)
    assert caught.value.code == 2
    assert arguments[0] in capsys.readouterr().err
