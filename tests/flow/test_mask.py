from pathlib import Path

import numpy as np
import torch

from sdd_bench.flow.compose import similarity_flow
from sdd_bench.flow.mask import calibration_mask, released_mask, similarity_mask
from sdd_bench.geometry.similarity import Similarity

PARITY = Path(__file__).parents[1] / "data" / "parity"


def test_eq_4_accepts_the_open_band_around_the_mean_magnitude():
    flow = torch.zeros(1, 2, 1, 5)
    flow[0, 0, 0] = torch.tensor([10.0, 6.6, 6.4, 13.4, 13.6])  # mean 10, band 6.5 to 13.5
    assert calibration_mask(flow).flatten().tolist() == [True, True, False, True, False]


def test_each_picture_of_a_batch_has_its_own_mean():
    flow = torch.ones(2, 2, 4, 4)
    flow[1] *= 20
    assert calibration_mask(flow).all()


def test_a_perfectly_aligned_pair_keeps_its_whole_mask_and_the_strict_paper_does_not():
    still = torch.zeros(1, 2, 8, 8)
    assert calibration_mask(still).all()
    assert similarity_mask(still).all()
    assert not calibration_mask(still, floor_px=0).any()


def test_pure_zoom_fails_eq_4_and_passes_the_similarity_mask():
    flow = similarity_flow(Similarity(zoom=1.03), 60, 80)[None]
    assert calibration_mask(flow).float().mean() < 0.7
    assert similarity_mask(flow).all()


def test_the_similarity_mask_finds_what_moves_otherwise():
    flow = similarity_flow(Similarity(zoom=1.01, rotation_deg=0.2, shift_x_px=3), 60, 80)[None].clone()
    flow[:, :, 10:20, 30:50] += 5
    expected = torch.ones(60, 80, dtype=torch.bool)
    expected[10:20, 30:50] = False
    assert torch.equal(similarity_mask(flow)[0, 0], expected)


def test_the_released_mask_equals_the_authors_code():
    fixture = np.load(PARITY / "mask_released.npz")
    mask = released_mask(torch.from_numpy(fixture["input0"]))
    assert torch.equal(mask.float(), torch.from_numpy(fixture["output0"]))


def test_the_released_mask_keeps_what_eq_4_rejects():
    flow = similarity_flow(Similarity(zoom=1.05, shift_x_px=2, shift_y_px=2), 60, 80)[None]
    assert released_mask(flow).float().mean() > 0.99
    assert calibration_mask(flow).float().mean() < 0.9
