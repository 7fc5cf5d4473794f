"""MPRNet in its deblurring configuration (Zamir et al., "Multi-Stage Progressive Image Restoration", CVPR 2021).

Stage 1 sees the four quadrants of the picture, stage 2 its two halves, stage 3 the whole picture at full resolution.
Features pass from stage to stage twice: through supervised attention, which also puts out the picture of its stage, and
from encoder to encoder (cross-stage feature fusion). No convolution has a bias; all channel attention blocks share one
PReLU with one slope.

Pictures are RGB in [0, 1], as in the released code. Parameters are named as in the released checkpoints. Quadrants and
global means make every output depend on the whole picture, so tiles change the result. What sees only neighbouring rows
is computed strip by strip, which does not.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sdd_bench.core.errors import WeightsError
from sdd_bench.models.layers.checks import check_whole
from sdd_bench.models.layers.shared import plus
from sdd_bench.models.layers.strips import by_strips


@dataclass(frozen=True)
class _Half:
    """Stage 1 of the top or the bottom half; levels are :math:`(N, C_l, H / 2^l, W / 2^{l - 1})`, l = 1, 2, 3."""

    encoded: list[Tensor]
    decoded: list[Tensor]
    attended: list[Tensor]
    """One map, which leaves the list when it is used."""
    picture: Tensor


def _conv(inputs: int, outputs: int, kernel: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)


def _join(parts: Iterable[list[Tensor]], dim: int) -> list[Tensor]:
    """Neighbouring parts of the picture put together, level by level."""
    return [torch.cat(levels, dim) for levels in zip(*parts, strict=True)]


class _ChannelAttention(nn.Module):
    """Channels weighted by what their global means say."""

    def __init__(self, width: int, reduction: int) -> None:
        super().__init__()
        narrow = width // reduction
        self.conv_du = nn.Sequential(
            _conv(width, narrow, 1), nn.ReLU(inplace=True), _conv(narrow, width, 1), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        """One weight per channel, :math:`(N, C, 1, 1)`."""
        weights: Tensor = self.conv_du(x.mean((2, 3), keepdim=True))
        return weights


class _AttentionBlock(nn.Module):
    """The input plus two convolutions of it under channel attention."""

    def __init__(self, width: int, reduction: int, slope: nn.PReLU) -> None:
        super().__init__()
        self.CA = _ChannelAttention(width, reduction)
        self.body = nn.Sequential(_conv(width, width, 3), slope, _conv(width, width, 3))

    def forward(self, x: Tensor) -> Tensor:
        change = by_strips(self._change, x, halo=2)
        weights = self.CA(change)
        return change * weights + x if torch.is_grad_enabled() else plus(change.mul_(weights), x)

    def _change(self, window: Tensor, rows: slice) -> Tensor:
        change: Tensor = self.body(window)[:, :, rows]
        return change


@dataclass(frozen=True)
class _Blocks:
    """Makes attention blocks of one reduction that share one slope."""

    reduction: int
    slope: nn.PReLU

    def one(self, width: int) -> _AttentionBlock:
        return _AttentionBlock(width, self.reduction, self.slope)

    def two(self, width: int) -> nn.Sequential:
        return nn.Sequential(self.one(width), self.one(width))


class _Down(nn.Module):
    """Half the size (bilinear, which on even sizes is the 2x2 mean), then a 1x1 convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.down = nn.Sequential(OrderedDict({"1": _conv(inputs, outputs, 1)}))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down(F.avg_pool2d(x, 2))
        return out


class _Up(nn.Module):
    """Twice the size (bilinear) and a 1x1 convolution, which comes first: the two commute, and it costs a quarter."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.up = nn.Sequential(OrderedDict({"1": _conv(inputs, outputs, 1)}))

    def forward(self, x: Tensor) -> Tensor:
        return F.interpolate(self.up(x), scale_factor=2, mode="bilinear", align_corners=False)


class _SupervisedAttention(nn.Module):
    """The picture of a stage, and features that this picture gates."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = _conv(width, width, 1)
        self.conv2 = _conv(width, 3, 1)
        self.conv3 = _conv(3, width, 1)

    def forward(self, x: Tensor, blurry: Tensor) -> tuple[Tensor, Tensor]:
        """Features :math:`(N, C, H, W)` and picture :math:`(N, 3, H, W)`."""
        picture = self.conv2(x) + blurry
        return by_strips(self._attend, x, picture, halo=0), picture

    def _attend(self, x: Tensor, picture: Tensor, _rows: slice) -> Tensor:
        return plus(self.conv1(x) * torch.sigmoid(self.conv3(picture)), x)


class _EncoderLayers(nn.Module):
    """What both kinds of encoder have."""

    def __init__(self, widths: list[int], blocks: _Blocks) -> None:
        super().__init__()
        one, two, three = widths
        self.encoder_level1, self.encoder_level2, self.encoder_level3 = map(blocks.two, widths)
        self.down12, self.down23 = _Down(one, two), _Down(two, three)


