r"""The similarity: zoom, rotation and shift, and its algebra.

With :math:`c` the picture's centre and :math:`q = p - c` a similarity maps :math:`q` to :math:`\sigma q + \tau`, where
:math:`\sigma = z e^{i\theta}` and :math:`\tau` are complex numbers. Nothing but numbers is needed here."""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass


def corner_displacement(similarity: Similarity, size: tuple[int, int]) -> float:
    """Displacement of the corner of a picture (height, width) that moves most, in pixels."""
    slope, shift = as_complex(similarity)
    height, width = size
    corners = [
        complex(x, y) for x in (-(width - 1) / 2, (width - 1) / 2) for y in (-(height - 1) / 2, (height - 1) / 2)
    ]
    return max(abs((slope - 1) * corner + shift) for corner in corners)


def as_complex(similarity: Similarity) -> tuple[complex, complex]:
    slope = cmath.rect(similarity.zoom, math.radians(similarity.rotation_deg))
    return slope, complex(similarity.shift_x_px, similarity.shift_y_px)


def recentre(similarity: Similarity, by_px: tuple[float, float]) -> Similarity:
    r"""The same mapping about a centre that lies ``by_px`` (x, y) further: :math:`t' = t + (a + ib - 1)\,\delta`."""
    slope = cmath.rect(similarity.zoom, math.radians(similarity.rotation_deg))
    shift = complex(similarity.shift_x_px, similarity.shift_y_px) + (slope - 1) * complex(*by_px)
    return Similarity(similarity.zoom, similarity.rotation_deg, shift.real, shift.imag)


def displacement_rms(similarity: Similarity, height: int, width: int) -> float:
    r"""RMS displacement over a picture, in pixels: :math:`|a + ib - 1|^2 \overline{|q|^2} + |t|^2` under the root."""
    spread = (width**2 - 1 + height**2 - 1) / 12
    return math.sqrt(abs(to_complex(similarity) - 1) ** 2 * spread + abs(shift_of(similarity)) ** 2)


def compose(outer: Similarity, inner: Similarity) -> Similarity:
    """The similarity that applies ``inner``, then ``outer`` (both about the same centre)."""
    slope = to_complex(outer)
    return from_complex(slope * to_complex(inner), slope * shift_of(inner) + shift_of(outer))


def invert(similarity: Similarity) -> Similarity:
    """The similarity that undoes ``similarity``."""
    slope = 1 / to_complex(similarity)
    return from_complex(slope, -slope * shift_of(similarity))


def scale(similarity: Similarity, factor: float) -> Similarity:
    """The same similarity of pictures resized by ``factor``: only its shift changes."""
    return from_complex(to_complex(similarity), factor * shift_of(similarity))


def to_complex(similarity: Similarity) -> complex:
    return cmath.rect(similarity.zoom, math.radians(similarity.rotation_deg))


def shift_of(similarity: Similarity) -> complex:
    return complex(similarity.shift_x_px, similarity.shift_y_px)


def from_complex(slope: complex, shift: complex) -> Similarity:
    return Similarity(
        zoom=abs(slope), rotation_deg=math.degrees(cmath.phase(slope)), shift_x_px=shift.real, shift_y_px=shift.imag
    )


@dataclass(frozen=True)
class Similarity:
    """The similarity that maps reference (blurry) to moving (sharp) coordinates about the picture's centre.

    With c = ((W-1)/2, (H-1)/2) and R the rotation by ``rotation_deg`` (x to the right, y down, so a
    positive angle turns x towards y): ``moving = c + zoom * R @ (reference - c) + shift``.
    zoom > 1 means the moving picture is larger. Shift in pixels at the centre.
    """

    zoom: float = 1.0
    rotation_deg: float = 0.0
    shift_x_px: float = 0.0
    shift_y_px: float = 0.0
