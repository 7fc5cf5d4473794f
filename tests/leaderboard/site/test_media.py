"""Which parts of a picture are shown large."""

import numpy as np
import pytest

from sdd_bench.leaderboard.site.media import detailed_windows


def test_the_windows_lie_on_the_detail_and_apart(rng: np.random.Generator) -> None:
    picture = np.full((400, 600, 3), 0.5, dtype=np.float32)
    picture[40:140, 60:160] = rng.random((100, 100, 3))
    picture[250:350, 400:500] = 0.5 + 0.3 * (rng.random((100, 100, 3)) - 0.5)
    (y, x), (y2, x2) = detailed_windows(picture, side=120)
    assert y <= 40 <= y + 20
    assert x <= 60 <= x + 20
    assert y2 <= 250 <= y2 + 20
    assert x2 <= 400 <= x2 + 20


@pytest.mark.parametrize("shape", [(100, 100), (50, 400), (160, 160), (3, 5)])
def test_small_pictures_have_windows_that_fit(shape: tuple[int, int]) -> None:
    windows = detailed_windows(np.zeros((*shape, 3), dtype=np.float32))
    side = min(160, *shape)
    assert windows
    assert all(0 <= y <= shape[0] - side and 0 <= x <= shape[1] - side for y, x in windows)
