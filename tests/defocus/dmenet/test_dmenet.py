"""DMENet: its size, TensorFlow's habits, strips that change nothing, and the released archive."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from sdd_bench.core.errors import ConfigError, WeightsError
from sdd_bench.defocus.dmenet import network as module
from sdd_bench.defocus.dmenet.network import ConvNorm, DMENet, enlarge
from sdd_bench.defocus.dmenet.released import dmenet, load_dmenet, released_names, sigma_from_output


@pytest.fixture(scope="module")
def network() -> DMENet:
    torch.manual_seed(0)
    network = DMENet()
    for name, buffer in network.named_buffers():
        buffer.uniform_(0.5, 2.0) if name.endswith("variance") else buffer.uniform_(-0.2, 0.2)
    return network.eval().requires_grad_(False)


def test_the_parameters_are_as_many_as_published(network: DMENet) -> None:
    assert sum(p.numel() for p in network.encoder.parameters()) == 20_024_384
    assert sum(p.numel() for p in network.parameters()) == 25_349_025


@pytest.mark.parametrize("n", [1, 2, 3, 7, 16, 67, 135, 1024])
def test_enlarging_aligns_the_corners_as_tensorflow_1_does(n: int) -> None:
    """Its source index, in its float32: round(i * (n - 1) / (2 n - 1)), halves away from zero."""
    scale = np.float32(n - 1) / np.float32(2 * n - 1)
    expected = np.floor(np.arange(2 * n, dtype=np.float32) * scale + np.float32(0.5)).astype(int)
    x = torch.arange(n, dtype=torch.float32).view(1, 1, n, 1)
    assert enlarge(x)[0, 0, :, 0].int().tolist() == expected.tolist()


def test_rows_of_what_is_enlarged_are_those_of_the_whole(rng: np.random.Generator) -> None:
    x = torch.from_numpy(rng.random((1, 2, 5, 8), dtype=np.float32))
    assert enlarge(x).shape == (1, 2, 10, 16)
    for rows in ((0, 10), (3, 7), (4, 5)):
        assert torch.equal(enlarge(x, rows=rows), enlarge(x)[:, :, slice(*rows)])


def test_a_layer_pads_symmetrically_and_normalises_without_a_scale(rng: np.random.Generator) -> None:
    layer = ConvNorm(2, 3).eval()
    layer.norm.beta.data.uniform_(-1, 1)
    layer.norm.moving_mean.uniform_(-1, 1)
    layer.norm.moving_variance.uniform_(0.5, 2)
    x = rng.random((1, 2, 5, 6), dtype=np.float32)
    padded = torch.from_numpy(np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="symmetric"))
    y = F.conv2d(padded, layer.conv.weight, layer.conv.bias)
    mean, variance, beta = (
        v.view(1, 3, 1, 1) for v in (layer.norm.moving_mean, layer.norm.moving_variance, layer.norm.beta)
    )
    expected = F.leaky_relu((y - mean) / torch.sqrt(variance + 1e-5) + beta, 0.2)
    torch.testing.assert_close(layer(torch.from_numpy(x)), expected)


def test_the_first_layer_sees_blue_first_less_the_means(network: DMENet) -> None:
    seen = []
    hook = network.encoder[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network(torch.tensor([1.0, 0.5, 0.0]).view(1, 3, 1, 1).expand(1, 3, 32, 32))
    hook.remove()
    expected = torch.tensor([0 - 103.939, 127.5 - 116.779, 255 - 123.68])
    torch.testing.assert_close(seen[0][0, :, 3, 4], expected)


@pytest.mark.slow
def test_strips_change_nothing(network: DMENet, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    x = torch.rand(1, 3, 96, 32)
    whole = network(x)
    assert whole.std() > 0
    monkeypatch.setattr(module, "_STRIP_NUMBERS", 32 * 64 * 10)
    torch.testing.assert_close(network(x), whole, rtol=1e-5, atol=1e-6)


def test_sigma_is_that_of_the_authors_scale() -> None:
    np.testing.assert_allclose(sigma_from_output(np.array([0, 1 / 15, 0.2, 1.0], np.float32)), [0, 0, 1, 7], atol=1e-6)


def test_any_size_passes_and_gives_its_own_size(network: DMENet, rng: np.random.Generator) -> None:
    found = dmenet(rng.random((35, 50, 3), dtype=np.float32), network)
    assert found.shape == (35, 50)
    assert found.dtype == np.float32
    assert 0 <= found.min() <= found.max() <= 7


def archive(network: DMENet, path: Path, **changed: np.ndarray | None) -> Path:
    """An archive as the authors' program saves it: TensorFlow's names and layout."""
    arrays = {}
    for own, theirs in released_names().items():
        value = network.state_dict()[own].numpy()
        arrays[theirs] = value.transpose(2, 3, 1, 0) if value.ndim == 4 else value
    for theirs, value in changed.items():
        if value is None:
            del arrays[theirs]
        else:
            arrays[theirs] = value
    np.savez(path, **arrays)
    return path


def test_a_released_archive_loads(network: DMENet, tmp_path: Path) -> None:
    extra = {"main_net/defocus_net/encoder/conv6_1/kernel:0": np.zeros(3, np.float32)}
    loaded = load_dmenet(archive(network, tmp_path / "w.npz", **extra))
    for name, tensor in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor)
    assert not any(p.requires_grad for p in loaded.parameters())
    assert len(released_names()) == len(set(released_names().values())) == 199


def test_a_device_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--device nothing"):
        load_dmenet(tmp_path / "w.npz", device="nothing")


@pytest.mark.slow
def test_archives_of_something_else_are_refused(network: DMENet, tmp_path: Path) -> None:
    beta = "main_net/defocus_net/decoder/u0/b_res3/beta:0"
    with pytest.raises(WeightsError, match="b_res3/beta"):
        load_dmenet(archive(network, tmp_path / "a.npz", **{beta: None}))
    with pytest.raises(WeightsError, match=r"\(64,\)"):
        load_dmenet(archive(network, tmp_path / "b.npz", **{beta: np.zeros(3, np.float32)}))
    with pytest.raises(WeightsError, match="finite"):
        load_dmenet(archive(network, tmp_path / "c.npz", **{beta: np.full(64, np.nan, np.float32)}))


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d.npz").write_bytes(b"no archive")
    (tmp_path / "e.npz").write_bytes(b"")
    first = next(iter(released_names().values()))
    np.savez(tmp_path / "f.npz", **{first: np.array([{}], dtype=object)})  # a pickle: code, not data
    for name in ("d.npz", "e.npz", "f.npz", "missing.npz"):
        with pytest.raises(WeightsError, match="expected a NumPy archive"):
            load_dmenet(tmp_path / name)
