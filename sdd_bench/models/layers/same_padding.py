r"""Convolutions padded as TensorFlow's ``SAME`` does, for weights trained there.

With n pixels, stride s, kernel side k and dilation d, an output of :math:`\lceil n / s \rceil` pixels needs

.. math:: p = \max((\lceil n / s \rceil - 1) s + d (k - 1) + 1 - n,\, 0)

zeros. TensorFlow puts :math:`\lfloor p / 2 \rfloor` of them before the picture and the rest after it. PyTorch pads both
ends alike, which at stride 2 shifts the result by a pixel.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


def same_padding(size: int, kernel: int, *, stride: int = 1, dilation: int = 1) -> tuple[int, int]:
    """Zeros before and after an axis of ``size`` pixels.

    Example:
        >>> same_padding(8, 3, stride=2), same_padding(7, 3, stride=2), same_padding(8, 2)
        ((0, 1), (1, 1), (0, 1))
    """
    outputs = -(-size // stride)
    total = max((outputs - 1) * stride + dilation * (kernel - 1) + 1 - size, 0)
    return total // 2, total - total // 2


class SameConv2d(nn.Conv2d):
    """A convolution with a square kernel and ``SAME`` padding.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        kernel: Side of the kernel.
        stride: Step of the output grid.
        dilation: Distance between taps.
        bias: Whether each output channel has a bias.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, *, stride: int = 1, dilation: int = 1, bias: bool = True
    ) -> None:
        super().__init__(inputs, outputs, kernel, stride=stride, dilation=dilation, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        r""":math:`(N, C, H, W)` to :math:`(N, C', \lceil H / s \rceil, \lceil W / s \rceil)`."""
        kernel, stride, dilation = self.kernel_size[0], self.stride[0], self.dilation[0]
        top, bottom = same_padding(x.shape[2], kernel, stride=stride, dilation=dilation)
        left, right = same_padding(x.shape[3], kernel, stride=stride, dilation=dilation)
        if (top, left) == (bottom, right):
            return F.conv2d(x, self.weight, self.bias, stride, (top, left), dilation)
        return F.conv2d(F.pad(x, (left, right, top, bottom)), self.weight, self.bias, stride, 0, dilation)
