r"""The light of a sharp picture turned into that of its blurry counterpart.

In scene light :math:`x`, which the camera's curve of :mod:`~sdd_bench.registration.light.camera_curve` gives for a
display value, a channel becomes

.. math:: x \mapsto g_c \, ((1 + a\, r^2)\, x + v_c)

with gain :math:`g`, vignetting :math:`a` (model ``gain+field`` only; :math:`r = 1` at the corners) and veiling glare
:math:`v`, and is brought back to a display value by the same curve. Model ``tone`` maps display values by a monotone
curve for each channel instead.

What clipped: light beyond white clips, as a sensor does. A clipped sharp pixel tells no light; it becomes the median
of what the blurry picture shows inside clipped areas, where there are some, else what the model makes of white.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sdd_bench.core import config
from sdd_bench.core.errors import ConfigError, ImageError
from sdd_bench.core.storage.documents import parse_json
from sdd_bench.images.light import linear_to_srgb
from sdd_bench.optics.tone import radius_squared
from sdd_bench.registration.light.camera_curve import STRAIGHT, log_light
from sdd_bench.registration.light.samples import CLIPPED

if TYPE_CHECKING:
    from torch import Tensor

Array = NDArray[np.float64]
Picture = NDArray[np.float32]
Three = tuple[float, float, float]

KNEE = float(linear_to_srgb(np.array([CLIPPED]))[0])
"""Display value from which on a pixel counts as clipped."""
TONE_KNOTS = (0.0, 0.03, 0.07, 0.13, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, KNEE)
"""Display values of the knots of a tone curve."""
CURVE = "curve"
"""Kind of the reason that the gains' exponent is not known."""
_FINE = np.linspace(0.0, 1.0, 4097)
"""Display values of the tables: linear interpolation between them is exact to a tenth of a 16-bit step."""


class Match(StrEnum):
    """What turns the sharp picture's light into the blurry one's, from poor to rich."""

    NONE = "none"
    GAIN = "gain"
    FIELD = "gain+field"
    TONE = "tone"


@dataclass(frozen=True)
class Place:
    """Where a picture lies in the one that a transfer was estimated on; all in pixels of that picture."""

    top: int
    left: int
    full_height: int
    full_width: int


