from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from sdd_bench.analysis.options import AnalyzeOptions
from sdd_bench.analysis.table import figures
from sdd_bench.core.errors import ConfigError, ImageError
from sdd_bench.flow.estimator import load_flow
from sdd_bench.geometry.similarity import Similarity
from sdd_bench.images.light import linear_to_srgb, srgb_to_linear
from sdd_bench.registration.measure import interval, measure
from sdd_bench.registration.trust import Kind, name_kind

_SIZE = 384, 640
_DIS = load_flow("dis")


def _off_px(found: Similarity, truth: Similarity, size: tuple[int, int] = _SIZE) -> float:
    return (truth.inverse() @ found).corner_px(*size)


@pytest.mark.parametrize(
    "truth",
    [
        Similarity(),
        Similarity(0.985, -0.3, -6.0, 3.3),
        Similarity(1.17, 0.2, 2.0, 1.0),
        Similarity(1.0, 0.0, 24.0, -17.0),
    ],
)
def test_zoom_shift_and_rotation_are_found_to_a_fiftieth_pixel_at_the_corners(
    make_pair: Callable[..., Any], truth: Similarity
) -> None:
    pair = make_pair(truth)
    found = measure(pair.blurry, pair.sharp, _DIS)
    assert _off_px(found.similarity, truth) < 0.02
    assert not found.distrust
    assert found.exposure_gain == pytest.approx(pair.gain, rel=0.01)
    low, high = interval(found.similarity.zoom, found.standard_error.zoom)
    assert 0 < high - low < 2e-4


def test_the_network_gives_the_same_answer(known_pair: Any) -> None:
    found = measure(
        known_pair.blurry, known_pair.sharp, load_flow("pwcnet-plain"), options=AnalyzeOptions(working_width=320)
    )
    assert _off_px(found.similarity, known_pair.similarity) < 0.02
    assert found.flow_difference_px < 1
    assert found.kind == Kind.ZOOM_SHIFT


