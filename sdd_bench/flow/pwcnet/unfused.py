"""The passes of :mod:`sdd_bench.flow.pwcnet.fused` as torch expressions: what other devices run.

Same names, arguments and results, but for the order of sums; the docstrings are there.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from sdd_bench.flow.pwcnet.fused import CELL, CURVE, GAIN, WEIGHTS
from sdd_bench.flow.warp import backwarp


def luminance(picture: Tensor) -> Tensor:
    linear, square, cube = CURVE
    values = picture.float()
    light = values * (linear + values * (square + values * cube))
    return torch.tensordot(light.new_tensor(WEIGHTS) * GAIN, light, dims=1) - GAIN / 2


def blur(planes: Tensor, taps: Tensor, *, out: Tensor | None = None) -> Tensor:
    reach, rows = len(taps) // 2, planes[:, None]
    rows = F.conv2d(F.pad(rows, (0, 0, reach, reach), mode="replicate"), taps.view(1, 1, -1, 1))
    blurred = F.conv2d(F.pad(rows, (reach, reach, 0, 0), mode="replicate"), taps.view(1, 1, 1, -1))[:, 0]
    return blurred if out is None else out.copy_(blurred)


def warp(moving: Tensor, flow: Tensor, cells: Tensor) -> Tensor:
    return backwarp(moving[None, None], (flow + spread(cells, flow.shape[1:]))[None])[0, 0]


def spread(cells: Tensor, size: Sequence[int]) -> Tensor:
    pixels = F.interpolate(cells[None], scale_factor=CELL, mode="bilinear", align_corners=False)[0]
    return pixels[:, : size[0], : size[1]]


def product_sums(regressors: Tensor, target: Tensor) -> Tensor:
    return _product_sums([*regressors, torch.ones_like(target)], target)


def step_sums(equalised: Tensor, target: Tensor, only: Sequence[tuple[int, int]] | None = None) -> Tensor:
    padded = F.pad(equalised[None, None], (1, 1, 1, 1), mode="replicate")[0, 0]
    left, right, above, below = padded[1:-1, :-2], padded[1:-1, 2:], padded[:-2, 1:-1], padded[2:, 1:-1]
    laplacian = left + right + above + below - 4 * equalised
    regressors = [(right - left) / 2, (below - above) / 2, equalised, torch.ones_like(target), laplacian]
    if only is None:
        return _product_sums(regressors, target)
    planes = [*regressors, target]
    return torch.cat([_cells(planes[i] * planes[j]) for i, j in only])


def _product_sums(regressors: Sequence[Tensor], target: Tensor) -> Tensor:
    k = len(regressors)
    products = [regressors[i] * regressors[j] for i in range(k) for j in range(i, k)]
    products += [*(regressor * target for regressor in regressors), target * target]
    return torch.cat([_cells(product) for product in products])


def _cells(plane: Tensor) -> Tensor:
    """Means of the cells ``(1, h, w)``; the last ones are filled up by replication."""
    height, width = plane.shape
    return F.avg_pool2d(F.pad(plane[None, None], (0, -width % CELL, 0, -height % CELL), mode="replicate"), CELL)[0]


def solve(sums: Tensor, ridge: Tensor) -> Tensor:
    k = len(ridge)
    n_pairs = k * (k + 1) // 2
    upper = torch.triu_indices(k, k, device=sums.device)
    matrix = sums.new_zeros((*sums.shape[1:], k, k), dtype=torch.float64)
    moments = sums[:n_pairs].permute(1, 2, 0).double()
    matrix[..., upper[0], upper[1]] = moments
    matrix[..., upper[1], upper[0]] = moments
    matrix += torch.diag_embed(ridge.permute(1, 2, 0).double().expand(*sums.shape[1:], k))
    products = sums[n_pairs : n_pairs + k]
    solution = torch.linalg.solve(matrix, products.permute(1, 2, 0).double()).permute(2, 0, 1).to(sums.dtype)
    left = sums[n_pairs + k] - (solution * products).sum(0)
    return torch.cat((solution, left[None]))


def equalise(pictures: Tensor, kernel: Tensor) -> Tensor:
    coefficients = spread(kernel, pictures.shape[1:])
    return (coefficients[:-1] * pictures).sum(0) + coefficients[-1]
