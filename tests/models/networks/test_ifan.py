"""IFAN against the released one's output; its filters, one iteration at a time, against all at once."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from formula_weights import fill_by_formula
from receptive_fields import reach_px
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from sdd_bench.core.errors import ConfigError, WeightsError
from sdd_bench.models.networks.ifan import IFAN, ifan_released
from sdd_bench.models.shapes import shapes_of
from sdd_bench.models.spec import ModelSpec, estimate_bytes_per_pixel, facts_of
from sdd_bench.weights.tensors import load_into

PARITY = Path(__file__).parents[2] / "data" / "parity"


class DirectIFAN(IFAN):
    """The filters of all iterations at once, in the order of the released code, and the iterations written out."""

    def _filter(self, x: Tensor, seen: Tensor) -> Tensor:
        n, channels, height, width = x.shape
        iterations = len(self._rows)
        maps = self.F[3](seen)
        weights, biases = maps.split([6 * channels * iterations, channels * iterations], dim=1)
        weights = weights.reshape(n, iterations, 2, channels, 3, height, width)
        biases = biases.reshape(n, iterations, channels, height, width)
        for i in range(iterations):
            vertical, horizontal = weights[:, i, 0], weights[:, i, 0 if self.shared_taps else 1]
            rows = F.pad(x, (0, 0, 1, 1), mode="replicate").unfold(2, 3, 1)
            x = (rows * vertical.movedim(2, -1)).sum(-1)
            columns = F.pad(x, (1, 1, 0, 0), mode="replicate").unfold(3, 3, 1)
            x = (columns * horizontal.movedim(2, -1)).sum(-1)
            x = F.leaky_relu(x + biases[:, i], 0.1)
        return x


class Largest(TorchDispatchMode):
    """The most numbers a tensor that is not a view of the weights holds."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if isinstance(output, Tensor) and output.ndim == 4 and output.shape[2] > 1:
            self.numbers = max(self.numbers, output.numel())
        return output


def make(kind: type[IFAN], **options: Any) -> IFAN:
    torch.manual_seed(0)
    return kind(4, **options).eval()


def test_the_released_network_is_reproduced() -> None:
    fixture = np.load(PARITY / "ifan.npz")
    network = fill_by_formula(ifan_released())
    picture = torch.from_numpy(fixture["input0"])
    with torch.inference_mode():
        output = network.restore(picture).numpy()
        clipped = network(picture).numpy()
    assert np.abs(output - fixture["output0"]).max() <= 1e-4 * np.abs(fixture["output0"]).max()
    assert np.array_equal(clipped, output.clip(0, 1))


def test_parameters_and_tensors_are_as_many_as_released() -> None:
    with torch.device("meta"):
        network = ifan_released()
    assert sum(p.numel() for p in network.parameters()) == 10_476_996
    assert len(network.state_dict()) == 158


@pytest.mark.parametrize("shared_taps", [False, True])
def test_one_iteration_at_a_time_is_all_at_once(shared_taps: bool) -> None:
    ours, direct = (make(kind, shared_taps=shared_taps) for kind in (IFAN, DirectIFAN))
    with torch.no_grad():
        for network in (ours, direct):
            network.F[3].bias.normal_(std=0.5, generator=torch.Generator().manual_seed(1))
        picture = torch.rand(2, 3, 48, 32)
        found, expected = ours.restore(picture), direct.restore(picture)
    assert float((found - picture).abs().max()) > 1e-2
    assert float((found - expected).abs().max()) <= 1e-5 * float(expected.abs().max())


def test_gradients_are_those_of_all_filters_at_once() -> None:
    ours, direct = (make(kind, iterations=2) for kind in (IFAN, DirectIFAN))
    picture = torch.rand(1, 3, 32, 16, dtype=torch.float64)
    for network in (ours, direct):
        network.double()(picture).square().sum().backward()
    theirs = dict(direct.named_parameters())
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(parameter.grad, theirs[name].grad, msg=name)


