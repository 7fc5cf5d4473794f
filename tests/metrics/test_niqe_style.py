"""The NIQE-style distance: fits by moments, and the order of degraded pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy.stats import gennorm

from sdd_bench.core.errors import ImageError
from sdd_bench.images.photograph import read_photograph, to_float
from sdd_bench.metrics.niqe_style import _asymmetric_fit, block_features, niqe_style


@pytest.mark.parametrize("shape", [0.7, 1.0, 2.0, 3.5])
def test_the_shape_of_a_generalised_gaussian_is_found(shape: float, rng: np.random.Generator) -> None:
    values = gennorm.rvs(shape, size=(2, 200_000), random_state=rng)
    found, left, right = _asymmetric_fit(values)
    assert found == pytest.approx([shape] * 2, rel=0.05)
    assert left == pytest.approx(right, rel=0.02)
    assert left == pytest.approx([gennorm.std(shape)] * 2, rel=0.02)


def test_two_sides_have_their_own_deviation(rng: np.random.Generator) -> None:
    values = rng.standard_normal((1, 200_000))
    values[values > 0] *= 3
    _, left, right = _asymmetric_fit(values)
    assert (left[0], right[0]) == (pytest.approx(1.0, rel=0.02), pytest.approx(3.0, rel=0.02))


def test_photographs_that_were_not_fitted_get_worse_by_blur_and_by_noise(data_root: Path) -> None:
    rng = np.random.default_rng(0)
    for path in sorted((data_root / "aperture/vabd/input").iterdir())[:2]:
        picture = to_float(read_photograph(path).pixels)[:480, :640]
        own = niqe_style(picture)
        blurred = [niqe_style(cv2.GaussianBlur(picture, (0, 0), sigma)) for sigma in (2, 4)]
        noisy = [niqe_style(np.clip(picture + rng.normal(0, s, picture.shape), 0, 1)) for s in (0.05, 0.15)]
        assert own < blurred[0] < blurred[1]
        assert own < noisy[0] < noisy[1]


def test_small_pictures_are_refused_and_flat_ones_have_a_number() -> None:
    with pytest.raises(ImageError, match="at least 192x192"):
        niqe_style(np.zeros((100, 300, 3), np.float32))
    assert np.isfinite(niqe_style(np.full((192, 192, 3), 0.5, np.float32)))
    assert block_features(np.zeros((192, 300, 3), np.float32)).shape == (6, 36)
