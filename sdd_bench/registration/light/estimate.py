"""The transfer of light of a pair: all models are fitted, one is returned, and what the others would gain is said.

Where vignetting or glare is part of the truth, a fit without it bends the camera's curve instead; so the curve comes
from the fit with everything, and poorer models keep it. A straight curve is taken where a bent one does not explain
more: there was no curve, or the pictures were edited after it, or the scene changed.
"""

from __future__ import annotations

import dataclasses
import math

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.errors import ConfigError, ImageError
from sdd_bench.images.light import srgb_to_linear
from sdd_bench.registration.light.fit import LightFit, errors_left, exponent_error, fit_light
from sdd_bench.registration.light.observations import DARKEST, Problem, pose
from sdd_bench.registration.light.samples import DISPLAY_LIGHT, GRID, Picture, Samples, collect, holds_windows
from sdd_bench.registration.light.tone_curve import fit_tone
from sdd_bench.registration.light.transfer import CURVE, KNEE, Match, Three, Transfer, failed

_LEAST_GLARE = 0.008
"""Glare below this share of the mean light cannot be told from errors of the curve and is taken for none."""
_SURE = 4.0
"""Standard errors by which glare must differ from none."""
_LEAST_USE, _LEAST_USE_IN_WINDOWS = 1.06, 1.25
"""A bent curve must leave this many times less error, in flats or in windows, than a straight one."""
_LEAST_USE_OF_GLARE = 1.1
"""Glare must leave this many times less error in the windows than none."""
_LEAST_CLIPPED_PX = 50
_PSNR_STEP = 3
"""Every third pixel along each side is enough for a PSNR."""

_FEW_COMPARED = 0.15
_LARGEST_ERROR = 0.03
"""Relative error of a gain (two standard errors)."""
_LARGEST_RESIDUAL = 0.15
_LEAST_LIKENESS = 0.6
_PLAIN = 0.1
"""Standard deviation of ln(light) below which a picture is too even for a correlation to mean anything."""
_LARGEST_GAIN = 16.0


def estimate_transfer(
    blurry: Picture,
    sharp: Picture,
    *,
    flow: NDArray[np.float32] | None = None,
    model: Match | str = Match.GAIN,
    valid: NDArray[np.bool_] | None = None,
) -> Transfer:
    """How the light of ``sharp`` becomes that of ``blurry``.

    Pass the sharp picture as captured, with the flow that registers it, rather than one that was already warped:
    interpolation mixes display values, which looks like another tone curve and puts the gains off by some percent.

    Args:
        blurry: Display (sRGB) values in [0, 1], ``(H, W, 3)``.
        sharp: The same shape.
        flow: On the blurry grid, ``(2, H, W)`` in pixels, ``sharp(p + flow(p)) ~ blurry(p)``, NaN where a pixel has no
            counterpart; None: the pictures lie on one another.
        model: What the transfer may do. Gains, curve and figures are those of the model asked for.
        valid: Pixels of the blurry grid that count, ``(H, W)``; None: all.

    Returns:
        The transfer. Where light cannot be estimated, the model is ``none`` and ``distrust`` says why; no content of
        a picture raises.

    Raises:
        ImageError: Shapes do not belong together.
        ConfigError: An unknown model.
    """
    _check_shapes(blurry, sharp, flow, valid)
    if model not in tuple(Match):
        raise ConfigError(f"match {model}: unknown; known: {', '.join(Match)}.")
    height, width = blurry.shape[:2]
    if not holds_windows(height, width):
        return failed(f"nothing to compare: {width}x{height} is too small")
    samples = collect(blurry, sharp, flow, valid)
    n_windows = len(samples.windows.radius2)
    share = n_windows / samples.windows.n_possible if samples.windows.n_possible else 0.0
    problem = pose(samples)
    if problem is None:
        return failed(f"nothing to compare: {n_windows} unclipped windows, or too dark ones", compared_share=share)
    alike = _likeness(problem)
    if alike < _LEAST_LIKENESS:
        return failed(f"another scene: light correlates by {alike:.2f}", compared_share=share)
    transfers, exponent = _fit_all(samples, problem)
    chosen = transfers[Match(model)]
    psnr = {name: _psnr(samples, transfer) for name, transfer in transfers.items()}
    chosen = dataclasses.replace(
        chosen,
        residual=_residual(problem, chosen),
        compared_share=share,
        psnr_none_db=psnr[Match.NONE],
        psnr_gain_db=psnr[Match.GAIN],
        psnr_field_db=psnr[Match.FIELD],
        psnr_tone_db=psnr[Match.TONE],
    )
    return _less_sure(dataclasses.replace(chosen, distrust=_distrust(chosen)), exponent)


