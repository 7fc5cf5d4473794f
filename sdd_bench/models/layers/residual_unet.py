"""A U-Net of residual blocks on folded pixels, the body of several networks.

Pixels are folded into channels (pixel-unshuffle), so that no convolution runs at the picture's size. Blocks are two 3x3
convolutions around a ReLU, without normalisation (Lim and others, *EDSR*, 2017). Each starts as the identity and the
last convolution next to zero, so that what is sharp stays from the first step on.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from sdd_bench.models.shapes import Shapes, count_blocks

_LAST_STD = 1e-3
"""Spread of the last weights: small, to start next to the identity; not zero, so that blocks learn at once."""


class ResidualBlock(nn.Module):
    """``x + conv(relu(conv(x)))``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        """:math:`(N, C, H, W)` to the same."""
        return self.second(F.relu(self.first(x), inplace=True)).add_(x)


class ResidualUNet(nn.Module):
    """Folded pixels in, folded pixels out; a network of the package adds what it makes of them.

    Args:
        inputs: Channels of what goes in.
        outputs: Channels of what comes out.
        width: Channels of the first stage; each further stage halves the size and has twice as many.
        blocks: Residual blocks per stage on the way down; all but the last stage have as many on the way up.
    """

    def __init__(self, inputs: int, outputs: int, width: int, blocks: Sequence[int]) -> None:
        super().__init__()
        widths = [width * 2**stage for stage in range(len(blocks))]
        steps = list(pairwise(widths))
        self.fold = nn.Conv2d(inputs, width, 3, padding=1)
        self.down_blocks = nn.ModuleList(_stage(wide, count) for wide, count in zip(widths, blocks, strict=True))
        self.down = nn.ModuleList(nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in steps)
        self.up = nn.ModuleList(nn.Conv2d(coarse, 4 * fine, 1) for fine, coarse in steps)
        self.up_blocks = nn.ModuleList(_stage(wide, count) for wide, count in zip(widths[:-1], blocks, strict=False))
        self.unfold = nn.Conv2d(width, outputs, 3, padding=1)
        nn.init.normal_(self.unfold.weight, std=_LAST_STD)
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.zeros_(module.bias)

    def body(self, x: Tensor) -> Tensor:
        """``(N, inputs, H, W)`` to ``(N, outputs, H, W)``."""
        x = self.fold(x)
        skips = []
        for blocks, down in zip(self.down_blocks, self.down, strict=False):
            x = blocks(x)
            skips.append(x)
            x = down(x)
        x = self.down_blocks[-1](x)
        for stage in reversed(range(len(self.up))):
            x = self.up_blocks[stage](F.pixel_shuffle(self.up[stage](x), 2).add_(skips.pop()))
        return self.unfold(x)  # type: ignore[no-any-return]


def body_radius(blocks: Sequence[int], fold: int) -> int:
    """Pixels from an output pixel to the farthest input pixel it depends on, on either side (at most).

    Args:
        blocks: Residual blocks per stage.
        fold: Side of the squares of pixels that are folded into channels.

    Example:
        >>> body_radius((1,), 2)  # four convolutions of two pixels each, and the rest of a cell
        9
    """
    last = len(blocks) - 1
    radius = 2 * fold  # the first and the last convolution
    for stage, count in enumerate(blocks):
        radius += 2 * count * fold * 2**stage * (1 if stage == last else 2)
    return radius + fold * 2**last - 1  # folding and coarse grids reach to the far end of their own cell


def width_and_blocks(shapes: Shapes) -> dict[str, Any] | None:
    """Both options of the :class:`ResidualUNet` of a checkpoint; None where it is another network.

    Args:
        shapes: Shapes of its tensors.

    Example:
        >>> network = ResidualUNet(12, 12, 4, (2, 1))
        >>> width_and_blocks({name: tuple(value.shape) for name, value in network.state_dict().items()})
        {'width': 4, 'blocks': (2, 1)}
    """
    first, stages = shapes.get("fold.weight"), count_blocks(shapes, "down_blocks.")
    if not first:
        return None
    blocks = tuple(count_blocks(shapes, f"down_blocks.{stage}.") for stage in range(stages))
    return {"width": first[0], "blocks": blocks}


def _stage(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(width) for _ in range(count)))
