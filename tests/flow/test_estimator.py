import importlib.util
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn.modules.module import register_module_forward_pre_hook

from sdd_bench.core.errors import ConfigError, ImageError, WeightsError
from sdd_bench.flow.compose import similarity_flow
from sdd_bench.flow.estimator import FlowEstimator, load_flow
from sdd_bench.flow.warp import backwarp
from sdd_bench.geometry.fit import fit_similarity
from sdd_bench.geometry.similarity import Similarity

PARITY = Path(__file__).parents[1] / "data" / "parity"


@pytest.fixture
def pair(photo) -> tuple[torch.Tensor, torch.Tensor, Similarity]:
    """A picture of a known similarity and the picture it came from: reference, moving, truth."""
    known = Similarity(zoom=1.01, rotation_deg=0.2, shift_x_px=2.5, shift_y_px=-1.5)
    moving = torch.from_numpy(photo).permute(2, 0, 1)[None].float() / 255
    return backwarp(moving, similarity_flow(known, *moving.shape[2:])[None]), moving, known


def test_estimate_gives_the_fixture_with_published_weights(published_checkpoint):
    fixture = np.load(PARITY / "pwcnet_estimate.npz")
    estimator = load_flow(weights=published_checkpoint("module"))
    flow = estimator.estimate(torch.from_numpy(fixture["input0"]), torch.from_numpy(fixture["input1"])).numpy()
    assert np.abs(flow - fixture["output0"]).max() <= 1e-5 * np.abs(fixture["output0"]).max()


@pytest.mark.parametrize("name", ["pwcnet-plain", "dis"])
def test_a_known_similarity_is_found_with_the_right_sign(name, pair):
    reference, moving, known = pair
    found = fit_similarity(load_flow(name).estimate(reference, moving)[0], robust=True).similarity
    assert found.zoom == pytest.approx(known.zoom, abs=0.001)
    assert found.rotation_deg == pytest.approx(known.rotation_deg, abs=0.05)
    assert found.shift_x_px == pytest.approx(known.shift_x_px, abs=0.2)
    assert found.shift_y_px == pytest.approx(known.shift_y_px, abs=0.2)


@pytest.mark.parametrize("name", ["pwcnet-plain", "dis"])
def test_both_directions_equal_two_single_estimates(name, pair):
    estimator = load_flow(name)
    forth, back = estimator.estimate_both(pair[0], pair[1])
    torch.testing.assert_close(forth, estimator.estimate(pair[0], pair[1]), rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(back, estimator.estimate(pair[1], pair[0]), rtol=1e-4, atol=1e-3)
    assert (forth + back).abs().mean() < 0.2


@pytest.mark.parametrize("name", ["pwcnet-plain", "dis"])
@pytest.mark.parametrize("size", [(1, 1), (5, 3), (65, 130)])
def test_any_size_gives_a_finite_flow_of_that_size(name, size):
    flow = load_flow(name).estimate(*torch.rand(2, 2, 3, *size))
    assert flow.shape == (2, 2, *size)
    assert flow.dtype == torch.float32
    assert bool(flow.isfinite().all())


def test_bf16_moves_the_flow_by_a_few_hundredths_of_a_pixel(pair):
    full, coarse = load_flow("pwcnet-plain"), load_flow("pwcnet-plain", precision="bf16")
    difference = (full.estimate(*pair[:2]) - coarse.estimate(*pair[:2])).norm(dim=1)
    assert 0 < difference.mean() < 0.05
    assert full.signature != coarse.signature


def test_a_working_resolution_changes_the_signature_and_little_of_the_flow(pair):
    reference, moving, known = pair
    estimator = load_flow("pwcnet-plain", max_size=256)
    assert "resolution max 256" in estimator.signature
    found = fit_similarity(estimator.estimate(reference, moving)[0], robust=True).similarity
    assert found.shift_x_px == pytest.approx(known.shift_x_px, abs=0.2)
    assert found.zoom == pytest.approx(known.zoom, abs=0.002)


def test_signatures_say_name_weights_resolution_and_precision():
    estimator = load_flow()
    assert isinstance(estimator, FlowEstimator)
    for part in ("pwcnet", estimator.sha256[:12], "resolution full", "precision 32"):
        assert part in estimator.signature
    assert load_flow("dis").sha256 == ""


def test_estimates_carry_no_gradient_and_can_be_used_in_training(pair):
    flow = load_flow("pwcnet-plain").estimate(pair[0], pair[1])
    moving = pair[1].clone().requires_grad_()
    backwarp(moving, flow).sum().backward()
    assert moving.grad is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "raft"}, "known: pwcnet, pwcnet-plain, dis, ptlflow:NAME"),
        ({"precision": "16"}, "expected 32 or bf16"),
        ({"max_size": 10}, "at least 64"),
        ({"name": "dis", "max_size": 512}, "takes no"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        load_flow(**options)


@pytest.mark.skipif(importlib.util.find_spec("ptlflow") is not None, reason="ptlflow is installed")
def test_a_missing_extra_says_how_to_install_it():
    with pytest.raises(ConfigError, match=r"pip install 'sdd-bench\[ptlflow\]'"):
        load_flow("ptlflow:raft")


def test_a_missing_weights_file_is_named(tmp_path):
    with pytest.raises(WeightsError, match=r"none\.pth: expected a checkpoint .*No such file"):
        load_flow(weights=tmp_path / "none.pth")


@pytest.mark.parametrize("name", ["pwcnet-plain", "dis"])
def test_pictures_of_different_sizes_or_types_are_refused(name):
    estimator = load_flow(name)
    with pytest.raises(ImageError, match="of one size"):
        estimator.estimate(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 9))
    with pytest.raises(ImageError, match="expected float pictures"):
        estimator.estimate(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), torch.zeros(1, 3, 8, 8, dtype=torch.uint8))


@pytest.fixture
def ptlflow_network(monkeypatch, tmp_path):
    """The arguments of :func:`load_flow` for a network of a ptlflow that has only one, of one convolution."""

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = torch.nn.Conv2d(6, 2, 3, padding=1)

        def forward(self, inputs):
            return {"flows": self.layer(inputs["images"].flatten(1, 2))[:, None]}

    package = SimpleNamespace(get_model_names=lambda: ["one"], get_model=lambda name, ckpt_path: Network())
    monkeypatch.setitem(sys.modules, "ptlflow", package)
    (tmp_path / "one.ckpt").write_bytes(b"weights")
    return {"name": "ptlflow:one", "weights": tmp_path / "one.ckpt"}


@pytest.mark.parametrize("name", ["pwcnet", "pwcnet-plain", "ptlflow:one"])
def test_a_flow_whose_signature_says_32_is_computed_without_tf32(name, pair, ptlflow_network):
    estimator = load_flow(**ptlflow_network if name == "ptlflow:one" else {"name": name})
    assert "precision 32" in estimator.signature
    cudnn, matmul = torch.backends.cudnn.conv, torch.backends.cuda.matmul
    before = cudnn.fp32_precision, matmul.fp32_precision
    seen = []
    hook = register_module_forward_pre_hook(
        lambda module, inputs: seen.append((cudnn.fp32_precision, matmul.fp32_precision))
    )
    try:
        small = [picture[..., :128, :128] for picture in pair[:2]]
        estimator.estimate(*small)
        single = len(seen)
        estimator.estimate_both(*small)
    finally:
        hook.remove()
    assert len(seen) > single > 0
    assert set(seen) == {("ieee", "ieee")}
    assert (cudnn.fp32_precision, matmul.fp32_precision) == before
