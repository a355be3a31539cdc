"""The arithmetic of a CNN as functions of plain arrays: the public kernel functions.

They check their arguments, once, and call a backend. From what is right to what is fast: plain
loops (reference.py), NumPy (im2col and BLAS, numpy_kernels.py), Numba (the same, compiled,
numba_kernels.py), and the engine (engine/), with kernels compiled for one geometry each. `backend`
and, within Numba, `algorithm` choose among them (choose.py has the rules).

All arrays are channels-last: x (N, H, W, C), w (KH, KW, C, F), y (N, OH, OW, F); float32 or
float64, all of one dtype. Common arguments:

    stride, dilation, size: pixels, an int or a pair (vertical, horizontal).
    padding: "valid", "same" (TensorFlow's rule), an int, or ((top, bottom), (left, right)).
    backend: "reference", "numpy", "numba", or None for the current one.

Common errors: TypeError for a wrong type or dtype, ValueError for a wrong shape, each with what was
expected and what was received.
"""

from .backend import available_backends, current_backend, use_backend
from .batch_pieces import get_threads, set_threads
from .conv_pool import conv2d_relu_pool, conv2d_relu_pool_backward
from .convolution import col2im, conv2d, conv2d_backward, im2col
from .elementwise import (
    AdamStep,
    PreparedAdam,
    relu_backward,
    softmax,
    softmax_crossentropy,
    take_scaled,
)
from .linear import dense, dense_backward
from .pooling import avg_pool2d, avg_pool2d_backward, max_pool2d, max_pool2d_backward
from .warping import warp

__all__ = [
    "AdamStep",
    "PreparedAdam",
    "available_backends",
    "avg_pool2d",
    "avg_pool2d_backward",
    "col2im",
    "conv2d",
    "conv2d_backward",
    "conv2d_relu_pool",
    "conv2d_relu_pool_backward",
    "current_backend",
    "dense",
    "dense_backward",
    "get_threads",
    "im2col",
    "max_pool2d",
    "max_pool2d_backward",
    "relu_backward",
    "set_threads",
    "softmax",
    "softmax_crossentropy",
    "take_scaled",
    "use_backend",
    "warp",
]
