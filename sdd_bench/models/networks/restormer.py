r"""Restormer: Zamir et al., "Efficient Transformer for High-Resolution Image Restoration" (CVPR 2022).

A U-shaped network of transformer blocks :math:`x + \mathrm{MDTA}(\mathrm{LN}(x))`, then
:math:`x + \mathrm{GDFN}(\mathrm{LN}(x))`. Attention is between channels, over all pixels p:

.. math:: A = \mathrm{softmax}_j\left(t\, \frac{\sum_p q_i(p)\, k_j(p)}{|q_i|\, |k_j|}\right), \qquad
          \mathrm{MDTA} = W A v

so the picture meets only a 1x1 convolution with the matrix W A. The sums are added up strip by strip and the matrix is
applied likewise, which keeps the queries, keys and the wide middle of the GDFN of one strip alone in memory.

Sums over all pixels make tiles inexact. This is the form for single pictures; the released one for dual pixels, whose
input is two pictures, is another network.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sdd_bench.core.errors import ConfigError
from sdd_bench.models.layers.checks import check_whole
from sdd_bench.models.layers.shared import plus, times
from sdd_bench.models.layers.strips import by_strips
from sdd_bench.models.shapes import Shapes, count_blocks

_EXPANSION = 2.66
"""Width of the middle of a GDFN, relative to its channels."""
_STRIP_NUMBERS = 1 << 22
"""Numbers of a strip: a block's middle leaves the cache even with less, and rows at seams are computed twice."""
_LEAST_NORM = 1e-12
"""Keeps channels that are zero everywhere from a division by zero."""


class _ChannelNorm(nn.Module):
    """Layer norm over the channels of every pixel, with weight and bias."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.LayerNorm(channels)

    def forward(self, x: Tensor) -> Tensor:
        normalised: Tensor = self.body(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return normalised


class _Attention(nn.Module):
    """MDTA, attention between channels."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv = _conv(channels, 3 * channels, 1)
        self.qkv_dwconv = _conv(3 * channels, 3 * channels, 3, groups=3 * channels)
        self.project_out = _conv(channels, channels, 1)

    def forward(self, x: Tensor, norm: nn.Module) -> Tensor:
        """``x + MDTA(norm(x))``, :math:`(N, C, H, W)`."""
        products, squares = [], []

        def look(window: Tensor, rows: slice) -> Tensor:
            q, k, v = self.qkv_dwconv(self.qkv(norm(window)))[:, :, rows].chunk(3, dim=1)
            q, k = (part.flatten(2).unflatten(1, (self.heads, -1)) for part in (q, k))
            products.append(q @ k.transpose(2, 3))
            squares.append(torch.stack([_sum_of_squares(part) for part in (q, k)]))
            return v

        values = by_strips(look, x, halo=1, numbers=_STRIP_NUMBERS)
        return plus(_mix(self._matrix(torch.stack(products).sum(0), torch.stack(squares).sum(0)), values), x)

    def _matrix(self, products: Tensor, squares: Tensor) -> Tensor:
        """W A, :math:`(N, C, C)`, from sums over all pixels."""
        norm_q, norm_k = squares.sqrt().clamp(min=_LEAST_NORM)
        cosines = products / norm_q[..., :, None] / norm_k[..., None, :]
        attention = (cosines * self.temperature).softmax(dim=3)
        weight = self.project_out.weight[:, :, 0, 0].unflatten(1, (self.heads, -1))
        return torch.einsum("ohi,nhij->nohj", weight, attention.to(weight.dtype)).flatten(2)


