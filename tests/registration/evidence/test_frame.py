"""Frames are told from scenes: what is equal in both pictures although the rest moved does not vote."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest

from sdd_bench.flow.estimator import load_flow
from sdd_bench.geometry.similarity import Similarity
from sdd_bench.registration.measure import Misalignment, measure

_DIS = load_flow("dis")
_TRUTH = Similarity(1.02, 0.1, 5.0, -3.0)


def _off_px(found: Misalignment, truth: Similarity = _TRUTH) -> float:
    return (truth.inverse() @ found.similarity).corner_px(found.height, found.width)


def _outside_a_circle(picture: np.ndarray, level: int) -> np.ndarray:
    masked = np.full_like(picture, level)
    inside = np.zeros(picture.shape[:2], np.uint8)
    cv2.circle(inside, (320, 192), 170, 1, -1)
    masked[inside > 0] = picture[inside > 0]
    return masked


@pytest.mark.parametrize("level", [0, 8, 128, 255])
def test_the_same_mask_on_both_pictures_does_not_vote_whatever_its_level(
    make_pair: Callable[..., Any], level: int
) -> None:
    pair = make_pair(_TRUTH)
    found = measure(_outside_a_circle(pair.blurry, level), _outside_a_circle(pair.sharp, level), _DIS)
    assert _off_px(found) < 0.3
    assert not found.distrust
    assert found.static_share == pytest.approx(1 - np.pi * 170**2 / (640 * 384), abs=0.06)


def test_a_stamp_is_excluded_and_reported(make_pair: Callable[..., Any]) -> None:
    pair = make_pair(_TRUTH)
    for picture in (pair.blurry, pair.sharp):
        for row in range(4):
            cv2.putText(picture, "2026-11-29 23:59", (10, 90 + 80 * row), cv2.FONT_HERSHEY_DUPLEX, 2, (255, 180, 0), 6)
    found = measure(pair.blurry, pair.sharp, _DIS)
    assert _off_px(found) < 0.05
    assert 0.05 < found.static_share < 0.3


def test_a_scene_that_did_not_move_is_no_frame(make_pair: Callable[..., Any]) -> None:
    pair = make_pair(Similarity(), coc_px=1.0)
    for other in (pair.sharp, np.clip(pair.sharp.astype(int) + 1, 0, 255).astype(np.uint8)):
        found = measure(pair.sharp, other, _DIS)
        assert found.static_share == 0
        assert found.textured_share > 0.8
        assert _off_px(found, Similarity()) < 0.01


def test_constant_regions_alone_are_flagged() -> None:
    grey = np.full((192, 256, 3), 128, np.uint8)
    grey[:, :100] = 20
    assert measure(grey, grey, _DIS).distrust
