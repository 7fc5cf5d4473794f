"""What every network owes: any size through ``predict``'s padding, its range, training, tiles where it says so."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_networks import NAMES, NETWORKS
from torch import nn

from sdd_bench.images.photograph import read_photograph
from sdd_bench.images.write import write_png
from sdd_bench.models.network import Network, final_output, load_network
from sdd_bench.models.program import export_program
from sdd_bench.models.spec import MODELS, ModelSpec, facts_of
from sdd_bench.prediction.run import predict
from sdd_bench.prediction.tiling import deblur

CLIPPED = {"ifan", "ifan-released", "drbnet", "restormer", "nafnet"} | {name for name in NAMES if "unet" in name}
"""Networks that clip to [0, 1] in evaluation; of the others ``predict`` clips what it writes."""
WITHOUT_THE_INPUT = {"dmphn", "dpdnet", "unet", "unet-released"}
"""Networks that do not add their input at the end, so that half precision rounds the whole picture."""

every_network = pytest.mark.parametrize(("name", "options"), NETWORKS, ids=NAMES)


def test_every_network_that_runs_by_name_is_tested_here() -> None:
    assert sorted(NAMES) == MODELS.names()


def build(name: str, options: dict[str, Any]) -> nn.Module:
    """A small network whose weights are all moved, so that none starts as the identity."""
    torch.manual_seed(0)
    network = MODELS.get(name)(**options).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.02)
    return network


def as_network(name: str, module: nn.Module) -> Network:
    facts = facts_of(module, ModelSpec(name))
    kept = {key: facts[key] for key in ("size_multiple", "receptive_radius_px", "bytes_per_pixel")}
    return Network(module, name, "", device=torch.device("cpu"), **kept)


@every_network
@pytest.mark.parametrize("shape", [(1, 1), (7, 9), (513, 511)])
def test_a_picture_of_any_size_comes_out_in_its_size_and_range(
    name: str, options: dict[str, Any], shape: tuple[int, int], rng: np.random.Generator
) -> None:
    picture = rng.random((*shape, 3), dtype=np.float32)
    output = deblur(as_network(name, build(name, options)), picture)
    assert output.shape == picture.shape
    if name in CLIPPED:
        assert 0 <= output.min() <= output.max() <= 1
    assert np.isfinite(output).all()
    assert np.abs(output - picture).max() > 1e-3


@every_network
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_picture_of_one_colour_passes(name: str, options: dict[str, Any], value: float) -> None:
    output = deblur(as_network(name, build(name, options)), np.full((40, 24, 3), value, np.float32))
    assert output.shape == (40, 24, 3)
    assert np.isfinite(output).all()


@every_network
def test_the_layout_in_memory_does_not_matter(name: str, options: dict[str, Any]) -> None:
    network, picture = build(name, options), torch.rand(2, 3, 64, 48)
    with torch.inference_mode():
        expected = final_output(network(picture))
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        found = final_output(network(picture.contiguous(memory_format=torch.channels_last)))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@every_network
def test_strips_of_rows_change_nothing(name: str, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    network, picture = build(name, options), torch.rand(1, 3, 96, 48)
    frozen = network.requires_grad_(False)
    expected = final_output(frozen(picture))  # with gradients, if there were any, there are no strips
    monkeypatch.setattr("sdd_bench.models.layers.strips._STRIP_NUMBERS", 3000)
    with torch.inference_mode():
        torch.testing.assert_close(final_output(network(picture)), expected, rtol=0, atol=1e-5)


@every_network
def test_sixteen_bits_come_out_as_sixteen_bits(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(20_000, 40_000, (24, 16, 3), dtype=np.uint16)
    write_png(tmp_path / "x.png", picture)
    network = as_network(name, build(name, options))
    predict(network, {"x": tmp_path / "x.png"}, tmp_path / "out")
    made = read_photograph(tmp_path / "out" / "x.png")
    expected = deblur(network, picture.astype(np.float32) / 65535).clip(0, 1)
    assert (made.bit_depth, made.pixels.dtype) == (16, np.uint16)
    assert np.abs(made.pixels / 65535 - expected).max() < 1 / 65535


@every_network
def test_a_batch_is_its_pictures_and_gradients_change_no_output(name: str, options: dict[str, Any]) -> None:
    network, pictures = build(name, options), torch.rand(2, 3, 48, 32)
    with torch.inference_mode():
        each = torch.cat([final_output(network(picture[None])) for picture in pictures])
    given = pictures.clone()
    torch.testing.assert_close(final_output(network(given)).detach(), each, rtol=0, atol=1e-5)
    assert torch.equal(given, pictures), "the input is the caller's"


@every_network
def test_half_precision_stays_near(name: str, options: dict[str, Any]) -> None:
    network, picture = build(name, options), torch.rand(1, 3, 64, 48)
    with torch.inference_mode():
        expected = final_output(network(picture))
        with torch.autocast("cpu", torch.bfloat16):
            found = final_output(network(picture))
    if name not in WITHOUT_THE_INPUT:
        assert found.dtype == torch.float32, "the picture keeps its precision"
    assert 0 < float((found - expected).square().mean().sqrt()) < 1e-2


@every_network
def test_training_lowers_the_loss(name: str, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    network = MODELS.get(name)(**options).train()
    sharp = torch.rand(1, 3, 32, 16)
    blurry = nn.functional.avg_pool2d(sharp, 3, stride=1, padding=1)
    optimiser = torch.optim.Adam(network.parameters(), lr=4e-3)
    losses = []
    for _ in range(12):
        loss = (final_output(network(blurry)) - sharp).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.97 * losses[0]


@every_network
def test_tiles_are_exact_where_the_network_says_how_far_it_looks(
    name: str, options: dict[str, Any], rng: np.random.Generator
) -> None:
    network = as_network(name, build(name, options))
    if (radius := network.receptive_radius_px) is None:
        pytest.skip("it looks at the whole picture")
    side = network.size_multiple * (2 * radius // network.size_multiple + 10)
    for shape in ((2 * side, 8), (8, 2 * side)):
        picture = rng.random((*shape, 3), dtype=np.float32)
        whole = deblur(network, picture)
        assert np.abs(whole - deblur(network, picture, tile=side, overlap=radius)).max() < 1e-5


@every_network
def test_a_pixel_beyond_the_radius_changes_nothing(name: str, options: dict[str, Any]) -> None:
    module = build(name, options)
    network = as_network(name, module)
    if (radius := network.receptive_radius_px) is None:
        pytest.skip("it looks at the whole picture")
    place = radius + 24
    length = network.size_multiple * (2 * place // network.size_multiple)
    picture = torch.rand(1, 3, 16, length)
    changed = picture.clone()
    changed[..., place] = 1 - changed[..., place]
    for turn in (False, True):
        before, after = (network.deblur(x.transpose(2, 3).contiguous() if turn else x) for x in (picture, changed))
        moved = (before != after).any(3 if turn else 2).any(1)[0].nonzero()
        assert 8 < int((moved - place).abs().max()) <= radius


@pytest.mark.slow
@every_network
def test_a_program_of_it_takes_any_size(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    module, pictures = build(name, options), [torch.rand(1, 3, *sides) for sides in ((96, 160), (48, 32))]
    export_program(module, ModelSpec(name), tmp_path / "network.pt2")
    program = load_network(tmp_path / "network.pt2", trust_program=True)
    for picture in pictures:
        with torch.inference_mode():
            expected = final_output(module(picture))
        torch.testing.assert_close(program.deblur(picture), expected, rtol=0, atol=1e-5)
