"""Augmentation: random shifts, rotations, scaling, shear and elastic distortion of training images.

A digit that is shifted by a pixel or slanted a little is the same digit. A network that never sees
the same image twice can't memorize its training images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import kernels
from .typing import Array

KNOTS = 5  # of the displacement field along each axis; two of them are outside the image
SPLINE = 0.48  # standard deviation of the spline at a random point / that of its knots


@dataclass(frozen=True)
class Augmentation:
    """Maximum changes of an image; calling it with a batch changes each image at random.

    With r_k uniform in [-1, 1], drawn for each image, an image is scaled, sheared, rotated and
    shifted about its centre, in this order. A point p is (down, right), pixels from the centre:

        p ↦ R · K · S · p + t
        S = diag(1 + scale·r₁, 1 + scale·r₂)
        K = [[1, 0], [tan(shear·r₃), 1]]
        R = [[cos φ, -sin φ], [sin φ, cos φ]], φ = rotate·r₄
        t = shift · (r₅, r₆)

    Elastic distortion then adds a smooth displacement field: cubic splines over a grid of 5×5
    normal numbers, scaled so that `elastic` is the standard deviation of a pixel's displacement
    along each axis. Pixels from outside the image are zero; interpolation is bilinear
    (kernels.warp).

    Source: Simard, Steinkraus, Platt, "Best Practices for Convolutional Neural Networks Applied to
    Visual Document Analysis" (2003), section 2; Ronneberger, Fischer, Brox, "U-Net" (2015), section
    3.1, for displacements on a coarse grid: 50 random numbers an image instead of two a pixel and
    a Gaussian filter.

    Args:
        shift: pixels, down and to the right.
        rotate: degrees.
        scale: share of the height and, independently, of the width, < 1.
        shear: degrees, < 90.
        elastic: pixels.

    Raises:
        TypeError: not a number.
        ValueError: negative, not finite, or too large.
    """

    shift: float = 0.0
    rotate: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    elastic: float = 0.0

    def __post_init__(self) -> None:
        limits = {"scale": 1.0, "shear": 90.0}
        for name, value in vars(self).items():
            if isinstance(value, bool) or not isinstance(value, (int, float, np.number)):
                raise TypeError(f"expected {name} as a number, received {value!r}")
            limit = limits.get(name, np.inf)
            if not 0 <= value < limit:
                end = "" if limit == np.inf else f" < {limit:g}"
                raise ValueError(f"expected 0 <= {name}{end}, finite, received {value!r}")

    def __call__(self, x: Array, rng: np.random.Generator) -> Array:
        """A changed copy of the images x (N, H, W, C), with random numbers from `rng`.

        The result doesn't depend on the number of threads.
        """
        matrices = self.matrices(rng.uniform(-1, 1, (len(x), 6))).astype(x.dtype)
        field = None
        if self.elastic:
            field = rng.standard_normal((len(x), KNOTS, KNOTS, 2), np.float32)
            field = (field * np.float32(self.elastic / SPLINE)).astype(x.dtype, copy=False)
        return kernels.warp(x, matrices, field)

    def matrices(self, r: Array) -> Array:
        """The inverse maps (N, 2, 3), from new pixels to old ones, for r (N, 6).

        (R·K·S)⁻¹ · (p - t) = S⁻¹ · K⁻¹ · Rᵀ · (p - t)
        """
        tall, wide = 1 + self.scale * r[:, 0], 1 + self.scale * r[:, 1]
        slope = np.tan(np.radians(self.shear) * r[:, 2])
        angle = np.radians(self.rotate) * r[:, 3]
        cos, sin = np.cos(angle), np.sin(angle)
        inverse = np.empty((len(r), 2, 3))
        inverse[:, 0, 0], inverse[:, 0, 1] = cos / tall, sin / tall
        inverse[:, 1, 0], inverse[:, 1, 1] = (-sin - slope * cos) / wide, (cos - slope * sin) / wide
        down, right = self.shift * r[:, 4], self.shift * r[:, 5]
        inverse[:, :, 2] = -(inverse[:, :, 0] * down[:, None] + inverse[:, :, 1] * right[:, None])
        return inverse

    def __str__(self) -> str:
        """The options that are not 0, in one line."""
        units = {"shift": " px", "rotate": "°", "scale": "", "shear": "°", "elastic": " px"}
        options = [
            f"{name} {vars(self)[name]:g}{unit}" for name, unit in units.items() if vars(self)[name]
        ]
        return ", ".join(options) or "none"
