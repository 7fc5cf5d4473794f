from __future__ import annotations

import numpy as np
import pytest

from sdd_bench.synth.painting import SceneKind
from sdd_bench.synth.scenes import draw_scene, random_scene

MADE = [SceneKind.LEAVES, SceneKind.WALL, SceneKind.PRINT]


def _flatten(layers):
    canvas = None
    for layer in layers:
        canvas = layer.color if layer.alpha is None else canvas * (1 - layer.alpha) + layer.color
    return canvas


@pytest.mark.parametrize("kind", MADE)
def test_a_scene_has_an_opaque_background_and_cut_out_layers(kind, rng):
    back, *front = draw_scene(240, 320, 4, kind, rng)
    assert back.alpha is None
    assert len(front) == 3
    for layer in front:
        assert 0.02 < layer.alpha.mean() < 0.7
        assert layer.alpha.min() == 0
        assert layer.alpha.max() == pytest.approx(1, abs=1e-6)
        # premultiplied: no light where nothing is
        assert (layer.color <= layer.alpha + 1e-6).all()


@pytest.mark.parametrize("kind", MADE)
def test_exposure_has_headroom_and_no_place_is_without_detail(kind, rng):
    scene = _flatten(draw_scene(256, 384, 4, kind, rng))
    assert scene.min() >= 0
    assert scene.max() < 0.72
    blocks = scene[1].reshape(8, 32, 12, 32).std(axis=(1, 3)) / scene[1].reshape(8, 32, 12, 32).mean(axis=(1, 3))
    assert np.median(blocks) > 0.1
    assert (blocks > 0.01).mean() > 0.97


def test_scenes_differ_and_come_back():
    first, again, other = (
        _flatten(draw_scene(96, 128, 3, SceneKind.WALL, np.random.default_rng(seed))) for seed in (1, 1, 2)
    )
    assert np.array_equal(first, again)
    assert np.abs(first - other).mean() > 0.02


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(500, 700), (60, 90)])
def test_a_photograph_covers_the_canvas_whatever_its_size(dtype, size, rng):
    photograph = rng.integers(0, np.iinfo(dtype).max + 1, (*size, 3), dtype=dtype)
    back, leaf = draw_scene(120, 200, 2, SceneKind.PHOTO, rng, [photograph])
    assert back.color.shape == (3, 120, 200)
    assert back.alpha is None
    assert 0.02 < back.color.std() < 0.4
    assert leaf.alpha.max() == pytest.approx(1, abs=1e-6)


def test_a_photograph_that_fits_keeps_its_light(photo, rng):
    from sdd_bench.images.light import srgb_to_linear

    (back,) = draw_scene(256, 384, 1, SceneKind.PHOTO, rng, [photo])
    light = srgb_to_linear(photo / np.float32(255)).mean(axis=(0, 1))
    assert back.color.mean(axis=(1, 2)) == pytest.approx(light, rel=1e-2)


def test_random_scene_is_an_srgb_picture(rng):
    picture = random_scene(60, 80, rng)
    assert picture.shape == (60, 80, 3)
    assert picture.dtype == np.float32
    assert 0 <= picture.min() < picture.max() <= 1
    assert picture.std() > 0.03
