"""Each optimizer and PyTorch's for 100 steps: weights equal to 1e-5."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minicnn import optimizers, schedules

torch = pytest.importorskip("torch")

STEPS = 100
EPS = 1e-7
SHAPES = [(4, 3), (7,), (2, 2, 3, 2)]
CASES: list[tuple[str, optimizers.Optimizer, str, dict[str, Any]]] = [
    ("sgd", optimizers.SGD(0.05), "SGD", {"lr": 0.05}),
    (
        "sgd decay",
        optimizers.SGD(0.01, 0.5, weight_decay=0.1),
        "SGD",
        {"lr": 0.01, "momentum": 0.5, "weight_decay": 0.1},
    ),
    (
        "nesterov decay",
        optimizers.SGD(0.01, 0.9, True, weight_decay=0.1),
        "SGD",
        {"lr": 0.01, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1},
    ),
    (
        "rmsprop",
        optimizers.RMSprop(0.01, epsilon=EPS),
        "RMSprop",
        {"lr": 0.01, "alpha": 0.9, "eps": EPS},
    ),
    (
        "rmsprop momentum",
        optimizers.RMSprop(0.001, 0.95, 0.8, EPS, weight_decay=0.1),
        "RMSprop",
        {"lr": 0.001, "alpha": 0.95, "momentum": 0.8, "eps": EPS, "weight_decay": 0.1},
    ),
    (
        "adam decay",
        optimizers.Adam(0.01, 0.8, 0.99, EPS, weight_decay=0.1),
        "Adam",
        {"lr": 0.01, "betas": (0.8, 0.99), "eps": EPS, "weight_decay": 0.1},
    ),
    (
        "adamw decay",
        optimizers.AdamW(0.01, 0.8, 0.99, EPS, weight_decay=0.5),
        "AdamW",
        {"lr": 0.01, "betas": (0.8, 0.99), "eps": EPS, "weight_decay": 0.5},
    ),
]
each_optimizer = pytest.mark.parametrize(
    ("mine", "name", "options"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def gradient(w: np.ndarray, target: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """The gradient of a parabola around `target`, with noise as from batches."""
    return (w - target + noise).astype(w.dtype)


def train_both(
    mine: optimizers.Optimizer,
    name: str,
    options: dict[str, Any],
    dtype: type,
    *,
    clip: float | None = None,
    scheduler: Any = None,
) -> None:
    """100 steps from the same weights by the same gradients; compares after every step."""
    from dataclasses import replace

    mine = replace(mine)  # without state
    rng = np.random.default_rng(0)
    weights = [rng.standard_normal(shape).astype(dtype) for shape in SHAPES]
    targets = [rng.standard_normal(shape) for shape in SHAPES]
    tensors = [torch.from_numpy(w.copy()).requires_grad_() for w in weights]
    theirs = getattr(torch.optim, name)(tensors, **options)
    stepper = scheduler(theirs) if scheduler else None
    start = [w.copy() for w in weights]
    for _ in range(STEPS):
        noise = [rng.standard_normal(shape) * 3 for shape in SHAPES]
        grads = [gradient(w, t, n) for w, t, n in zip(weights, targets, noise, strict=True)]
        for tensor, t, n in zip(tensors, targets, noise, strict=True):
            tensor.grad = torch.from_numpy(gradient(tensor.detach().numpy(), t, n))
        if clip:
            torch.nn.utils.clip_grad_norm_(tensors, clip)
        if stepper:
            assert mine.current_learning_rate == pytest.approx(
                theirs.param_groups[0]["lr"], rel=1e-6
            )
        mine.step([(str(i), w, g) for i, (w, g) in enumerate(zip(weights, grads, strict=True))])
        theirs.step()
        if stepper:
            stepper.step()
        for w, tensor in zip(weights, tensors, strict=True):
            assert tensor.dtype == torch.from_numpy(w).dtype
            np.testing.assert_allclose(w, tensor.detach().numpy(), rtol=1e-5, atol=1e-5)
    assert mine.iterations == STEPS
    for w, before in zip(weights, start, strict=True):
        assert abs(w - before).max() > 0.01  # the weights changed


@dtypes
@each_optimizer
def test_a_hundred_steps_equal_pytorchs_to_1e_5(
    mine: optimizers.Optimizer, name: str, options: dict[str, Any], dtype: type
) -> None:
    train_both(mine, name, options, dtype)


@dtypes
@pytest.mark.parametrize("limit", [1.0, 15.0])
def test_global_clipnorm_equals_clip_grad_norm(dtype: type, limit: float) -> None:
    mine = optimizers.SGD(0.05, 0.9, global_clipnorm=limit)
    train_both(mine, "SGD", {"lr": 0.05, "momentum": 0.9}, dtype, clip=limit)
    mine = optimizers.Adam(0.01, epsilon=EPS, global_clipnorm=limit)
    train_both(mine, "Adam", {"lr": 0.01, "eps": EPS}, dtype, clip=limit)


SCHEDULES = {
    "step": (
        schedules.StepDecay(0.1, 30, 0.5),
        lambda o: torch.optim.lr_scheduler.StepLR(o, 30, 0.5),
    ),
    "exponential": (
        schedules.ExponentialDecay(0.1, 10, 0.5),
        lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.5 ** (1 / 10)),
    ),
    "cosine": (
        schedules.CosineDecay(0.1, STEPS, final=0.1),
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, STEPS, 0.01),
    ),
    "warm-up and cosine": (
        schedules.CosineDecay(0.1, STEPS, 10),
        lambda o: torch.optim.lr_scheduler.SequentialLR(
            o,
            [
                torch.optim.lr_scheduler.LinearLR(o, 0.1, 1.0, 9),
                torch.optim.lr_scheduler.CosineAnnealingLR(o, STEPS - 10),
            ],
            [10],
        ),
    ),
}


@pytest.mark.filterwarnings("ignore:The epoch parameter in:UserWarning")  # SequentialLR's own
@dtypes
@pytest.mark.parametrize("which", SCHEDULES)
def test_a_schedule_steps_as_pytorchs_does(which: str, dtype: type) -> None:
    schedule, scheduler = SCHEDULES[which]
    mine = optimizers.SGD(schedule, 0.9)
    train_both(mine, "SGD", {"lr": 0.1, "momentum": 0.9}, dtype, scheduler=scheduler)
    mine = optimizers.AdamW(schedule, epsilon=EPS)
    train_both(mine, "AdamW", {"lr": 0.1, "eps": EPS}, dtype, scheduler=scheduler)
