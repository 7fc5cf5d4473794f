"""Rectangles cover what is asked for, once."""

from __future__ import annotations

import numpy as np
import pytest

from sdd_bench.deconvolution.rectangles import Rectangle, cover


@pytest.mark.parametrize("share", [0.0002, 0.002, 0.02])
def test_every_set_pixel_is_covered_once(share: float, rng: np.random.Generator) -> None:
    mask = rng.random((150, 203)) < share
    times = np.zeros(mask.shape, int)
    for part in cover(mask, tile=16, margin=2):
        times[part.slices] += 1
    assert (times[mask] == 1).all()
    assert times.max() <= 1


def test_an_empty_mask_needs_nothing_and_a_full_one_a_single_rectangle() -> None:
    assert cover(np.zeros((50, 60), bool), tile=16, margin=0) == []
    assert cover(np.ones((50, 60), bool), tile=16, margin=0) == [Rectangle(0, 50, 0, 60)]


def test_a_block_of_tiles_is_one_rectangle() -> None:
    mask = np.zeros((64, 64), bool)
    mask[17, 33] = mask[47, 62] = mask[17, 62] = mask[47, 33] = True
    assert cover(mask, tile=16, margin=0) == [Rectangle(16, 48, 32, 64)]


def test_margins_that_outgrow_the_picture_give_the_whole_picture() -> None:
    mask = np.zeros((64, 64), bool)
    mask[::32, ::32] = True
    assert cover(mask, tile=16, margin=40) == [Rectangle(0, 64, 0, 64)]


def test_a_grown_rectangle_stays_in_the_picture_and_holds_the_first() -> None:
    part = Rectangle(10, 20, 0, 5)
    grown = part.grown(8, (24, 100))
    assert grown == Rectangle(2, 24, 0, 13)
    field = np.arange(24 * 100).reshape(24, 100)
    np.testing.assert_array_equal(field[grown.slices][part.within(grown)], field[part.slices])
