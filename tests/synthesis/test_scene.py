"""Scenes: their depth, their light and what their pictures are cut from."""

import numpy as np
import pytest

from sdd_bench.core.errors import ConfigError
from sdd_bench.optics.coc import Lens, signed_coc_px
from sdd_bench.synthesis import scene
from sdd_bench.synthesis.options import SynthesisOptions
from sdd_bench.synthesis.sources import Sources, read_photographs

SIDE = 96


def _sources(options, seed=0, photographs=()):
    return Sources(list(photographs), options, np.random.default_rng(seed), made_count=1)


def _scenes(count, **options):
    chosen, rng = SynthesisOptions(**options), np.random.default_rng(1)
    sources = _sources(chosen)
    return [scene.draw_scene(SIDE, sources, chosen, rng) for _ in range(count)]


def test_circles_of_confusion_are_those_of_a_thin_lens():
    near, far = 1.0, 4.0
    inverse = np.linspace(1 / far, 1 / near, 50, dtype=np.float32).reshape(5, 10)
    rng = np.random.default_rng(3)
    (made,) = scene._focused([inverse], SynthesisOptions(sharp_share=0, focus_share=1), rng)
    focus = inverse.ravel()[np.argmin(np.abs(made))]
    lens = signed_coc_px(1 / inverse, 1 / float(focus), Lens())
    factor = made.ravel()[0] / lens.ravel()[0]
    np.testing.assert_allclose(made, factor * lens, atol=2e-3 * np.abs(made).max())


def test_the_largest_circle_of_a_scene_is_drawn_up_to_the_largest_allowed():
    scenes = _scenes(40, max_coc_px=20.0, coc_power=1.0, sharp_share=0.0)
    strengths = [max(np.abs(surface.signed_coc_px).max() for surface in surfaces) for surfaces in scenes]
    assert max(strengths) <= 20.0 + 1e-4
    assert np.mean(strengths) > 5
    assert any((surface.signed_coc_px < -1).any() for surfaces in scenes for surface in surfaces)
    assert any((surface.signed_coc_px > 1).any() for surfaces in scenes for surface in surfaces)


def test_a_shadow_takes_light_and_its_edge_is_as_soft_as_asked_for():
    caster = np.zeros((3, 64, 128), np.float32)
    caster[:, :, 64:] = 1
    left = scene.draw_shadow(caster, 4.0, np.random.default_rng(0))
    deepest = left.min()
    assert 0.2 <= deepest <= 0.8
    assert left.max() == pytest.approx(1)
    profile = (1 - left[32]) / (1 - deepest)  # the integral of a Gaussian: it spans 2 sigma between 16 % and 84 %
    low, high = (float(np.interp(share, profile[32:96], np.arange(32, 96))) for share in (0.1587, 0.8413))
    assert (high - low) / 2 == pytest.approx(4.0, rel=0.05)
    assert (low + high) / 2 == pytest.approx(63.5, abs=0.1)


def test_a_share_of_pictures_has_no_blur_at_all():
    scenes = _scenes(60, sharp_share=0.5)
    still = [all((surface.signed_coc_px == 0).all() for surface in surfaces) for surfaces in scenes]
    assert 0.3 < np.mean(still) < 0.7


def test_foregrounds_lie_before_the_background_and_cover_a_part_of_it():
    for surfaces in _scenes(20, flat_share=0.0, sharp_share=0.0, max_foregrounds=3):
        assert surfaces[0].coverage is None
        # Nearer means a smaller signed circle, whatever is in focus.
        means = [surface.signed_coc_px.mean() for surface in surfaces]
        assert (np.diff(means) <= 1e-4).all()
        for surface in surfaces[1:]:
            assert surface.coverage.min() >= 0
            assert surface.coverage.max() <= 1


def test_only_what_is_clipped_in_all_colours_becomes_a_highlight():
    light = np.float32([[0.5, 1.0, 1.0], [0.5, 1.0, 0.2], [0.5, 1.0, 1.0]])[..., None]
    np.testing.assert_allclose(scene.highlighted(light, 5.0)[..., 0], light[..., 0] * [1, 5, 1], rtol=1e-5)


def test_photographs_are_shrunk_by_the_factors_asked_for():
    stripes = np.zeros((400, 400, 3), np.uint8)
    stripes[:, ::40] = 255
    options = SynthesisOptions(photo_share=1.0, photo_scale=(0.5, 0.5))
    piece = _sources(options, photographs=[stripes]).surface(100)
    lines = piece[1] > 0.1
    along = lines.any(axis=0) if lines.any(axis=0).sum() < 50 else lines.any(axis=1)
    assert set(np.diff(np.nonzero(along)[0])) <= {20}


def test_a_photograph_smaller_than_the_scene_is_mirrored_on_not_enlarged():
    small = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    piece = _sources(SynthesisOptions(photo_share=1.0), photographs=[small]).surface(150)
    assert piece.shape == (3, 150, 150)
    assert np.isin((np.unique(piece)), np.unique(_linear(small))).all()


def _linear(pixels):
    from sdd_bench.images.light import srgb_to_linear

    return srgb_to_linear(pixels / np.float32(255))


def test_photographs_are_read_at_most_1800_pixels_wide(tmp_path):
    import cv2

    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((100, 3600, 3), np.uint8))
    assert read_photographs([tmp_path / "a.png"])[0].shape == (50, 1800, 3)


@pytest.mark.parametrize(
    ("field", "value"),
    [("photo_share", 1.5), ("gamma", (1.2, 0.8)), ("jpeg_quality", (0, 90)), ("max_coc_px", -1.0), ("blades", (2, 5))],
)
def test_options_outside_the_field_are_refused_by_name(field, value):
    with pytest.raises(ConfigError, match=field):
        SynthesisOptions(**{field: value})
