r"""The similarity: zoom, rotation and shift, and its algebra.

Let :math:`c` be the centre of the picture and :math:`q = p - c` the position of a pixel :math:`p` as a complex number
:math:`q_x + i q_y`. A similarity maps :math:`q` to :math:`\sigma q + \tau`. Here :math:`\sigma = z e^{i\theta}` holds
the zoom :math:`z` and the rotation :math:`\theta`, and :math:`\tau` is the shift. Composition and inversion are
those of complex linear functions.
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

    Let c = ((W-1)/2, (H-1)/2) be the centre and R the rotation by ``rotation_deg``; x points to the right and y down,
    so a positive angle turns x towards y. Then ``moving = c + zoom * R @ (reference - c) + shift``. A zoom above 1
    means that the moving picture shows the scene larger. The shift is in pixels, at the centre.

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
        r"""The similarity with the given :math:`\sigma` and :math:`\tau`.

        Example:
            >>> Similarity.from_complex(2 + 0j, 3 - 1j)
            Similarity(zoom=2.0, rotation_deg=0.0, shift_x_px=3.0, shift_y_px=-1.0)
        """
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
        """The similarity that undoes this one.

        Example:
            >>> Similarity(zoom=2.0, shift_x_px=3.0).inverse().shift_x_px
            -1.5
        """
        linear = 1 / self.linear
        return Similarity.from_complex(linear, -linear * self.shift)

    def scaled(self, factor: float) -> Similarity:
        """The same similarity for pictures resized by ``factor``; only the shift changes.

        Example:
            >>> Similarity(zoom=2.0, shift_x_px=3.0).scaled(0.5)
            Similarity(zoom=2.0, rotation_deg=0.0, shift_x_px=1.5, shift_y_px=0.0)
        """
        return Similarity.from_complex(self.linear, factor * self.shift)

    def about(self, by_px: tuple[float, float]) -> Similarity:
        r"""The same mapping about another centre.

        Args:
            by_px: Move of the centre, :math:`\delta`, as (x, y). The shift becomes :math:`\tau + (\sigma - 1)\,\delta`.

        Example:
            >>> Similarity(zoom=2.0).about((10.0, 0.0)).shift_x_px
            10.0
        """
        shift = self.shift + (self.linear - 1) * complex(*by_px)
        return Similarity(self.zoom, self.rotation_deg, shift.real, shift.imag)

    def matrix(self, height: int, width: int) -> NDArray[np.float64]:
        """The affine matrix on pixel coordinates (x, y, 1) of a picture, ``(2, 3)``, in the form OpenCV expects.

        Example:
            >>> Similarity(zoom=2.0).matrix(3, 5)
            array([[ 2., -0., -2.],
                   [ 0.,  2., -1.]])
        """
        linear, centre = self.linear, complex((width - 1) / 2, (height - 1) / 2)
        offset = centre + self.shift - linear * centre
        return np.array([[linear.real, -linear.imag, offset.real], [linear.imag, linear.real, offset.imag]])

    def rms_px(self, height: int, width: int) -> float:
        r"""RMS displacement over a picture, :math:`\sqrt{|\sigma - 1|^2\, \overline{|q|^2} + |\tau|^2}`.

        Example:
            >>> Similarity(shift_x_px=3.0, shift_y_px=4.0).rms_px(384, 640)
            5.0
        """
        spread = (width**2 - 1 + height**2 - 1) / 12
        return math.sqrt(abs(self.linear - 1) ** 2 * spread + abs(self.shift) ** 2)

    def corner_px(self, height: int, width: int) -> float:
        """Displacement of the corner that moves most, in pixels.

        Example:
            >>> Similarity(zoom=1.01).corner_px(601, 801).__round__(6)
            5.0
        """
        x, y = (width - 1) / 2, (height - 1) / 2
        corners = (complex(sx * x, sy * y) for sx in (-1, 1) for sy in (-1, 1))
        return max(abs((self.linear - 1) * corner + self.shift) for corner in corners)
