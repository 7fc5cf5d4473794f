"""KPAC: its size, TensorFlow's padding, its shared filter and its attentions."""

from functools import partial

import pytest
import torch
from torch.nn import functional as F

from sdd_bench.core.errors import ConfigError
from sdd_bench.models.networks.kpac import KPAC
from sdd_bench.models.outline import outline


@pytest.mark.parametrize(("levels", "parameters", "arrays"), [(2, 1_578_277, 58), (3, 2_057_893, 66)])
def test_counts_are_those_of_the_published_networks(levels: int, parameters: int, arrays: int) -> None:
    network = outline(partial(KPAC, levels=levels))
    assert sum(p.numel() for p in network.parameters()) == parameters
    assert len(network.state_dict()) == arrays


@pytest.mark.parametrize("levels", [2, 3])
def test_the_forward_pass_is_the_published_table_written_out(levels: int) -> None:
    torch.manual_seed(0)
    network = KPAC(6, levels=levels).double().eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    weights = iter(network.state_dict().values())

    def conv(x: torch.Tensor, *, stride: int = 1, dilation: int = 1) -> torch.Tensor:
        weight, bias = next(weights), next(weights)
        reach = dilation * (weight.shape[2] // 2)
        # TensorFlow pads a stride of two at the bottom and at the right alone.
        padded = F.pad(x, (0, 1, 0, 1) if stride == 2 else [reach] * 4)
        return F.conv2d(padded, weight, bias, stride=stride, dilation=dilation)

    def leaky(x: torch.Tensor) -> torch.Tensor:
        return torch.where(x > 0, x, 0.2 * x)

    def block(x: torch.Tensor) -> torch.Tensor:
        shared = next(weights)
        maps = [leaky(F.conv2d(x, shared, padding=2 * step, dilation=step)) for step in range(1, 6)]
        scale = x
        for _ in range(4):
            scale = leaky(conv(scale, dilation=2))
        scale = conv(scale).sigmoid()
        shape = conv(leaky(conv(x.mean((2, 3), keepdim=True)))).sigmoid()
        weighed = [maps[j] * scale[:, j : j + 1] * shape for j in range(5)]
        return leaky(conv(torch.cat(weighed, dim=1)))

    def up(x: torch.Tensor) -> torch.Tensor:
        return leaky(F.conv_transpose2d(x, next(weights), next(weights), stride=2, padding=1))

    picture = torch.rand(2, 3, 16, 24, dtype=torch.float64)
    x = 2 * picture - 1
    skips = [leaky(conv(leaky(conv(x))))]
    for _ in range(levels):
        skips.append(leaky(conv(leaky(conv(skips[-1], stride=2)))))
    first = block(skips[-1])
    stack = torch.cat((skips[-1], first, block(first)), dim=1)
    deep = leaky(conv(leaky(conv(stack))))
    for skip in skips[-2:0:-1]:
        deep = leaky(conv(torch.cat((up(deep), skip), dim=1)))
    expected = (conv(torch.cat((up(deep), skips[0]), dim=1)) + x + 1) / 2
    assert next(weights, None) is None
    with torch.inference_mode():
        torch.testing.assert_close(network(picture), expected)


def test_every_output_depends_on_the_whole_picture() -> None:
    torch.manual_seed(0)
    network = KPAC(8).double().eval()
    picture = torch.rand(1, 3, 256, 256, dtype=torch.float64)
    changed = picture.clone()
    changed[:, :, 0, 0] += 0.5
    with torch.inference_mode():
        difference = (network(picture) - network(changed)).abs()
    assert float(difference[:, :, 250:, 250:].max()) > 0
    assert not hasattr(network, "receptive_radius_px")


@pytest.mark.parametrize(("levels", "multiple"), [(2, 4), (3, 8)])
def test_the_size_multiple_is_that_of_the_levels(levels: int, multiple: int) -> None:
    network = KPAC(4, levels=levels)
    assert network.size_multiple == multiple
    assert network(torch.rand(1, 3, multiple, 2 * multiple)).shape == (1, 3, multiple, 2 * multiple)


@pytest.mark.parametrize("options", [{"width": 3}, {"levels": 1}, {"levels": 4}])
def test_options_out_of_range_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=f"kpac: {next(iter(options))}"):
        KPAC(**options)
