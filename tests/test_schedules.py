from __future__ import annotations

import json
from math import cos, pi

import numpy as np
import pytest

from minicnn import optimizers, schedules
from minicnn.registry import config_of
from minicnn.schedules import Constant, CosineDecay, ExponentialDecay, Schedule, StepDecay


def rates(schedule: Schedule, *steps: int) -> list[float]:
    return [schedule(step) for step in steps]


def test_constant() -> None:
    assert rates(Constant(0.1), 0, 1, 10**9) == [0.1] * 3


def test_step_decay() -> None:
    schedule = StepDecay(8.0, 3, 0.5)
    assert rates(schedule, 0, 2, 3, 5, 6, 9) == [8, 8, 4, 4, 2, 1]
    assert StepDecay(1.0, 10)(25) == pytest.approx(0.01)  # the default factor is 0.1


def test_exponential_decay() -> None:
    schedule = ExponentialDecay(8.0, 4, 0.25)
    assert rates(schedule, 0, 2, 4, 8) == pytest.approx([8, 4, 2, 0.5])
    assert schedule(1) == pytest.approx(8 * 0.25**0.25)


def test_cosine_decay() -> None:
    schedule = CosineDecay(2.0, 8)
    assert schedule(0) == 2
    assert rates(schedule, 4, 8, 9, 1000) == pytest.approx([1, 0, 0, 0], abs=1e-15)
    assert schedule(2) == pytest.approx(1 + cos(pi / 4))
    assert CosineDecay(2.0, 8, final=0.25)(1000) == 0.5
    assert CosineDecay(2.0, 8, final=0.25)(4) == pytest.approx((2 + 0.5) / 2)


def test_linear_warm_up() -> None:
    schedule = CosineDecay(1.0, 14, 4, final=0.5)
    assert rates(schedule, 0, 1, 2, 3) == [0.25, 0.5, 0.75, 1]
    assert schedule(4) == 1  # t = 0
    assert rates(schedule, 9, 14, 99) == pytest.approx([0.75, 0.5, 0.5])
    after = [schedule(step) for step in range(4, 15)]
    assert after == sorted(after, reverse=True)


@pytest.mark.parametrize(
    "make",
    [
        lambda rate: Constant(rate),
        lambda rate: StepDecay(rate, 10),
        lambda rate: ExponentialDecay(rate, 10, 0.5),
        lambda rate: CosineDecay(rate, 10),
    ],
    ids=["constant", "step", "exponential", "cosine"],
)
@pytest.mark.parametrize("wrong", [-1e-3, float("nan"), float("inf")])
def test_negative_and_non_finite_rates(make, wrong: float) -> None:
    with pytest.raises(ValueError, match=f"expected a learning rate >= 0, received {wrong}"):
        make(wrong)
    assert make(0.0)(3) == 0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: StepDecay(0.1, 0), "every >= 1, received 0"),
        (lambda: StepDecay(0.1, 1.5), "every as a whole number, received 1.5"),
        (lambda: ExponentialDecay(0.1, 0, 0.5), "decay_steps >= 1, received 0"),
        (lambda: CosineDecay(0.1, 5, 5), "decay_steps >= 6, received 5"),
        (lambda: CosineDecay(0.1, 5, -1), "warmup_steps >= 0, received -1"),
    ],
)
def test_invalid_numbers_of_steps(make, words: str) -> None:
    with pytest.raises((ValueError, TypeError), match=f"expected {words}"):
        make()


def test_negative_factors() -> None:
    for make in (
        lambda: StepDecay(0.1, 10, factor=-0.5),
        lambda: ExponentialDecay(0.1, 10, -0.5),
        lambda: CosineDecay(0.1, 10, final=-1),
    ):
        with pytest.raises(ValueError, match="expected"):
            make()


# ---- from numbers and configurations ----


@pytest.mark.parametrize("number", [0.5, 1, np.float64(0.5), np.float32(0.5), np.int64(1)])
def test_a_number_is_a_constant_rate(number: float) -> None:
    assert schedules.get(number) == Constant(float(number))


def test_numpy_numbers_become_python_numbers() -> None:
    """JSON holds no others."""
    x = np.float32(0.5)
    for schedule in (
        Constant(x),
        StepDecay(x, 10, x),
        ExponentialDecay(x, 10, x),
        CosineDecay(x, 10, 2, x),
        schedules.get(x),
    ):
        saved = json.loads(json.dumps(config_of(schedule)))
        assert schedules.get(saved) == schedule
        assert {type(schedule(step)) for step in (0, 3, 99)} == {float}


def test_invalid_rates() -> None:
    with pytest.raises(ValueError, match="expected a learning rate >= 0, received -1"):
        schedules.get(-1)
    for infinite in (np.float32(np.inf), np.inf, 10**400):
        with pytest.raises(ValueError, match="expected a learning rate >= 0, received"):
            Constant(infinite)
    with pytest.raises(ValueError, match="unknown schedule 'cosine'") as caught:
        schedules.get("cosine")
    for name in schedules.TABLE:
        assert name in str(caught.value)
    for wrong in (True, None, [0.1]):
        with pytest.raises(TypeError, match="expected schedule as a name or an object, received"):
            schedules.get(wrong)


# ---- in an optimizer ----


def test_an_optimizer_uses_its_schedule() -> None:
    w = np.array([0.0])
    sgd = optimizers.SGD(StepDecay(1.0, 2, 0.1))
    moves = []
    for expected in (1, 1, 0.1, 0.1, 0.01):
        before = w.copy()
        assert sgd.current_learning_rate == pytest.approx(expected)
        sgd.step([("w", w, np.array([-1.0]))])
        moves.append((w - before).item())
    assert moves == pytest.approx([1, 1, 0.1, 0.1, 0.01])
    assert sgd.iterations == 5
