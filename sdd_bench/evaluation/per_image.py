"""One row per method, picture and ground truth: what ``per_image.csv`` holds."""

from __future__ import annotations

from dataclasses import dataclass

from sdd_bench.core.types import GroundTruth
from sdd_bench.evaluation.options import METRICS
from sdd_bench.evaluation.regions import LEVEL_EDGES_PX

SHARES = tuple(f"share_from_{low:g}_px" for low in LEVEL_EDGES_PX)
"""Columns: share of the picture's regions whose blur begins at a level."""
GAINS = tuple(f"gain_from_{low:g}_px" for low in LEVEL_EDGES_PX)
"""Columns: gain over the input in these regions, in dB."""
FIGURES = (
    *METRICS, "valid_share", "drift_px", "deform_px", "coc_diameter_px", "misalignment_px", "layer_share",
    "layer_px", "supported_share", "blur_px", *SHARES, *GAINS, "focus_change",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageRow:
    """One picture of one method against one ground truth; a figure that is not known is None."""

    method: str
    image: str
    scene: str = ""
    group: str = ""
    ground_truth: GroundTruth
    psnr: float | None
    ssim: float | None
    mae: float | None
    lpips: float | None
    valid_share: float | None = None
    drift_px: float | None
    deform_px: float | None = None
    coc_diameter_px: float | None = None
    misalignment_px: float | None = None
    misalignment_doubt: str = ""  # why it may not be what moved as a whole
    layer_share: float | None = None
    layer_px: float | None = None
    supported_share: float | None = None
    blur_px: float | None = None  # of matched ground truth alone, as all below
    share_from_0_px: float | None = None
    share_from_2_px: float | None = None
    share_from_5_px: float | None = None
    share_from_10_px: float | None = None
    share_from_20_px: float | None = None
    gain_from_0_px: float | None = None
    gain_from_2_px: float | None = None
    gain_from_5_px: float | None = None
    gain_from_10_px: float | None = None
    gain_from_20_px: float | None = None
    focus_change: float | None = None

    @property
    def figures(self) -> dict[str, float | None]:
        """The figures by column."""
        return {name: getattr(self, name) for name in FIGURES}
