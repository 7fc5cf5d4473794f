r"""The similarity: zoom, rotation and shift, and its algebra.

With :math:`c` the centre of the picture and :math:`q = p - c` as a complex number :math:`q_x + i q_y`, a similarity
maps :math:`q` to :math:`\sigma q + \tau`, where :math:`\sigma = z e^{i\theta}` holds zoom and rotation, and
:math:`\tau` is the shift. Composition and inversion are those of complex linear functions.
"""

from __future__ import annotations

import cmath
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Similarity:
    """The similarity that maps reference (blurry) to moving (sharp) coordinates about the centre of the picture.

    With c = ((W-1)/2, (H-1)/2) and R the rotation by ``rotation_deg`` (x to the right, y down, so a positive angle
    turns x towards y): ``moving = c + zoom * R @ (reference - c) + shift``. With a zoom above 1 the moving picture is
    larger. The shift is in pixels, at the centre.

    Example:
        >>> zoom = Similarity(zoom=2.0, shift_x_px=3.0)
        >>> zoom @ zoom
        Similarity(zoom=4.0, rotation_deg=0.0, shift_x_px=9.0, shift_y_px=0.0)
    """

    zoom: float = 1.0
    rotation_deg: float = 0.0
    shift_x_px: float = 0.0
    shift_y_px: float = 0.0

    @classmethod
    def from_complex(cls, linear: complex, shift: complex) -> Similarity:
        r"""The similarity of :math:`\sigma` and :math:`\tau`."""
        return cls(abs(linear), math.degrees(cmath.phase(linear)), shift.real, shift.imag)

    @property
    def linear(self) -> complex:
        r""":math:`\sigma`: zoom and rotation."""
        return cmath.rect(self.zoom, math.radians(self.rotation_deg))

    @property
    def shift(self) -> complex:
        r""":math:`\tau`: the shift, x + iy."""
        return complex(self.shift_x_px, self.shift_y_px)

    def __matmul__(self, inner: Similarity) -> Similarity:
        """The similarity that applies ``inner``, then this one (both about the same centre)."""
        return Similarity.from_complex(self.linear * inner.linear, self.linear * inner.shift + self.shift)

    def inverse(self) -> Similarity:
        """The similarity that undoes this one."""
        linear = 1 / self.linear
        return Similarity.from_complex(linear, -linear * self.shift)

    def scaled(self, factor: float) -> Similarity:
        """The same similarity of pictures resized by ``factor``: only its shift changes."""
        return Similarity.from_complex(self.linear, factor * self.shift)

    def about(self, by_px: tuple[float, float]) -> Similarity:
        r"""The same mapping about a centre that lies ``by_px`` (x, y) further: :math:`\tau + (\sigma - 1)\,\delta`."""
        shift = self.shift + (self.linear - 1) * complex(*by_px)
        return Similarity(self.zoom, self.rotation_deg, shift.real, shift.imag)

    def matrix(self, height: int, width: int) -> NDArray[np.float64]:
        """The affine matrix ``(2, 3)`` on pixel coordinates (x, y, 1) of a picture, as OpenCV takes it."""
        linear, centre = self.linear, complex((width - 1) / 2, (height - 1) / 2)
        offset = centre + self.shift - linear * centre
        return np.array([[linear.real, -linear.imag, offset.real], [linear.imag, linear.real, offset.imag]])

    def rms_px(self, height: int, width: int) -> float:
        r"""RMS displacement over a picture, :math:`|\sigma - 1|^2 \overline{|q|^2} + |\tau|^2` under the root."""
        spread = (width**2 - 1 + height**2 - 1) / 12
        return math.sqrt(abs(self.linear - 1) ** 2 * spread + abs(self.shift) ** 2)

    def corner_px(self, height: int, width: int) -> float:
        """Displacement of the corner of a picture that moves most."""
        x, y = (width - 1) / 2, (height - 1) / 2
        corners = (complex(sx * x, sy * y) for sx in (-1, 1) for sy in (-1, 1))
        return max(abs((self.linear - 1) * corner + self.shift) for corner in corners)