@dataclass(frozen=True)
class Transfer:
    """A transfer of light from the sharp to the blurry picture, and how good it is."""

    model: Match = Match.NONE
    """What :meth:`apply` does; ``none`` also where light could not be estimated."""
    gains: Three = (1.0, 1.0, 1.0)
    """Light of blurry over light of sharp in scene light: red, green, blue; at the picture's centre."""
    gain_errors: Three = (0.0, 0.0, 0.0)
    """Standard error of each, relative."""
    bends: tuple[float, ...] = STRAIGHT
    """Of the tone curve both pictures share; all 0: straight, scene light is light decoded by sRGB."""
    field: float = 0.0
    """Vignetting *a*."""
    glare: Three = (0.0, 0.0, 0.0)
    """Veiling glare of the blurry picture beyond the sharp one's, in the sharp picture's scene light, white = 1."""
    tone: tuple[tuple[float, ...], ...] = ()
    """Display value at each of :data:`TONE_KNOTS`, per channel; empty unless the model is ``tone``."""
    white: Three = (1.0, 1.0, 1.0)
    """Display value that clipped pixels get."""
    residual: float = 0.0
    """RMS of the relative difference of light that is left between windows wider than any blur."""
    compared_share: float = 0.0
    """Part of the picture that could be compared."""
    psnr_none_db: float | None = None
    """PSNR of the registered sharp picture against the blurry one; None: alike bit for bit, or not measured."""
    psnr_gain_db: float | None = None
    """The same after a transfer by ``gain``."""
    psnr_field_db: float | None = None
    psnr_tone_db: float | None = None
    distrust: tuple[str, ...] = ()
    """Reasons not to believe it, ``kind: what``; empty: none known."""

    @property
    def trusted(self) -> bool:
        """Whether there is no reason for distrust."""
        return not self.distrust

    @property
    def reason(self) -> str:
        """All reasons for distrust in one line; empty: none."""
        return "; ".join(self.distrust)

    @property
    def match_doubts(self) -> tuple[str, ...]:
        """Reasons not to believe a matched picture: all but doubt about the curve alone, with which display values go
        to the right ones whatever the gains are called."""
        return tuple(reason for reason in self.distrust if not reason.startswith(f"{CURVE}:"))

    @property
    def gained_db(self) -> float | None:
        """PSNR against the blurry picture that the transfer gains; None: not measured."""
        return _difference(self._psnr[self.model], self.psnr_none_db)

    @property
    def richer_gains_db(self) -> float | None:
        """PSNR that the best richer model would gain beyond this one; None: there is none, or not measured."""
        richer = {Match.NONE: [Match.GAIN], Match.GAIN: [Match.FIELD, Match.TONE]}.get(self.model, [])
        gains = [_difference(self._psnr[model], self._psnr[self.model]) for model in richer]
        return max((gain for gain in gains if gain is not None), default=None)

    @property
    def _psnr(self) -> dict[Match, float | None]:
        numbers = (self.psnr_none_db, self.psnr_gain_db, self.psnr_field_db, self.psnr_tone_db)
        return dict(zip(Match, numbers, strict=True))

    def apply(self, sharp: Picture, *, place: Place | None = None) -> Picture:
        """Give a picture the light of the blurry one.

        Args:
            sharp: Display (sRGB) values in [0, 1], ``(H, W, 3)``; exact to a 16-bit step.
            place: Where ``sharp`` is a part of the picture that was estimated on; only ``gain+field`` needs it.

        Returns:
            The same shape, float32 in [0, 1]; model ``none`` returns ``sharp`` itself.

        Raises:
            ImageError: Not ``(H, W, 3)``.
        """
        if sharp.ndim != 3 or sharp.shape[2] != 3:
            raise ImageError(f"transfer of light: expected a picture (H, W, 3), got {sharp.shape}.")
        if self.model is Match.NONE:
            return sharp
        picture = np.ascontiguousarray(sharp, np.float32)
        if self.model is not Match.FIELD:
            from sdd_bench.registration.light.look_up import look_up

            return look_up(picture, self._tables.astype(np.float32))
        import torch

        batch = torch.from_numpy(picture).permute(2, 0, 1)[None]
        return np.ascontiguousarray(self.apply_tensor(batch, place=place)[0].permute(1, 2, 0).numpy())

    def apply_tensor(self, sharp: Tensor, *, place: Place | None = None) -> Tensor:
        """:meth:`apply` for ``(N, 3, H, W)``; differentiable, on the tensor's device and in its type."""
        import torch

        if sharp.ndim != 4 or sharp.shape[1] != 3:
            raise ImageError(f"transfer of light: expected pictures (N, 3, H, W), got {tuple(sharp.shape)}.")
        if self.model is Match.NONE:
            return sharp
        field = self._field(sharp.shape[2], sharp.shape[3], place)

        def tensor(numbers: Any) -> Tensor:
            return torch.as_tensor(np.asarray(numbers, np.float32)).to(sharp.device)

        values = sharp.float().clamp(0, 1)
        channels = []
        for c, channel in enumerate(values.unbind(1)):
            if field is None:
                channels.append(_from_table(channel, tensor(self._tables[c])))
                continue
            table = tensor(self._light)
            light = self.gains[c] * (_from_table(channel, table) * tensor(field) + self.glare[c])
            base = _into_table(light, table)
            share = ((channel - KNEE) / (1 - KNEE)).clamp(min=0)
            channels.append(base + (self.white[c] - base) * share)
        return torch.stack(channels, dim=1).to(sharp.dtype)

    def to_json(self) -> str:
        """One line of JSON; :meth:`from_json` gives back an equal transfer."""
        return json.dumps(config.as_dict(self), allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Transfer:
        """The transfer that :meth:`to_json` wrote.

        Raises:
            ConfigError: Not JSON, an unknown key, or a value of the wrong type.
        """
        try:
            values = parse_json(text, dict)
        except ValueError as error:
            raise ConfigError(f"transfer of light: {error}. Expected what Transfer.to_json wrote.") from error
        return config.build(cls, values, source="transfer of light")

    def _field(self, height: int, width: int, place: Place | None) -> Array | None:
        """Vignetting at each pixel; None: the same everywhere."""
        if self.model is not Match.FIELD:
            return None
        if place is None:
            return np.asarray(1 + self.field * radius_squared(height, width).astype(np.float64))
        y = place.top + np.arange(height) - (place.full_height - 1) / 2
        x = place.left + np.arange(width) - (place.full_width - 1) / 2
        corner = max(((place.full_height - 1) ** 2 + (place.full_width - 1) ** 2) / 4, 1.0)
        return np.asarray(1 + self.field * (y[:, None] ** 2 + x**2) / corner)

    @cached_property
    def _light(self) -> Array:
        """Scene light at the fine display values."""
        light = np.exp(log_light(np.array(self.bends), _FINE)[0])
        light[0] = 0.0
        return light

    @cached_property
    def _tables(self) -> Array:
        """Display values that the fine ones become where there is no field, ``(3, G)``."""
        tables = []
        for c in range(3):
            if self.model is Match.TONE:
                from scipy.interpolate import PchipInterpolator

                base = PchipInterpolator(TONE_KNOTS, self.tone[c])(np.minimum(_FINE, KNEE))
            else:
                base = np.interp(self.gains[c] * (self._light + self.glare[c]), self._light, _FINE)
            base = np.clip(base, 0.0, 1.0)
            tables.append(base + (self.white[c] - base) * _clipped_share(_FINE))
        return np.array(tables)

    def extended_white(self) -> Three:
        """What the gains make of white, were it no clipped value: the ``white`` of a picture that tells no other."""
        red, green, blue = (
            float(np.interp(gain * (1 + glare), self._light, _FINE))
            for gain, glare in zip(self.gains, self.glare, strict=True)
        )
        return red, green, blue

    def display_curves(self, display: Array) -> Array:
        """What display values ``(G,)`` become at the picture's centre, ``(3, G)``."""
        if self.model is Match.NONE:
            return np.tile(display, (3, 1))
        return np.stack([np.interp(display, _FINE, table) for table in self._tables])


def failed(reason: str, *, compared_share: float = 0.0) -> Transfer:
    """No transfer, flagged."""
    return dataclasses.replace(Transfer(), compared_share=compared_share, distrust=(reason,))


def _difference(psnr: float | None, other: float | None) -> float | None:
    return None if psnr is None or other is None else psnr - other


def _clipped_share(display: NDArray[Any]) -> NDArray[Any]:
    """How far a display value lies between the knee and white, 0 to 1."""
    return np.clip((display - KNEE) / (1 - KNEE), 0.0, 1.0)


def _from_table(display: Tensor, table: Tensor) -> Tensor:
    """``table``, whose entries are evenly spread over [0, 1], at ``display``."""
    position = display * (len(table) - 1)
    first = position.detach().long().clamp(0, len(table) - 2)  # from 0: NaN stays NaN
    return table[first] + (table[first + 1] - table[first]) * (position - first)


def _into_table(value: Tensor, table: Tensor) -> Tensor:
    """Where ``value`` stands in the rising ``table``, from 0 to 1."""
    import torch

    inside = value.clamp(float(table[0]), float(table[-1]))
    first = torch.searchsorted(table, inside.detach(), right=True).sub(1).clamp(0, len(table) - 2)
    step = (table[first + 1] - table[first]).clamp(min=1e-30)
    return (first + (inside - table[first]) / step) / (len(table) - 1)
