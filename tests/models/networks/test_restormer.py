"""Restormer against its formulas written out."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sdd_bench.core.errors import ConfigError
from sdd_bench.models.layers import strips
from sdd_bench.models.networks.restormer import Restormer
from sdd_bench.models.shapes import shapes_of

SMALL = {"width": 4, "blocks": (1, 2, 1, 1), "refinement": 1}


def _norm(module: nn.Module, x: Tensor) -> Tensor:
    body = module.body
    mean, variance = x.mean(1, keepdim=True), x.var(1, keepdim=True, unbiased=False)
    normalised = (x - mean) / (variance + 1e-5).sqrt()
    return normalised * body.weight[:, None, None] + body.bias[:, None, None]


def _block(block: nn.Module, x: Tensor) -> Tensor:
    """MDTA and GDFN as the paper writes them, channel by channel of the attention."""
    n, channels, height, width = x.shape
    attn, ffn = block.attn, block.ffn
    q, k, v = attn.qkv_dwconv(attn.qkv(_norm(block.norm1, x))).flatten(2).split(channels, dim=1)
    each = channels // attn.heads
    heads = []
    for head, (a, b, c) in enumerate(zip(*(part.split(each, dim=1) for part in (q, k, v)), strict=True)):
        cosines = F.normalize(a, dim=2) @ F.normalize(b, dim=2).transpose(1, 2)
        heads.append((cosines * attn.temperature[head]).softmax(2) @ c)
    x = x + attn.project_out(torch.cat(heads, 1).view(n, channels, height, width))
    gate, passed = ffn.dwconv(ffn.project_in(_norm(block.norm2, x))).split(int(2.66 * channels), dim=1)
    return x + ffn.project_out(F.gelu(gate) * passed)


def _direct(network: Restormer, picture: Tensor) -> Tensor:
    def run(stage: str, x: Tensor) -> Tensor:
        for block in network.get_submodule(stage):  # type: ignore[attr-defined]
            x = _block(block, x)
        return x

    one = run("encoder_level1", network.patch_embed["proj"](picture))
    two = run("encoder_level2", F.pixel_unshuffle(network.get_submodule("down1_2.body.0")(one), 2))
    three = run("encoder_level3", F.pixel_unshuffle(network.get_submodule("down2_3.body.0")(two), 2))
    x = run("latent", F.pixel_unshuffle(network.get_submodule("down3_4.body.0")(three), 2))
    x = torch.cat((F.pixel_shuffle(network.get_submodule("up4_3.body.0")(x), 2), three), 1)
    x = run("decoder_level3", network.get_submodule("reduce_chan_level3")(x))
    x = torch.cat((F.pixel_shuffle(network.get_submodule("up3_2.body.0")(x), 2), two), 1)
    x = run("decoder_level2", network.get_submodule("reduce_chan_level2")(x))
    x = torch.cat((F.pixel_shuffle(network.get_submodule("up2_1.body.0")(x), 2), one), 1)
    return network.output(run("refinement", run("decoder_level1", x))) + picture


def _random(**options: Any) -> Restormer:
    torch.manual_seed(0)
    network = Restormer(**options).double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return network


@pytest.mark.parametrize("numbers", [1 << 23, 400])
def test_the_network_is_its_formulas_whatever_the_strips(numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips, "_STRIP_NUMBERS", numbers)
    network, picture = _random(**SMALL, heads=(1, 2, 4, 8)), torch.rand(2, 3, 24, 16, dtype=torch.float64)
    with torch.inference_mode():
        expected, found = _direct(network, picture), network.restore(picture)
        assert float((found - picture).abs().max()) > 1
        torch.testing.assert_close(found, expected)
        assert torch.equal(network(picture), found.clamp(0, 1))


def test_gradients_are_those_of_the_formulas() -> None:
    network, picture = _random(**SMALL), torch.rand(1, 3, 16, 16, dtype=torch.float64)
    parameters = list(network.parameters())
    found = torch.autograd.grad(network.restore(picture).square().sum(), parameters)
    expected = torch.autograd.grad(_direct(network, picture).square().sum(), parameters)
    torch.testing.assert_close(found, expected)


def test_parameters_are_as_many_as_released() -> None:
    with torch.device("meta"):
        network = Restormer()
    assert sum(p.numel() for p in network.parameters()) == 26_126_644


def test_names_are_the_released_ones() -> None:
    with torch.device("meta"):
        keys = set(Restormer().state_dict())
    block = ("norm1.body.weight", "norm1.body.bias", "attn.temperature", "attn.qkv.weight", "attn.qkv_dwconv.weight")
    block += ("attn.project_out.weight", "norm2.body.weight", "norm2.body.bias", "ffn.project_in.weight")
    block += ("ffn.dwconv.weight", "ffn.project_out.weight")
    stages = {"encoder_level1": 4, "encoder_level2": 6, "encoder_level3": 6, "latent": 8, "refinement": 4}
    stages |= {"decoder_level3": 6, "decoder_level2": 6, "decoder_level1": 4}
    single = ("patch_embed.proj", "down1_2.body.0", "down2_3.body.0", "down3_4.body.0", "up4_3.body.0", "up3_2.body.0")
    single += ("up2_1.body.0", "reduce_chan_level3", "reduce_chan_level2", "output")
    blocks = {f"{stage}.{i}.{name}" for stage, count in stages.items() for i in range(count) for name in block}
    assert keys == blocks | {f"{name}.weight" for name in single}


def test_options_are_read_from_shapes() -> None:
    options = {"width": 8, "blocks": (1, 2, 3, 1), "refinement": 2, "heads": (2, 2, 4, 1)}
    with torch.device("meta"):
        shapes = shapes_of(Restormer(**options).state_dict())  # type: ignore[arg-type]
    assert Restormer.read_options(shapes) == options
    assert Restormer.read_options({"out.0.weight": (3, 3)}) is None


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"width": 7}, "width: expected an even number"),
        ({"width": 0}, "width: expected a whole number"),
        ({"blocks": (1, 1, 1)}, "expected four counts of blocks"),
        ({"blocks": (1, 0, 1, 1)}, r"blocks\[1\]: expected a whole number"),
        ({"refinement": 0}, "refinement: expected a whole number"),
        ({"width": 6, "heads": (1, 5, 1, 1)}, "heads: 5 do not divide the 12 channels of level 2"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=f"restormer: {complaint}"):
        Restormer(**options)
