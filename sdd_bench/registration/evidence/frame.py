"""What belongs to the frame and not to the scene: masks, bars, stamps, dust, whatever moves with the sensor.

Such a pattern is equal in both pictures at the same place, so it votes for no motion, with great certainty. A picture
that did not move, and is in focus, is equal as well. The two are told apart in two steps. :func:`equal_places` are
candidates. A registration without them follows; where its result is no motion, they are the scene. Else
:func:`fixed_parts` are those of them that the motion would have changed, but did not.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.arrays import Plane
from sdd_bench.geometry.affine import warp
from sdd_bench.geometry.similarity import Similarity
from sdd_bench.images.light import linear_to_srgb

Mask = NDArray[np.uint8]

_SMOOTHING_PX = 1.2
"""Standard deviation of the smoothing before pictures are compared, which takes off the noise."""
_EQUAL, _CHANGED = 1.6 / 255, 6.0 / 255
"""Difference of display values up to which they are equal; from which they are not."""
_WINDOW_PX = 7
"""Side of the window all of which is equal."""
_LEAST_SHARE = 0.0005
"""Least share of the picture of an equal place; smaller ones move no result."""
_LEAST_CHANGED = 0.003
"""Least share of an equal place that the motion would have changed."""
MARGIN_PX = 9
"""Width of the rim around a frame that is not used either: the bank of blurs mixes both."""


def display(grey: Plane) -> Plane:
    """Smoothed display values of a grey plane of linear light, ``(H, W)``."""
    return np.asarray(cv2.GaussianBlur(linear_to_srgb(grey), (0, 0), _SMOOTHING_PX))


def equal_places(blurry: Plane, sharp: Plane) -> Mask:
    """Mask of the places at which two pictures are equal without any motion, textured or not, ``(H, W)``.

    Args:
        blurry: Grey display values, from :func:`display`.
        sharp: Of the same shape, exposed as the camera did: a frame has the same values whatever the exposure.

    Example:
        >>> picture = np.random.default_rng(0).random((64, 64), np.float32)
        >>> other = picture[:, ::-1].copy()
        >>> picture[:, :16] = other[:, :16] = 0
        >>> equal_places(picture, other).mean(axis=0)[[4, 40]].tolist()
        [1.0, 0.0]
    """
    same = (np.abs(blurry - sharp) < _EQUAL).astype(np.uint8)
    window = np.ones((_WINDOW_PX, _WINDOW_PX), np.uint8)
    found = np.asarray(cv2.dilate(cv2.erode(same, window), window))
    _, labels, stats, _ = cv2.connectedComponentsWithStats(found, connectivity=4)
    large = stats[:, cv2.CC_STAT_AREA] >= _LEAST_SHARE * found.size
    large[0] = False
    return large[labels].astype(np.uint8)


def fixed_parts(equal: Mask, blurry: Plane, sharp: Plane, motion: Similarity) -> Mask:
    """The equal places that ``motion`` would have changed: the frame, ``(H, W)``.

    Args:
        equal: Mask from :func:`equal_places`.
        blurry: Grey display values, from :func:`display`.
        sharp: Of the same shape.
        motion: Map from blurry to sharp coordinates.
    """
    there, back = np.abs(blurry - warp(sharp, motion)), np.abs(sharp - warp(blurry, motion.inverse()))
    changed = ((there > _CHANGED) | (back > _CHANGED)) & (equal > 0)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(equal, connectivity=4)
    hits = np.bincount(labels[changed], minlength=count)
    fixed = hits > np.maximum(_LEAST_CHANGED * stats[:, cv2.CC_STAT_AREA], 0.25 * math.sqrt(equal.size) / 4)
    fixed[0] = False
    return fixed[labels].astype(np.uint8)


def with_rim(mask: Mask) -> Mask:
    """``mask`` and the rim around it that is not used.

    Example:
        >>> spot = np.zeros((31, 31), np.uint8)
        >>> spot[15, 15] = 1
        >>> int(with_rim(spot).sum()) == (2 * MARGIN_PX + 1) ** 2
        True
    """
    side = 2 * MARGIN_PX + 1
    return np.asarray(cv2.dilate(mask, np.ones((side, side), np.uint8)))