class _Encoder(_EncoderLayers):
    """Three levels of features, the finest first."""

    def forward(self, x: Tensor) -> list[Tensor]:
        one = self.encoder_level1(x)
        two = self.encoder_level2(self.down12(one))
        return [one, two, self.encoder_level3(self.down23(two))]


class _FusingEncoder(_EncoderLayers):
    """An encoder that adds the levels of the stage before, encoded and decoded, to its own."""

    def __init__(self, widths: list[int], blocks: _Blocks) -> None:
        super().__init__(widths, blocks)
        self.csff_enc1, self.csff_enc2, self.csff_enc3 = (_conv(width, width, 1) for width in widths)
        self.csff_dec1, self.csff_dec2, self.csff_dec3 = (_conv(width, width, 1) for width in widths)

    def forward(self, x: Tensor, before: _Half) -> list[Tensor]:
        encoded, decoded = before.encoded, before.decoded
        one = plus(plus(self.encoder_level1(x), self.csff_enc1(encoded[0])), self.csff_dec1(decoded[0]))
        two = plus(plus(self.encoder_level2(self.down12(one)), self.csff_enc2(encoded[1])), self.csff_dec2(decoded[1]))
        three = plus(
            plus(self.encoder_level3(self.down23(two)), self.csff_enc3(encoded[2])), self.csff_dec3(decoded[2])
        )
        return [one, two, three]


class _Decoder(nn.Module):
    """Three levels of decoded features, the finest first."""

    def __init__(self, widths: list[int], blocks: _Blocks) -> None:
        super().__init__()
        one, two, three = widths
        self.decoder_level1, self.decoder_level2, self.decoder_level3 = map(blocks.two, widths)
        self.skip_attn1, self.skip_attn2 = blocks.one(one), blocks.one(two)
        self.up21, self.up32 = _Up(two, one), _Up(three, two)

    def forward(self, encoded: list[Tensor]) -> list[Tensor]:
        three = self.decoder_level3(encoded[2])
        two = self.decoder_level2(plus(self.skip_attn2(encoded[1]), self.up32(three)))
        return [self.decoder_level1(plus(self.skip_attn1(encoded[0]), self.up21(two))), two, three]


class _FullSizeBlock(nn.Module):
    """``depth`` attention blocks and a convolution of the input, plus the input and what else is given."""

    def __init__(self, width: int, depth: int, blocks: _Blocks) -> None:
        super().__init__()
        self.body = nn.Sequential(*(blocks.one(width) for _ in range(depth)), _conv(width, width, 3))

    def forward(self, maps: list[Tensor]) -> Tensor:
        """What else is added and the input, taken off their list so that their memory is free, to the same shape."""
        x = maps.pop()
        other = plus(maps.pop(), x)
        for layer in self.body:
            x = layer(x)
        return plus(x, other)


class _FullSizeNetwork(nn.Module):
    """Stage 3 stays at full size; the levels of stage 2 are brought to it and added."""

    def __init__(self, widths: list[int], width: int, depth: int, blocks: _Blocks) -> None:
        super().__init__()
        one, two, three = widths
        self.orb1, self.orb2, self.orb3 = (_FullSizeBlock(width, depth, blocks) for _ in widths)
        self.up_enc1, self.up_dec1 = _Up(two, one), _Up(two, one)
        self.up_enc2, self.up_dec2 = (nn.Sequential(_Up(three, two), _Up(two, one)) for _ in range(2))
        self.conv_enc1, self.conv_enc2, self.conv_enc3 = (_conv(one, width, 1) for _ in widths)
        self.conv_dec1, self.conv_dec2, self.conv_dec3 = (_conv(one, width, 1) for _ in widths)

    def forward(self, maps: list[Tensor], encoded: list[Tensor], decoded: list[Tensor]) -> Tensor:
        """What the finest levels add and the input, both in ``maps``, and the two coarser levels of both others."""
        maps.append(self.orb1(maps))
        maps.insert(0, plus(self.conv_enc2(self.up_enc1(encoded[0])), self.conv_dec2(self.up_dec1(decoded[0]))))
        maps.append(self.orb2(maps))
        maps.insert(0, plus(self.conv_enc3(self.up_enc2(encoded[1])), self.conv_dec3(self.up_dec2(decoded[1]))))
        return self.orb3(maps)

    def take_finest(self, encoded: list[Tensor], decoded: list[Tensor]) -> Tensor:
        """What the finest levels add, :math:`(N, C', H, W)`; they leave the lists, so that their memory is free."""
        return plus(self.conv_enc1(encoded.pop(0)), self.conv_dec1(decoded.pop(0)))


