"""Analysis of one pair that is in memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sdd_bench.analysis.options import AnalyzeOptions
from sdd_bench.analysis.pair import flow_of
from sdd_bench.analysis.table import figures
from sdd_bench.core.errors import ImageError
from sdd_bench.registration.measure import Misalignment, measure
from sdd_bench.report.notebook import html_table

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class PairAnalysis:
    """The misalignment of two pictures."""

    measured: Misalignment

    @property
    def figures(self) -> dict[str, Any]:
        """The figures by the column names of ``misalignment.csv``; one that does not exist is None."""
        return figures(self.measured)

    def to_frame(self) -> DataFrame:
        """The figures as a pandas DataFrame of one row."""
        import pandas as pd

        return pd.DataFrame([self.figures])

    def _repr_html_(self) -> str:
        rows = [(name, "" if value is None else value) for name, value in self.figures.items()]
        return html_table("misalignment, blurry to sharp", ("figure", "value"), rows)


def analyze_pair(blurry: NDArray[Any], sharp: NDArray[Any], *, options: AnalyzeOptions | None = None) -> PairAnalysis:
    """Measure zoom, shift, rotation and exposure between a blurry and a sharp picture.

    Args:
        blurry: sRGB, ``(H, W, 3)``: uint8, uint16, or floats in [0, 1]; at least 64 pixels a side.
        sharp: The same scene, same shape and type.
        options: How; None for the defaults of ``analyze``.

    Returns:
        The measurement; ``result.measured.similarity`` maps blurry to sharp coordinates.

    Raises:
        ImageError: Shapes or types differ, the pictures are too small, or a value is not finite or outside [0, 1].

    Example:
        >>> import cv2
        >>> texture = cv2.GaussianBlur(np.random.default_rng(0).random((160, 200, 3)), (0, 0), 2)
        >>> picture = (255 * (texture - texture.min()) / np.ptp(texture)).astype(np.uint8)
        >>> found = analyze_pair(picture[:, 4:], picture[:, :-4], options=AnalyzeOptions(flow="dis"))
        >>> round(found.measured.similarity.shift_x_px, 1)
        4.0
    """
    options = options or AnalyzeOptions()
    if blurry.dtype != sharp.dtype:
        raise ImageError(f"analyze_pair: blurry is {blurry.dtype} but sharp is {sharp.dtype}; give both one type.")
    return PairAnalysis(measure(_pixels(blurry, "blurry"), _pixels(sharp, "sharp"), flow_of(options), options=options))


def _pixels(picture: NDArray[Any], role: str) -> NDArray[Any]:
    """Whole numbers, as files hold them; floats with 16 bits."""
    if picture.dtype in (np.uint8, np.uint16):
        return picture
    if not np.issubdtype(picture.dtype, np.floating):
        raise ImageError(f"analyze_pair: {role} is {picture.dtype}; expected uint8, uint16, or floats in [0, 1].")
    if not np.isfinite(picture).all() or picture.min() < 0 or picture.max() > 1:
        low, high = picture.min(), picture.max()
        raise ImageError(f"analyze_pair: {role} has values from {low:.4g} to {high:.4g}; expected [0, 1]. Rescale it.")
    return np.asarray(np.rint(65535 * picture.astype(np.float64)), dtype=np.uint16)
