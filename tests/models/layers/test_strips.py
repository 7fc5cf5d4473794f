"""Strips have no seams."""

import pytest
import torch
from torch import nn

from sdd_bench.models.layers import strips
from sdd_bench.models.layers.strips import by_strips


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("numbers", [1, 150, 1 << 23])
def test_strips_with_a_halo_are_the_whole(
    numbers: int, layout: torch.memory_format, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strips, "_STRIP_NUMBERS", numbers)
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 5, 3, padding=1)).double()
    x = torch.rand(2, 3, 13, 7, dtype=torch.float64).contiguous(memory_format=layout)
    heights = []

    def run(window: torch.Tensor, rows: slice) -> torch.Tensor:
        heights.append(window.shape[2])
        return layers(window)[:, :, rows]

    with torch.inference_mode():
        torch.testing.assert_close(by_strips(run, x, halo=2), layers(x))
    assert len(heights) == {1: 13, 150: 5, 1 << 23: 1}[numbers]
    assert max(heights) <= {1: 5, 150: 7, 1 << 23: 13}[numbers]


@pytest.mark.parametrize(("numbers", "strips_made"), [(None, 4), (2 * 3 * 10, 7), (8 * 3 * 10, 2)])
def test_a_strip_has_the_numbers_that_are_asked_for(
    numbers: int | None, strips_made: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strips, "_CACHED_NUMBERS", 4 * 3 * 10)
    x, seen = torch.rand(1, 3, 14, 10), []
    with torch.inference_mode():
        by_strips(lambda window, rows: seen.append(rows) or window[:, :, rows], x, halo=0, numbers=numbers)  # type: ignore[func-returns-value]
    assert len(seen) == strips_made


def test_gradients_take_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips, "_STRIP_NUMBERS", 1)
    x = torch.rand(1, 3, 6, 4, requires_grad=True)
    calls = []
    by_strips(lambda window, rows: calls.append(rows) or window[:, :, rows] * 2, x, halo=1).sum().backward()  # type: ignore[func-returns-value]
    assert calls == [slice(None)]
    assert x.grad is not None
    assert torch.equal(x.grad, torch.full_like(x, 2))


@pytest.mark.parametrize("numbers", [1, 500, 1 << 23])
def test_a_second_input_of_twice_the_size_passes_along(numbers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips, "_STRIP_NUMBERS", numbers)
    torch.manual_seed(0)
    layer = nn.Conv2d(5, 4, 3, padding=1).double()
    small, large = torch.rand(1, 3, 9, 7, dtype=torch.float64), torch.rand(1, 2, 18, 14, dtype=torch.float64)

    def run(x: torch.Tensor, skip: torch.Tensor, rows: slice) -> torch.Tensor:
        both = torch.cat((nn.functional.interpolate(x, scale_factor=2), skip), dim=1)
        return layer(both)[:, :, slice(rows.start and 2 * rows.start, rows.stop and 2 * rows.stop)]

    with torch.inference_mode():
        torch.testing.assert_close(by_strips(run, small, large, halo=1), run(small, large, slice(None)))


@pytest.mark.parametrize("numbers", [1, 150, 1 << 23])
def test_what_is_added_is_added_once_in_its_own_memory_or_a_new_one(
    numbers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(strips, "_STRIP_NUMBERS", numbers)
    torch.manual_seed(0)
    layer = nn.Conv2d(3, 3, 3, padding=1).double()
    x, other = torch.rand(2, 1, 3, 13, 7, dtype=torch.float64)

    def run(window: torch.Tensor, rows: slice) -> torch.Tensor:
        out: torch.Tensor = layer(window)[:, :, rows]
        return out

    with torch.inference_mode():
        expected, before = layer(x) + other, other.clone()
        torch.testing.assert_close(by_strips(run, x, halo=1, beside=other), expected)
        assert torch.equal(other, before)
        onto = by_strips(run, x, halo=1, onto=other)
        torch.testing.assert_close(onto, expected)
        assert onto.data_ptr() == other.data_ptr()


def test_a_sum_keeps_the_higher_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips, "_STRIP_NUMBERS", 20)
    x = torch.rand(1, 2, 8, 4)
    with torch.inference_mode():
        found = by_strips(lambda window, rows: window[:, :, rows].bfloat16(), x, halo=0, beside=x)
    assert found.dtype == torch.float32


def test_strips_of_a_map_are_about_equally_high(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(strips, "_STRIP_NUMBERS", 8 * 10)
    heights = []
    with torch.inference_mode():
        by_strips(lambda window, rows: heights.append(window.shape[2]) or window, torch.rand(1, 2, 11, 4), halo=0)  # type: ignore[func-returns-value]
    assert heights == [6, 5]
