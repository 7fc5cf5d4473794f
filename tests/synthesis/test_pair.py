"""Whole pairs, and the stream of their crops."""

import itertools

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from sdd_bench.synthesis.crops import SynthesisCrops
from sdd_bench.synthesis.options import SynthesisOptions
from sdd_bench.synthesis.pair import draw_bokeh, make_pair
from sdd_bench.synthesis.sources import Sources

QUIET = {
    "shot_noise": (0.0, 0.0),
    "read_noise": (0.0, 0.0),
    "mosaic_share": 0.0,
    "jpeg_share": 0.0,
    "sixteen_bit_share": 1.0,
}


def _pairs(count, **options):
    chosen, rng = SynthesisOptions(**options), np.random.default_rng(5)
    sources = Sources([], chosen, rng, made_count=1)
    return [make_pair(96, sources, chosen, rng) for _ in range(count)]


def test_without_blur_noise_and_loss_both_pictures_are_the_same():
    for pair in _pairs(4, sharp_share=1.0, **QUIET):
        np.testing.assert_allclose(pair.blurry, pair.sharp, atol=1 / 65535)


def test_without_blur_the_kept_noise_is_that_of_the_blurry_picture():
    loud = QUIET | {"read_noise": (0.02, 0.02)}
    (kept,) = _pairs(1, sharp_share=1.0, **loud)
    (clean,) = _pairs(1, sharp_share=1.0, keep_noise=False, **loud)
    np.testing.assert_allclose(kept.blurry, kept.sharp, atol=1 / 65535)
    np.testing.assert_allclose(clean.blurry, kept.blurry, atol=1 / 65535)
    assert np.abs(clean.sharp - kept.sharp).mean() > 0.005


def test_blurry_pictures_have_less_detail_than_sharp_ones():
    for pair in _pairs(6, sharp_share=0.0, focus_share=0.0, flat_share=1.0, coc_power=0.2, **QUIET):
        assert np.abs(np.diff(pair.blurry, axis=1)).mean() < np.abs(np.diff(pair.sharp, axis=1)).mean()


@pytest.mark.parametrize("soft", [{"softness_px": (1.0, 1.0)}, {"shadow_share": 1.0}])
def test_what_is_soft_in_focus_is_as_soft_in_the_sharp_picture(soft):
    for pair in _pairs(2, sharp_share=1.0, **soft, **QUIET):
        np.testing.assert_allclose(pair.blurry, pair.sharp, atol=1 / 65535)


def test_a_soft_lens_takes_detail_off_both_pictures():
    (soft,), (crisp,) = (_pairs(1, softness_px=(px, px), resize_share=0.0, **QUIET) for px in (1.0, 0.0))
    for name in ("blurry", "sharp"):
        detail = [np.abs(np.diff(getattr(pair, name), axis=1)).mean() for pair in (soft, crisp)]
        assert detail[0] < 0.9 * detail[1]


def test_every_option_of_the_lens_is_drawn_within_its_range():
    options, rng = SynthesisOptions(), np.random.default_rng(0)
    lenses = [draw_bokeh(20.0, options, rng) for _ in range(200)]
    assert {lens.blades for lens in lenses} == {0, 5, 6, 7, 8, 9}
    assert max(lens.cats_eye for lens in lenses) <= options.cats_eye[1]
    assert min(lens.rim for lens in lenses) < -0.4 < 0.4 < max(lens.rim for lens in lenses) <= options.rim[1]
    fringes = [lens.fringe_px for lens in lenses]
    assert min(fringes) < -0.5
    assert max(fringes) > 0.5
    assert np.abs(fringes).max() <= 20 * options.fringe[1]


def _crops(count, **kwargs):
    stream = SynthesisCrops([], SynthesisOptions(), crop=32, **{"seed": 1, "pool": 4} | kwargs)
    return list(itertools.islice(stream, count))


def test_crops_are_pairs_of_one_size_in_the_unit_range():
    for blurry, sharp in _crops(12):
        assert blurry.shape == sharp.shape == (3, 32, 32)
        assert blurry.dtype == sharp.dtype == torch.float32
        assert 0 <= float(blurry.min()) <= float(blurry.max()) <= 1


def test_a_seed_gives_the_same_stream_and_another_another():
    first, again, other = _crops(8), _crops(8), _crops(8, seed=2)
    assert all(torch.equal(a[0], b[0]) and torch.equal(a[1], b[1]) for a, b in zip(first, again, strict=True))
    assert not all(torch.equal(a[0], b[0]) for a, b in zip(first, other, strict=True))


def test_each_crop_is_given_as_often_as_asked_each_time_turned_anew():
    seen = {}
    for _, sharp in _crops(60, uses=3, pool=1):
        seen.setdefault(round(float(sharp.sum()), 2), []).append(sharp)
    counts = [len(group) for group in seen.values()]
    assert max(counts) == 3
    assert np.mean(counts) > 2
    assert any(not torch.equal(a, b) for group in seen.values() for a, b in itertools.pairwise(group))


@pytest.mark.parametrize("kept", [0.0, 1.0])
def test_still_crops_are_left_out_as_asked(kept):
    options = SynthesisOptions(sharp_share=0.6, **QUIET)
    stream = SynthesisCrops([], options, crop=32, seed=1, pool=4, still_kept=kept)
    differences = [float((blurry - sharp).abs().mean()) for blurry, sharp in itertools.islice(stream, 30)]
    assert any(difference < 0.004 for difference in differences) == bool(kept)


def test_circles_of_confusion_come_along_where_asked_for():
    for (blurry, sharp, coc), (alone, _) in zip(_crops(6, with_coc=True), _crops(6), strict=True):
        assert coc.shape == (1, 32, 32)
        assert sharp.shape == (3, 32, 32)
        assert 0 <= float(coc.min()) <= float(coc.max()) <= SynthesisOptions().max_coc_px
        assert torch.equal(blurry, alone)


@pytest.mark.slow
def test_workers_of_a_loader_draw_streams_of_their_own():
    stream = SynthesisCrops([], SynthesisOptions(), crop=32, seed=1, pool=4)
    batches = list(itertools.islice(DataLoader(stream, batch_size=4, num_workers=2), 2))
    assert not torch.equal(batches[0][0], batches[1][0])
