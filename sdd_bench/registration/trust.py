"""Name of a measured misalignment, and the reasons not to believe it."""

from __future__ import annotations

import math
from enum import StrEnum

from sdd_bench.core.words import counted
from sdd_bench.geometry.similarity import Similarity
from sdd_bench.registration.coarse import Coarse
from sdd_bench.registration.options import MeasureOptions
from sdd_bench.registration.refine import ENOUGH_TILES, DirectFit

_LOW_TRUST = 0.35
"""Least share of the textured tiles that agree with a fit that is believed."""
_MOSTLY_CLIPPED = 0.5
"""Share of the picture clipped in either of the two above which clipping is why too few tiles could be measured."""
_LOW_CONSISTENCY = 0.3
"""Least share of the textured pixels with consistent flow."""
_LARGEST_CORNER_ERROR_PX = 0.35
"""Largest standard error at the corners, below the half pixel by which a motion counts."""
_DISAGREEMENT_PX = 3.0
"""Largest RMS difference between flow and direct registration, in working pixels."""
NONRIGID_SHARE = 0.05
"""Share of the textured tiles off the similarity above which a pair is ``nonrigid``."""
_RIVAL = 0.9
"""Largest ratio of what the result leaves unexplained to what another shift does, of a result that is believed."""
_LOW_LIKENESS = 0.3
"""Least correlation of the coarse detail of aligned pictures."""


class Kind(StrEnum):
    """Kind of misalignment, by the thresholds of the options. A rotation counts as a shift."""

    ALIGNED = "aligned"
    SHIFT = "shift"
    ZOOM = "zoom"
    ZOOM_SHIFT = "zoom+shift"
    NONRIGID = "nonrigid"


def name_kind(
    similarity: Similarity,
    residual_px: float,
    size: tuple[int, int],
    options: MeasureOptions,
    *,
    disagree_share: float = 0.0,
) -> Kind:
    """Kind of a misalignment, by the thresholds of ``options``.

    Args:
        similarity: Measured similarity, in pixels of the whole picture.
        residual_px: RMS by which the tiles that agree with ``similarity`` differ from it.
        size: Height and width of the whole picture.
        options: Thresholds.
        disagree_share: Share of the textured tiles that are off ``similarity``.

    Example:
        >>> str(name_kind(Similarity(zoom=1.01), 0.0, (480, 640), MeasureOptions()))
        'zoom'
        >>> str(name_kind(Similarity(shift_x_px=0.2), 0.0, (480, 640), MeasureOptions()))
        'aligned'
    """
    if residual_px >= options.nonrigid_px or disagree_share > NONRIGID_SHARE:
        return Kind.NONRIGID
    reach = math.hypot(*size) / 2
    zooms = abs(similarity.zoom - 1) * reach >= options.aligned_px
    turn = similarity.zoom * math.radians(abs(similarity.rotation_deg)) * reach
    shifts = max(math.hypot(similarity.shift_x_px, similarity.shift_y_px), turn) >= options.aligned_px
    if zooms:
        return Kind.ZOOM_SHIFT if shifts else Kind.ZOOM
    return Kind.SHIFT if shifts else Kind.ALIGNED


def distrust(
    similarity: Similarity,
    error: Similarity,
    fit: DirectFit | None,
    coarse: Coarse,
    size: tuple[int, int],
    *,
    factor: int,
    difference_px: float,
    alike: float,
    clipped_share: float = 0.0,
    repeated: float = 0.0,
    disagree_share: float = 0.0,
    options: MeasureOptions,
) -> tuple[str, ...]:
    """Reasons not to believe a measurement, ``kind`` or ``kind: figure``; empty where none is known.

    Args:
        similarity: Measured similarity, in pixels of the whole picture.
        error: Standard errors of its numbers; NaN where direct registration was not believed.
        fit: Result of direct registration; None where too few tiles have texture.
        coarse: Start from flow.
        size: Height and width of the whole picture.
        factor: Pixels of the whole picture per pixel of the planes of ``fit``.
        difference_px: RMS between the similarity of flow and the measured one.
        alike: Correlation of the aligned pictures.
        clipped_share: Share of the picture that is saturated in either of the two.
        repeated: What is left unexplained, as a share of what the best other shift leaves.
        disagree_share: Share of the textured tiles that are off ``similarity``.
        options: Thresholds.

    Example:
        >>> start = Coarse(Similarity(), 0.1, 0.9, (1.0, 1.0, 1.0), factor=1.0, likeness=0.9)
        >>> unknown = Similarity(math.nan, math.nan, math.nan, math.nan)
        >>> options = MeasureOptions()
        >>> distrust(
        ...     Similarity(), unknown, None, start, (64, 64), factor=1, difference_px=0.0, alike=0.9, options=options
        ... )
        ('low texture: too few tiles could be measured',)
    """
    reasons = []
    corner_error_px = _corner_error(error, size)
    if fit is None or fit.n_tiles < ENOUGH_TILES:
        cause = f"clipped: {clipped_share:.0%} of the picture" if clipped_share > _MOSTLY_CLIPPED else "low texture"
        reasons.append(f"{cause}: {counted(fit.n_tiles, 'tile') if fit else 'too few tiles'} could be measured")
    elif math.isnan(error.zoom):
        reasons.append("direct registration made the alignment worse: this is that of flow")
    elif not fit.settled:
        reasons.append("direct registration did not settle")
    if fit is not None and fit.trusted_share < _LOW_TRUST:
        reasons.append(f"few tiles agree: {fit.trusted_share:.0%} of the textured ones")
    if coarse.consistent_share < _LOW_CONSISTENCY:
        reasons.append(f"flow inconsistent: only {coarse.consistent_share:.0%} of it comes back to where it began")
    # Flow takes the mean of layers that direct registration tells apart.
    if difference_px > _DISAGREEMENT_PX * factor / coarse.factor and not 0.05 < disagree_share < 0.6:
        reasons.append(f"flow and direct registration disagree: by {difference_px:.1f} px")
    if corner_error_px > _LARGEST_CORNER_ERROR_PX:
        reasons.append(f"uncertain: standard error of {corner_error_px:.2f} px at the corners")
    if alike < _LOW_LIKENESS:
        reasons.append(f"the aligned pictures are not alike: correlation {alike:.2f}")
    if repeated > _RIVAL:
        reasons.append("repeated texture: another shift aligns the pictures as well")
    shift = math.hypot(similarity.shift_x_px, similarity.shift_y_px)
    if abs(math.log(similarity.zoom)) > math.log1p(options.largest_zoom):
        reasons.append(f"too large: zoom {similarity.zoom:.3f}")
    if shift > options.largest_shift * max(size):
        reasons.append(f"too large: shift {shift:.0f} px")
    return tuple(reasons)


def _corner_error(error: Similarity, size: tuple[int, int]) -> float:
    if math.isnan(error.zoom):
        return 0.0
    reach = math.hypot(*size) / 2
    turns = math.hypot(error.zoom, math.radians(error.rotation_deg)) * reach
    return math.hypot(turns, error.shift_x_px, error.shift_y_px)
