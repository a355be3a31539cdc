"""The same network in JAX, with the same weights, compiled by jax.jit."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from minicnn import Sequential, layers
from minicnn.typing import Array


def jax_step(model: Sequential, x: Array, y: Array, forward: bool = False) -> Callable[[], Array]:
    """One training step by Adam on (x, y), or the outputs for x.

    Args:
        model: its layers and initial weights.
        x: (N, H, W, C) float32.
        y: (N, classes) one-hot.

    Returns:
        A function that does a step and returns the loss before it, or the outputs (N, classes).
    """
    jax, jnp = import_module("jax"), import_module("jax.numpy")
    logits = to_jax(model)
    images, targets = jnp.asarray(x), jnp.asarray(y, dtype=jnp.float32)
    weights = [{k: jnp.asarray(v) for k, v in layer.params.items()} for layer in model.layers]
    if forward:
        infer = jax.jit(lambda weights, images: jax.nn.softmax(logits(weights, images)))
        return lambda: np.asarray(infer(weights, images))

    def loss(weights: Any) -> Any:
        return -(targets * jax.nn.log_softmax(logits(weights, images))).sum(axis=1).mean()

    @jax.jit
    def update(weights: Any, m: Any, v: Any, t: Any) -> Any:
        value, grads = jax.value_and_grad(loss)(weights)
        each = jax.tree_util.tree_map
        m = each(lambda m, g: 0.9 * m + 0.1 * g, m, grads)
        v = each(lambda v, g: 0.999 * v + 0.001 * g * g, v, grads)
        rate, root = 1e-3 / (1 - 0.9**t), jnp.sqrt(1 - 0.999**t)
        weights = each(lambda w, m, v: w - rate * m / (jnp.sqrt(v) / root + 1e-7), weights, m, v)
        return value, weights, m, v

    zeros = jax.tree_util.tree_map(jnp.zeros_like, weights)
    state = [weights, zeros, zeros]
    count = [0]

    def step() -> Array:
        count[0] += 1
        value, *state[:] = update(*state, float(count[0]))
        return np.asarray(value)

    return step


def to_jax(model: Sequential) -> Callable[[Any, Any], Any]:
    """A function (weights, images) → logits; weights is a list with a dict for each layer.

    Raises:
        TypeError: a layer has no counterpart here.
    """
    jax = import_module("jax")
    lax = jax.lax

    def logits(weights: Any, x: Any) -> Any:
        for layer, params in zip(model.layers, weights, strict=True):
            if isinstance(layer, layers.Conv2D):
                axes = ("NHWC", "HWIO", "NHWC")
                x = lax.conv_general_dilated(
                    x, params["w"], (1, 1), "VALID", dimension_numbers=axes
                )
                x = x + params["b"]
            elif isinstance(layer, layers.Dense):
                x = x @ params["w"] + params["b"]
            elif isinstance(layer, layers.MaxPool2D):
                window = (1, *layer.pool_size, 1)  # type: ignore[misc]
                x = lax.reduce_window(x, -np.inf, lax.max, window, window, "VALID")
            elif isinstance(layer, layers.Flatten):
                x = x.reshape(len(x), -1)
            else:
                raise TypeError(f"no JAX counterpart of {layer.label}")
            if isinstance(getattr(layer, "nonlinearity", None), layers.ReLU):
                x = jax.nn.relu(x)
        return x

    return logits
