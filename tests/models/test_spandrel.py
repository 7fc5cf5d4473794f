"""Networks of the package spandrel, with the package itself."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sdd_bench.core.errors import ConfigError, WeightsError
from sdd_bench.models.network import Network, load_network
from sdd_bench.models.spandrel import SpandrelNetwork, load_spandrel
from sdd_bench.models.spec import MODELS, ModelSpec
from sdd_bench.prediction.tiling import deblur

spandrel = pytest.importorskip("spandrel")

SPANDREL = ModelSpec("spandrel")
SMALL = {"encoder": (1, 1), "middle": 1, "decoder": (1, 1)}


def write_nafnet(path: Path) -> dict[str, Tensor]:
    """A released form of a small NAFNet whose blocks do something."""
    torch.manual_seed(0)
    network = MODELS.get("nafnet")(4, **SMALL)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    torch.save({"params": network.state_dict()}, path)
    return network.state_dict()


def through_spandrel(path: Path) -> Network:
    return load_network(path, SPANDREL)


def test_a_network_of_both_packages_is_the_same(tmp_path: Path, rng: np.random.Generator) -> None:
    write_nafnet(tmp_path / "naf.pth")
    theirs = through_spandrel(tmp_path / "naf.pth")
    ours = load_network(tmp_path / "naf.pth")
    assert (theirs.name, theirs.settings["architecture"], ours.name) == ("spandrel", "NAFNet", "nafnet")
    assert theirs.parameters == ours.parameters
    picture = rng.random((64, 96, 3), dtype=np.float32)
    expected = deblur(ours, picture)
    assert np.abs(expected - picture).max() > 0.01
    assert np.abs(deblur(theirs, picture) - expected).max() < 1e-5


@pytest.mark.parametrize("shape", [(1, 1), (7, 9), (50, 33)])
def test_its_pictures_may_have_any_size(shape: tuple[int, int], tmp_path: Path, rng: np.random.Generator) -> None:
    write_nafnet(tmp_path / "naf.pth")
    picture = rng.random((*shape, 3), dtype=np.float32)
    assert deblur(through_spandrel(tmp_path / "naf.pth"), picture).shape == picture.shape


def test_size_requirements_are_the_descriptors() -> None:
    class Descriptor:
        """What spandrel says of a network that is picky."""

        model = torch.nn.Identity()
        architecture = type("Architecture", (), {"name": "picky"})
        size_requirements = spandrel.SizeRequirements(minimum=48, multiple_of=16)

        def __call__(self, x: Tensor) -> Tensor:
            return x

    network = SpandrelNetwork(Descriptor())
    assert (network.size_multiple, network.least_side) == (16, 48)


def test_what_spandrel_does_not_know_is_said(tmp_path: Path) -> None:
    torch.save({"state_dict": {"mine.weight": torch.zeros(3)}}, tmp_path / "mine.pth")
    with pytest.raises(WeightsError, match=r"mine\.pth: spandrel .* does not know its 1 tensors"):
        through_spandrel(tmp_path / "mine.pth")


def test_a_network_that_enlarges_is_refused(tmp_path: Path) -> None:
    from spandrel.architectures.Compact.__arch.SRVGG import SRVGGNetCompact

    torch.save({"params": SRVGGNetCompact(num_feat=8, num_conv=1, upscale=2).state_dict()}, tmp_path / "sr.pth")
    with pytest.raises(WeightsError, match=r"RealESRGAN Compact, which has 3 channels in, 3 out and enlarges 2 times"):
        through_spandrel(tmp_path / "sr.pth")


def test_options_and_a_missing_package_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tensors: dict[str, Any] = write_nafnet(tmp_path / "naf.pth")
    with pytest.raises(ConfigError, match="takes no width"):
        load_spandrel(tensors, ModelSpec("spandrel", width=4), tmp_path)
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(ConfigError, match=r"pip install 'sdd-bench\[spandrel\]'"):
        load_spandrel(tensors, SPANDREL, tmp_path)


def test_networks_of_the_extra_package_take_part_where_it_is_installed(tmp_path: Path) -> None:
    """MPRNet and Restormer against the released code, which that package contains."""
    pytest.importorskip("spandrel_extra_arches")
    torch.manual_seed(0)
    for name, options in (("mprnet", {}), ("restormer", {})):
        network = MODELS.get(name)(**options)
        torch.save({"params": network.state_dict()}, tmp_path / f"{name}.pth")
        theirs, ours = through_spandrel(tmp_path / f"{name}.pth"), load_network(tmp_path / f"{name}.pth")
        assert theirs.settings["architecture"].lower() == ours.name == name
        picture = torch.rand(1, 3, 32, 48)
        expected = ours.deblur(picture).clamp(0, 1)
        assert float((expected - picture).abs().max()) > 0.01
        torch.testing.assert_close(theirs.deblur(picture), expected, rtol=0, atol=1e-5)
