r"""The losses of joint deblurring and reblurring learning (Eq. 1-5, 10 of Li et al., 2023).

Let :math:`I_B` be the blurry and :math:`I_S` the sharp picture, :math:`\hat I` the deblurred and :math:`\hat I_B` the
reblurred one. A *w* marks a warped picture: :math:`I_S^w` is the sharp one on the grid of the deblurred one, and
:math:`\hat I^w` the reverse. The masks *M* say where the flow of each warp is trusted. The loss is

.. math::
    \mathcal L &= \mathcal L_d + \alpha\, \mathcal L_r, \qquad \alpha = 0.5 \\
    \mathcal L_d &= \rho\big(M_{S \to \hat I} (I_S^w - \hat I)\big) + \rho\big(M_{\hat I \to S} (\hat I^w - I_S)\big) \\
    \mathcal L_r &= \rho(\hat I_B - I_B), \qquad \rho(d) = \overline{\sqrt{d^2 + \varepsilon^2}}

The mean runs over batch, channels and pixels, masked pixels included. Flow and masks carry no gradient. The deblurred
picture also receives a gradient through the warp of the second (cycle) term.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor
from torch.nn import functional as F

from sdd_bench.core.types import Interpolation
from sdd_bench.flow.mask import FLOOR_PX, calibration_mask, released_mask, similarity_mask
from sdd_bench.flow.warp import backwarp

EPSILON = 1e-3
r"""The :math:`\varepsilon` of the Charbonnier distance, a quarter of a level of 8 bits."""


class MaskKind(StrEnum):
    """Kind of calibration mask; see :mod:`sdd_bench.flow.mask`."""

    MAGNITUDE = "magnitude"
    SIMILARITY = "similarity"
    RELEASED = "released"
    NONE = "none"


MASKS: dict[MaskKind, Callable[[Tensor, float, float], Tensor]] = {
    MaskKind.MAGNITUDE: lambda flow, tolerance, floor_px: calibration_mask(flow, tolerance, floor_px=floor_px),
    MaskKind.SIMILARITY: lambda flow, tolerance, floor_px: similarity_mask(flow, tolerance, floor_px=floor_px),
    MaskKind.RELEASED: lambda flow, tolerance, floor_px: released_mask(flow, tolerance),
    MaskKind.NONE: lambda flow, tolerance, floor_px: torch.ones_like(flow[:, :1], dtype=torch.bool),
}
"""Each from a flow, the relative half-width of the band, and its least half-width in pixels."""


def charbonnier(difference: Tensor, *, epsilon: float = EPSILON) -> Tensor:
    r"""Mean of :math:`\sqrt{d^2 + \varepsilon^2}` over all elements *d* (Charbonnier et al., 1994).

    Example:
        >>> charbonnier(torch.tensor([0.0, 0.5]))
        tensor(0.2505)
    """
    return (difference.square() + epsilon**2).sqrt().mean()


def edges(picture: Tensor) -> Tensor:
    r"""Edges of a picture, whose Charbonnier distance MPRNet is trained with beside the plain one.

    .. math:: L = 1 - G\,U\,D\,G

    where G blurs by the outer product of (1, 5, 8, 5, 1) / 20 and repeats the border, D keeps every second row and
    column, and U puts zeros in their places and multiplies by 4 (Jiang et al., "Multi-Scale Progressive Fusion Network
    for Single Image Deraining", CVPR 2020). It is linear: edges of a difference are the difference of edges.

    Args:
        picture: :math:`(N, C, H, W)`.

    Returns:
        :math:`(N, C, H, W)`.

    Example:
        >>> round(float(edges(torch.ones(1, 3, 16, 16))[..., 4:12, 4:12].abs().max()), 6)
        0.0
    """
    kept = torch.zeros_like(picture)
    kept[..., ::2, ::2] = 4 * _blur(picture)[..., ::2, ::2]
    return picture - _blur(kept)


def _blur(picture: Tensor) -> Tensor:
    channels = picture.shape[1]
    taps = picture.new_tensor([1, 5, 8, 5, 1]) / 20
    padded = F.pad(picture, (2, 2, 2, 2), mode="replicate")
    rows = F.conv2d(padded, taps.view(1, 1, 5, 1).expand(channels, 1, 5, 1), groups=channels)
    return F.conv2d(rows, taps.view(1, 1, 1, 5).expand(channels, 1, 1, 5), groups=channels)


@dataclass(frozen=True)
class DeblurringTerms:
    """The deblurring loss with its warped pictures and its mask; what a method does not have is None."""

    loss: Tensor
    warped_sharp: Tensor | None = None
    """Sharp picture on the grid of the deblurred one, :math:`(N, 3, H, W)`."""
    mask: Tensor | None = None
    """Boolean mask of the first term, :math:`(N, 1, H, W)`."""
    warped_deblurred: Tensor | None = None
    """Deblurred picture on the grid of the sharp one, with its gradient."""


def adaptive_deblurring_loss(
    deblurred: Tensor,
    sharp: Tensor,
    flow: Tensor,
    back_flow: Tensor | None,
    *,
    mask: MaskKind = MaskKind.MAGNITUDE,
    tolerance: float = 0.35,
    interpolation: Interpolation = Interpolation.LINEAR,
    distance: Callable[[Tensor], Tensor] | None = None,
) -> DeblurringTerms:
    """Charbonnier distance after warping each picture onto the other (Eq. 3-5).

    Args:
        deblurred: Output of the network, :math:`(N, 3, H, W)` in [0, 1].
        sharp: Captured ground truth, :math:`(N, 3, H, W)`.
        flow: Flow ``estimate(reference=deblurred, moving=sharp)`` in pixels, :math:`(N, 2, H, W)`.
        back_flow: Flow ``estimate(reference=sharp, moving=deblurred)``; None leaves the cycle term out.
        mask: Kind of calibration mask.
        tolerance: Relative half-width of the accepted band of the mask.
        interpolation: Of both warps.
        distance: Of the first term, from the masked difference; None for :func:`charbonnier`.

    Example:
        >>> picture, still = torch.rand(1, 3, 4, 4), torch.zeros(1, 2, 4, 4)
        >>> adaptive_deblurring_loss(picture, picture, still, None).loss
        tensor(0.0010)
    """
    trusted = MASKS[mask](flow, tolerance, FLOOR_PX)
    warped_sharp = backwarp(sharp, flow, interpolation=interpolation)
    loss, warped_deblurred = (distance or charbonnier)(trusted * (warped_sharp - deblurred)), None
    if back_flow is not None:
        trusted_back = MASKS[mask](back_flow, tolerance, FLOOR_PX)
        warped_deblurred = backwarp(deblurred, back_flow, interpolation=interpolation)
        loss = loss + charbonnier(trusted_back * (warped_deblurred - sharp))
    return DeblurringTerms(loss, warped_sharp, trusted, warped_deblurred)
