"""Optimizers: what a gradient does to a weight.

All follow PyTorch's formulas (tests compare 100 steps). In each, w is a weight, g its gradient,
lr the learning rate of the step, t = 1, 2, … the number of the step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import sqrt

import numpy as np

from . import kernels, schedules, state_checks
from .registry import config_of, lookup
from .schedules import Schedule
from .typing import Array

Parameter = tuple[str, Array, Array]
"""(a unique name, w, g); w is changed in place."""


@dataclass
class Optimizer:
    """Base: clipping, weight decay, the count of steps; a subclass overrides `update`.

    Args:
        learning_rate: a number, or a schedule of the step.
        weight_decay: λ; replaces g by g + λw (an L2 penalty of λ/2 · Σw²; AdamW differs).
        clipnorm: scales a parameter's g down to this Euclidean norm if it is longer.
        global_clipnorm: the same with the norm over all parameters together.
    """

    learning_rate: Schedule | float = 1e-3
    weight_decay: float = field(default=0.0, kw_only=True)
    clipnorm: float | None = field(default=None, kw_only=True)
    global_clipnorm: float | None = field(default=None, kw_only=True)

    iterations: int = field(default=0, init=False, repr=False, compare=False)
    owner: object = field(default=None, init=False, repr=False, compare=False)
    """The network it was compiled for: its slots belong to that network's weights."""
    slots: dict[str, dict[str, Array]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """The state of each parameter, by its name: momentum and the like."""

    def __post_init__(self) -> None:
        if not self.weight_decay >= 0:
            raise ValueError(f"expected weight_decay >= 0, received {self.weight_decay!r}")
        for name in ("clipnorm", "global_clipnorm"):
            norm = getattr(self, name)
            if norm is not None and not norm > 0:
                raise ValueError(f"expected {name} > 0 or None, received {norm!r}")

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse an invalid learning rate when it is set, not at the next step."""
        super().__setattr__(name, schedules.checked(value) if name == "learning_rate" else value)

    @property
    def schedule(self) -> Schedule:
        """The learning rate as a schedule of the step."""
        return schedules.get(self.learning_rate)

    @property
    def current_learning_rate(self) -> float:
        """The rate of the next step."""
        rate = self.learning_rate
        return rate(self.iterations) if isinstance(rate, Schedule) else rate

    def get_state(self) -> dict[str, object]:
        """What the next step depends on: the count of steps, the rate, and the slots of each
        parameter (not copied)."""
        return {
            "iterations": self.iterations,
            "learning_rate": config_of(self.schedule),
            "slots": self.slots,
        }

    def set_state(self, saved: Mapping[str, object], weights: Mapping[str, Array]) -> None:
        """Restore what get_state() returned, for these weights by name.

        Raises:
            ValueError: it does not fit them; the optimizer stays as it was.
        """
        tables = state_checks.table(saved, "slots")
        if not tables.keys() <= weights.keys():
            raise ValueError(f"expected slots of {sorted(weights)}, received {sorted(tables)}")
        slots = {
            name: {
                slot: state_checks.like(array, weights[name], f"slot {slot} of {name}").copy()
                for slot, array in state_checks.table(tables, name).items()
            }
            for name in tables
        }
        rate = schedules.get(state_checks.table(saved, "learning_rate"))
        self.iterations = state_checks.whole(saved, "iterations")
        self.learning_rate, self.slots = rate, slots

    def step(self, parameters: Iterable[Parameter]) -> None:
        """Update every w, in place. Gradients may be overwritten."""
        lr = self.current_learning_rate
        self.iterations += 1
        parameters = list(parameters)
        self._clip([g for _, _, g in parameters])
        self.move(parameters, lr)

    def move(self, parameters: list[Parameter], lr: float) -> None:
        """Update every w, given the step's rate and the clipped gradients."""
        for name, w, g in parameters:
            slots = self.slots.setdefault(name, {})
            if self.weight_decay:
                g = g + g.dtype.type(self.weight_decay) * w
            w -= w.dtype.type(lr) * self.update(w, g, slots)

    def update(self, w: Array, g: Array, slots: dict[str, Array]) -> Array:
        """u, where w ← w - lr · u."""
        raise TypeError(f"{type(self).__name__} has no update(): override it")

    def _clip(self, grads: list[Array]) -> None:
        """Source: Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural
        networks" (2013), algorithm 1."""
        for limit, groups in (
            (self.clipnorm, [[g] for g in grads]),
            (self.global_clipnorm, [grads]),
        ):
            for group in groups if limit is not None else ():
                # in float64: the square of a large float32 would be infinite
                norm = sqrt(sum(float(np.sum(np.square(g, dtype=np.float64))) for g in group))
                if limit is not None and norm > limit:
                    for g in group:
                        g *= g.dtype.type(limit / norm)


@dataclass
class SGD(Optimizer):
    """v ← momentum · v + g; u = v, or with Nesterov u = g + momentum · v; w ← w - lr · u.

    Source: Sutskever, Martens, Dahl, Hinton, "On the importance of initialization and momentum
    in deep learning" (2013), section 2, in PyTorch's form (lr outside v).
    """

    learning_rate: Schedule | float = 1e-2
    momentum: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_share("momentum", self.momentum)
        if self.nesterov and not self.momentum:
            raise ValueError("expected momentum > 0 with nesterov=True, received 0")

    def update(self, w: Array, g: Array, slots: dict[str, Array]) -> Array:
        if not self.momentum:
            return g
        v = _slot(slots, "v", w)
        v *= v.dtype.type(self.momentum)
        v += g
        return g + v.dtype.type(self.momentum) * v if self.nesterov else v


@dataclass
class RMSprop(Optimizer):
    """s ← rho · s + (1 - rho) · g²; u = g / (√s + epsilon); with momentum v ← momentum · v + u.

    Source: Tieleman & Hinton, "Lecture 6.5 - RMSprop", Coursera (2012).
    """

    rho: float = 0.9
    momentum: float = 0.0
    epsilon: float = 1e-7

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_share("rho", self.rho)
        _check_share("momentum", self.momentum)

    def update(self, w: Array, g: Array, slots: dict[str, Array]) -> Array:
        s = _slot(slots, "s", w)
        s += (g * g - s) * s.dtype.type(1 - self.rho)
        u = g / (np.sqrt(s) + s.dtype.type(self.epsilon))
        if not self.momentum:
            return u
        v = _slot(slots, "v", w)
        v *= v.dtype.type(self.momentum)
        v += u
        return v


@dataclass
class Adam(Optimizer):
    """m ← β₁m + (1-β₁)g; s ← β₂s + (1-β₂)g²; w ← w - lr · (m / (1-β₁ᵗ)) / (√(s / (1-β₂ᵗ)) + ε).

    Source: Kingma & Ba, "Adam: A Method for Stochastic Optimization" (2015), algorithm 1.
    """

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-7

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_share("beta_1", self.beta_1)
        _check_share("beta_2", self.beta_2)
        self._compiled = kernels.PreparedAdam([])

    def move(self, parameters: list[Parameter], lr: float) -> None:
        if kernels.current_backend() == "numba" and self._compiled_step(parameters, lr):
            return
        t = self.iterations
        for name, w, g in parameters:
            real, (m, s) = w.dtype.type, self._moments(name, w)
            g = self._decay(w, g, lr)
            m += (g - m) * real(1 - self.beta_1)
            s += (g * g - s) * real(1 - self.beta_2)
            root = np.sqrt(s)
            root *= real(1 / sqrt(1 - self.beta_2**t))
            root += real(self.epsilon)
            w -= real(lr) * (np.divide(m, root, out=root) * real(1 / (1 - self.beta_1**t)))

    def _decay(self, w: Array, g: Array, lr: float) -> Array:
        """Weight decay through the gradient: g + λw."""
        return g + w.dtype.type(self.weight_decay) * w if self.weight_decay else g

    def _moments(self, name: str, w: Array) -> tuple[Array, Array]:
        slots = self.slots.setdefault(name, {})
        return _slot(slots, "m", w), _slot(slots, "s", w)

    def _compiled_step(self, parameters: list[Parameter], lr: float) -> bool:
        """The fast version of `move`: one compiled pass over all parameters. False: it needs
        contiguous arrays, nothing was done."""
        if not self._compiled.is_for(parameters):
            moments = [(w, g, *self._moments(name, w)) for name, w, g in parameters]
            self._compiled = kernels.PreparedAdam(moments)
        step = kernels.AdamStep(
            lr, self.beta_1, self.beta_2, self.epsilon, self.iterations, **self._compiled_decay(lr)
        )
        return self._compiled(step)

    def _compiled_decay(self, lr: float) -> dict[str, float]:
        """The arguments of AdamStep for `_decay`."""
        return {"decay": self.weight_decay}

    def set_state(self, saved: Mapping[str, object], weights: Mapping[str, Array]) -> None:
        super().set_state(saved, weights)
        self._compiled = kernels.PreparedAdam([])  # the moments are other arrays now


@dataclass
class AdamW(Adam):
    """Adam with decoupled decay: first w ← (1 - lr · λ) · w, and λ does not enter g.

    Source: Loshchilov & Hutter, "Decoupled Weight Decay Regularization" (2019), algorithm 2, in
    PyTorch's form (the paper's decay leaves out the rate α and follows the schedule alone).
    """

    weight_decay: float = field(default=1e-2, kw_only=True)

    def _decay(self, w: Array, g: Array, lr: float) -> Array:
        w *= w.dtype.type(1 - lr * self.weight_decay)
        return g

    def _compiled_decay(self, lr: float) -> dict[str, float]:
        return {"keep": 1 - lr * self.weight_decay}


TABLE: dict[str, type[Optimizer]] = {
    "sgd": SGD,
    "rmsprop": RMSprop,
    "adam": Adam,
    "adamw": AdamW,
}


def get(optimizer: object) -> Optimizer:
    """An optimizer from a name, a saved configuration or an instance."""
    return lookup("optimizer", optimizer, TABLE, Optimizer)


def _slot(slots: dict[str, Array], name: str, w: Array) -> Array:
    """The slot `name`; at first zeros, shaped as w."""
    if name not in slots:
        slots[name] = np.zeros_like(w)
    return slots[name]


def _check_share(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise ValueError(f"expected 0 <= {name} < 1, received {value!r}")
