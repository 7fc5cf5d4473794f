"""The fit of a similarity to displaced tiles: what its intervals believe."""

from __future__ import annotations

import numpy as np
import pytest

from sdd_bench.registration.tile_fit import fit_tiles
from sdd_bench.registration.tiles import Tiles


def _tiles(rng: np.random.Generator, inner_px: float, outer_px: float, n: int = 600) -> Tiles:
    """Tiles that do not move, off by ``inner_px`` or ``outer_px``, which their covariance does not know."""
    centre = rng.uniform(-500, 500, n) + 1j * rng.uniform(-300, 300, n)
    deviation = np.where(np.abs(centre) > np.median(np.abs(centre)), outer_px, inner_px)
    return Tiles(
        centre=centre,
        displacement=rng.normal(size=(n, 2)) * deviation[:, None],
        covariance=np.tile(0.02**2 * np.eye(2), (n, 1, 1)),
        explained=np.full(n, 0.9),
        blur_px=np.zeros(n),
        n_inside=n,
    )


@pytest.mark.parametrize(("inner_px", "outer_px"), [(0.06, 0.02), (0.02, 0.06)])
def test_a_standard_error_is_the_spread_of_the_results(inner_px: float, outer_px: float) -> None:
    """The model's own covariance is off by 0.7 in the first case; without the slope of the weights both are by 1.5."""
    rng = np.random.default_rng(1)
    ratios = []
    for _ in range(100):
        estimate = fit_tiles(_tiles(rng, inner_px, outer_px))
        assert estimate is not None
        ratios.append(estimate.theta / np.sqrt(np.diag(estimate.covariance)))
    np.testing.assert_allclose(np.std(ratios, axis=0), 1, atol=0.2)
