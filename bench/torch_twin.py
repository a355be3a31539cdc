"""The same network in PyTorch, with the same weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from minicnn import Sequential, layers


def twin(model: Sequential) -> Any:
    """A torch.nn.Sequential that computes the logits of `model` from images (N, C, H, W).

    Raises:
        TypeError: a layer that this translation does not know.
    """
    import torch
    from torch import nn

    modules: list[Any] = []
    for index, layer in enumerate(model.layers):
        if isinstance(layer, layers.Conv2D):
            w = layer.params["w"].transpose(3, 2, 0, 1)  # (KH, KW, C, F) → (F, C, KH, KW)
            modules.append(nn.Conv2d(w.shape[1], w.shape[0], w.shape[2:]))
            _fill(modules[-1], w, layer.params["b"])
        elif isinstance(layer, layers.Dense):
            w = _rows_as_torch(model, index).T
            modules.append(nn.Linear(w.shape[1], w.shape[0]))
            _fill(modules[-1], w, layer.params["b"])
        elif isinstance(layer, layers.MaxPool2D):
            modules.append(nn.MaxPool2d(layer.pool_size))
        elif isinstance(layer, layers.Flatten):
            modules.append(nn.Flatten())
        elif isinstance(layer, layers.Dropout):
            modules.append(nn.Dropout(layer.rate))
        else:
            raise TypeError(f"no twin for {layer.label}")
        if isinstance(getattr(layer, "nonlinearity", None), layers.ReLU):
            modules.append(nn.ReLU())
    return nn.Sequential(*modules).to(torch.float32)


def _rows_as_torch(model: Sequential, index: int) -> np.ndarray:
    """The weights of a dense layer; after a Flatten its rows go from (H, W, C) to (C, H, W)."""
    w, before = model.layers[index].params["w"], model.layers[index - 1]
    while isinstance(before, layers.Dropout):
        index -= 1
        before = model.layers[index - 1]
    if not isinstance(before, layers.Flatten):
        return w
    H, W, C = before.input_shape
    return w.reshape(H, W, C, -1).transpose(2, 0, 1, 3).reshape(w.shape)


def _fill(module: Any, w: np.ndarray, b: np.ndarray) -> None:
    import torch

    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(np.ascontiguousarray(w)))
        module.bias.copy_(torch.from_numpy(np.ascontiguousarray(b)))
