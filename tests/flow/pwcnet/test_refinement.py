import cv2
import numpy as np
import pytest
import torch

from sdd_bench.core.errors import ConfigError
from sdd_bench.flow.compose import similarity_flow
from sdd_bench.flow.estimator import load_flow
from sdd_bench.flow.pwcnet import refinement, unfused
from sdd_bench.flow.pwcnet.refinement import Luminance, choose, refine
from sdd_bench.flow.warp import backwarp
from sdd_bench.geometry.similarity import Similarity

INNER = (..., slice(16, -16), slice(16, -16))


def as_tensor(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None].float()


def defocused(picture: torch.Tensor, radius: int) -> torch.Tensor:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    disc = (np.hypot(x, y) <= radius).astype(np.float32)
    return as_tensor(cv2.filter2D(picture[0].permute(1, 2, 0).numpy(), -1, disc / disc.sum()))


def error(flow: torch.Tensor, truth: torch.Tensor) -> float:
    return float((flow - truth).norm(dim=1, keepdim=True)[INNER].mean())


@pytest.fixture
def pair(photo) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Reference, moving, flow: a known similarity."""
    moving = as_tensor(photo) / 255
    flow = similarity_flow(Similarity(zoom=1.004, shift_x_px=1.3, shift_y_px=-0.6), *moving.shape[2:])[None]
    return backwarp(moving, flow), moving, flow


@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("radius", [0, 3])
def test_steps_find_half_a_pixel_whichever_picture_is_blurred_and_however_exposed(pair, radius, swap):
    reference, moving, flow = pair
    if radius and not swap:
        reference = defocused(reference, radius)
    if radius and swap:
        moving = defocused(moving, radius)
    reference = 0.8 * reference + 0.05
    off = flow + torch.tensor([0.4, -0.3]).view(1, 2, 1, 1)
    refined = refine(Luminance(reference[0]), Luminance(moving[0]), off[0], scale=1, window=2)
    assert error(off, flow) == pytest.approx(0.5, abs=1e-3)
    assert error(refined[None], flow) < 0.12


@pytest.mark.parametrize("radius", [0, 3])
def test_compiled_passes_and_torch_expressions_find_the_same_flow(pair, radius, monkeypatch):
    reference, moving, flow = pair
    pictures = Luminance(defocused(reference, radius)[0]), Luminance(moving[0])
    off = flow[0] + torch.tensor([0.4, -0.3]).view(2, 1, 1)

    def found() -> torch.Tensor:
        refined = refine(*pictures, off, scale=1, window=2)
        return choose(*pictures, (refined, off), scale=2, window=4, margin=1.3)

    compiled = found()
    monkeypatch.setattr(refinement, "fused", unfused)
    assert (compiled - found()).norm(dim=0).max() < 2e-3


def test_blur_alone_moves_nothing(pair):
    _, picture, _ = pair
    still = torch.zeros(1, 2, *picture.shape[2:])
    for reference, moving in ((defocused(picture, 4), picture), (picture, defocused(picture, 4))):
        flow = refine(Luminance(reference[0]), Luminance(moving[0]), still[0], scale=1, window=2)
        assert flow.mean((1, 2)).norm() < 0.03


def test_a_picture_without_texture_keeps_its_flow():
    flow = torch.full((1, 2, 64, 64), 0.7)
    grey = torch.full((1, 3, 64, 64), 0.5)
    assert torch.equal(refine(Luminance(grey[0]), Luminance(grey[0]), flow[0], scale=1, window=2), flow[0])


@pytest.mark.parametrize("seed", range(4))
def test_a_nearly_white_wall_moves_no_further_than_a_step(seed):
    """Its equations are singular but for rounding: unlimited, their solution is millions of pixels."""
    rng = np.random.default_rng(seed)
    texture = cv2.GaussianBlur(rng.random((128, 128), dtype=np.float32), (0, 0), 1.5)
    wall = 1 - 1e-4 * cv2.normalize(texture, None, 0, 1, cv2.NORM_MINMAX)
    wall[:, :32] = rng.random((128, 32))
    reference = torch.from_numpy(wall).expand(3, -1, -1)
    moving = torch.roll(reference, 1, 2)
    flow = refine(Luminance(reference), Luminance(moving), torch.zeros(2, 128, 128), scale=1, window=2, steps=1)
    assert flow.norm(dim=0).max() <= 1.001


def test_the_better_of_two_flows_is_chosen_place_by_place(pair):
    reference, moving, flow = pair
    left, right = flow.clone(), flow.clone()
    left[..., 192:] += 3
    right[..., :192] += 3
    pictures = Luminance(defocused(reference, 2)[0]), Luminance(moving[0])
    chosen = choose(*pictures, (left[0], right[0]), scale=2, window=3)[None]
    assert error(chosen[..., :160], flow[..., :160]) < 0.2
    assert error(chosen[..., 224:], flow[..., 224:]) < 0.2


def test_the_default_estimator_is_refined_and_closer_than_the_network_alone(pair):
    reference, moving, flow = pair
    refined, plain = load_flow("pwcnet"), load_flow("pwcnet-plain")
    assert "refinement" in refined.signature
    assert "refinement" not in plain.signature
    assert error(refined.estimate(reference, moving), flow) < 0.6 * error(plain.estimate(reference, moving), flow)


def test_a_motion_beyond_the_networks_reach_is_undone_first(pair):
    _, moving, _ = pair
    flow = similarity_flow(Similarity(zoom=1.03, rotation_deg=-1, shift_x_px=22, shift_y_px=18), *moving.shape[2:])[
        None
    ]
    reference = backwarp(moving, flow)
    found = load_flow().estimate(reference, moving)
    assert (found - flow).norm(dim=1)[:, 48:-48, 48:-48].mean() < 0.3


def test_identical_pictures_stay_where_they_are(pair):
    _, picture, _ = pair
    assert load_flow().estimate(picture, picture).norm(dim=1).mean() < 0.03


@pytest.mark.parametrize("shift_px", [0.0, 0.4, 0.9])
def test_a_small_motion_is_found_as_by_estimate(photo, shift_px):
    moving, estimator = as_tensor(photo) / 255, load_flow()
    truth = similarity_flow(Similarity(shift_x_px=shift_px, shift_y_px=-shift_px / 2), *moving.shape[2:])[None]
    reference = defocused(backwarp(moving, truth), 3)
    found, full = (each(reference, moving) for each in (estimator.estimate_small, estimator.estimate))
    assert error(found, truth) < error(full, truth) + 0.01


@pytest.mark.parametrize("share", [0.2, 1.0])
def test_motion_that_is_not_small_is_looked_for_as_by_estimate(photo, share):
    moving, estimator = as_tensor(photo) / 255, load_flow()
    reference, moved = moving.clone(), int(share * moving.shape[3])
    reference[..., :moved] = moving.roll((4, -3), (2, 3))[..., :moved]
    pictures = torch.cat((reference, moving)), torch.cat((moving, moving))  # the other one of the batch is still
    assert torch.equal(estimator.estimate_small(*pictures)[:1], estimator.estimate(reference, moving))


def test_the_flow_of_a_pair_does_not_depend_on_its_batch(pair):
    reference, moving, _ = (x[..., 64:192, 64:192] for x in pair)
    far = moving.roll((25, 12), dims=(2, 3))
    batch = (torch.cat([moving, reference, far]), torch.cat([moving] * 3))
    estimator = load_flow()
    together, forth, back = estimator.estimate(*batch), *estimator.estimate_both(*batch)
    for index in range(3):
        one = [x[index : index + 1] for x in batch]
        for flow, alone in zip(
            (together, forth, back), (estimator.estimate(*one), *estimator.estimate_both(*one)), strict=True
        ):
            torch.testing.assert_close(flow[index : index + 1], alone, atol=0.02, rtol=0)


def test_both_directions_and_a_working_resolution_are_refined_too(pair):
    reference, moving, flow = (x[..., 64:192, 64:224] for x in pair)
    forth, back = load_flow(max_size=100).estimate_both(reference, moving)
    assert error(forth, flow) < 0.3
    assert error(forth + backwarp(back, forth), torch.zeros_like(flow)) < 0.2


@pytest.mark.parametrize("size", [(1, 1), (63, 200), (65, 130)])
def test_any_size_gives_a_finite_flow_of_that_size(size):
    flow = load_flow().estimate(*torch.rand(2, 2, 3, *size))
    assert flow.shape == (2, 2, *size)
    assert bool(flow.isfinite().all())


def test_only_the_network_can_be_refined(published_checkpoint):
    with pytest.raises(ConfigError, match="cannot be refined"):
        load_flow("dis", refine=True)
    assert "refinement" not in load_flow(weights=published_checkpoint("net")).signature
