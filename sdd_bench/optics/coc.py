r"""Thin lens: the size of a point out of focus, and the change of magnification with the focus.

A lens has the focal length :math:`f` and the f-number :math:`N`. Focused at the distance :math:`s_f`, its distance to
the sensor is

.. math:: v(s_f) = \frac{f s_f}{s_f - f} .

A point at the distance :math:`s` then becomes a disk on the sensor, the circle of confusion, with the diameter

.. math:: c(s) = \frac{f}{N} \, \frac{f}{s_f - f} \, \left(1 - \frac{s_f}{s}\right) .

It is positive behind the focus and negative in front of it; at infinity it reaches its bound
:math:`f^2 / N (s_f - f)`. The size of the picture is proportional to :math:`v`, so moving the focus zooms. This is
*focus breathing*.

Units: distances from the lens are in metres (``_m``), lengths inside the camera in millimetres (``_mm``), the pixel
pitch is in micrometres (``_um``), lengths on the picture are in pixels (``_px``). The circle of confusion is always
given as a diameter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sdd_bench.core.errors import ConfigError


@dataclass(frozen=True)
class Lens:
    """A thin lens in front of a sensor. The default is a 50 mm lens and about 4096 pixels on 36 mm.

    Raises:
        ConfigError: A value is not positive; ``f_number`` may be infinite (a pinhole).
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
    """Distance from the lens to the sensor when focused at ``focus_m``, in millimetres.

    Raises:
        ConfigError: The focus is not farther away than the focal length.

    Example:
        >>> image_distance_mm(0.1, Lens(focal_length_mm=50.0)), image_distance_mm(math.inf, Lens(focal_length_mm=50.0))
        (100.0, 50.0)
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
        focus_m: Distance that is in focus.
        lens: Lens and sensor.

    Raises:
        ConfigError: A distance is not positive, or the lens cannot focus at ``focus_m``.

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
    """Diameter of the circle of confusion, in pixels: the absolute value of :func:`signed_coc_px`.

    Example:
        >>> [round(float(coc_diameter_px(depth, 2.0, Lens())), 1) for depth in (1.0, 2.0, math.inf)]
        [52.0, 0.0, 52.0]
    """
    return np.abs(signed_coc_px(depth_m, focus_m, lens))


def depth_from_coc_m(signed_px: ArrayLike, focus_m: float, lens: Lens) -> NDArray[np.float64]:
    """The distance whose circle of confusion is ``signed_px``, in metres: the inverse of :func:`signed_coc_px`.

    Raises:
        ConfigError: A diameter is larger than that of a point at infinity.

    Example:
        >>> round(float(depth_from_coc_m(signed_coc_px(3.0, 2.0, Lens()), 2.0, Lens())), 6)
        3.0
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
    """The f-number that gives a point at ``depth_m`` a circle of confusion of ``coc_px``; infinite for 0 px.

    Example:
        >>> number = f_number_for(20.0, 4.0, 2.0, Lens())
        >>> round(float(coc_diameter_px(4.0, 2.0, Lens(f_number=number))), 6)
        20.0
    """
    if coc_px == 0:
        return math.inf
    return lens.f_number * float(coc_diameter_px(depth_m, focus_m, lens)) / coc_px


def breathing_zoom(blurry_focus_m: float, sharp_focus_m: float, lens: Lens) -> float:
    """The factor by which a picture focused at ``sharp_focus_m`` is larger than one focused at ``blurry_focus_m``.

    It is v(sharp) / v(blurry), the zoom of :class:`sdd_bench.geometry.similarity.Similarity`.

    Example:
        >>> round(breathing_zoom(8.0, 2.0, Lens()), 4)  # a nearer focus magnifies
        1.0192
    """
    return image_distance_mm(sharp_focus_m, lens) / image_distance_mm(blurry_focus_m, lens)
