"""Options of a synthetic set."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from sdd_bench.core.errors import ConfigError
from sdd_bench.core.types import Split
from sdd_bench.synth.camera import draw_capture
from sdd_bench.synth.options import SynthOptions, load_options

TINY = SynthOptions(width=160, height=96)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 63}, "width: expected 64 to"),
        ({"height": 10**6}, "height: expected"),
        ({"n_train": 0, "n_test": 0}, "nothing to make"),
        ({"n_train": -1}, "n_train: expected 0"),
        ({"zoom_range": (1.1, 0.9)}, "zoom_range: expected the smaller value first"),
        ({"zoom_range": (0.0, 1.0)}, "zoom_range: expected 0.5 to 2"),
        ({"shift_range": (-500, 500)}, "shift_range"),
        ({"rotation_range": (0.0, math.nan)}, "rotation_range"),
        ({"coc_range": (-1, 5)}, "coc_range"),
        ({"exposure_range": (0, 1)}, "exposure_range"),
        ({"depth_range": (0.01, 5)}, "depth_range"),
        ({"f_number": 2.8, "coc_range": (1, 2)}, "exclude each other"),
        ({"blades": 2}, "blades: expected 3"),
        ({"bit_depth": 12}, "bit_depth: expected 8 or 16, got 12"),
        ({"truth": "dense"}, "truth: expected small or full"),
        ({"seed": -1}, "seed"),
        ({"shot_noise": -0.1}, "shot_noise"),
        ({"tone_curves": ("sepia",)}, "tone curve sepia: unknown; known: none, gamma-1.8"),
        ({"tone_curves": ()}, "tone_curves: expected at least one"),
        ({"vignetting_range": (0, 1)}, "vignetting_range: expected 0 to 0.95"),
        ({"glare_range": (-0.1, 0)}, "glare_range"),
        ({"cats_eye_range": (0, 2)}, "cats_eye_range: expected 0 to 1.5"),
        ({"rim_range": (-2, 0)}, "rim_range: expected -1 to 1"),
        ({"fringe_range": (0, 1)}, "fringe_range: expected 0 to 0.5"),
        ({"sharpening_range": (-1, 0)}, "sharpening_range"),
        ({"sharp_share": 1.5}, "sharp_share: expected 0 to 1"),
        ({"jpeg_quality": (0, 90)}, "jpeg_quality: expected 1 to 100"),
        ({"jpeg_quality": (80, 98), "bit_depth": 16}, "JPEG files have 8 bits"),
    ],
)
def test_options_out_of_range_are_named(changes, message):
    with pytest.raises(ConfigError, match=message):
        dataclasses.replace(TINY, **changes)


def test_drawn_values_lie_in_their_ranges():
    options = dataclasses.replace(
        TINY, zoom_range=(0.97, 1.03), shift_range=(-4, 4), rotation_range=(-0.3, 0.3), coc_range=(2, 5),
        parallax_range=(1, 2), exposure_range=(0.6, 1.4), color_cast=0.0,
    )  # fmt: skip
    captures = [draw_capture(options, Split.TRAIN, index) for index in range(200)]
    zooms = np.array([capture.similarity.zoom for capture in captures])
    shifts = np.array([(c.similarity.shift_x_px, c.similarity.shift_y_px) for c in captures])
    largest = np.array([max(capture.coc_px) for capture in captures])
    gains = np.array([capture.exposure_gain for capture in captures])
    for values, low, high in ((zooms, 0.97, 1.03), (shifts, -4, 4), (largest, 2, 5), (gains, 0.6, 1.4)):
        assert low <= values.min() + 1e-9
        assert values.max() - 1e-9 <= high
        assert np.ptp(values) > 0.9 * (high - low)
    assert abs(np.corrcoef(shifts.T)[0, 1]) < 0.2
    for capture in captures:
        nearest, farthest = np.array(capture.parallax_shift_px[-1]), np.array(capture.parallax_shift_px[0])
        assert np.hypot(*(nearest - farthest)) == pytest.approx(capture.parallax_px)
        assert nearest + farthest == pytest.approx(0, abs=1e-12)


def test_options_come_from_a_file_a_preset_and_a_size(tmp_path):
    (tmp_path / "options.toml").write_text("n_train = 3\nzoom_range = [0.9, 1.1]\n")
    options = load_options(tmp_path / "options.toml", preset="small", overrides={"n_test": 2, "seed": None})
    assert (options.width, options.height, options.n_train, options.n_test) == (640, 384, 3, 2)
    assert options.zoom_range == (0.9, 1.1)
    assert load_options(size="320x200").width == 320
    for wrong in ({"preset": "huge"}, {"size": "640"}, {"overrides": {"zoom": 1}}):
        with pytest.raises(ConfigError):
            load_options(**wrong)
