r"""What a camera makes of light beside exposing it: tone curves, vignetting, veiling glare.

All act on linear light with white = 1. A tone curve maps scene light to *display light*: what is left when the picture
file is decoded by the sRGB transfer function. Without a curve both are the same.

Curves are named by what they do: a gamma (the file is encoded by a plain power), a log-logistic S (the response of film
and retina: Naka and Rushton, 1966), a smoothstep of display values (what an editor's contrast slider does), and a
rational filmic curve with a linear toe (Narkowicz's fit of ACES, 2015). The four differ in toe and shoulder, so an
estimator that is right for all does not know the family.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.errors import ConfigError
from sdd_bench.images.light import linear_to_srgb, srgb_to_linear

Light = NDArray[np.float32]
Curve = Callable[[Light], Light]

_FILMIC_EXPOSURE = 1.6
"""Light that is white goes into the filmic curve with this value: its shoulder is then used, not only its toe."""


def straight(light: Light) -> Light:
    """No curve: light outside [0, 1] is clipped, as every curve does."""
    return np.clip(np.asarray(light, np.float32), 0.0, 1.0)


def gamma_curve(light: Light, *, exponent: float) -> Light:
    """Display light of a file that is encoded by ``light ** (1 / exponent)`` and decoded as sRGB."""
    return srgb_to_linear(straight(light) ** np.float32(1 / exponent))


def s_curve(light: Light, *, contrast: float, shoulder: float) -> Light:
    r"""Log-logistic curve :math:`(1 + p)\, x^a / (x^a + p)`.

    Args:
        light: Scene light, any shape.
        contrast: Slope *a* of the toe in log-log; 1 leaves dark tones as they are.
        shoulder: *p*; the smaller, the earlier highlights are compressed.
    """
    power = straight(light) ** np.float32(contrast)
    return np.asarray(power * np.float32(1 + shoulder) / (power + np.float32(shoulder)), np.float32)


def display_s_curve(light: Light, *, strength: float) -> Light:
    """Display values *d* blended with their smoothstep :math:`3 d^2 - 2 d^3` by ``strength`` in [0, 1]."""
    display = linear_to_srgb(light)
    smooth = display * display * (3 - 2 * display)
    return srgb_to_linear(display + np.float32(strength) * (smooth - display))


def filmic_curve(light: Light) -> Light:
    """Rational curve with a linear toe and a long shoulder; white stays white."""

    def response(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return (x * (2.51 * x + 0.03)) / (x * (2.43 * x + 0.59) + 0.14)

    exposed = _FILMIC_EXPOSURE * straight(light).astype(np.float64)
    return (response(exposed) / response(np.array(_FILMIC_EXPOSURE))).astype(np.float32)


CURVES: dict[str, Curve] = {
    "none": straight,
    "gamma-1.8": lambda light: gamma_curve(light, exponent=1.8),
    "gamma-2.2": lambda light: gamma_curve(light, exponent=2.2),
    "standard": lambda light: s_curve(light, contrast=1.1, shoulder=0.5),
    "vivid": lambda light: s_curve(light, contrast=1.25, shoulder=0.3),
    "edited": lambda light: display_s_curve(light, strength=0.4),
    "punchy": lambda light: display_s_curve(light, strength=0.7),
    "filmic": filmic_curve,
}
"""Cameras by the tone curve they have."""


def tone_curve(name: str) -> Curve:
    """The curve called ``name``.

    Raises:
        ConfigError: Unknown name; the known ones are listed.
    """
    if name not in CURVES:
        raise ConfigError(f"tone curve {name}: unknown; known: {', '.join(CURVES)}.")
    return CURVES[name]


def radius_squared(height: int, width: int) -> Light:
    """Squared distance of each pixel from the picture's centre, 1 at the corners, ``(H, W)``."""
    y = np.arange(height, dtype=np.float64) - (height - 1) / 2
    x = np.arange(width, dtype=np.float64) - (width - 1) / 2
    corner = max(y[0] ** 2 + x[0] ** 2, 1.0)
    return ((y[:, None] ** 2 + x**2) / corner).astype(np.float32)


def vignette(height: int, width: int, *, strength: float) -> Light:
    """Light that reaches each pixel, ``(H, W)``: :math:`1 - strength \\cdot r^2`, *r* = 1 at the corners.

    Raises:
        ConfigError: ``strength`` is not below 1: corners would be black.
    """
    if not strength < 1:
        raise ConfigError(f"vignette strength: expected less than 1, got {strength:g}.")
    return np.asarray(1 - np.float32(strength) * radius_squared(height, width))


def add_glare(light: Light, *, share: float) -> Light:
    """Veiling glare: ``share`` of each channel's mean light falls evenly on the whole picture, ``(3, H, W)``."""
    return np.asarray(light + np.float32(share) * light.mean(axis=(1, 2), keepdims=True, dtype=np.float64), np.float32)


def expose(
    light: Light,
    *,
    gain: Sequence[float] = (1.0, 1.0, 1.0),
    curve: str = "none",
    vignetting: float = 0.0,
    glare: float = 0.0,
) -> Light:
    """Display light of an exposure: the lens takes and adds light, the sensor weighs and clips it, the camera bends it.

    Args:
        light: Scene light, ``(3, H, W)``.
        gain: Exposure and white balance: red, green, blue.
        curve: Name of a curve of :data:`CURVES`.
        vignetting: Strength of :func:`vignette`.
        glare: Share of :func:`add_glare`.

    Returns:
        ``(3, H, W)`` in [0, 1].

    Raises:
        ConfigError: An unknown curve, or vignetting that blackens the corners.
    """
    bend = tone_curve(curve)
    seen = light * vignette(*light.shape[1:], strength=vignetting) if vignetting else light
    seen = add_glare(seen, share=glare) if glare else seen
    return bend(seen * np.asarray(gain, np.float32)[:, None, None])
