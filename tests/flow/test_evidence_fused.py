"""The compiled passes against the same passes as torch expressions."""

import pytest
import torch

from sdd_bench.flow import evidence_fused, evidence_unfused
from sdd_bench.geometry.similarity import Similarity

SIZES = [((64, 96), (8, 12)), ((61, 94), (7, 5)), ((300, 260), (300, 260)), ((33, 1), (1, 1))]
STEADY = Similarity(1.01, 0.4, 2.0, -1.5)


def planes(k: int, size: tuple[int, int], seed: int = 0) -> torch.Tensor:
    return torch.rand(k, *size, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("size", "cells"), SIZES)
def test_every_pass_equals_its_torch_expression(size, cells):
    support, flow = planes(1, size)[0], 40 * (planes(2, size, 1) - 0.5)
    bounds = ((0.1, 0.4), (0.3, 0.6), (0.02, 0.3), (0.5, 0.8))
    maps = planes(3, cells, 2)
    coarse = planes(1, (max(1, cells[0] // 2), max(1, cells[1] // 2)), 3)[0]
    for name, arguments in {
        "shown": ((maps[0], coarse), maps[1], maps[2], size, bounds),
        "means_of_beyond": (support, flow, STEADY, cells),
        "means_inside": (support, flow, cells),
        "blended": (maps[0], support, maps[1]),
        "supported": (flow, STEADY, 9 * maps[:2], support),
    }.items():
        found, expected = (getattr(form, name)(*arguments) for form in (evidence_fused, evidence_unfused))
        torch.testing.assert_close(found, expected, atol=2e-5, rtol=1e-5, msg=lambda text, name=name: f"{name}: {text}")


def test_a_flow_that_stays_inside_does_so_to_the_bit():
    flow = torch.zeros(2, 61, 94)
    inside, support = evidence_fused.means_inside(torch.ones(61, 94), flow, (7, 5))
    assert bool((inside == 1).all())
    assert bool((support == 1).all())
    flow[0] = 47
    assert float(evidence_fused.means_inside(torch.ones(61, 94), flow, (1, 1))[0]) == pytest.approx(0.5)


def test_a_flow_that_is_shown_everywhere_is_kept_to_the_bit():
    flow = 40 * (planes(2, (61, 94)) - 0.5)
    assert torch.equal(evidence_fused.supported(flow, STEADY, planes(2, (4, 6)), torch.ones(61, 94)), flow)
    whole = planes(1, (61, 94))[0]
    assert torch.equal(evidence_fused.blended(torch.zeros(4, 6), whole, torch.ones(4, 6)), whole)


def test_threads_change_no_bit():
    support, flow = planes(1, (300, 260))[0], 40 * (planes(2, (300, 260), 1) - 0.5)

    def all_passes() -> list[torch.Tensor]:
        return [
            evidence_fused.shown((support, support), support, support, (300, 260), ((0.1, 0.4),) * 4),
            evidence_fused.means_of_beyond(support, flow, STEADY, (18, 16)),
            evidence_fused.means_inside(support, flow, (37, 32)),
            evidence_fused.supported(flow, STEADY, planes(2, (4, 6)), support),
        ]

    one = all_passes()
    torch.set_num_threads(3)
    assert all(torch.equal(a, b) for a, b in zip(one, all_passes(), strict=True))
