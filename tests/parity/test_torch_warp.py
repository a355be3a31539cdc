"""warp against PyTorch's affine_grid and grid_sample."""

from __future__ import annotations

import numpy as np
import pytest

from minicnn import kernels

torch = pytest.importorskip("torch")
F = torch.nn.functional

FAST = [name for name in kernels.available_backends() if name != "reference"]


@pytest.mark.parametrize("fast", FAST)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("H", "W", "C"), [(28, 28, 1), (5, 9, 3), (2, 2, 2)])
def test_affine_maps_agree_with_pytorch(
    fast: str, dtype: type, H: int, W: int, C: int, rng: np.random.Generator
) -> None:
    x = rng.standard_normal((33, H, W, C)).astype(dtype)
    m = np.eye(2, 3) + rng.normal(0, 0.3, (33, 2, 3)) * [1, 1, H / 3]
    # PyTorch's: across before down, and both from -1 at the first pixel to 1 at the last
    theta = np.empty_like(m)
    theta[:, 0, 0], theta[:, 1, 1] = m[:, 1, 1], m[:, 0, 0]
    theta[:, 0, 1], theta[:, 1, 0] = m[:, 1, 0] * (H - 1) / (W - 1), m[:, 0, 1] * (W - 1) / (H - 1)
    theta[:, 0, 2], theta[:, 1, 2] = m[:, 1, 2] * 2 / (W - 1), m[:, 0, 2] * 2 / (H - 1)
    images = torch.from_numpy(x).permute(0, 3, 1, 2).contiguous()
    grid = F.affine_grid(torch.from_numpy(theta.astype(dtype)), images.shape, align_corners=True)
    expected = F.grid_sample(images, grid, align_corners=True).permute(0, 2, 3, 1).numpy()
    tolerance = 1e-12 if dtype == np.float64 else 1e-4
    actual = kernels.warp(x, m.astype(dtype), backend=fast)
    np.testing.assert_allclose(actual, expected, rtol=tolerance, atol=tolerance, strict=True)