class _Shaken:
    """A flow estimator whose vectors are off by what another number of threads may change."""

    def estimate_both(self, a: torch.Tensor, b: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        numbers = torch.Generator().manual_seed(1)
        forth, back = _DIS.estimate_both(a, b)
        return tuple(flow + 1e-6 * torch.randn(flow.shape, generator=numbers) for flow in (forth, back))


def test_the_last_digits_of_flow_change_no_figure(known_pair: Any) -> None:
    found, shaken = (figures(measure(known_pair.blurry, known_pair.sharp, flow)) for flow in (_DIS, _Shaken()))
    assert found == shaken


def test_odd_sides_and_16_bit_change_nothing(known_pair: Any) -> None:
    blurry, sharp = (257 * picture[:-1, :-1].astype(np.uint16) for picture in (known_pair.blurry, known_pair.sharp))
    found = measure(blurry, sharp, _DIS)
    # the centre moved by half a pixel up and left
    slope = found.similarity.zoom - 1
    assert found.similarity.shift_x_px == pytest.approx(known_pair.similarity.shift_x_px - 0.5 * slope, abs=0.02)
    assert found.similarity.zoom == pytest.approx(known_pair.similarity.zoom, abs=3e-5)


def test_vignetting_does_not_move_the_result(known_pair: Any) -> None:
    y, x = np.mgrid[-1:1:384j, -1:1:640j]
    fall_off = (1 - 0.25 * (x**2 + y**2))[..., None] ** (1 / 2.2)
    darkened = np.rint(known_pair.blurry * fall_off).astype(np.uint8)
    found = measure(darkened, known_pair.sharp, _DIS)
    assert _off_px(found.similarity, known_pair.similarity) < 0.05


def test_the_zoom_centre_stays_in_place(known_pair: Any) -> None:
    found = measure(known_pair.blurry, known_pair.sharp, _DIS)
    assert found.zoom_centre_px is not None
    q = complex(*found.zoom_centre_px) - complex(639 / 2, 383 / 2)
    truth = known_pair.similarity
    slope = truth.zoom * np.exp(1j * math.radians(truth.rotation_deg))
    assert abs(slope * q + complex(truth.shift_x_px, truth.shift_y_px) - q) < 0.05


def test_equal_pictures_are_exactly_aligned(known_pair: Any) -> None:
    found = measure(known_pair.sharp, known_pair.sharp, _DIS)
    assert _off_px(found.similarity, Similarity()) < 1e-3
    assert found.kind == Kind.ALIGNED
    assert found.zoom_centre_px is None
    assert not found.distrust


def test_parallax_is_left_over_as_residual(make_pair: Callable[..., Any]) -> None:
    pair = make_pair(Similarity(), coc_px=2.0, parallax_px=6.0)
    found = measure(pair.blurry, pair.sharp, _DIS)
    rigid = make_pair(Similarity(), coc_px=2.0)
    assert found.residual_px > 4 * measure(rigid.blurry, rigid.sharp, _DIS).residual_px
    strict = AnalyzeOptions(nonrigid_px=0.3)
    assert name_kind(found.similarity, found.residual_px, _SIZE, strict) == Kind.NONRIGID


def test_other_scenes_and_plain_walls_are_not_trusted(known_pair: Any, rng: np.random.Generator) -> None:
    other = np.ascontiguousarray(np.rot90(known_pair.sharp, 2))
    assert measure(known_pair.blurry, other, _DIS).distrust
    wall = np.full((384, 640, 3), 120, np.uint8)
    noisy = [np.clip(wall + rng.normal(0, 2, wall.shape), 0, 255).astype(np.uint8) for _ in range(2)]
    assert any("low texture" in reason for reason in measure(*noisy, _DIS).distrust)
    assert measure(wall, wall, _DIS).distrust


@pytest.mark.parametrize("overexposed", ["blurry", "sharp", "both"])
def test_a_pair_that_is_clipped_nearly_everywhere_is_said_to_be(known_pair: Any, overexposed: str) -> None:
    light = {side: srgb_to_linear(getattr(known_pair, side).astype(np.float32) / 255) for side in ("blurry", "sharp")}
    for side in light:
        gain = 0.97 / np.quantile(light[side].max(-1), 0.02) if overexposed in (side, "both") else 1.0
        light[side] = np.rint(255 * linear_to_srgb(np.clip(gain * light[side], 0, 1))).astype(np.uint8)
    found = measure(light["blurry"], light["sharp"], _DIS)
    assert re.fullmatch(r"clipped: 9[6-9]% of the picture: (\d+|too few) tiles could be measured", found.distrust[0])


def test_a_small_picture_is_measured_and_a_tiny_one_refused(known_pair: Any) -> None:
    small = [cv2.resize(picture, (320, 192), interpolation=cv2.INTER_AREA) for picture in
             (known_pair.blurry, known_pair.sharp)]  # fmt: skip
    found = measure(*small, _DIS)
    assert found.similarity.zoom == pytest.approx(known_pair.similarity.zoom, abs=3e-4)
    assert found.similarity.shift_x_px == pytest.approx(known_pair.similarity.shift_x_px / 2, abs=0.05)
    with pytest.raises(ImageError, match="too small"):
        measure(small[0][:40], small[1][:40], _DIS)
    with pytest.raises(ImageError, match="one size"):
        measure(small[0], small[1][:100], _DIS)


@pytest.mark.parametrize(
    ("similarity", "residual_px", "kind"),
    [
        (Similarity(1.0001, 0.0, 0.1, 0.0), 0.1, Kind.ALIGNED),
        (Similarity(1.0001, 0.0, 2.0, 0.0), 0.1, Kind.SHIFT),
        (Similarity(1.0, 0.2, 0.0, 0.0), 0.1, Kind.SHIFT),
        (Similarity(1.01, 0.0, 0.1, 0.0), 0.1, Kind.ZOOM),
        (Similarity(0.99, 0.0, 0.0, -3.0), 0.1, Kind.ZOOM_SHIFT),
        (Similarity(1.0, 0.0, 0.0, 0.0), 2.0, Kind.NONRIGID),
    ],
)
def test_kinds_are_named_by_the_stated_thresholds(similarity: Similarity, residual_px: float, kind: Kind) -> None:
    assert name_kind(similarity, residual_px, _SIZE, AnalyzeOptions()) == kind


def test_what_is_too_large_is_said(known_pair: Any) -> None:
    strict = AnalyzeOptions(largest_zoom=0.01, largest_shift=0.005)
    reasons = measure(known_pair.blurry, known_pair.sharp, _DIS, options=strict).distrust
    assert [reason.partition(" ")[0] for reason in reasons] == ["too", "too"]


def test_options_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="aligned_px"):
        AnalyzeOptions(aligned_px=0)
    with pytest.raises(ConfigError, match="working_width"):
        AnalyzeOptions(working_width=50)
