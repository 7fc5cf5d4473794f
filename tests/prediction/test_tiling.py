"""Any size, and tiles without seams."""

import re

import numpy as np
import pytest
import torch
from torch import nn

from sdd_bench.core.errors import ConfigError, ImageError
from sdd_bench.models.network import Network
from sdd_bench.models.spec import ModelSpec, facts_of
from sdd_bench.prediction.tiling import deblur, spans, tile_side, window_of, window_shape


def make_network(module: nn.Module, **facts: object) -> Network:
    values = {"size_multiple": 1, "receptive_radius_px": None, "bytes_per_pixel": 100} | facts
    return Network(module.eval(), "test", "", device=torch.device("cpu"), **values)  # type: ignore[arg-type]


def unet(width: int = 4) -> Network:
    torch.manual_seed(0)
    spec = ModelSpec("unet", width=width)
    module = spec.build()
    facts = facts_of(module, spec)
    return make_network(module, **{key: facts[key] for key in ("size_multiple", "receptive_radius_px")})


def test_the_window_is_the_padded_picture_unless_it_is_cut() -> None:
    network = Network(lambda x: x, "same", "", 8, None, 1, torch.device("cpu"), least_side=16)
    assert window_of(network, 30, 9) == (32, 16)
    assert window_of(network, 30, 9, tile=24) == (24, 24)
    assert window_of(network, 64, 64, pixels=64 * 64) == (64, 64)
    high, wide = window_of(network, 64, 64, pixels=64 * 32)
    assert high * wide <= 64 * 32


@pytest.mark.parametrize(("size", "tile", "overlap"), [(512, 320, 144), (48, 512, 144), (1008, 336, 100), (64, 48, 16)])
def test_tiles_cover_everything_once_and_see_the_overlap(size: int, tile: int, overlap: int) -> None:
    parts = list(spans(size, tile, overlap, 16))
    assert [part.start for part in parts[1:]] == [part.stop for part in parts[:-1]]
    assert (parts[0].start, parts[-1].stop) == (0, size)
    for part in parts:
        assert part.first % 16 == part.last % 16 == 0
        assert part.last - part.first <= max(tile, 16)
        assert part.first == 0 or part.start - part.first >= overlap
        assert part.last == size or part.last - part.stop >= overlap


def test_no_window_is_smaller_than_the_network_takes() -> None:
    parts = list(spans(80, 64, 0, 16, least=32))
    assert [part.last - part.first for part in parts] == [64, 32]
    assert [(part.start, part.stop) for part in parts] == [(0, 64), (64, 80)]


@pytest.mark.parametrize(("size", "tile", "overlap"), [(304, 300, 144), (304, 160, 144), (64, 8, 0)])
def test_a_tile_that_gets_nowhere_is_refused(size: int, tile: int, overlap: int) -> None:
    with pytest.raises(ConfigError, match="too small"):
        next(spans(size, tile, overlap, 16))


def test_tiled_equals_untiled_everywhere(rng: np.random.Generator) -> None:
    network, picture = unet(), rng.random((700, 460, 3), dtype=np.float32)
    whole = deblur(network, picture)
    tiled = deblur(network, picture, tile=336, overlap=144)
    assert whole.std() > 1e-3
    assert np.abs(whole - tiled).max() < 1e-5


def test_too_small_an_overlap_shows(rng: np.random.Generator) -> None:
    network, picture = unet(), rng.random((320, 320, 3), dtype=np.float32)
    assert np.abs(deblur(network, picture) - deblur(network, picture, tile=160, overlap=0)).max() > 1e-3


@pytest.mark.parametrize("shape", [(1, 1), (5, 17), (33, 16), (16, 250)])
def test_any_size_comes_back_as_it_went(shape: tuple[int, int], rng: np.random.Generator) -> None:
    network = make_network(ModelSpec("unet-small", width=2).build(), size_multiple=16)
    picture = rng.random((*shape, 3), dtype=np.float32)
    assert np.array_equal(deblur(network, picture), picture)


def test_the_self_ensemble_of_an_equivariant_network_is_its_output(rng: np.random.Generator) -> None:
    network, picture = make_network(nn.AvgPool2d(3, 1, 1)), rng.random((20, 31, 3), dtype=np.float32)
    assert np.abs(deblur(network, picture, self_ensemble=True) - deblur(network, picture)).max() < 1e-6


