"""A flow that nothing shows is that of the rest; one that is shown stays."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from sdd_bench.flow import evidence_fused
from sdd_bench.flow.compose import similarity_flow
from sdd_bench.flow.estimator import load_flow
from sdd_bench.flow.evidence import _bounds, _laxity, evidence_of, similarity_at, supported_flow
from sdd_bench.flow.pwcnet.refinement import Luminance, resize_flow
from sdd_bench.flow.warp import backwarp
from sdd_bench.geometry.similarity import Similarity

_SIZE = 256, 384
_TRUTH = Similarity(1.006, 0.1, 2.0, -1.5)


def _scene(seed: int) -> Tensor:
    """Texture at every scale, ``(3, H, W)``."""
    rng = np.random.default_rng(seed)
    plane = sum(cv2.GaussianBlur(rng.standard_normal((*_SIZE, 3)), (0, 0), s) * s for s in (1.0, 3.0, 9.0, 20.0))
    picture = 0.5 + 0.14 * plane / plane.std()
    return torch.from_numpy(picture.clip(0, 1).astype(np.float32)).permute(2, 0, 1).contiguous()


def _defocused(picture: Tensor, coc_px: float, columns: slice) -> Tensor:
    radius = coc_px / 2
    reach = int(radius) + 1
    disk = (np.hypot(*np.mgrid[-reach : reach + 1, -reach : reach + 1]) <= radius).astype(np.float32)
    blurred = cv2.filter2D(picture.permute(1, 2, 0).numpy(), -1, disk / disk.sum(), borderType=cv2.BORDER_REFLECT)
    out = picture.clone()
    out[:, :, columns] = torch.from_numpy(blurred).permute(2, 0, 1)[:, :, columns]
    return out


def _pair(coc_px: float, flow: Tensor) -> tuple[Tensor, Tensor]:
    """Reference and moving; ``moving(p + flow) = reference(p)``, the right half of the reference out of focus."""
    moving = _scene(5)
    reference = _defocused(backwarp(moving[None], flow[None])[0], coc_px, slice(192, None))
    noise = torch.Generator().manual_seed(1)
    return tuple(p + 0.004 * torch.randn(p.shape, generator=noise) for p in (reference, moving))


@pytest.mark.parametrize("coc_px", [40, 70])
def test_a_flow_astray_in_a_background_out_of_focus_is_that_of_the_rest(coc_px: float) -> None:
    truth = similarity_flow(_TRUTH, *_SIZE)
    reference, moving = _pair(coc_px, truth)
    astray = truth.clone()
    wave = torch.sin(torch.linspace(0, 6.3, 192)) * torch.sin(torch.linspace(0, 3.1, 256))[:, None]
    astray[:, :, 192:] += 3 * wave
    found = evidence_of(Luminance(reference), Luminance(moving), astray)
    assert found is not None
    error = (supported_flow(astray, found) - truth).norm(dim=0)
    assert float((astray - truth).norm(dim=0)[:, 210:].mean()) > 1.5
    assert float(error[:, 230:].mean()) < 0.5
    assert float(found.support[:, 230:].mean()) < 0.3
    assert float(found.support[:, :140].mean()) > 0.9  # beside the blur, windows of 32 px see both


def test_a_layer_that_really_moved_stays_though_it_is_blurred() -> None:
    truth = similarity_flow(_TRUTH, *_SIZE)
    truth[0, :, 192:] += 8.0
    reference, moving = _pair(12, truth)
    found = evidence_of(Luminance(reference), Luminance(moving), truth)
    assert found is not None
    assert float(found.support[:, 215:370].mean()) > 0.9
    kept = supported_flow(truth, found)
    assert float((kept - truth).norm(dim=0)[:, 215:370].mean()) < 0.5


def test_a_place_whose_counterpart_is_outside_the_picture_is_judged_by_its_neighbours() -> None:
    truth = torch.zeros(2, *_SIZE)
    truth[0] = 4 * torch.sin(torch.linspace(0, 6.3, _SIZE[0]))[:, None] + torch.linspace(-4, 4, _SIZE[1]).sin()
    truth[1] = 28 * torch.linspace(0, 1, _SIZE[0])[:, None] ** 2
    reference, moving = _pair(0, truth)
    reference[:, 226:] = _scene(6)[:, 226:]  # nothing of what lies outside is in the moving picture
    found = evidence_of(Luminance(reference), Luminance(moving), truth)
    assert found is not None
    assert float(found.support[232:].mean()) > 0.5


def test_a_scene_that_moves_as_one_asks_for_more_evidence_than_one_that_does_not() -> None:
    """Some flow or other explains a little more anywhere; where all the rest moves as one, that proves nothing."""
    size = 64, 64
    gain, alike, left = torch.full(size, 0.2), torch.zeros(size), torch.ones(size)
    assert float(evidence_fused.shown((gain, gain), alike, left, size, _bounds(0.0)).max()) == 0
    assert float(evidence_fused.shown((gain, gain), alike, left, size, _bounds(1.0))[0].min()) == 1
    beyond = torch.zeros(2, *size)
    beyond[0, :, 40:] = 9.0  # not shown: it does not count
    surely = torch.zeros(size)
    surely[:, :32] = 1

    def lax(flow: Tensor) -> float:
        return _laxity(*evidence_fused.means_of_beyond(surely, flow, Similarity(), (4, 4))[:2], scale=1)

    assert lax(beyond) == 0
    assert lax(beyond + 3) == 1


def test_noise_shows_nothing() -> None:
    numbers = torch.Generator().manual_seed(0)
    grey = [0.5 + 0.01 * torch.randn(3, *_SIZE, generator=numbers) for _ in range(2)]
    found = evidence_of(Luminance(grey[0]), Luminance(grey[1]), torch.randn(2, *_SIZE, generator=numbers))
    assert found is not None
    assert float(found.support.mean()) < 0.1


def test_pictures_too_small_are_not_judged() -> None:
    tiny = Luminance(torch.rand(3, 40, 60))
    assert evidence_of(tiny, tiny, torch.zeros(2, 40, 60)) is None


@pytest.mark.parametrize("smaller", [_SIZE, (64, 96), (37, 50)])
def test_the_flow_of_a_similarity_is_that_of_compose_resized(smaller: tuple[int, int]) -> None:
    found = similarity_at(_TRUTH, _SIZE, smaller, torch.zeros(1))
    assert torch.allclose(found, resize_flow(similarity_flow(_TRUTH, *_SIZE), smaller), atol=1e-4)


def test_the_default_flow_knows_where_it_is_shown() -> None:
    truth = similarity_flow(_TRUTH, *_SIZE)
    reference, moving = (p[None] for p in _pair(50, truth))
    flow = load_flow("pwcnet")
    found = flow.estimate(reference, moving)
    support = flow.support(reference, moving, found)
    assert support.shape == (1, 1, *_SIZE)
    assert 0 <= float(support.min()) <= float(support.max()) <= 1
    assert float(support[..., :170].mean()) > float(support[..., 230:].mean()) + 0.4
    assert float((found[0] - truth).norm(dim=0)[:, 230:].mean()) < 1.0