def test_the_filters_of_all_iterations_never_exist_at_once() -> None:
    picture = torch.rand(1, 3, 64, 64)
    largest = {}
    for kind in (IFAN, DirectIFAN):
        with torch.inference_mode(), Largest() as seen:
            make(kind).restore(picture)
        largest[kind] = seen.numbers / picture[0, 0].numel()
    assert largest[DirectIFAN] == 17 * 7 * 16 / 64
    assert largest[IFAN] == 4, "the features at full resolution"


def test_centre_taps_alone_leave_the_repeated_activation() -> None:
    network = make(IFAN, iterations=3)
    last = network.F[3]
    nn.init.zeros_(last.weight)
    with torch.no_grad():
        last.bias.zero_()
        last.bias[: 3 * 6 * 16].view(-1, 3)[:, 1] = 1
    seen: dict[str, Tensor] = {}
    network.conv4_3.register_forward_hook(lambda _module, _inputs, output: seen.update(features=output.clone()))
    network.conv_res.register_forward_pre_hook(lambda _module, inputs: seen.update(filtered=inputs[0].clone()))
    with torch.inference_mode():
        network(torch.rand(1, 3, 32, 32))
    expected = seen["features"]
    assert float(expected.min()) < 0
    for _ in range(3):
        expected = F.leaky_relu(expected, 0.1)
    assert torch.equal(seen["filtered"], expected)


@pytest.mark.parametrize("iterations", [3, 17])
def test_it_looks_as_far_as_it_says(iterations: int) -> None:
    network = IFAN(1, iterations=iterations)
    length = 2 * network.receptive_radius_px // 8 * 8 + 64
    assert reach_px(network, length=length) == network.receptive_radius_px == 385 + 8 * iterations
    assert reach_px(network, length=length, axis=2) <= network.receptive_radius_px


def test_training_without_dual_pixels_reaches_every_weight() -> None:
    network = make(IFAN, iterations=2).train()
    network(torch.rand(1, 3, 32, 32)).square().sum().backward()
    still = [name for name, p in network.named_parameters() if p.grad is None or not bool(p.grad.any())]
    assert still == []


def test_its_own_figure_of_memory_goes_before_the_sum_of_all_layers() -> None:
    network = IFAN(2, iterations=1)
    assert facts_of(network, ModelSpec("ifan"))["bytes_per_pixel"] == network.bytes_per_pixel == 56
    assert estimate_bytes_per_pixel(network) > 56


def test_released_names_lose_their_wrappers_and_the_heads_of_training() -> None:
    assert IFAN.own_name("module.Network.DME.3.bias") == "DME.3.bias"
    assert IFAN.own_name("conv1_1.0.weight") == "conv1_1.0.weight"
    assert IFAN.own_name("module.reblurNet.conv.0.weight") is None


def test_weights_of_one_way_to_filter_do_not_load_as_the_other(tmp_path: Path) -> None:
    new, released = IFAN(1, iterations=1), ifan_released(1, iterations=1)
    for network, other in ((new, released), (released, new)):
        with pytest.raises(WeightsError, match="separate_taps"):
            load_into(network, other.state_dict(), tmp_path / "weights.pth")


def test_width_and_iterations_are_read_from_shapes() -> None:
    with torch.device("meta"):
        shapes = shapes_of(IFAN(6, iterations=8).state_dict())
    assert IFAN.read_options(shapes) == {"width": 6, "iterations": 8}
    first, filters = "conv1_1.0.weight", "F.3.weight"
    for other in ({"out.0.weight": (3, 3)}, {first: (0, 3), filters: (5, 1)}, {first: (1, 3), filters: (10**12, 1)}):
        assert IFAN.read_options(other) is None


@pytest.mark.parametrize("options", [{"width": 0}, {"iterations": 0}, {"iterations": 1.5}])
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"ifan: {next(iter(options))}: expected a whole number"):
        IFAN(**options)