def _check_shapes(
    blurry: Picture, sharp: Picture, flow: NDArray[np.float32] | None, valid: NDArray[np.bool_] | None
) -> None:
    size = blurry.shape[:2]
    if blurry.shape != sharp.shape or blurry.ndim != 3 or blurry.shape[2] != 3:
        raise ImageError(f"match: expected two pictures (H, W, 3) of one size, got {blurry.shape} and {sharp.shape}.")
    if flow is not None and flow.shape != (2, *size):
        raise ImageError(f"match: expected a flow {(2, *size)} for pictures of {size}, got {flow.shape}.")
    if valid is not None and valid.shape != size:
        raise ImageError(f"match: expected valid pixels {size}, got {valid.shape}.")


def _likeness(problem: Problem) -> float:
    """Correlation of ln(light) between the pictures' windows; 1 where a picture is too even to tell."""
    light = [np.log(part @ DISPLAY_LIGHT + DARKEST).ravel() for part in (problem.windows.blurry, problem.windows.sharp)]
    if min(part.std() for part in light) < _PLAIN:
        return 1.0
    return float(np.corrcoef(light[0], light[1])[0, 1])


def _fit_all(samples: Samples, problem: Problem) -> tuple[dict[Match, Transfer], float]:
    """The transfer of each model, and the standard error of the curve's exponent."""
    best, glare = _with_glare(problem, fit_light(problem))
    straight, straight_glare = _with_glare(problem, fit_light(problem, curve=False), curve=False)
    if not _explains_more(problem, best, straight):
        best, glare = straight, straight_glare
    gain = _as_transfer(samples, fit_light(problem, curve=False, field=False, glare=glare, start=best))
    exponent = exponent_error(problem, best) if any(best.bends) else 0.0
    curves = fit_tone(problem, gain)
    red, green, blue = (max(white, curve[-1]) for white, curve in zip(gain.white, curves, strict=True))
    tone = dataclasses.replace(gain, model=Match.TONE, tone=curves, white=(red, green, blue))
    field = _as_transfer(samples, best, Match.FIELD)
    return {Match.NONE: Transfer(), Match.GAIN: gain, Match.FIELD: field, Match.TONE: tone}, exponent


def _less_sure(transfer: Transfer, exponent: float) -> Transfer:
    """``transfer`` with the error of the curve's exponent in those of its gains; a reason where that is too large."""
    errors = (math.hypot(e, exponent * math.log(g)) for e, g in zip(transfer.gain_errors, transfer.gains, strict=True))
    red, green, blue = errors
    reasons, error = list(transfer.distrust), 2 * max(red, green, blue)
    if error > _LARGEST_ERROR >= 2 * max(transfer.gain_errors):
        reasons.append(
            f"{CURVE}: gains known to {100 * error:.1f} % only, too little detail was lost to tell the curve"
        )
    return dataclasses.replace(transfer, gain_errors=(red, green, blue), distrust=tuple(reasons))


