"""The transfer of light of made pairs whose exposure is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from sdd_bench.core.errors import ConfigError, ImageError
from sdd_bench.core.types import Split
from sdd_bench.images.light import linear_to_srgb, srgb_to_linear
from sdd_bench.optics.tone import expose, tone_curve
from sdd_bench.registration.light.estimate import estimate_transfer
from sdd_bench.registration.light.transfer import Match, Transfer
from sdd_bench.synth.camera import draw_capture, random_numbers
from sdd_bench.synth.options import SynthOptions
from sdd_bench.synth.painting import SceneKind
from sdd_bench.synth.render import canvas_margin, render
from sdd_bench.synth.scenes import draw_scene, random_scene

SIZE = (384, 512)


@pytest.fixture(scope="module")
def sharp() -> np.ndarray:
    """A made scene, display values."""
    light = random_scene(*SIZE, np.random.default_rng(5))
    light = light if light.shape[-1] == 3 else np.moveaxis(light, 0, -1)
    return linear_to_srgb(np.clip(light, 0.01, 0.6).astype(np.float32))


def exposed(sharp: np.ndarray, gain: tuple[float, float, float], sigma_px: float = 4.0) -> np.ndarray:
    """The picture defocused and exposed in linear light."""
    light = cv2.GaussianBlur(srgb_to_linear(sharp), (0, 0), sigma_px)
    return linear_to_srgb(np.clip(light * np.array(gain, np.float32), 0, 1).astype(np.float32))


@pytest.mark.parametrize("gain", [(1.0, 1.0, 1.0), (1.3, 1.25, 1.2), (0.6, 0.62, 0.58)])
def test_a_gain_in_linear_light_is_found_although_one_picture_is_blurred(
    sharp: np.ndarray, gain: tuple[float, float, float]
) -> None:
    transfer = estimate_transfer(exposed(sharp, gain), sharp)
    assert transfer.trusted, transfer.reason
    np.testing.assert_allclose(transfer.gains, gain, rtol=0.01)
    matched = transfer.apply(sharp)
    before = np.mean((sharp - exposed(sharp, gain, 0.01)) ** 2)
    assert np.mean((matched - exposed(sharp, gain, 0.01)) ** 2) <= before / 50 + 1e-5


def test_tensors_are_matched_as_pictures_are(sharp: np.ndarray) -> None:
    transfer = estimate_transfer(exposed(sharp, (1.3, 1.2, 1.1)), sharp)
    found = transfer.apply_tensor(torch.from_numpy(sharp).permute(2, 0, 1)[None])
    np.testing.assert_allclose(found[0].permute(1, 2, 0).numpy(), transfer.apply(sharp), atol=2e-4)


def test_a_transfer_survives_its_json(sharp: np.ndarray) -> None:
    transfer = estimate_transfer(exposed(sharp, (1.2, 1.2, 1.2)), sharp, model=Match.TONE)
    again = Transfer.from_json(transfer.to_json())
    assert again == transfer
    np.testing.assert_array_equal(again.apply(sharp), transfer.apply(sharp))


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_pictures_without_light_to_compare_are_flagged_and_left_as_they_are(sharp: np.ndarray, level: float) -> None:
    transfer = estimate_transfer(np.full_like(sharp, level), sharp)
    assert not transfer.trusted
    assert transfer.reason
    np.testing.assert_allclose(transfer.apply(sharp), sharp, atol=1e-6)


def test_another_scene_is_flagged(sharp: np.ndarray) -> None:
    assert not estimate_transfer(np.ascontiguousarray(sharp[::-1, ::-1]), sharp).trusted


def test_what_cannot_be_compared_is_refused(sharp: np.ndarray) -> None:
    with pytest.raises(ImageError, match="two pictures"):
        estimate_transfer(sharp[:-2], sharp)
    with pytest.raises(ConfigError, match="unknown; known"):
        estimate_transfer(sharp, sharp, model="curves")


@pytest.mark.parametrize(("index", "curve", "gain"), [(0, "none", 2.3), (1, "vivid", 0.6), (2, "edited", 1.5)])
def test_the_gain_of_a_defocused_pair_is_found_under_any_curve_both_share(index: int, curve: str, gain: float) -> None:
    options = SynthOptions(width=768, height=480, coc_range=(4.0, 24.0), zoom_range=(1, 1), shift_range=(0, 0))
    capture = draw_capture(options, Split.TEST, index)
    margin = canvas_margin(capture, options.height, options.width)
    sides = options.height + 2 * margin, options.width + 2 * margin
    rng = random_numbers(options, Split.TEST, index, 1)
    kind = (SceneKind.LEAVES, SceneKind.WALL, SceneKind.PRINT)[index]
    made = render(
        capture, draw_scene(*sides, options.n_layers, kind, rng), options.height, options.width, margin=margin
    )
    gains = (gain, 1.05 * gain, 0.95 * gain)

    def stored(light: np.ndarray, gains: tuple[float, float, float]) -> np.ndarray:
        pixels = np.rint(255 * linear_to_srgb(expose(light, gain=gains, curve=curve))) / np.float32(255)
        return np.ascontiguousarray(pixels.transpose(1, 2, 0).astype(np.float32))

    sharp = stored(made.aligned, (1.0, 1.0, 1.0))
    transfer = estimate_transfer(stored(made.blurry, gains), sharp)
    assert transfer.trusted, transfer.reason
    np.testing.assert_allclose(transfer.gains, gains, rtol=0.02)
    alike = estimate_transfer(stored(made.blurry, (1.0, 1.0, 1.0)), sharp)
    np.testing.assert_allclose(alike.gains, 1, atol=0.004)


def test_a_pair_that_lost_no_detail_does_not_know_its_exponent_but_is_matched(sharp: np.ndarray) -> None:
    curved = linear_to_srgb(tone_curve("vivid")(srgb_to_linear(sharp)))
    darker = linear_to_srgb(tone_curve("vivid")(0.5 * srgb_to_linear(sharp)))
    transfer = estimate_transfer(darker, curved)
    assert transfer.reason.startswith("curve: gains known to")
    assert transfer.match_doubts == ()
    assert np.abs(transfer.apply(curved) - darker).mean() < 2e-3


@pytest.mark.parametrize("size", [(1, 1), (2, 2), (7, 100), (16, 31), (31, 2000)])
def test_pictures_too_small_to_compare_are_said_to_be(size: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).random((*size, 3), np.float32)
    transfer = estimate_transfer(picture, 0.8 * picture, model=Match.GAIN)
    assert transfer.model is Match.NONE
    assert transfer.distrust == (f"nothing to compare: {size[1]}x{size[0]} is too small",)
