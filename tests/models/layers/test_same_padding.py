"""TensorFlow's padding, written out."""

import pytest
import torch
from torch.nn import functional as F

from sdd_bench.models.layers.same_padding import SameConv2d, same_padding


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "dilation", "expected"),
    [
        (8, 3, 1, 1, (1, 1)),
        (8, 3, 2, 1, (0, 1)),
        (7, 3, 2, 1, (1, 1)),
        (8, 2, 1, 1, (0, 1)),
        (8, 4, 2, 1, (1, 1)),
        (8, 5, 1, 4, (8, 8)),
        (8, 1, 2, 1, (0, 0)),
    ],
)
def test_zeros_lie_where_tensorflow_puts_them(
    size: int, kernel: int, stride: int, dilation: int, expected: tuple[int, int]
) -> None:
    assert same_padding(size, kernel, stride=stride, dilation=dilation) == expected


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "pad"),
    [
        ((8, 12), 3, 2, (0, 1, 0, 1)),
        ((7, 9), 3, 2, (1, 1, 1, 1)),
        ((7, 8), 3, 2, (0, 1, 1, 1)),
        ((8, 6), 2, 1, (0, 1, 0, 1)),
    ],
)
def test_a_convolution_equals_torch_on_the_padded_picture(
    size: tuple[int, int], kernel: int, stride: int, pad: tuple[int, int, int, int]
) -> None:
    torch.manual_seed(0)
    layer = SameConv2d(3, 4, kernel, stride=stride).double()
    picture = torch.rand(2, 3, *size, dtype=torch.float64)
    expected = F.conv2d(F.pad(picture, pad), layer.weight, layer.bias, stride)
    assert expected.shape[2:] == (-(-size[0] // stride), -(-size[1] // stride))
    torch.testing.assert_close(layer(picture), expected)


def test_padding_one_on_both_sides_is_shifted_by_a_pixel() -> None:
    layer = SameConv2d(1, 1, 3, stride=2, bias=False)
    with torch.no_grad():
        layer.weight.zero_()[0, 0, 1, 1] = 1
        columns = torch.arange(8.0).expand(1, 1, 8, 8)
        assert layer(columns)[0, 0, 0].tolist() == [1, 3, 5, 7]
        assert F.conv2d(columns, layer.weight, stride=2, padding=1)[0, 0, 0].tolist() == [0, 2, 4, 6]


def test_a_transposed_convolution_of_padding_one_is_the_gradient_of_a_same_convolution() -> None:
    # This is how TensorFlow defines it: kernel 4, stride 2.
    torch.manual_seed(0)
    layer = SameConv2d(3, 5, 4, stride=2, bias=False).double()
    large = torch.rand(1, 3, 8, 12, dtype=torch.float64, requires_grad=True)
    small = torch.rand(1, 5, 4, 6, dtype=torch.float64)
    (expected,) = torch.autograd.grad(layer(large), large, small)
    torch.testing.assert_close(F.conv_transpose2d(small, layer.weight, stride=2, padding=1), expected)