class MPRNet(nn.Module):
    """Blurry picture in, the deblurred pictures of stages 3, 2 and 1 out.

    Args:
        width: Channels of the finest level; 96 as published (20,127,073 parameters in all).
        growth: Channels that each coarser level has more; None is half of ``width``, as published (48).
        extra: Channels that stage 3 has more; None is a third of ``width``, as published (32).
        depth: Attention blocks of each of the three blocks of stage 3; 8 as published.
        reduction: Factor by which channel attention narrows; 4 as published.

    Raises:
        ConfigError: An option is no whole number, or too small.
    """

    size_multiple = 8
    bytes_per_pixel: int
    """Upper estimate of the memory in evaluation mode, 9 numbers per pixel and channel of stage 3; measured: 7.2."""

    def __init__(
        self,
        width: int = 96,
        *,
        growth: int | None = None,
        extra: int | None = None,
        depth: int = 8,
        reduction: int = 4,
    ) -> None:
        super().__init__()
        check_whole("mprnet", reduction=reduction, least=1)
        check_whole("mprnet", width=width, least=reduction)
        growth = width // 2 if growth is None else growth
        extra = width // 3 if extra is None else extra
        check_whole("mprnet", growth=growth, least=0)
        check_whole("mprnet", extra=extra, least=0)
        check_whole("mprnet", depth=depth, least=1)
        widths, full = [width, width + growth, width + 2 * growth], width + extra
        self.bytes_per_pixel = 4 * 9 * full
        blocks = _Blocks(reduction, nn.PReLU())
        self.shallow_feat1, self.shallow_feat2, self.shallow_feat3 = (
            nn.Sequential(_conv(3, width, 3), blocks.one(width)) for _ in range(3)
        )
        self.stage1_encoder, self.stage1_decoder = _Encoder(widths, blocks), _Decoder(widths, blocks)
        self.stage2_encoder, self.stage2_decoder = _FusingEncoder(widths, blocks), _Decoder(widths, blocks)
        self.stage3_orsnet = _FullSizeNetwork(widths, full, depth, blocks)
        self.sam12, self.sam23 = _SupervisedAttention(width), _SupervisedAttention(width)
        self.concat12, self.concat23 = _conv(2 * width, width, 3), _conv(2 * width, full, 3)
        self.tail = _conv(full, 3, 3)
        self.register_load_state_dict_pre_hook(_check_one_slope)  # type: ignore[no-untyped-call]

    def forward(self, blurry: Tensor) -> list[Tensor]:
        """Deblur.

        Args:
            blurry: RGB in [0, 1], :math:`(N, 3, H, W)`; H and W are multiples of 8.

        Returns:
            Deblurred RGB of stages 3, 2 and 1, :math:`(N, 3, H, W)` each, about [0, 1] and not clamped.
        """
        halves = [self._first_stage(half) for half in blurry.chunk(2, dim=2)]
        first = torch.cat([half.picture for half in halves], dim=2)
        encoded = self._second_encoding(blurry, halves)
        decoded = self.stage2_decoder(encoded)
        attended, second = self.sam23(decoded[0], blurry)
        maps = [self.stage3_orsnet.take_finest(encoded, decoded)]
        maps.append(_joined(self.concat23, self.shallow_feat3(blurry), attended))
        del attended
        return [self.tail(self.stage3_orsnet(maps, encoded, decoded)) + blurry, second, first]

    def _first_stage(self, half: Tensor) -> _Half:
        quadrants = half.chunk(2, dim=3)
        encoded = _join((self.stage1_encoder(self.shallow_feat1(quadrant)) for quadrant in quadrants), dim=3)
        decoded = self.stage1_decoder(encoded)
        attended, picture = self.sam12(decoded[0], half)
        return _Half(encoded, decoded, [attended], picture)

    def _second_encoding(self, blurry: Tensor, halves: list[_Half]) -> list[Tensor]:
        """Halves are taken off the list as they are used, so that their memory is free."""
        parts = []
        for picture in blurry.chunk(2, dim=2):
            before = halves.pop(0)
            x = _joined(self.concat12, self.shallow_feat2(picture), before.attended.pop())
            parts.append(self.stage2_encoder(x, before))
            del before
        return _join(parts, dim=2)


def _joined(layer: nn.Conv2d, first: Tensor, second: Tensor) -> Tensor:
    """A 3x3 convolution of both maps' channels."""
    return by_strips(lambda one, two, rows: layer(torch.cat((one, two), dim=1))[:, :, rows], first, second, halo=1)


def _check_one_slope(network: nn.Module, tensors: dict[str, Any], prefix: str, *_: Any) -> None:
    """Weights of a network with a PReLU per block would lose all slopes but the last."""
    places = network.named_modules(remove_duplicate=False)
    names = [f"{prefix}{name}.weight" for name, module in places if isinstance(module, nn.PReLU)]
    slopes = [tensors[name] for name in names if name in tensors]
    if any(not torch.equal(slope, slopes[0]) for slope in slopes):
        raise WeightsError(
            f"mprnet: expected one slope of the PReLU under all of its {len(names)} names ({names[0]}), got several. "
            "The weights are of a variant with a PReLU per block, which this network is not."
        )
