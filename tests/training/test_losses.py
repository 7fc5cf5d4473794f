"""Eq. 1-5 and 10 against sums written out."""

import pytest
import torch
from torch.nn import functional as F

from sdd_bench.training.losses import MaskKind, adaptive_deblurring_loss, charbonnier, edges


def smooth_picture() -> torch.Tensor:
    torch.manual_seed(0)
    return F.interpolate(torch.rand(1, 3, 8, 8), (48, 48), mode="bicubic").clamp(0, 1)


def constant_flow(x: float, y: float) -> torch.Tensor:
    return torch.tensor([float(x), float(y)]).view(1, 2, 1, 1).expand(1, 2, 48, 48).contiguous()


def test_charbonnier_is_its_formula() -> None:
    difference = torch.tensor([0.0, 0.3, -0.4])
    expected = (0.001 + (0.09 + 1e-6) ** 0.5 + (0.16 + 1e-6) ** 0.5) / 3
    assert float(charbonnier(difference)) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("mask", [MaskKind.MAGNITUDE, MaskKind.SIMILARITY, MaskKind.NONE])
def test_a_shifted_truth_costs_nothing_inside_once_the_flow_is_known(mask: MaskKind) -> None:
    sharp = smooth_picture()
    deblurred = sharp.roll((2, -3), (2, 3))  # deblurred(p) = sharp(p + (3, -2))
    flow, back = constant_flow(3, -2), constant_flow(-3, 2)
    terms = adaptive_deblurring_loss(deblurred, sharp, flow, back, mask=mask)
    assert bool(terms.mask.all())
    torch.testing.assert_close(terms.warped_sharp[..., 4:-4, 4:-4], deblurred[..., 4:-4, 4:-4])
    assert float(terms.loss) < float(2 * charbonnier(deblurred - sharp)) / 4


def test_without_motion_and_cycle_it_is_the_plain_loss() -> None:
    sharp, deblurred = smooth_picture(), smooth_picture().flip(3)
    terms = adaptive_deblurring_loss(deblurred, sharp, constant_flow(0, 0), None)
    torch.testing.assert_close(terms.loss, charbonnier(deblurred - sharp))


def test_edges_are_the_sums_written_out() -> None:
    torch.manual_seed(0)
    picture = torch.rand(9, 8, dtype=torch.float64)
    taps = [0.05, 0.25, 0.4, 0.25, 0.05]

    def blur(x: torch.Tensor) -> torch.Tensor:
        rows, columns = x.shape
        out = torch.zeros_like(x)
        for y in range(rows):
            for z in range(columns):
                for i in range(5):
                    for j in range(5):
                        place = min(max(y + i - 2, 0), rows - 1), min(max(z + j - 2, 0), columns - 1)
                        out[y, z] += taps[i] * taps[j] * x[place]
        return out

    blurred, kept = blur(picture), torch.zeros_like(picture)
    kept[::2, ::2] = 4 * blurred[::2, ::2]
    torch.testing.assert_close(edges(picture[None, None])[0, 0], picture - blur(kept))


def test_masked_pixels_count_as_zero_difference_in_the_mean() -> None:
    sharp, deblurred = torch.zeros(1, 3, 48, 48), torch.ones(1, 3, 48, 48)
    flow = constant_flow(4, 0)
    flow[..., :3] = 8.0  # a sixteenth of the picture: the mean is 4.25 px, the band 2.8 to 5.7
    terms = adaptive_deblurring_loss(deblurred, sharp, flow, None, mask=MaskKind.MAGNITUDE)
    assert float(terms.mask.float().mean()) == 15 / 16
    expected = 15 / 16 * (1 + 1e-6) ** 0.5 + 1 / 16 * 1e-3
    assert float(terms.loss) == pytest.approx(expected, abs=1e-6)


def test_the_cycle_term_passes_gradient_through_the_warped_deblurred_picture() -> None:
    sharp = smooth_picture()
    deblurred = smooth_picture().flip(2).requires_grad_()
    flow, back = constant_flow(1.5, 0), constant_flow(-1.5, 0)
    both = adaptive_deblurring_loss(deblurred, sharp, flow, back, mask=MaskKind.NONE)
    (gradient,) = torch.autograd.grad(both.loss, deblurred)
    one = adaptive_deblurring_loss(deblurred, sharp, flow, None, mask=MaskKind.NONE)
    (gradient_of_one,) = torch.autograd.grad(one.loss, deblurred)
    assert float((gradient - gradient_of_one).abs().max()) > 0


def test_each_direction_is_held_to_the_mask_of_its_own_flow() -> None:
    sharp, deblurred = torch.zeros(1, 3, 48, 48), torch.ones(1, 3, 48, 48)
    flow, back = constant_flow(4, 0), constant_flow(4, 0)
    back[..., :3] = 8.0  # a sixteenth of the picture, as above
    terms = adaptive_deblurring_loss(deblurred, sharp, flow, back, mask=MaskKind.MAGNITUDE)
    whole = (1 + 1e-6) ** 0.5
    assert bool(terms.mask.all())
    assert float(terms.loss) == pytest.approx(whole + 15 / 16 * whole + 1 / 16 * 1e-3, abs=1e-6)
