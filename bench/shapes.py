"""Convolutions to measure: their sizes, operations and memory traffic."""

from __future__ import annotations

import argparse
from typing import NamedTuple

from minicnn.kernels.window import Window, make_window

FLOAT = 4  # bytes


class ConvShape(NamedTuple):
    """A convolution of N images H×W×C with F filters of k×k; stride and padding in pixels."""

    N: int
    H: int
    W: int
    C: int
    F: int
    k: int
    stride: int = 1
    pad: int = 0

    def __str__(self) -> str:
        size = f"{self.H}" if self.H == self.W else f"{self.H}x{self.W}"
        return f"{self.N},{size},{self.C},{self.F},{self.k},{self.stride},{self.pad}"

    @property
    def window(self) -> Window:
        """The geometry; ValueError if the filter is larger than the image."""
        return make_window(self.H, self.W, self.k, self.stride, self.pad)

    @property
    def x(self) -> tuple[int, int, int, int]:
        """(N, H, W, C)."""
        return self.N, self.H, self.W, self.C

    @property
    def w(self) -> tuple[int, int, int, int]:
        """(KH, KW, C, F)."""
        return self.k, self.k, self.C, self.F

    @property
    def y(self) -> tuple[int, int, int, int]:
        """(N, OH, OW, F)."""
        return self.N, self.window.OH, self.window.OW, self.F

    @property
    def can_pool(self) -> bool:
        """Whether 2×2 max-pooling can follow."""
        return min(self.window.OH, self.window.OW) >= 2

    @property
    def pooled(self) -> tuple[int, int, int, int]:
        """(N, OH//2, OW//2, F)."""
        return self.N, self.window.OH // 2, self.window.OW // 2, self.F

    def flops(self, what: str) -> int:
        """Floating-point operations of a part of the work; a multiply-add counts as two.

        2·N·OH·OW·KH·KW·C·F for each of forward, dx and dw, even if an algorithm skips some.
        """
        N, OH, OW, F = self.y
        one = 2 * N * OH * OW * F * self.k * self.k * self.C
        return one * {"forward": 1, "dx": 1, "dw, db": 1, "backward": 2, "total": 3}[what]

    def bytes(self, what: str, pooled: bool = False) -> int:
        """The minimum number of bytes to move: each array read or written once.

        pooled: with ReLU and 2×2 max-pooling, which have smaller outputs and gradients.
        """
        x, w = _size(self.x), _size(self.w)
        y = _size(self.pooled if pooled else self.y)
        forward, dx, dw = x + w + y, y + w + x, x + y + w
        parts = {"forward": forward, "dx": dx, "dw, db": dw}
        parts |= {"backward": y + x + w + x + w}  # dy, x and w are read, dx and dw written
        parts |= {"total": forward + parts["backward"]}
        return FLOAT * parts[what]

    def intensity(self, what: str, pooled: bool = False) -> float:
        """FLOP per byte."""
        return self.flops(what) / self.bytes(what, pooled)


TEN = {
    "course1": ConvShape(512, 28, 28, 1, 8, 3),
    "course2": ConvShape(512, 13, 13, 8, 16, 3),
    "lenet1": ConvShape(512, 28, 28, 1, 6, 5, 1, 2),
    "lenet2": ConvShape(512, 14, 14, 6, 16, 5),
    "cifar3": ConvShape(128, 32, 32, 3, 32, 3, 1, 1),
    "cifar32": ConvShape(128, 32, 32, 32, 64, 3, 1, 1),
    "vgg64": ConvShape(16, 56, 56, 64, 64, 3, 1, 1),
    "res128s2": ConvShape(32, 28, 28, 128, 128, 3, 2, 1),
    "pw256": ConvShape(32, 14, 14, 256, 256, 1),
    "deep256": ConvShape(32, 14, 14, 256, 256, 3, 1, 1),
}
"""From the first layers of small networks to the last ones of large networks."""


def parse(text: str) -> ConvShape:
    """One of TEN by name, or N,H,C,F,k,stride,pad with H a number or HxW; for argparse.

    Raises:
        argparse.ArgumentTypeError: invalid text, or the filter is larger than the image.
    """
    if text in TEN:
        return TEN[text]
    try:
        N, size, C, F, k, stride, pad = text.split(",")
        H, _, W = size.partition("x")
        shape = ConvShape(*map(int, (N, H, W or H, C, F, k, stride, pad)))
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"expected N,H,C,F,k,stride,pad (H may be HxW) or one of {', '.join(TEN)}, "
            f"received {text!r}"
        ) from None
    if min(shape[:7]) < 1 or shape.pad < 0:
        raise argparse.ArgumentTypeError(f"expected sizes >= 1 and pad >= 0, received {text!r}")
    try:
        shape.window  # noqa: B018 - building it checks it
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return shape


def name_of(shape: ConvShape) -> str:
    """Its name in TEN, or its numbers."""
    return next((name for name, known in TEN.items() if known == shape), str(shape))


def _size(shape: tuple[int, int, int, int]) -> int:
    a, b, c, d = shape
    return a * b * c * d
