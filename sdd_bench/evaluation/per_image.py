"""One row per method, picture and ground truth: what ``per_image.csv`` holds."""

from __future__ import annotations

from dataclasses import dataclass

from sdd_bench.core.types import GroundTruth
from sdd_bench.evaluation.options import METRICS

FIGURES = (*METRICS, "valid_share", "drift_px", "deform_px", "coc_diameter_px", "misalignment_px")


@dataclass(frozen=True, kw_only=True)
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

    @property
    def figures(self) -> dict[str, float | None]:
        """The figures by column."""
        return {name: getattr(self, name) for name in FIGURES}
