r"""The picture of a point out of focus by a real lens: cat's eye, spherical and longitudinal chromatic aberration.

On top of the shape of the aperture (:func:`sdd_bench.optics.kernels.aperture_kernel`), at the distance :math:`\rho`
from the centre in radii:

- *cat's eye*: towards the corners the lens barrel hides a part of the aperture. What is left is the overlap of the
  aperture and a disk of its size, shifted by ``cats_eye`` radii. Rays cross behind the focus and not before it, so
  there the picture of the overlap is turned.
- *spherical aberration*: rays through the rim focus elsewhere than those through the centre. A ray at :math:`\rho` of
  the aperture lands at :math:`\rho (1 + s \rho^2)` of the disk, so the light there goes to first order as
  :math:`1 - 4 s \rho^2`; with its mean kept that is :math:`1 + r (2 \rho^2 - 1)`: a bright rim on one side of the
  focus, a dark one on the other.
- *longitudinal chromatic aberration*: red and blue focus before and behind green, so their circles of confusion differ.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sdd_bench.optics.kernels import aperture_kernel


@dataclass(frozen=True)
class Bokeh:
    """A lens, as far as its blur shows it."""

    blades: int = 0
    """0: a round aperture; else the corners of a regular polygon of the same area."""
    rotation_deg: float = 0.0
    """Turn of the polygon."""
    cats_eye: float = 0.0
    """Shift of the barrel's shadow, in radii of the aperture."""
    direction_deg: float = 0.0
    """Where the light behind the focus is left, from x towards y (down); before the focus it is opposite."""
    rim: float = 0.0
    """Brightness of the rim behind the focus, against the mean; from -1 to 1, turned before the focus."""
    fringe_px: float = 0.0
    """What red's signed circle of confusion is larger than green's, and blue's smaller."""

    @property
    def plain(self) -> bool:
        """Whether the blur is the shape of the aperture alone, alike everywhere and for all colours."""
        return self.cats_eye == self.rim == self.fringe_px == 0

    def at(self, x: float, y: float) -> Bokeh:
        """The lens at a place of the picture, where ``cats_eye`` is that of the corners.

        The front of the barrel hides the outer side of what is blurred behind the focus.

        Args:
            x: From the centre, to the right, in half diagonals of the picture.
            y: From the centre, down.

        Example:
            >>> corner = Bokeh(cats_eye=0.5).at(-0.8, 0.6)
            >>> corner.cats_eye, round(corner.direction_deg, 1)
            (0.5, -36.9)
            >>> Bokeh(cats_eye=0.5).at(0, 0).cats_eye
            0.0
        """
        angle = math.degrees(math.atan2(-y, -x))
        return dataclasses.replace(self, cats_eye=self.cats_eye * math.hypot(x, y), direction_deg=angle)

    def kernel(self, signed_coc_px: float, channel: int = 1) -> NDArray[np.float32]:
        """Blur kernel of a colour (0 red, 1 green, 2 blue), ``(K, K)``, K odd, non-negative, sum 1.

        Args:
            signed_coc_px: Green's circle of confusion; positive behind the focus, negative before it.
            channel: Colour.
        """
        signed = signed_coc_px + (self.fringe_px, 0.0, -self.fringe_px)[channel]
        kernel = aperture_kernel(abs(signed), blades=self.blades, rotation_deg=self.rotation_deg)
        if kernel.size == 1 or (self.cats_eye == 0 and self.rim == 0):
            return kernel
        half, radius = kernel.shape[0] // 2, abs(signed) / 2
        y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
        if self.cats_eye:
            angle, shift = math.radians(self.direction_deg), math.copysign(self.cats_eye * radius, signed)
            away = np.hypot(x - shift * math.cos(angle), y - shift * math.sin(angle))
            kernel = kernel * np.clip(radius + 0.5 - away, 0, 1)
        if self.rim:
            rho_squared = np.minimum((x**2 + y**2) / radius**2, 1)
            kernel = kernel * (1 + math.copysign(1, signed) * self.rim * (2 * rho_squared - 1))
        return np.asarray(kernel / kernel.sum(), dtype=np.float32)