def _with_glare(problem: Problem, fit: LightFit, *, curve: bool = True) -> tuple[LightFit, bool]:
    """The fit with glare, where that is certain, else ``fit``; and whether it is."""
    veiled = fit_light(problem, curve=curve, glare=True, start=fit)
    if abs(veiled.glare) <= max(_LEAST_GLARE, _SURE * veiled.glare_error):
        return fit, False
    before, after = errors_left(problem, fit)[0], errors_left(problem, veiled)[0]
    return (veiled, True) if before > _LEAST_USE_OF_GLARE * after else (fit, False)


def _explains_more(problem: Problem, bent: LightFit, straight: LightFit) -> bool:
    """Whether a bent curve is called for; without flats, windows alone must do."""
    (windows, flats), (others, other_flats) = errors_left(problem, bent), errors_left(problem, straight)
    if flats is None or other_flats is None:
        return True
    return other_flats > _LEAST_USE * flats or others > _LEAST_USE_IN_WINDOWS * windows


def _as_transfer(samples: Samples, fit: LightFit, model: Match = Match.GAIN) -> Transfer:
    red, green, blue = (math.exp(value) for value in fit.log_gain)
    glare = tuple(fit.glare * mean for mean in fit.veil)
    transfer = Transfer(model, (red, green, blue), fit.error, fit.bends, fit.field, (glare[0], glare[1], glare[2]))
    return dataclasses.replace(transfer, white=_white(samples, transfer))


def _white(samples: Samples, transfer: Transfer) -> Three:
    """What clipped pixels become: see :mod:`~sdd_bench.registration.light.transfer`."""
    least, whites = transfer.display_curves(np.array([KNEE]))[:, 0], list(transfer.extended_white())
    for c in range(3):
        clipped = ((samples.sharp[..., c] >= KNEE) & samples.valid).astype(np.uint8)
        inside = cv2.erode(clipped, np.ones((3, 3), np.uint8)) > 0
        if np.count_nonzero(inside) >= _LEAST_CLIPPED_PX:
            whites[c] = float(np.clip(np.median(samples.blurry[inside, c]), least[c], 1.0))
    return whites[0], whites[1], whites[2]


def _psnr(samples: Samples, transfer: Transfer) -> float | None:
    """PSNR of the transferred sharp picture against the blurry one, in display values; None: infinite."""
    step = (slice(None, None, _PSNR_STEP),) * 2
    error = (transfer.apply(samples.sharp[step]) - samples.blurry[step])[samples.valid[step]].astype(np.float64)
    mean = float(np.mean(error**2)) if error.size else 0.0
    return -10 * math.log10(mean) if mean > 0 else None


def _residual(problem: Problem, transfer: Transfer) -> float:
    windows = problem.windows
    usable = problem.window_part.usable
    light = windows.blurry @ DISPLAY_LIGHT
    curves = srgb_to_linear(transfer.display_curves(GRID)).astype(np.float64)
    matched = np.einsum("ncb,cb->nc", windows.sharp, curves)
    if transfer.model is Match.FIELD:
        matched *= 1 + transfer.field * windows.radius2[:, None]
    return float(np.sqrt(np.mean(np.log(light[usable] / matched[usable]) ** 2)))


def _distrust(transfer: Transfer) -> tuple[str, ...]:
    reasons = []
    if transfer.compared_share < _FEW_COMPARED:
        reasons.append(f"clipped: {100 * transfer.compared_share:.0f} % of the picture can be compared")
    error = 2 * max(transfer.gain_errors)
    if error > _LARGEST_ERROR:
        reasons.append(f"gain: known to {100 * error:.1f} % only")
    if transfer.residual > _LARGEST_RESIDUAL:
        reasons.append(f"uneven: light of parts differs by {100 * transfer.residual:.0f} % beyond the transfer")
    if not 1 / _LARGEST_GAIN < min(transfer.gains) <= max(transfer.gains) < _LARGEST_GAIN:
        reasons.append(f"extreme: gains {', '.join(f'{gain:.3g}' for gain in transfer.gains)}")
    return tuple(reasons)
