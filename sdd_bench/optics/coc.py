r"""Thin lens: how large a point out of focus gets, and how focusing changes the magnification.

A lens of focal length :math:`f` and f-number :math:`N`, focused at distance :math:`s_f`, puts its sensor at

.. math:: v(s_f) = \frac{f s_f}{s_f - f} .

A point at distance :math:`s` then becomes a disk, the circle of confusion, of diameter

.. math:: c(s) = \frac{f}{N} \, \frac{f}{s_f - f} \, \left(1 - \frac{s_f}{s}\right)

on the sensor: positive behind the focus, negative in front of it, bounded by :math:`f^2 / N (s_f - f)` at infinity.
A picture's size goes with :math:`v`, so moving the focus zooms: *focus breathing*.

Units: distances from the lens in metres (``_m``), what is inside the camera in millimetres (``_mm``), the pixel pitch
in micrometres (``_um``), on the picture pixels (``_px``). The circle of confusion is always a diameter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sdd_bench.core.errors import ConfigError


@dataclass(frozen=True)
class Lens:
    """A thin lens before a sensor.

    Raises:
        ConfigError: A value that is not positive; ``f_number`` may be infinite (a pinhole).
    """

    focal_length_mm: float = 50.0
    f_number: float = 2.8
    pixel_pitch_um: float = 8.8

    def __post_init__(self) -> None:
        for name in ("focal_length_mm", "f_number", "pixel_pitch_um"):
            value = getattr(self, name)
            if not value > 0 or (math.isinf(value) and name != "f_number"):
                raise ConfigError(f"lens: {name} must be a positive number, got {value}.")


def image_distance_mm(focus_m: float, lens: Lens) -> float:
    """Distance from lens to sensor when focused at ``focus_m``, in millimetres.

    Raises:
        ConfigError: The focus is not farther away than the focal length.
    """
    focus_mm = 1000.0 * focus_m
    if not focus_mm > lens.focal_length_mm:
        raise ConfigError(
            f"a {lens.focal_length_mm:g} mm lens cannot focus at {focus_m:g} m; the distance must exceed it."
        )
    if math.isinf(focus_m):
        return lens.focal_length_mm
    return lens.focal_length_mm * focus_mm / (focus_mm - lens.focal_length_mm)


def signed_coc_px(depth_m: ArrayLike, focus_m: float, lens: Lens) -> NDArray[np.float64]:
    """Diameter of the circle of confusion, in pixels, with its side: positive behind the focus, negative before it.

    Args:
        depth_m: Distances of the points, any shape, positive; infinity is allowed.
        focus_m: The distance that is in focus.
        lens: The lens and its sensor.

    Example:
        >>> float(signed_coc_px(2.0, 2.0, Lens()))
        0.0
    """
    depth = np.asarray(depth_m, dtype=np.float64)
    if not (depth > 0).all():
        raise ConfigError(f"depth must be positive, in metres; got {depth.min():g}.")
    # f/N * f/(s_f - f) * (1 - s_f/s) = f/N * (v - f)/f * (1 - s_f/s), written so that s_f may be infinite.
    image_mm = image_distance_mm(focus_m, lens)
    aperture_mm = lens.focal_length_mm / lens.f_number
    if math.isinf(focus_m):
        coc_mm = -aperture_mm * lens.focal_length_mm / (1000.0 * depth)
    else:
        coc_mm = aperture_mm * (image_mm / lens.focal_length_mm - 1.0) * (1.0 - focus_m / depth)
    return np.asarray(coc_mm * 1000.0 / lens.pixel_pitch_um)


def coc_diameter_px(depth_m: ArrayLike, focus_m: float, lens: Lens) -> NDArray[np.float64]:
    """Diameter of the circle of confusion, in pixels; as :func:`signed_coc_px` without the sign."""
    return np.abs(signed_coc_px(depth_m, focus_m, lens))


def depth_from_coc_m(signed_px: ArrayLike, focus_m: float, lens: Lens) -> NDArray[np.float64]:
    """The distance whose circle of confusion is ``signed_px``, in metres: the inverse of :func:`signed_coc_px`.

    Raises:
        ConfigError: A diameter that not even a point at infinity reaches.
    """
    signed = np.asarray(signed_px, dtype=np.float64)
    if math.isinf(focus_m):
        coc_mm = signed * lens.pixel_pitch_um / 1000.0
        depth = -(lens.focal_length_mm**2) / lens.f_number / coc_mm / 1000.0
        if not (signed < 0).all():
            raise ConfigError("focused at infinity, every nearer point has a negative circle of confusion.")
        return np.asarray(depth)
    largest = float(signed_coc_px(math.inf, focus_m, lens))
    if not (signed < largest).all():
        raise ConfigError(
            f"no point has a circle of confusion of {signed.max():g} px behind a focus of {focus_m:g} m: "
            f"at infinity it is {largest:g} px."
        )
    return np.asarray(focus_m / (1.0 - signed / largest))


def f_number_for(coc_px: float, depth_m: float, focus_m: float, lens: Lens) -> float:
    """The f-number that gives a point at ``depth_m`` a circle of confusion of ``coc_px``; infinite for 0 px."""
    if coc_px == 0:
        return math.inf
    return lens.f_number * float(coc_diameter_px(depth_m, focus_m, lens)) / coc_px


def breathing_zoom(blurry_focus_m: float, sharp_focus_m: float, lens: Lens) -> float:
    """How much larger the picture focused at ``sharp_focus_m`` is than that at ``blurry_focus_m``.

    The zoom of :class:`sdd_bench.geometry.similarity.Similarity`, v(sharp) / v(blurry).
    """
    return image_distance_mm(sharp_focus_m, lens) / image_distance_mm(blurry_focus_m, lens)
