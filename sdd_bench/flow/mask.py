r"""Calibration masks: where a flow is to be trusted (Eq. 4 of Li et al., 2023).

The misalignment of a pair varies little over the picture, so a vector that differs much from the rest is an error. The
three masks differ in what a vector is compared with:

- the mean magnitude of the flow (Eq. 4);
- the mean grey level of the flow's colour picture, as in the authors' code;
- the similarity fitted to the flow. This one also holds under zoom, where the magnitude falls to zero at the centre of
  the picture although every vector is correct.

Eq. 4 is strict, so a perfectly aligned pair (zero flow) would have an empty mask. A deviation below ``floor_px`` is
therefore always accepted, because an error of that size moves nothing visible; ``floor_px=0`` is Eq. 4 to the letter.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sdd_bench.flow.compose import similarity_flow
from sdd_bench.geometry.fit import fit_similarity

TOLERANCE = 0.35
r"""Relative half-width of the accepted band, :math:`\lambda` of the paper."""
FLOOR_PX = 0.1
"""Deviation in pixels that is always accepted, too small to be visible."""

_HUES = (
    (15, (255, 0, 0)),
    (6, (255, 255, 0)),
    (4, (0, 255, 0)),
    (11, (0, 255, 255)),
    (13, (0, 0, 255)),
    (6, (255, 0, 255)),
)
"""Corners of the Middlebury colour wheel (Baker et al., 2011) and the number of colours from each to the next."""


def calibration_mask(flow: Tensor, tolerance: float = TOLERANCE, *, floor_px: float = FLOOR_PX) -> Tensor:
    r"""Mask of the vectors whose magnitude is close to the mean magnitude (Eq. 4).

    :math:`\big||\Phi| - \overline{|\Phi|}\big| < \max(\lambda \overline{|\Phi|}, \mathrm{floor})`

    Args:
        flow: Flow in pixels, :math:`(N, 2, H, W)`.
        tolerance: Relative half-width :math:`\lambda` of the accepted band.
        floor_px: Half-width in pixels that is accepted in any case; 0 for the strict paper.

    Returns:
        Boolean mask, :math:`(N, 1, H, W)`.

    Example:
        >>> calibration_mask(torch.ones(1, 2, 4, 4)).all()
        tensor(True)
    """
    magnitude = flow.norm(dim=1, keepdim=True)
    mean = magnitude.mean(dim=(-2, -1), keepdim=True)
    return (magnitude - mean).abs() < (tolerance * mean).clamp(min=floor_px)


def similarity_mask(flow: Tensor, tolerance: float = TOLERANCE, *, floor_px: float = FLOOR_PX) -> Tensor:
    r"""Mask of the vectors that are close to the similarity fitted robustly to the flow.

    With the flow :math:`\Phi` and that of the similarity :math:`\Phi_s`, it is
    :math:`|\Phi - \Phi_s| < \max(\lambda\, \mathrm{rms}(\Phi_s), \mathrm{floor})`. It equals the idea of Eq. 4 for a
    pure shift, and keeps the whole picture for a pure zoom or rotation.

    Args:
        flow: Flow in pixels, :math:`(N, 2, H, W)`.
        tolerance: Accepted deviation relative to the RMS displacement of the similarity.
        floor_px: Deviation in pixels that is accepted in any case.

    Returns:
        Boolean mask, :math:`(N, 1, H, W)`.

    Example:
        >>> flow = torch.ones(1, 2, 8, 8)
        >>> flow[:, :, 3, 4] = 9.0
        >>> similarity_mask(flow).logical_not().nonzero().tolist()
        [[0, 0, 3, 4]]
    """
    height, width = flow.shape[2:]
    masks = []
    for one in flow.detach():
        similarity = fit_similarity(one.cpu().numpy(), robust=True).similarity
        accepted = max(tolerance * similarity.rms_px(height, width), floor_px)
        masks.append((one - similarity_flow(similarity, height, width).to(one)).norm(dim=0, keepdim=True) < accepted)
    return torch.stack(masks)


def released_mask(flow: Tensor, tolerance: float = TOLERANCE) -> Tensor:
    """Mask of the authors' code: the grey level of the flow's colour-wheel picture is close to its mean.

    It keeps nearly all of a flow whose shift is larger than its variation, even where Eq. 4 does not. It serves to
    reproduce published training.

    Args:
        flow: Flow in pixels, :math:`(N, 2, H, W)`.
        tolerance: Relative half-width of the accepted band of grey levels.

    Returns:
        Boolean mask, :math:`(N, 1, H, W)`.

    Example:
        >>> released_mask(torch.ones(1, 2, 4, 4)).all()
        tensor(True)
    """
    grey = (_colour_picture(flow) * flow.new_tensor([0.299, 0.587, 0.114], dtype=torch.float64)).sum(-1).round()
    mean = grey.mean(dim=(-2, -1), keepdim=True)
    return ((grey > (1 - tolerance) * mean) & (grey < (1 + tolerance) * mean))[:, None]


def _colour_wheel() -> Tensor:
    """55 hues, ``(55, 3)`` in 0..255, whole numbers."""
    corners = torch.tensor([colour for _, colour in _HUES], dtype=torch.float64)
    hues = []
    for index, (count, _) in enumerate(_HUES):
        start, stop = corners[index], corners[(index + 1) % len(corners)]
        step = torch.floor(255 * torch.arange(count, dtype=torch.float64) / count)[:, None]
        hues.append(start + step * (stop - start).sign())
    return torch.cat(hues)


def _colour_picture(flow: Tensor) -> Tensor:
    """Direction as hue, magnitude relative to the picture's largest as saturation: ``(N, H, W, 3)`` in 0..255."""
    x, y = flow.detach().double().unbind(1)
    largest = (x**2 + y**2).amax(dim=(-2, -1), keepdim=True).sqrt() + 1e-5
    x, y = x / largest, y / largest
    wheel = _colour_wheel().to(flow.device) / 255
    position = (torch.atan2(-y, -x) / torch.pi + 1) / 2 * (len(wheel) - 1)
    first = position.floor().long()
    share = (position - first)[..., None]
    hue = (1 - share) * wheel[first] + share * wheel[(first + 1) % len(wheel)]
    saturation = torch.hypot(x, y)[..., None]
    return torch.floor(255 * (1 - saturation * (1 - hue)))
