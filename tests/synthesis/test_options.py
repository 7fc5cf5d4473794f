"""Every option of what is made: each does something, and its share or range is that of what comes out."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from sdd_bench.synthesis import camera, scene
from sdd_bench.synthesis.options import SynthesisOptions
from sdd_bench.synthesis.pair import make_pair
from sdd_bench.synthesis.sources import Sources

SIDE = 64
STEADY: dict[str, Any] = {
    "exposure": (1.0, 1.0), "color_gain": (1.0, 1.0), "highlights": (1.0, 1.0), "flat_share": 1.0, "sharp_share": 0.0,
    "photo_share": 1.0, "photo_scale": (1.0, 1.0), "polygon_share": 0.0, "cats_eye": (0.0, 0.0), "rim": (0.0, 0.0),
    "fringe": (0.0, 0.0), "shot_noise": (0.0, 0.0), "read_noise": (0.0, 0.0), "mosaic_share": 0.0, "gamma": (1.0, 1.0),
    "contrast": (0.0, 0.0), "sharpening": (0.0, 0.0), "resize_share": 0.0, "jpeg_share": 0.0, "coc_power": 0.1,
    "sixteen_bit_share": 1.0, "focus_share": 0.0,
}  # fmt: skip
NEEDS: dict[str, dict[str, Any]] = {
    "blades": {"polygon_share": 1.0}, "polygon_share": {"blades": (3, 3)}, "resize": {"resize_share": 1.0},
    "jpeg_quality": {"jpeg_share": 1.0}, "sharpening_sigma_px": {"sharpening": (2.0, 2.0)}, "max_foregrounds":
    {"flat_share": 0.0}, "keep_noise": {"read_noise": (0.05, 0.05)}, "focus_share": {"flat_share": 0.0},
    "shadow_softness_px": {"shadow_share": 1.0},
}  # fmt: skip
OTHER: dict[str, Any] = {
    "photo_share": 0.0, "photo_scale": (0.5, 0.5), "exposure": (0.5, 0.5), "color_gain": (0.5, 0.5), "highlights":
    (5.0, 5.0), "max_foregrounds": 6, "flat_share": 0.0, "max_coc_px": 4.0, "coc_power": 10.0, "sharp_share": 1.0,
    "focus_share": 1.0, "polygon_share": 1.0, "blades": (3, 3), "cats_eye": (1.2, 1.2), "rim": (0.9, 0.9), "fringe":
    (0.3, 0.3), "shot_noise": (0.1, 0.1), "read_noise": (0.1, 0.1), "mosaic_share": 1.0, "keep_noise": False, "gamma":
    (2.0, 2.0), "contrast": (1.0, 1.0), "sharpening": (2.0, 2.0), "sharpening_sigma_px": (3.0, 3.0), "resize_share":
    1.0, "resize": (0.3, 0.3), "jpeg_share": 1.0, "jpeg_quality": (5, 5), "sixteen_bit_share": 0.0, "shadow_share": 1.0,
    "shadow_softness_px": (5.0, 5.0), "softness_px": (1.0, 1.0),
}  # fmt: skip


def photograph() -> np.ndarray:
    """Blocks of colour with fine stripes and clipped spots, 8-bit."""
    rng = np.random.default_rng(4)
    blocks = np.kron(rng.integers(20, 236, (40, 40, 3)), np.ones((5, 5, 1))).astype(np.uint8)
    blocks[::7] = 255
    return blocks


def made(**options: Any) -> tuple[np.ndarray, np.ndarray]:
    chosen, rng = SynthesisOptions(**options), np.random.default_rng(11)
    pair = make_pair(SIDE, Sources([photograph()], chosen, rng, made_count=1), chosen, rng)
    return pair.blurry, pair.sharp


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(SynthesisOptions)])
def test_no_option_is_without_effect(name: str) -> None:
    before = made(**STEADY | NEEDS.get(name, {}))
    after = made(**STEADY | NEEDS.get(name, {}) | {name: OTHER[name]})
    assert any(a.shape != b.shape or not np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def scenes(count: int, **options: Any) -> list[list[Any]]:
    chosen, rng = SynthesisOptions(**STEADY | options), np.random.default_rng(2)
    sources = Sources([photograph()], chosen, rng, made_count=1)
    return [scene.draw_scene(SIDE, sources, chosen, rng) for _ in range(count)]


def test_exposure_and_colour_gains_multiply_linear_light() -> None:
    ((plain,),) = scenes(1)
    ((brighter,),) = scenes(1, exposure=(1.5, 1.5))
    ((tinted,),) = scenes(1, exposure=(1.5, 1.5), color_gain=(0.5, 0.5))
    np.testing.assert_allclose(brighter.light, 1.5 * plain.light, rtol=1e-5)
    np.testing.assert_allclose(tinted.light, 0.75 * plain.light, rtol=1e-5)
    ((odd,),) = scenes(1, color_gain=(0.8, 1.2))
    ratios = [(odd.light[c] / plain.light[c].clip(1e-6)).max() for c in range(3)]
    assert len({round(float(ratio), 3) for ratio in ratios}) == 3
    assert 0.8 <= min(ratios) <= max(ratios) <= 1.2 + 1e-5


def test_flat_scenes_have_one_surface_and_one_circle_of_confusion() -> None:
    flat = [len(surfaces) == 1 and np.ptp(surfaces[0].signed_coc_px) == 0 for surfaces in scenes(60, flat_share=0.5)]
    assert 0.3 < np.mean(flat) < 0.7
    assert all(len(surfaces) == 1 for surfaces in scenes(10))


def test_a_larger_power_makes_slight_blur_more_frequent() -> None:
    def strengths(power: float) -> np.ndarray:
        return np.array([np.abs(s[0].signed_coc_px).max() for s in scenes(80, coc_power=power, max_coc_px=30.0)])

    # The mean of u^p over [0, 1] is 1 / (1 + p).
    assert np.mean(strengths(1.0)) / 30 == pytest.approx(1 / 2, abs=0.1)
    assert np.mean(strengths(4.0)) / 30 == pytest.approx(1 / 5, abs=0.1)


def test_focus_lies_on_a_surface_as_often_as_asked() -> None:
    def in_focus(share: float) -> float:
        made = scenes(40, focus_share=share, flat_share=0.0, max_foregrounds=0, max_coc_px=30.0)
        return float(np.mean([np.abs(surfaces[0].signed_coc_px).min() < 0.2 for surfaces in made]))

    assert in_focus(1.0) == 1.0
    assert in_focus(0.0) < 0.7


def test_a_share_of_surfaces_comes_from_photographs() -> None:
    options, rng = SynthesisOptions(photo_share=0.5, photo_scale=(1.0, 1.0)), np.random.default_rng(3)
    red = np.zeros((200, 200, 3), np.uint8)
    red[..., 0] = 255
    sources = Sources([red], options, rng, made_count=1)
    photographed = [float(sources.surface(SIDE)[1:].max()) == 0 for _ in range(60)]
    assert 0.3 < np.mean(photographed) < 0.7


def test_sensor_processing_and_storage_are_drawn_within_their_ranges() -> None:
    options, rng = SynthesisOptions(), np.random.default_rng(5)
    sensors = [camera.draw_sensor(options, rng) for _ in range(200)]
    assert max(s.shot_noise for s in sensors) <= options.shot_noise[1]
    assert max(s.read_noise for s in sensors) <= options.read_noise[1]
    assert np.mean([s.mosaic for s in sensors]) == pytest.approx(options.mosaic_share, abs=0.12)
    made = [camera.draw_processing(100, options, rng) for _ in range(200)]
    for name in ("gamma", "contrast", "sharpening", "sharpening_sigma_px"):
        values, (low, high) = [getattr(p, name) for p in made], getattr(options, name)
        assert low <= min(values) < low + 0.1 * (high - low)
        assert high - 0.1 * (high - low) < max(values) <= high
    assert np.mean([p.size_px != 100 for p in made]) == pytest.approx(options.resize_share, abs=0.12)
    assert 66 <= min(p.size_px or 0 for p in made) < 75
    kept = [camera.draw_storage(options, rng) for _ in range(400)]
    qualities = {s.jpeg_quality for s in kept} - {None}
    assert qualities <= set(range(80, 99))
    assert {80, 98} <= qualities
    assert np.mean([s.jpeg_quality is not None for s in kept]) == pytest.approx(options.jpeg_share, abs=0.1)
    lossless = [s.bit_depth == 16 for s in kept if s.jpeg_quality is None]
    assert np.mean(lossless) == pytest.approx(options.sixteen_bit_share, abs=0.12)
