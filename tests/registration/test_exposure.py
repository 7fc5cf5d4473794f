from __future__ import annotations

import numpy as np
import pytest

from sdd_bench.registration.exposure import exposure_gain

_GAIN = np.float32([1.3, 0.8, 1.1])


def _picture(rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(0.05, 0.6, (128, 192, 3)).astype(np.float32)


def test_the_gain_of_each_channel_is_found(rng: np.random.Generator) -> None:
    sharp = _picture(rng)
    assert exposure_gain(_GAIN * sharp, sharp) == pytest.approx(_GAIN, rel=1e-5)


def test_saturated_pixels_and_a_part_that_changed_do_not_move_it(rng: np.random.Generator) -> None:
    sharp = _picture(rng)
    blurry = np.minimum(_GAIN * sharp, 1.0)
    blurry[:40] = 1.0
    blurry[40:70, :60] = 0.01
    assert exposure_gain(blurry, sharp) == pytest.approx(_GAIN, rel=0.01)


def test_only_usable_pixels_count(rng: np.random.Generator) -> None:
    sharp = _picture(rng)
    blurry = _GAIN * sharp
    blurry[:, :100] *= 0.5
    usable = np.zeros(sharp.shape[:2], bool)
    usable[:, 100:] = True
    assert exposure_gain(blurry, sharp, usable) == pytest.approx(_GAIN, rel=1e-5)


def test_a_dark_picture_gives_no_gain() -> None:
    black = np.zeros((64, 64, 3), np.float32)
    assert exposure_gain(black, black) == (1.0, 1.0, 1.0)
