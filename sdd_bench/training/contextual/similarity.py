r"""Contextual loss of two sets of features, and its bilateral form: the same things, wherever they are, or nearby.

Mechrez, Talmi and Zelnik-Manor, "The Contextual Loss for Image Transformation with Non-Aligned Data" (ECCV 2018);
Zhang, Chen, Ng and Koltun, "Zoom to Learn, Learn to Zoom" (CVPR 2019). Let :math:`d_{ij}` be the distance of the
target's feature *i* and the prediction's *j*, and :math:`\delta_{ij}` that of their places:

.. math::
    \tilde d_{ij} &= d_{ij} / (\min_j d_{ij} + \varepsilon), \qquad
    c_{ij} = \mathrm{softmax}_j \, \big({-\tilde d_{ij}} / h\big) \\
    \mathcal L &= - \log \, \overline{\max_i c_{ij}}^{\,j}

- ``contextual`` is this: places do not matter.
- ``cobi`` has :math:`\tilde d_{ij} + w_s (\delta_{ij} / r)^2` in place of :math:`\tilde d_{ij}`: a distance of features
  and one of places added up, as the paper writes it.
- ``cobi-released`` has :math:`(1 - w_s) c_{ij} + w_s c'_{ij}` in place of :math:`c_{ij}`, as the authors' program;
  *c'* is made as *c*, of :math:`\delta_{ij}^2` in 1/255 of the picture.

In ``cobi-released`` every place is its own nearest, so that :math:`\min_j \delta_{ij} = 0` and :math:`c'` is 1 for
:math:`i = j` and 0 elsewhere: it favours the very place, and a shift of one pixel as little as one of a hundred.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

EPSILON = 1e-3
r"""The :math:`\varepsilon` of relative distances."""
_RELEASED_EXTENT = 255.0
_BLOCK_NUMBERS = 2**22
"""Numbers in a block of a matrix of distances: 16 MiB. A handful of such blocks are in memory at a time."""
_SMALLEST_LENGTH = 1e-6
"""Least length of a feature when it is divided by it, so that one of zeros has a direction: none."""


class Form(StrEnum):
    """How places enter."""

    CONTEXTUAL = "contextual"
    COBI = "cobi"
    COBI_RELEASED = "cobi-released"


@dataclass(frozen=True)
class Similarity:
    """Options of the loss; the defaults are those of the authors' program."""

    form: Form = Form.COBI
    spatial_weight: float = 0.1
    """Weight w_s of places."""
    reach_px: float = 8.0
    """Distance r at which ``cobi`` adds w_s. The default is for shifts of a few pixels."""
    bandwidth: float = 0.5
    """The h of the softmax."""


@dataclass(frozen=True)
class Places:
    """Where features lie in their picture."""

    pixels: Tensor
    """``(M, 2)`` float32, (y, x) in pixels."""
    shares: Tensor
    """``(M, 2)`` float32, in shares of the height and width."""


def cosine_features(predicted: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both ``(M, C)``, of one picture, less the prediction's mean, at unit length; a feature of zeros stays one."""
    mean = predicted.mean(dim=0, keepdim=True)
    return tuple(F.normalize(features - mean, dim=1, eps=_SMALLEST_LENGTH) for features in (predicted, target))  # type: ignore[return-value]


def cosine_distance(target: Tensor, predicted: Tensor) -> Tensor:
    """``(1 - cos) / 2`` of unit vectors ``(B, C)`` and ``(M, C)``: ``(B, M)``."""
    return (1 - target @ predicted.T).clamp(min=0) / 2


def squared_distance(target: Tensor, predicted: Tensor) -> Tensor:
    """Squared Euclidean distance of ``(B, C)`` and ``(M, C)``: ``(B, M)``.

    Example:
        >>> squared_distance(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
        tensor([[25.,  1.]])
    """
    lengths = target.square().sum(dim=1, keepdim=True) + predicted.square().sum(dim=1)
    return torch.addmm(lengths, target, predicted.T, alpha=-2).clamp(min=0)


def contextual_loss(
    predicted: Tensor,
    target: Tensor,
    places: Places,
    *,
    distance: Callable[[Tensor, Tensor], Tensor] = cosine_distance,
    options: Similarity | None = None,
    block_numbers: int = _BLOCK_NUMBERS,
) -> Tensor:
    """The loss of one picture; 0 where the features are equal and differ from place to place.

    Args:
        predicted: Features ``(M, C)`` float32 of the prediction.
        target: Features ``(M, C)`` of the target, at the same places.
        places: Where they lie.
        distance: :func:`cosine_distance` of :func:`cosine_features`, or :func:`squared_distance`.
        options: Form and weights.
        block_numbers: Numbers of the M x M distances that are in memory at a time; the backward pass makes them again.

    Example:
        >>> features = torch.eye(3)
        >>> places = Places(torch.zeros(3, 2), torch.zeros(3, 2))
        >>> loss = contextual_loss(features, features, places, options=Similarity(Form.CONTEXTUAL))
        >>> round(abs(loss.item()), 4)
        0.0
    """
    options = options or Similarity()
    rows = max(1, block_numbers // len(predicted))

    def best(target_rows: Tensor, predicted: Tensor, start: int) -> Tensor:
        part = slice(start, start + len(target_rows))
        similarity = _similarity(distance(target_rows, predicted), places, part, options)
        return similarity.amax(dim=0)

    # Every row of the similarities adds up to 1, so the mean is 1/M or more and has a logarithm.
    parts = [
        checkpoint(best, target[start : start + rows], predicted, start, use_reentrant=False)
        for start in range(0, len(target), rows)
    ]
    return -torch.stack(parts).amax(dim=0).mean().log()


def _similarity(distances: Tensor, places: Places, rows: slice, options: Similarity) -> Tensor:
    """The rows of c, ``(B, M)``, for the target's features in ``rows``."""
    relative, weight = _relative(distances), options.spatial_weight
    if options.form is Form.COBI:
        apart = squared_distance(places.pixels[rows], places.pixels)
        relative = relative + weight / options.reach_px**2 * apart
    similarity = torch.softmax(-relative / options.bandwidth, dim=1)
    if options.form is Form.COBI_RELEASED:
        corners = _RELEASED_EXTENT * places.shares
        nearby = torch.softmax(-_relative(squared_distance(corners[rows], corners)) / options.bandwidth, dim=1)
        similarity = (1 - weight) * similarity + weight * nearby
    return similarity


def _relative(distances: Tensor) -> Tensor:
    return distances / (distances.amin(dim=1, keepdim=True) + EPSILON)
