"""Convolution by fewer products against the plain one in float64."""

import pytest
import torch
import torch.nn.functional as F

from sdd_bench.metrics.winograd import Winograd


@pytest.mark.parametrize("side", [3, 5])
@pytest.mark.parametrize("padding", [0, 2])
@pytest.mark.parametrize("size", [(12, 16), (13, 31), (5, 5), (8, 6)])
def test_it_equals_the_plain_convolution(side: int, size: tuple[int, int], padding: int) -> None:
    generator = torch.Generator().manual_seed(side)
    picture = torch.rand(*size, 20, generator=generator)
    weight, bias = torch.randn(24, 20, side, side, generator=generator), torch.randn(24, generator=generator)
    found = Winograd(weight, bias, padding)(picture)
    batch = picture.permute(2, 0, 1)[None].double()
    expected = F.conv2d(batch, weight.double(), bias.double(), padding=(0, padding)).relu()[0]
    torch.testing.assert_close(found.permute(2, 0, 1).double(), expected, atol=2e-5 * float(expected.max()), rtol=0)
