"""Counting atoms: fewer of them for more blur, in a map of the picture's size."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from safetensors.numpy import save_file
from scipy.io import savemat

from sdd_bench.core.errors import ConfigError, ImageError, WeightsError
from sdd_bench.defocus.jnb import TOLERANCE, atom_counts, jnb, load_code, smoothed_counts
from sdd_bench.defocus.sparse_code import pursue


@pytest.fixture
def sharp(rng: np.random.Generator) -> np.ndarray:
    """Overlapping rectangles, (72, 96, 3): edges everywhere."""
    picture = np.full((72, 96, 3), 0.5, np.float32)
    for _ in range(250):
        y, x = rng.integers(72), rng.integers(96)
        picture[y : y + rng.integers(2, 14), x : x + rng.integers(2, 14)] = rng.random(3)
    return picture


def blurred(picture: np.ndarray, sigma: float) -> np.ndarray:
    return cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)


def test_more_blur_needs_fewer_atoms_and_reads_as_more_blur(sharp: np.ndarray) -> None:
    code = load_code()
    found = [float(np.median(jnb(blurred(sharp, sigma), code))) for sigma in (0.5, 1.0, 1.5, 2.5)]
    assert found == sorted(found)
    assert found[-1] > 3 * found[0]
    maps = jnb(sharp, code)
    assert maps.shape == (72, 96)
    assert maps.dtype == np.float32
    assert 0 <= maps.min() <= maps.max() <= code.sigmas_px.max()


def test_a_blurred_half_is_told_from_a_sharp_one(sharp: np.ndarray) -> None:
    picture = sharp.copy()
    picture[:, 48:] = blurred(sharp, 2.0)[:, 48:]
    found = jnb(picture, load_code())
    assert np.median(found[:, 64:]) > np.median(found[:, :32]) + 0.5


def test_counts_are_those_of_every_patch(sharp: np.ndarray) -> None:
    grey, dictionary = 255 * sharp[:30, :40].mean(axis=2), load_code().dictionary
    counts = atom_counts(grey, dictionary)
    assert counts.shape == (23, 33)
    for y, x in ((0, 0), (22, 32), (7, 19)):
        patch = grey[y : y + 8, x : x + 8].reshape(1, 64)
        atoms = pursue(patch - patch.mean(), dictionary, tolerance=TOLERANCE)
        assert counts[y, x] == (atoms >= 0).sum()


def test_a_stride_takes_the_neighbours_number(sharp: np.ndarray) -> None:
    grey, dictionary = 255 * sharp[..., 1], load_code().dictionary
    every, some = atom_counts(grey, dictionary), atom_counts(grey, dictionary, stride=2)
    assert every.shape == some.shape
    # Patches in batches of another size are rounded otherwise, which may cost a noisy one an atom.
    assert (some[::2, ::2] == every[::2, ::2]).mean() > 0.99
    np.testing.assert_array_equal(some[1::2, ::2], some[: some.shape[0] // 2 * 2 : 2, ::2])


def test_a_flat_picture_needs_no_atoms_and_reads_as_the_most_blur() -> None:
    flat = np.full((40, 50, 3), 0.5, np.float32)
    code = load_code()
    assert not smoothed_counts(flat, code.dictionary).any()
    assert (jnb(flat, code) == code.sigmas_px.max()).all()


def test_the_bundled_code_is_sound() -> None:
    code = load_code()
    assert code.dictionary.shape == (128, 64)
    np.testing.assert_allclose(np.linalg.norm(code.dictionary, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(code.dictionary.sum(axis=1), 0, atol=1e-4)
    assert (np.diff(code.counts) > 0).all()
    assert (np.diff(code.sigmas_px) < 0).all()


def test_the_authors_dictionary_loads_with_atoms_in_columns(tmp_path: Path, rng: np.random.Generator) -> None:
    columns = rng.standard_normal((64, 128))
    savemat(tmp_path / "dict128Blur.mat", {"D": columns, "params": 8})
    code = load_code(tmp_path / "dict128Blur.mat")
    np.testing.assert_allclose(code.dictionary, (columns / np.linalg.norm(columns, axis=0)).T, rtol=1e-5)
    np.testing.assert_array_equal(code.counts, load_code().counts)


def test_files_of_something_else_are_refused(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"E": np.ones((64, 3))})
    savemat(tmp_path / "b.mat", {"D": np.ones((32, 3))})
    savemat(tmp_path / "c.mat", {"D": np.zeros((64, 3))})
    (tmp_path / "d.mat").write_bytes(b"nothing")
    (tmp_path / "e.safetensors").write_bytes(b"nothing")
    save_file({"dictionary": np.ones((2, 64), np.float32)}, tmp_path / "f.safetensors")
    for name in ("a.mat", "b.mat", "c.mat", "d.mat", "missing.mat", "e.safetensors", "f.safetensors", "no.safetensors"):
        with pytest.raises(WeightsError, match=name):
            load_code(tmp_path / name)


def test_small_pictures_and_wide_strides_are_refused(sharp: np.ndarray) -> None:
    with pytest.raises(ImageError, match="16x16"):
        jnb(sharp[:12], load_code())
    with pytest.raises(ConfigError, match="stride"):
        jnb(sharp, load_code(), stride=9)
