"""uint8 images that are scaled to float32 when they are indexed."""

from collections.abc import Sequence
from typing import SupportsIndex

import numpy as np
from numpy.typing import DTypeLike

from .. import kernels
from ..kernels.elementwise import scale


class ScaledImages:
    """A read-only, array-like view of uint8 images that returns float32 in [0, 1].

    `images[i]` is one image (H, W, 1); a slice, a list or array of indices, or a boolean mask
    gives (n, H, W, 1); np.asarray(images) scales all of them.

    Args:
        images: (N, H*W) uint8; kept, not copied.
        image_shape: (H, W, 1), pixels.
    """

    dtype = np.dtype(np.float32)
    ndim = 4

    def __init__(self, images: np.ndarray, image_shape: Sequence[int]) -> None:
        if images.dtype != np.uint8 or images.ndim != 2:
            raise TypeError(
                f"expected uint8 images (N, H*W), received {images.dtype} {images.shape}"
            )
        if len(image_shape) != 3 or int(np.prod(image_shape)) != images.shape[1]:
            raise ValueError(
                f"expected an image_shape of {images.shape[1]} pixels, received {image_shape}"
            )
        self._images = images
        self._image_shape = tuple(int(n) for n in image_shape)

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, H, W, 1)."""
        return (len(self._images), *self._image_shape)

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(
        self, index: SupportsIndex | slice | Sequence[int] | Sequence[bool] | np.ndarray
    ) -> np.ndarray:
        if index is None or index is Ellipsis or isinstance(index, (tuple, bool)):
            raise TypeError("expected one index, slice, mask or list of indices: images only")
        if isinstance(index, np.ndarray) and index.ndim == 1 and index.dtype.kind in "iu":
            return kernels.take_scaled(self._images, index).reshape(-1, *self._image_shape)
        rows = scale(self._images[index])
        if rows.ndim == 1:
            return rows.reshape(self._image_shape)
        return rows.reshape(-1, *self._image_shape)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("scaling makes a copy; call np.asarray(images) without copy=False")
        return self[:].astype(dtype or self.dtype, copy=False)

    def __repr__(self) -> str:
        return f"ScaledImages(shape={self.shape}, dtype=float32)"
