"""Augmentation: every batch's images moved, turned, stretched and bent at random while training.

A digit that is shifted by a pixel or slanted a little more is the same digit. A network that never
sees one of them twice alike learns what stays the same, and can't learn its images by heart.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from . import kernels
from .typing import Array

KNOTS = 5  # of the displacement, along each axis: two of them lie outside of the image
SPLINE = 0.48  # a spline's value at a random place, by the standard deviation of its knots


@dataclass(frozen=True)
class Augmentation:
    """How far the images of a batch are moved at most; called with a batch, it moves them.

    With r_k uniform in [-1, 1], drawn anew for each image, an image is scaled, sheared, turned and
    shifted about its centre, in this order; (down, right) are pixels from the centre:

        place ↦ R · K · S · place + t
        S = diag(1 + scale·r₁, 1 + scale·r₂)
        K = [[1, 0], [tan(shear·r₃), 1]]
        R = [[cos φ, -sin φ], [sin φ, cos φ]], φ = rotate·r₄
        t = shift · (r₅, r₆)

    Elastic distortion then adds a smooth field of displacements: cubic splines over a grid of
    5×5 normal numbers, scaled so that `elastic` is the standard deviation of each pixel's way
    along each axis. What comes in from outside is zero; pixels in between are bilinear
    (kernels.warp).

    Source: Simard, Steinkraus, Platt, "Best Practices for Convolutional Neural Networks Applied to
    Visual Document Analysis" (2003), section 2; Ronneberger, Fischer, Brox, "U-Net" (2015), section
    3.1, for displacements on a coarse grid, which need 50 random numbers an image in place of
    two for every pixel and a Gaussian filter.

    Args:
        shift: pixels, down and to the right.
        rotate: degrees.
        scale: share of the size, of height and width by themselves, < 1.
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
        """The images x (N, H, W, C), each changed by numbers from `rng`: a new array, same dtype.

        The same numbers are drawn whatever the number of threads, so the result is the same too.
        """
        matrices = self.matrices(rng.uniform(-1, 1, (len(x), 6))).astype(x.dtype)
        field = None
        if self.elastic:
            field = rng.standard_normal((len(x), KNOTS, KNOTS, 2), np.float32)
            field = (field * np.float32(self.elastic / SPLINE)).astype(x.dtype, copy=False)
        return kernels.warp(x, matrices, field)

    def matrices(self, r: Array) -> Array:
        """(N, 2, 3): where each pixel of the new image is read in the old one, by r (N, 6).

        It is the way back: (R·K·S)⁻¹ · (place - t) = S⁻¹ · K⁻¹ · Rᵀ · (place - t).
        """
        tall, wide = 1 + self.scale * r[:, 0], 1 + self.scale * r[:, 1]
        slope = np.tan(np.radians(self.shear) * r[:, 2])
        angle = np.radians(self.rotate) * r[:, 3]
        cos, sin = np.cos(angle), np.sin(angle)
        back = np.empty((len(r), 2, 3))
        back[:, 0, 0], back[:, 0, 1] = cos / tall, sin / tall
        back[:, 1, 0], back[:, 1, 1] = (-sin - slope * cos) / wide, (cos - slope * sin) / wide
        down, right = self.shift * r[:, 4], self.shift * r[:, 5]
        back[:, :, 2] = -(back[:, :, 0] * down[:, None] + back[:, :, 1] * right[:, None])
        return back

    def __str__(self) -> str:
        """In one line, for those who watch."""
        units = {"shift": " px", "rotate": "°", "scale": "", "shear": "°", "elastic": " px"}
        parts = [
            f"{name} {vars(self)[name]:g}{unit}" for name, unit in units.items() if vars(self)[name]
        ]
        return ", ".join(parts) or "none"
