from __future__ import annotations

import numpy as np
import pytest

from sdd_bench.synth.textures import cut, fractal, make_bank


@pytest.mark.parametrize("beta", [0.7, 1.0, 1.3])
def test_a_fractal_falls_off_as_it_should(beta, rng):
    spectrum = np.abs(np.fft.fft2(fractal(256, 256, rng, beta) - 0.5))
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(256), np.fft.fftfreq(256)))
    band = (radius > 0.02) & (radius < 0.4)
    slope = np.polyfit(np.log(radius[band]), np.log(spectrum[band]), 1)[0]
    assert slope == pytest.approx(-beta, abs=0.1)


def test_tiles_have_detail_and_differ(rng):
    bank = make_bank(rng, 128, count=16)
    assert all(tile.shape == (128, 128, 3) and tile.dtype == np.uint8 for tile in bank)
    assert all(tile.astype(np.float32).std(axis=(0, 1)).max() > 1.5 for tile in bank)
    assert len({tile.tobytes() for tile in bank}) == 16


def test_what_is_cut_repeats_beyond_the_tile(rng):
    piece = cut(make_bank(rng, 128, count=1), 300, 200, rng)
    assert piece.shape == (300, 200, 3)
    assert np.array_equal(piece[128:256], piece[:128])
    assert np.array_equal(piece[:, 128:], piece[:, :72])
