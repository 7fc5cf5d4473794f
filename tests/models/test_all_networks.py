"""What every network must take, on small variants: pictures of any size, gradients, checkpoints."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sdd_bench.models.dmphn import DMPHN
from sdd_bench.models.dpdnet import DPDNet
from sdd_bench.models.kpac import KPAC
from sdd_bench.models.mprnet import MPRNet
from sdd_bench.models.network import Network, final_output
from sdd_bench.models.spec import MODELS
from sdd_bench.prediction.tiling import deblur

Factory = Callable[[], nn.Module]

SMALL: list[tuple[str, Factory]] = [
    ("mprnet", partial(MPRNet, 8, depth=1)),
    ("dmphn", partial(DMPHN, 4)),
    ("dpdnet", partial(DPDNet, 4)),
    ("kpac", partial(KPAC, 8)),
    ("kpac-2level", partial(KPAC, 8, levels=2)),
]
every_network = pytest.mark.parametrize(("name", "factory"), SMALL, ids=[name for name, _ in SMALL])


def make(factory: Factory) -> nn.Module:
    torch.manual_seed(0)
    return factory().eval()


def as_network(module: nn.Module) -> Network:
    multiple = int(module.size_multiple)  # type: ignore[arg-type]
    return Network(module, "test", "", multiple, None, 1, torch.device("cpu"))


@every_network
def test_the_name_is_registered_for_this_network(name: str, factory: Factory) -> None:
    assert type(MODELS.get(name)(8)) is type(factory())


@every_network
@pytest.mark.parametrize("size", [(1, 1), (7, 9), (511, 513)], ids="{0[0]}x{0[1]}".format)
def test_a_picture_of_any_size_comes_back_in_its_size(
    name: str, factory: Factory, size: tuple[int, int], rng: np.random.Generator
) -> None:
    picture = rng.random((*size, 3), dtype=np.float32)
    deblurred = deblur(as_network(make(factory)), picture)
    assert deblurred.shape == picture.shape
    assert np.isfinite(deblurred).all()


@every_network
@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_picture_of_one_colour_passes(name: str, factory: Factory, value: float) -> None:
    deblurred = deblur(as_network(make(factory)), np.full((33, 50, 3), value, np.float32))
    assert deblurred.shape == (33, 50, 3)
    assert np.isfinite(deblurred).all()


@every_network
def test_every_weight_takes_part(name: str, factory: Factory) -> None:
    module = make(factory).double()
    output = module(torch.rand(2, 3, 64, 64, dtype=torch.float64))
    outputs = [output] if isinstance(output, Tensor) else list(output)
    assert all(each.shape == (2, 3, 64, 64) for each in outputs)
    torch.stack([(each**2).mean() for each in outputs]).sum().backward()
    assert [key for key, weight in module.named_parameters() if weight.grad is None] == []


@every_network
def test_pictures_of_a_batch_do_not_mix(name: str, factory: Factory) -> None:
    module = make(factory).double()
    pictures = torch.rand(2, 3, 32, 48, dtype=torch.float64)
    with torch.inference_mode():
        both = final_output(module(pictures))
        alone = torch.cat([final_output(module(picture[None])) for picture in pictures])
    torch.testing.assert_close(both, alone)


@every_network
def test_the_order_of_memory_does_not_matter(name: str, factory: Factory) -> None:
    module = make(factory).double()
    picture = torch.rand(1, 3, 32, 48, dtype=torch.float64)
    with torch.inference_mode():
        plain = final_output(module(picture))
        module.to(memory_format=torch.channels_last)
        last = final_output(module(picture.contiguous(memory_format=torch.channels_last)))
    torch.testing.assert_close(plain, last)