def test_the_self_ensemble_undoes_every_turn(rng: np.random.Generator) -> None:
    class Ramp(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + torch.linspace(-1, 1, x.shape[3])

    picture = rng.random((24, 24, 3), dtype=np.float32)
    assert np.abs(deblur(make_network(Ramp()), picture, self_ensemble=True) - picture).max() < 1e-6


def test_windows_of_the_best_shape_repeat_less_than_square_ones_of_the_same_size() -> None:
    def work(rows: int, columns: int) -> int:
        sides = ((2160, rows), (4096, columns))
        high, wide = (sum(span.last - span.first for span in spans(size, tile, 144, 16)) for size, tile in sides)
        return high * wide

    rows, columns = window_shape(2160, 4096, 1870**2, 144, 16)
    assert rows * columns <= 1870**2
    assert work(rows, columns) < 0.9 * work(1870, 1870)


def test_a_bound_on_pixels_changes_nothing_but_the_windows(rng: np.random.Generator) -> None:
    network, picture = unet(), rng.random((336, 640, 3), dtype=np.float32)
    bounded = deblur(network, picture, pixels=320 * 336, overlap=144)
    assert np.abs(bounded - deblur(network, picture)).max() < 1e-5


def test_memory_bounds_the_tile() -> None:
    network = make_network(nn.Identity(), bytes_per_pixel=2**10)
    assert tile_side(network, 1.0, 64) == 1024
    with pytest.raises(ConfigError, match="needs"):
        tile_side(network, 0.001, 64)


@pytest.mark.parametrize("bytes_per_pixel", [24, 100, 1111, 4096, 2**20])
@pytest.mark.parametrize("overlap", [0, 9, 128])
def test_the_memory_that_a_refusal_names_is_enough_and_no_more_than_a_hundredth_above(
    bytes_per_pixel: int, overlap: int
) -> None:
    network = make_network(nn.Identity(), bytes_per_pixel=bytes_per_pixel, size_multiple=8)
    with pytest.raises(ConfigError) as refused:
        tile_side(network, 1e-9, overlap)
    said = float(re.search(r"needs (\S+) GiB", str(refused.value))[1])  # type: ignore[index]
    assert tile_side(network, said, overlap) >= 2 * overlap + 8
    with pytest.raises(ConfigError, match="needs"):
        tile_side(network, said * 0.99, overlap)


def test_a_tile_within_its_overlap_is_refused(rng: np.random.Generator) -> None:
    with pytest.raises(ConfigError, match="too small"):
        deblur(unet(), rng.random((512, 512, 3), dtype=np.float32), tile=128, overlap=144)


@pytest.mark.parametrize("side", [250, 300])
def test_a_tile_is_compared_with_the_padded_picture(side: int) -> None:
    network = make_network(nn.Identity(), size_multiple=16)
    with pytest.raises(ConfigError, match="too small"):
        deblur(network, np.zeros((side, side, 3), np.float32), tile=side, overlap=144)


def test_a_network_that_fails_is_told_from_one_that_lacks_memory() -> None:
    class Failing(nn.Module):
        def __init__(self, error: Exception) -> None:
            super().__init__()
            self.error = error

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise self.error

    class Greedy(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.new_empty(1 << 60)

    picture = np.zeros((20, 20, 3), np.float32)
    with pytest.raises(ImageError, match=r"20x20 pixels \(sizes differ\)"):
        deblur(make_network(Failing(RuntimeError("sizes differ"))), picture)
    for short in (Greedy(), Failing(torch.OutOfMemoryError("CUDA out of memory")), Failing(MemoryError())):
        with pytest.raises(MemoryError):
            deblur(make_network(short), picture)


def test_a_network_that_changes_the_size_or_diverges_is_refused(rng: np.random.Generator) -> None:
    picture = rng.random((20, 20, 3), dtype=np.float32)
    with pytest.raises(ImageError, match="size"):
        deblur(make_network(nn.AvgPool2d(2)), picture)

    class Diverged(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x / 0 * 0

    with pytest.raises(ImageError, match="finite"):
        deblur(make_network(Diverged()), picture)
