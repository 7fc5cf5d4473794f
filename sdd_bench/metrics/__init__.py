"""The four metrics of the leaderboards, on pictures ``(H, W, 3)`` of floats, RGB in [0, 1].

Example:
    >>> import numpy as np
    >>> dark, bright = np.zeros((64, 64, 3), np.float32), np.full((64, 64, 3), 0.25, np.float32)
    >>> mae(dark, bright), ssim(dark, dark)
    (0.25, 1.0)
"""

from sdd_bench.metrics.lpips import lpips
from sdd_bench.metrics.mae import mae
from sdd_bench.metrics.psnr import psnr
from sdd_bench.metrics.ssim import ssim

__all__ = ["lpips", "mae", "psnr", "ssim"]
