"""Layers that moved otherwise are seen, however far they moved, and their share and motion are reported."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sdd_bench.flow.estimator import load_flow
from sdd_bench.geometry.similarity import Similarity
from sdd_bench.registration import measure as measure_module
from sdd_bench.registration.measure import measure
from sdd_bench.registration.trust import Kind

_DIS = load_flow("dis")


@pytest.mark.parametrize("by_px", [4, 11, 24])
def test_half_a_picture_that_moved_is_half_that_disagrees(make_pair: Callable[..., Any], by_px: int) -> None:
    pair = make_pair(Similarity(), coc_px=3.0)
    sharp = pair.sharp.copy()
    sharp[:, 320:] = np.roll(pair.sharp, by_px, axis=1)[:, 320:]
    found = measure(pair.blurry, sharp, _DIS)
    assert found.kind is Kind.NONRIGID
    assert found.disagree_share == pytest.approx(0.5, abs=0.15)
    assert found.residual_px == pytest.approx(by_px * found.disagree_share**0.5, rel=0.2)
    assert found.second is not None
    assert found.second_share == pytest.approx(found.disagree_share, abs=0.1)
    shifts = {round(found.similarity.shift_x_px), round(found.second.shift_x_px)}
    assert shifts == {0, by_px}


def test_a_layer_that_stands_still_is_no_frame_though_parts_of_it_are_equal(make_pair: Callable[..., Any]) -> None:
    pair = make_pair(Similarity(), coc_px=4.0)
    sharp = np.roll(pair.sharp, 14, axis=1)
    sharp[:, :240] = pair.sharp[:, :240]
    for picture in (pair.blurry, sharp):
        picture[60:220, 50:180] = 120
    found = measure(pair.blurry, sharp, _DIS)
    assert round(found.similarity.shift_x_px) == 14
    assert found.kind is Kind.NONRIGID
    assert found.static_share == 0
    assert found.second is not None
    assert found.second.rms_px(384, 640) < 0.5
    assert found.second_share == pytest.approx(0.33, abs=0.1)


def test_a_rigid_pair_has_no_layers(make_pair: Callable[..., Any]) -> None:
    for coc_px in (0.0, 6.0):
        pair = make_pair(Similarity(0.985, -0.3, -6.0, 3.3), coc_px=coc_px)
        found = measure(pair.blurry, pair.sharp, _DIS)
        assert found.disagree_share < 0.03
        assert found.second is None
        assert found.kind is Kind.ZOOM_SHIFT


def test_a_small_part_that_moved_is_no_nonrigid_pair(make_pair: Callable[..., Any]) -> None:
    pair = make_pair(Similarity(), coc_px=3.0)
    sharp = pair.sharp.copy()
    sharp[96:160, 96:160] = np.roll(pair.sharp, 12, axis=0)[96:160, 96:160]
    found = measure(pair.blurry, sharp, _DIS)
    assert 0 < found.disagree_share < 0.05
    assert found.kind is Kind.ALIGNED


def test_a_wall_of_equal_bricks_is_not_believed() -> None:
    y, x = np.mgrid[:192, :256]
    wall = np.where((x % 16 < 8) ^ (y % 16 < 8), 90, 170).astype(np.uint8)
    sharp = np.repeat(wall[..., None], 3, axis=-1)
    found = measure(np.roll(sharp, 3, axis=1), sharp, _DIS)
    assert any(reason.startswith("repeated texture") for reason in found.distrust)


def test_a_second_layer_is_no_repeated_texture(make_pair: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Another shift aligns a layered pair as well: that of its second layer."""
    monkeypatch.setattr(measure_module, "rival", lambda *_: 1.0)
    pair = make_pair(Similarity(), coc_px=3.0)
    sharp = pair.sharp.copy()
    sharp[:, 320:] = np.roll(pair.sharp, 11, axis=1)[:, 320:]
    assert not any("repeated" in reason for reason in measure(pair.blurry, sharp, _DIS).distrust)
    assert any("repeated" in reason for reason in measure(pair.blurry, pair.sharp, _DIS).distrust)