class _FeedForward(nn.Module):
    """GDFN, a gated feed-forward network."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = int(channels * _EXPANSION)
        self.project_in = _conv(channels, 2 * hidden, 1)
        self.dwconv = _conv(2 * hidden, 2 * hidden, 3, groups=2 * hidden)
        self.project_out = _conv(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        gate, passed = self.dwconv(self.project_in(x)).chunk(2, dim=1)
        out: Tensor = self.project_out(times(F.gelu(gate), passed))
        return out


class _Block(nn.Module):
    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.norm1, self.attn = _ChannelNorm(channels), _Attention(channels, heads)
        self.norm2, self.ffn = _ChannelNorm(channels), _FeedForward(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = self.attn(x, self.norm1)
        return by_strips(self._feed_forward, x, halo=1, beside=x, numbers=_STRIP_NUMBERS)

    def _feed_forward(self, window: Tensor, rows: slice) -> Tensor:
        change: Tensor = self.ffn(self.norm2(window))[:, :, rows]
        return change


class Restormer(nn.Module):
    """Blurry picture in, deblurred picture out.

    Args:
        width: Channels at full resolution; 48 in the paper.
        blocks: Transformer blocks at each of four resolutions, in the encoder and in the decoder.
        refinement: Blocks at full resolution after the decoder.
        heads: Heads of the attention at each resolution.

    Raises:
        ConfigError: A count is below 1, there are not four of them, or heads do not divide the channels.
    """

    size_multiple = 8
    bytes_per_pixel: int
    """Upper estimate of the memory in evaluation mode, 18 numbers per pixel and width; measured: 13.4 at 0.2
    megapixels, with what the C library keeps 14.8 at 1.1 and 16.5 at 2.8; the rest is for process and picture."""

    def __init__(
        self,
        width: int = 48,
        *,
        blocks: Sequence[int] = (4, 6, 6, 8),
        refinement: int = 4,
        heads: Sequence[int] = (1, 2, 4, 8),
    ) -> None:
        super().__init__()
        _check(width, blocks, refinement, heads)
        self.bytes_per_pixel = 4 * 18 * width
        self.patch_embed = nn.ModuleDict({"proj": _conv(3, width, 3)})
        for level, (count, head) in enumerate(zip(blocks[:3], heads[:3], strict=True), start=1):
            channels = width * 2 ** (level - 1)
            self.add_module(f"encoder_level{level}", _stage(channels, count, head))
            down = nn.Sequential(_conv(channels, channels // 2, 3), nn.PixelUnshuffle(2))
            self.add_module(f"down{level}_{level + 1}", nn.ModuleDict({"body": down}))
            below, up_to = 2 * channels, 2 * channels if level == 1 else channels
            up = nn.Sequential(_conv(below, 2 * below, 3), nn.PixelShuffle(2))
            self.add_module(f"up{level + 1}_{level}", nn.ModuleDict({"body": up}))
            if level > 1:
                self.add_module(f"reduce_chan_level{level}", _conv(2 * channels, channels, 1))
            self.add_module(f"decoder_level{level}", _stage(up_to, count, head))
        self.latent = _stage(8 * width, blocks[3], heads[3])
        self.refinement = _stage(2 * width, refinement, heads[0])
        self.output = _conv(2 * width, 3, 3)

    @staticmethod
    def read_options(shapes: Shapes) -> Mapping[str, Any] | None:
        """Options of the network of a checkpoint, None where it is another one's."""
        stages = ["encoder_level1", "encoder_level2", "encoder_level3", "latent"]
        try:
            return {
                "width": shapes["patch_embed.proj.weight"][0],
                "blocks": tuple(count_blocks(shapes, f"{stage}.") for stage in stages),
                "refinement": count_blocks(shapes, "refinement."),
                "heads": tuple(shapes[f"{stage}.0.attn.temperature"][0] for stage in stages),
            }
        except (KeyError, IndexError):
            return None

    def forward(self, blurry: Tensor) -> Tensor:
        """Deblur.

        Args:
            blurry: RGB in [0, 1], :math:`(N, 3, H, W)`; H and W are multiples of 8.

        Returns:
            Deblurred RGB, :math:`(N, 3, H, W)`; in [0, 1] in evaluation mode, not clipped in training.
        """
        deblurred = self.restore(blurry)
        return deblurred if self.training else deblurred.clamp(0, 1)

    def restore(self, blurry: Tensor) -> Tensor:
        """The same, never clipped."""
        skips = []
        x = self.patch_embed["proj"](blurry)
        for level in (1, 2, 3):
            x = self.get_submodule(f"encoder_level{level}")(x)
            skips.append(x)
            x = self.get_submodule(f"down{level}_{level + 1}.body")(x)
        x = self.latent(x)
        for level in (3, 2, 1):
            x = self.get_submodule(f"up{level + 1}_{level}.body")(x)
            x = torch.cat((x, skips.pop()), dim=1)
            if level > 1:
                x = self.get_submodule(f"reduce_chan_level{level}")(x)
            x = self.get_submodule(f"decoder_level{level}")(x)
        out: Tensor = self.output(self.refinement(x)) + blurry
        return out


def _sum_of_squares(x: Tensor) -> Tensor:
    """Over the last axis, in float32 at least: half precision loses what millions of pixels add up to."""
    return x.square().sum(dim=-1, dtype=torch.promote_types(x.dtype, torch.float32))


def _mix(matrix: Tensor, values: Tensor) -> Tensor:
    """The same matrix for every pixel of a picture; pixel by pixel, as convolutions store them."""
    mixed = values.permute(0, 2, 3, 1).flatten(1, 2) @ matrix.transpose(1, 2)
    return mixed.unflatten(1, values.shape[2:]).permute(0, 3, 1, 2)


def _conv(inputs: int, outputs: int, kernel: int, *, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, groups=groups, bias=False)


def _stage(channels: int, blocks: int, heads: int) -> nn.Sequential:
    return nn.Sequential(*(_Block(channels, heads) for _ in range(blocks)))


def _check(width: int, blocks: Sequence[int], refinement: int, heads: Sequence[int]) -> None:
    if len(blocks) != 4 or len(heads) != 4:
        raise ConfigError(
            f"restormer: expected four counts of blocks and of heads, got {len(blocks)} and {len(heads)}."
        )
    counts = {
        f"{name}[{i}]": count for name, each in (("blocks", blocks), ("heads", heads)) for i, count in enumerate(each)
    }
    check_whole("restormer", width=width, refinement=refinement, **counts)
    if width % 2:
        raise ConfigError(f"restormer: width: expected an even number of channels, got {width}.")
    for level, head in enumerate(heads):
        if width * 2**level % head:
            raise ConfigError(
                f"restormer: heads: {head} do not divide the {width * 2**level} channels of level {level + 1}."
            )
