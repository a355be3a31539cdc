"""Forward and backward of each operation, against PyTorch (NCHW there, NHWC here)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minicnn import kernels, layers, losses

torch = pytest.importorskip("torch")
F = torch.nn.functional

FAST = [name for name in kernels.available_backends() if name != "reference"]
DTYPES = [np.float32, np.float64]


@pytest.fixture(params=FAST)
def fast(request: pytest.FixtureRequest) -> Any:
    """Each backend except the reference, as the current one."""
    with kernels.use_backend(request.param):
        yield request.param


def normal(*shape: int, dtype: type = np.float64, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def leaf(a: np.ndarray) -> Any:
    """A tensor with a gradient, channels first if it is a batch of images."""
    t = torch.from_numpy(a.copy())
    return (t.permute(0, 3, 1, 2).contiguous() if a.ndim == 4 else t).requires_grad_()


def back(t: Any) -> np.ndarray:
    """A tensor as an array, channels last if it is a batch of images."""
    a = t.detach()
    return (a.permute(0, 2, 3, 1) if a.ndim == 4 else a).numpy()


def agree(actual: Any, expected: np.ndarray) -> None:
    assert actual.dtype == expected.dtype
    tolerance = 1e-12 if expected.dtype == np.float64 else 2e-4
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "dilation"),
    [
        ((3, 3), 1, 0, 1),
        ((5, 5), 2, 2, 1),
        ((2, 3), (2, 1), 1, 1),
        ((1, 1), 3, 0, 1),
        ((3, 2), 1, 3, (2, 3)),
        ((3, 3), (1, 2), ((2, 0), (1, 3)), 2),
        ((3, 3), 1, "same", 1),
        ((4, 2), 1, "same", (1, 2)),
    ],
)
def test_conv2d_and_its_gradients(
    fast: str, kernel: Any, stride: Any, padding: Any, dilation: Any, dtype: type
) -> None:
    x, w, b = normal(35, 11, 9, 3, dtype=dtype), normal(*kernel, 3, 4, dtype=dtype), normal(4)
    b = b.astype(dtype)
    tx, tb = leaf(x), leaf(b)
    tw = torch.from_numpy(w.transpose(3, 2, 0, 1).copy()).requires_grad_()
    padded, theirs = tx, padding
    if isinstance(padding, tuple):
        padded, theirs = F.pad(tx, (*padding[1], *padding[0])), 0
    ty = F.conv2d(padded, tw, tb, stride, theirs, dilation)
    options = {"stride": stride, "padding": padding, "dilation": dilation}
    y = kernels.conv2d(x, w, b, **options)
    agree(y, back(ty))
    dy = normal(*y.shape, dtype=dtype, seed=1)
    ty.backward(torch.from_numpy(dy).permute(0, 3, 1, 2))
    dx, dw, db = kernels.conv2d_backward(dy, x, w, **options)
    agree(dx, back(tx.grad))
    agree(dw, tw.grad.numpy().transpose(2, 3, 1, 0))
    agree(db, tb.grad.numpy())


POOLS = [(2, None, 0), (3, 2, 1), ((3, 2), (1, 2), (1, 0)), (3, 1, 0), (1, 2, 0)]


def both_sides(padding: Any) -> Any:
    return padding if isinstance(padding, int) else tuple((p, p) for p in padding)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("size", "stride", "padding"), POOLS)
def test_max_pooling_and_its_gradient(
    fast: str, size: Any, stride: Any, padding: Any, dtype: type
) -> None:
    x = np.round(normal(35, 9, 8, 3, dtype=dtype))  # ties, which go to the first in both
    tx = leaf(x)
    ty = F.max_pool2d(tx, size, stride, padding)
    options = {"stride": stride, "padding": both_sides(padding)}
    y, argmax = kernels.max_pool2d(x, size, **options)
    agree(y, back(ty))
    dy = normal(*y.shape, dtype=dtype, seed=1)
    ty.backward(torch.from_numpy(dy).permute(0, 3, 1, 2))
    agree(kernels.max_pool2d_backward(dy, argmax, x.shape, size, **options), back(tx.grad))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("size", "stride", "padding"), POOLS)
def test_average_pooling_and_its_gradient(
    fast: str, size: Any, stride: Any, padding: Any, dtype: type
) -> None:
    x = normal(35, 9, 8, 3, dtype=dtype)
    tx = leaf(x)
    ty = F.avg_pool2d(tx, size, stride, padding, count_include_pad=False)
    options = {"stride": stride, "padding": both_sides(padding)}
    y = kernels.avg_pool2d(x, size, **options)
    agree(y, back(ty))
    dy = normal(*y.shape, dtype=dtype, seed=1)
    ty.backward(torch.from_numpy(dy).permute(0, 3, 1, 2))
    agree(kernels.avg_pool2d_backward(dy, x.shape, size, **options), back(tx.grad))


@pytest.mark.parametrize("dtype", DTYPES)
def test_dense_and_its_gradients(fast: str, dtype: type) -> None:
    x, w, b = normal(40, 150, dtype=dtype), normal(150, 7, dtype=dtype), normal(7, dtype=dtype)
    tx, tw, tb = leaf(x), leaf(w), leaf(b)
    ty = tx @ tw + tb
    y = kernels.dense(x, w, b)
    agree(y, back(ty))
    dy = normal(*y.shape, dtype=dtype, seed=1)
    ty.backward(torch.from_numpy(dy))
    for mine, theirs in zip(kernels.dense_backward(dy, x, w), (tx, tw, tb), strict=True):
        agree(mine, theirs.grad.numpy())


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(20, 5), (6, 4, 5, 3)])
def test_batch_norm_in_training_its_gradients_and_inference(
    shape: tuple[int, ...], dtype: type
) -> None:
    C = shape[-1]
    layer = layers.BatchNorm(momentum=0.9, epsilon=1e-5)
    layer.build(shape[1:], np.random.default_rng(0), dtype)
    layer.params["gamma"][...], layer.params["beta"][...] = normal(2, C)
    kind = torch.nn.BatchNorm2d if len(shape) == 4 else torch.nn.BatchNorm1d
    theirs = kind(C, eps=1e-5, momentum=0.1).to(torch.from_numpy(np.zeros(0, dtype)).dtype)
    with torch.no_grad():
        theirs.weight.copy_(torch.from_numpy(layer.params["gamma"]))
        theirs.bias.copy_(torch.from_numpy(layer.params["beta"]))
    x, dy = normal(*shape, dtype=dtype) * 2 + 1, normal(*shape, dtype=dtype, seed=1)
    tx = leaf(x)
    ty = theirs(tx)
    agree(layer.forward(x, training=True), back(ty))
    tdy = torch.from_numpy(dy)
    ty.backward(tdy.permute(0, 3, 1, 2) if len(shape) == 4 else tdy)
    agree(layer.backward(dy), back(tx.grad))
    agree(layer.grads["gamma"], theirs.weight.grad.numpy())
    agree(layer.grads["beta"], theirs.bias.grad.numpy())
    agree(layer.state["moving_mean"], theirs.running_mean.numpy())
    # PyTorch's running variance is unbiased, ours (as Keras's) is not: give it ours
    theirs.running_var.copy_(torch.from_numpy(layer.state["moving_variance"]))
    theirs.eval()
    agree(layer.forward(x), back(theirs(leaf(x))))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("scale", [1, 1e4])
def test_softmax_cross_entropy_and_its_gradient(
    smoothing: float, scale: float, dtype: type
) -> None:
    z, classes = normal(30, 10, dtype=dtype) * dtype(scale), np.arange(30) % 10
    tz = leaf(z)
    each = F.cross_entropy(
        tz, torch.from_numpy(classes), reduction="none", label_smoothing=smoothing
    )
    each.sum().backward()
    onehot = np.eye(10, dtype=np.uint8)[classes]
    for loss, targets in (
        (losses.CategoricalCrossentropy(smoothing), onehot),
        (losses.SparseCategoricalCrossentropy(smoothing), classes),
    ):
        agree(loss.per_sample(z, targets), each.detach().numpy())
        agree(loss.gradient(z, targets), tz.grad.numpy())


@pytest.mark.parametrize(
    ("layer", "theirs"),
    [
        (layers.ReLU(), torch.relu),
        (layers.LeakyReLU(0.2), lambda t: F.leaky_relu(t, 0.2)),
        (layers.Sigmoid(), torch.sigmoid),
        (layers.Tanh(), torch.tanh),
        (layers.Softmax(), lambda t: torch.softmax(t, -1)),
    ],
    ids=["relu", "leaky_relu", "sigmoid", "tanh", "softmax"],
)
@pytest.mark.parametrize("dtype", DTYPES)
def test_activations_and_their_gradients(layer: layers.Layer, theirs: Any, dtype: type) -> None:
    x, dy = normal(20, 10, dtype=dtype) * 3, normal(20, 10, dtype=dtype, seed=1)
    tx = leaf(x)
    ty = theirs(tx)
    agree(layer.forward(x, training=True), back(ty))
    ty.backward(torch.from_numpy(dy))
    agree(layer.backward(dy), tx.grad.numpy())
