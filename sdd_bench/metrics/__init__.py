"""Metrics on pictures ``(H, W, 3)`` of floats, RGB in [0, 1], or on batches of tensors ``(N, 3, H, W)`` on any device.

The first four are those of the leaderboards.

Example:
    >>> import numpy as np
    >>> dark, bright = np.zeros((64, 64, 3), np.float32), np.full((64, 64, 3), 0.25, np.float32)
    >>> mae(dark, bright), ssim(dark, dark)
    (0.25, 1.0)
"""

from sdd_bench.metrics.public import dists, lpips, mae, psnr, ssim

__all__ = ["dists", "lpips", "mae", "psnr", "ssim"]
