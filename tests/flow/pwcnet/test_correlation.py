import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from sdd_bench.flow.pwcnet.correlation import local_correlation


def by_definition(a: Tensor, b: Tensor, radius: int) -> Tensor:
    height, width = a.shape[2:]
    padded = F.pad(b, (radius,) * 4)
    return torch.stack(
        [
            (a * padded[:, :, dy : dy + height, dx : dx + width]).mean(1)
            for dy in range(2 * radius + 1)
            for dx in range(2 * radius + 1)
        ],
        dim=1,
    )


@pytest.mark.parametrize("shape", [(1, 7, 8, 8), (2, 5, 19, 23), (1, 3, 1, 1), (1, 4, 3, 40), (1, 2, 170, 90)])
@pytest.mark.parametrize("radius", [2, 4])
def test_correlation_equals_its_definition_at_any_size(shape, radius):
    a, b = torch.randn(shape, dtype=torch.float64), torch.randn(shape, dtype=torch.float64)
    torch.testing.assert_close(local_correlation(a, b, radius), by_definition(a, b, radius))


def test_gradients_equal_those_of_the_definition():
    a, b = (torch.randn(2, 3, 21, 17, dtype=torch.float64, requires_grad=True) for _ in range(2))
    weight = torch.randn(2, 81, 21, 17, dtype=torch.float64)
    ours = torch.autograd.grad((local_correlation(a, b) * weight).sum(), (a, b))
    theirs = torch.autograd.grad((by_definition(a, b, 4) * weight).sum(), (a, b))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)


def test_bf16_stays_bf16_and_close():
    a, b = torch.randn(1, 32, 16, 16), torch.randn(1, 32, 16, 16)
    coarse = local_correlation(a.bfloat16(), b.bfloat16())
    assert coarse.dtype == torch.bfloat16
    assert (coarse.float() - by_definition(a, b, 4)).abs().max() < 0.02
