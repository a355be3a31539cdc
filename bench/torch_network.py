"""The same network in PyTorch, with the same weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from minicnn import Sequential, layers
from minicnn.typing import Array

if TYPE_CHECKING:
    import torch
    from torch import nn


def torch_step(
    model: Sequential,
    x: Array,
    y: Array,
    channels_last: bool,
    forward: bool = False,
    compiled: bool = False,
) -> Callable[[], Array]:
    """One training step by Adam on (x, y), or the outputs for x, in the way PyTorch recommends.

    Args:
        model: its layers and initial weights.
        x: (N, H, W, C) float32.
        y: (N, classes) one-hot.
        compiled: with torch.compile.

    Returns:
        A function that does a step and returns the loss before it, or the outputs (N, classes).
    """
    import torch

    net, images = to_torch(model), torch.from_numpy(x.transpose(0, 3, 1, 2).copy())
    if channels_last:
        net = net.to(memory_format=torch.channels_last)
        images = images.to(memory_format=torch.channels_last)
    run = torch.compile(net) if compiled else net
    if forward:
        net.eval()

        def infer() -> Array:
            with torch.inference_mode():
                return torch.softmax(run(images), 1).numpy()

        return infer
    targets = torch.from_numpy(y.argmax(axis=1))
    adam = torch.optim.Adam(net.parameters(), lr=1e-3, eps=1e-7, fused=True)
    cross_entropy = torch.nn.CrossEntropyLoss()

    def step() -> Array:
        adam.zero_grad(set_to_none=True)
        loss = cross_entropy(run(images), targets)
        loss.backward()
        adam.step()
        return loss.detach().numpy()

    return step


def layout_of(program: str) -> torch.memory_format:
    """The memory layout of "torch" or "torch-channels-last"."""
    import torch

    return torch.channels_last if program.endswith("last") else torch.contiguous_format


def to_torch(model: Sequential) -> nn.Module:
    """A torch.nn.Sequential that computes the logits of `model` for images (N, C, H, W).

    Raises:
        TypeError: a layer has no counterpart here.
    """
    import torch
    from torch import nn

    modules: list[nn.Module] = []
    for index, layer in enumerate(model.layers):
        if isinstance(layer, layers.Conv2D):
            w = layer.params["w"].transpose(3, 2, 0, 1)  # (KH, KW, C, F) → (F, C, KH, KW)
            modules.append(_filled(nn.Conv2d(w.shape[1], w.shape[0], w.shape[2:]), w, layer))
        elif isinstance(layer, layers.Dense):
            w = _dense_weights(model, index).T
            modules.append(_filled(nn.Linear(w.shape[1], w.shape[0]), w, layer))
        elif isinstance(layer, layers.MaxPool2D):
            modules.append(nn.MaxPool2d(layer.pool_size))
        elif isinstance(layer, layers.Flatten):
            modules.append(nn.Flatten())
        elif isinstance(layer, layers.Dropout):
            modules.append(nn.Dropout(layer.rate))
        else:
            raise TypeError(f"no PyTorch counterpart of {layer.label}")
        if isinstance(getattr(layer, "nonlinearity", None), layers.ReLU):
            modules.append(nn.ReLU())
    return nn.Sequential(*modules).to(torch.float32)


def _dense_weights(model: Sequential, index: int) -> Array:
    """The weights of a dense layer; after a Flatten, its rows in the order (C, H, W)."""
    w, before = model.layers[index].params["w"], model.layers[index - 1]
    while isinstance(before, layers.Dropout):
        index -= 1
        before = model.layers[index - 1]
    if not isinstance(before, layers.Flatten):
        return w
    H, W, C = before.input_shape
    return w.reshape(H, W, C, -1).transpose(2, 0, 1, 3).reshape(w.shape)


def _filled(module: nn.Conv2d | nn.Linear, w: Array, layer: layers.Layer) -> nn.Module:
    """The module with weights `w` and the bias of `layer`."""
    import torch

    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(np.ascontiguousarray(w)))
        module.bias.copy_(torch.from_numpy(layer.params["b"]))
    return module
