"""What every metric asks of its two pictures."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.errors import ImageError
from sdd_bench.core.side_by_side import in_strips

Picture = NDArray[np.floating[Any]]
"""``(H, W, 3)`` RGB in [0, 1], float32 or float64."""


_ROWS = 64
"""Rows of a strip."""


def check_picture(picture: Picture, role: str, *, smallest: int = 1) -> None:
    """Refuse what no metric is defined on; values outside [0, 1] pass (they are clipped where predictions are read).

    Raises:
        ImageError: Not ``(H, W, 3)`` floats, smaller than ``smallest`` pixels, or some are NaN or infinite.
    """
    _check_form(picture, role, smallest)
    if np.isfinite(picture.min()) and np.isfinite(picture.max()):  # either is NaN when any value is
        return
    n_bad = int((~np.isfinite(picture)).any(axis=2).sum())
    raise ImageError(
        f"{role}: {n_bad} of {picture.shape[0] * picture.shape[1]} pixels are NaN or infinite, which has no score; "
        "the network diverged or the file is damaged."
    )


def check_pair(prediction: Picture, truth: Picture, *, smallest: int = 1) -> None:
    """Check both pictures, and that they have one shape.

    Raises:
        ImageError: As :func:`check_picture`, or the shapes differ.
    """
    _check_shapes(prediction, truth)
    check_picture(prediction, "prediction", smallest=smallest)
    check_picture(truth, "ground truth", smallest=smallest)


def sums_over(
    strip: Callable[[Picture, Picture, int, int], tuple[float, ...]],
    prediction: Picture,
    truth: Picture,
    *,
    window: int = 1,
) -> tuple[float, ...]:
    """The sums of what ``strip(prediction, truth, first, last)`` gives for strips of rows, on all threads; checked.

    Args:
        strip: Sums over the windows whose first rows are ``first`` to ``last``; releases Python's lock, and is not
            finite where a value is not.
        prediction: ``(H, W, 3)`` floats.
        truth: Same shape.
        window: Side of the windows.

    Raises:
        ImageError: As :func:`check_picture`, or the shapes differ.
    """
    _check_shapes(prediction, truth)
    for role, picture in (("prediction", prediction), ("ground truth", truth)):
        _check_form(picture, role, window)
    kind = np.result_type(prediction, truth)
    p, t = (np.ascontiguousarray(picture, kind) for picture in (prediction, truth))
    rows = len(t) - window + 1
    parts = in_strips(rows, lambda first, last: strip(p, t, first, last), size=_ROWS, pixels=t.size)
    totals = tuple(sum(values) for values in zip(*parts, strict=True))
    if not all(map(math.isfinite, totals)):
        check_pair(prediction, truth)
    return totals


def _check_shapes(prediction: Picture, truth: Picture) -> None:
    if prediction.shape != truth.shape:
        raise ImageError(
            f"prediction is {prediction.shape} but ground truth is {truth.shape}; both must share one size."
        )


def _check_form(picture: Picture, role: str, smallest: int) -> None:
    if picture.ndim != 3 or picture.shape[2] != 3:
        raise ImageError(f"{role}: expected an (H, W, 3) picture, got shape {picture.shape}.")
    if picture.dtype not in (np.float32, np.float64):
        raise ImageError(f"{role}: expected float32 in [0, 1], got {picture.dtype}; convert it with to_float.")
    if min(picture.shape[:2]) < smallest:
        height, width = picture.shape[:2]
        raise ImageError(f"{role}: expected at least {smallest}x{smallest} pixels, got {width}x{height}.")
