"""Pictures are shrunk as torch does it."""

import pytest
import torch
import torch.nn.functional as F

from sdd_bench.flow.shrink import shrunk


@pytest.mark.parametrize(
    ("full", "small"), [((64, 96), (32, 48)), ((75, 100), (32, 9)), ((30, 41), (29, 40)), ((9, 7), (1, 1))]
)
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_it_equals_torch(full, small, memory):
    torch.manual_seed(0)
    pictures = torch.rand(2, 3, *full).contiguous(memory_format=memory)
    expected = F.interpolate(pictures, small, mode="bilinear", align_corners=False, antialias=True)
    torch.testing.assert_close(shrunk(pictures, small), expected, rtol=0, atol=1e-5)


def test_threads_change_no_bit():
    pictures, before = torch.rand(1, 2, 600, 400), torch.get_num_threads()
    try:
        found = []
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(shrunk(pictures, (150, 100)))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*found)


def test_a_gradient_flows():
    picture = torch.rand(1, 1, 8, 8, requires_grad=True)
    shrunk(picture, (4, 4)).sum().backward()
    assert picture.grad.sum() == pytest.approx(16)


def test_what_asks_for_a_gradient_shrinks_without_one_too():
    picture = torch.rand(1, 1, 8, 8, requires_grad=True)
    with torch.no_grad():
        found = shrunk(picture, (4, 4))
    assert not found.requires_grad
    torch.testing.assert_close(found, shrunk(picture, (4, 4)).detach())
