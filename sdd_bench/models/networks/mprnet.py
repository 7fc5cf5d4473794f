"""MPRNet in its deblurring configuration (Zamir et al., "Multi-Stage Progressive Image Restoration", CVPR 2021).

Stage 1 sees the four quadrants of the picture, stage 2 its two halves, stage 3 the whole picture at full resolution.
Features pass from stage to stage twice: through supervised attention, which also puts out the picture of its stage, and
from encoder to encoder (cross-stage feature fusion). No convolution has a bias; all channel attention blocks share one
PReLU with one slope.

Pictures are RGB in [0, 1], as in the released code. Parameters are named as in the released checkpoints. Quadrants and
global means make every output depend on the whole picture, so tiles change the result. What sees only neighbouring rows
is computed strip by strip, which does not.

Memory is that of stage 3, and it holds three full-size maps: every map goes as soon as it is used, blocks add to their
input in place, stage 1 passes on to stage 2 sums alone, and what stage 2 adds to stage 3 is mixed before it is enlarged
(a 1x1 convolution and bilinear enlargement commute).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sdd_bench.core.errors import WeightsError
from sdd_bench.models.layers.checks import check_whole
from sdd_bench.models.layers.shared import plus, times
from sdd_bench.models.layers.strips import by_strips
from sdd_bench.models.shapes import Shapes, count_blocks


def _conv(inputs: int, outputs: int, kernel: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)


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
        """:math:`(N, C, H, W)` to the same shape, in memory of its own."""
        return plus(self.change(x), x)

    def change(self, x: Tensor) -> Tensor:
        """What is added to ``x``."""
        change = by_strips(self._body_of, x, halo=2)
        return times(change, self.CA(change))

    def _body_of(self, window: Tensor, rows: slice) -> Tensor:
        first, slope, second = self.body
        change: Tensor = second(_bent(slope, first(window)))[:, :, rows]
        return change


def _onto(x: Tensor, block: nn.Module) -> Tensor:
    """An attention block of ``x``, in its memory where no gradient needs it."""
    assert isinstance(block, _AttentionBlock)
    return plus(x, block.change(x))


def _bent(slope: nn.Module, fresh: Tensor) -> Tensor:
    """The output of a convolution through the PReLU; in place where no gradient needs it."""
    if torch.is_grad_enabled() or torch.compiler.is_compiling():
        bent: Tensor = slope(fresh)
        return bent
    return F.leaky_relu(fresh, float(slope.get_parameter("weight")), inplace=True)


class _Pair(nn.Sequential):
    """Two attention blocks of an input that nothing else needs."""

    def forward(self, x: Tensor) -> Tensor:
        for block in self:
            x = _onto(x, block)
        return x


@dataclass(frozen=True)
class _Blocks:
    """Makes attention blocks of one reduction that share one slope."""

    reduction: int
    slope: nn.PReLU

    def one(self, width: int) -> _AttentionBlock:
        return _AttentionBlock(width, self.reduction, self.slope)

    def two(self, width: int) -> _Pair:
        return _Pair(self.one(width), self.one(width))


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
        return _twice_the_size(self.up(x))


class _SupervisedAttention(nn.Module):
    """The picture of a stage, and features that this picture gates."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = _conv(width, width, 1)
        self.conv2 = _conv(width, 3, 1)
        self.conv3 = _conv(3, width, 1)

    def picture(self, x: Tensor, blurry: Tensor) -> Tensor:
        """The picture of features x, :math:`(N, 3, H, W)`."""
        return plus(self.conv2(x), blurry)

    def forward(self, x: Tensor, picture: Tensor) -> Tensor:
        """Features, gated by their :meth:`picture`; every pixel for itself."""
        return plus(times(self.conv1(x), torch.sigmoid(self.conv3(picture))), x)


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

    def take_mixed(self, encoded: list[Tensor], decoded: list[Tensor]) -> list[Tensor]:
        """What the stage before adds, level by level; its levels leave their lists."""
        mixes = ((self.csff_enc1, self.csff_dec1), (self.csff_enc2, self.csff_dec2), (self.csff_enc3, self.csff_dec3))
        return [_take_mixed(*mix, encoded, decoded) for mix in mixes]

    def forward(self, x: Tensor, before: list[Tensor]) -> list[Tensor]:
        """Three levels; those that the stage before adds leave their list."""
        one = plus(self.encoder_level1(x), before.pop(0))
        two = plus(self.encoder_level2(self.down12(one)), before.pop(0))
        return [one, two, plus(self.encoder_level3(self.down23(two)), before.pop(0))]


class _Decoder(nn.Module):
    """Three levels of decoded features, the finest first."""

    def __init__(self, widths: list[int], blocks: _Blocks) -> None:
        super().__init__()
        one, two, three = widths
        self.decoder_level1, self.decoder_level2, self.decoder_level3 = map(blocks.two, widths)
        self.skip_attn1, self.skip_attn2 = blocks.one(one), blocks.one(two)
        self.up21, self.up32 = _Up(two, one), _Up(three, two)

    def forward(self, encoded: list[Tensor]) -> list[Tensor]:
        first, second = self.decoder_level3
        three = _onto(first(encoded[2]), second)
        two = self.decoder_level2(plus(self.skip_attn2(encoded[1]), self.up32(three)))
        return [self.decoder_level1(plus(self.skip_attn1(encoded[0]), self.up21(two))), two, three]


class _FullSizeBlock(nn.Module):
    """``depth`` attention blocks and a convolution of the input, plus the input and what else is given."""

    def __init__(self, width: int, depth: int, blocks: _Blocks) -> None:
        super().__init__()
        self.body = nn.Sequential(*(blocks.one(width) for _ in range(depth)), _conv(width, width, 3))

    def forward(self, x: Tensor, other: Tensor) -> Tensor:
        """The input and what else is added, neither of which anything else needs, to the same shape."""
        other = plus(other, x)
        *attention, last = self.body
        for block in attention:
            x = _onto(x, block)
        return plus(other, last(x))


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

    def forward(self, maps: list[Tensor]) -> Tensor:
        """The input and what stage 2 adds after each block, each in its own size; all leave the list."""
        x = maps.pop(0)
        for level, block in enumerate((self.orb1, self.orb2, self.orb3)):
            other = maps.pop(0)
            for _ in range(level):
                other = _twice_the_size(other)
            x = block(x, other)
        return x

    def take_mixed(self, encoded: list[Tensor], decoded: list[Tensor]) -> Tensor:
        """What the finest levels of stage 2 add, :math:`(N, C', H, W)`; they leave their lists."""
        return _take_mixed(self.conv_enc1, self.conv_dec1, encoded, decoded)

    def mixed_coarse(self, encoded: list[Tensor], decoded: list[Tensor]) -> list[Tensor]:
        """What the two coarser levels add, :math:`(N, C', H / 2^l, W / 2^l)`."""
        (encoded_two, encoded_three), (decoded_two, decoded_three) = encoded, decoded
        two = plus(self.conv_enc2(self.up_enc1.up(encoded_two)), self.conv_dec2(self.up_dec1.up(decoded_two)))
        three = plus(
            self.conv_enc3(_not_enlarged(self.up_enc2, encoded_three)),
            self.conv_dec3(_not_enlarged(self.up_dec2, decoded_three)),
        )
        return [two, three]


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
    """Upper estimate of the memory in evaluation mode, 7.5 numbers per pixel and channel of stage 3; measured: 4.1 in
    use at once, up to 7.4 with what the C library keeps for reuse."""

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
        self.bytes_per_pixel = 30 * full
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

    @staticmethod
    def read_options(shapes: Shapes) -> Mapping[str, Any] | None:
        """Options of the network of a checkpoint, None where it is another one's."""
        levels = ("shallow_feat1.1", "stage1_encoder.encoder_level2.0", "stage3_orsnet.orb1.body.0")
        try:
            narrow, widths = zip(*(shapes[f"{level}.CA.conv_du.0.weight"][:2] for level in levels), strict=True)
            depth = count_blocks(shapes, "stage3_orsnet.orb1.body.") - 1
        except (KeyError, ValueError):
            return None
        width, second, full = widths
        # Several reductions may give the same channels; the published one first.
        fits = (r for r in (4, *range(1, width + 1)) if all(w // r == n for w, n in zip(widths, narrow, strict=True)))
        options = {"width": width, "growth": second - width, "extra": full - width, "depth": depth}
        return options | {"reduction": next(fits, 0)}

    def forward(self, blurry: Tensor) -> list[Tensor]:
        """Deblur.

        Args:
            blurry: RGB in [0, 1], :math:`(N, 3, H, W)`; H and W are multiples of 8.

        Returns:
            Deblurred RGB of stages 3, 2 and 1, :math:`(N, 3, H, W)` each, about [0, 1] and not clamped.
        """
        halves = [self._two_stages(half) for half in blurry.chunk(2, dim=2)]
        first = torch.cat([picture for _, picture in halves], dim=2)
        encoded = _join([levels for levels, _ in halves], dim=2)
        del halves
        decoded = self.stage2_decoder(encoded)
        second = self.sam23.picture(decoded[0], blurry)
        coarse = self.stage3_orsnet.mixed_coarse(encoded[1:], decoded[1:])
        del encoded[1:], decoded[1:]
        maps = [_joined(self.concat23, self.shallow_feat3, blurry, self.sam23, decoded[0], second)]
        maps += [self.stage3_orsnet.take_mixed(encoded, decoded), *coarse]
        return [self.tail(self.stage3_orsnet(maps)) + blurry, second, first]

    def _two_stages(self, half: Tensor) -> tuple[list[Tensor], Tensor]:
        """Levels of stage 2's encoder and the picture of stage 1, of the top or the bottom half of the picture."""
        quadrants = half.chunk(2, dim=3)
        encoded = _join([self.stage1_encoder(self.shallow_feat1(quadrant)) for quadrant in quadrants], dim=3)
        decoded = self.stage1_decoder(encoded)
        picture = self.sam12.picture(decoded[0], half)
        x = _joined(self.concat12, self.shallow_feat2, half, self.sam12, decoded[0], picture)
        return self.stage2_encoder(x, self.stage2_encoder.take_mixed(encoded, decoded)), picture


def _twice_the_size(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def _not_enlarged(ups: nn.Sequential, x: Tensor) -> Tensor:
    """The convolutions of several :class:`_Up` alone."""
    for up in ups:
        assert isinstance(up, _Up)
        x = up.up(x)
    return x


def _join(parts: list[list[Tensor]], dim: int) -> list[Tensor]:
    """Neighbouring parts of the picture put together, level by level."""
    return [torch.cat(levels, dim) for levels in zip(*parts, strict=True)]


def _take_mixed(one: nn.Conv2d, other: nn.Conv2d, encoded: list[Tensor], decoded: list[Tensor]) -> Tensor:
    """The sum of a 1x1 convolution of each list's first map, both of which leave."""
    total: Tensor = one(encoded.pop(0))
    return by_strips(lambda window, _: other(window), decoded.pop(0), halo=0, onto=total)


def _joined(
    layer: nn.Conv2d, shallow: nn.Module, blurry: Tensor, attention: nn.Module, decoded: Tensor, picture: Tensor
) -> Tensor:
    """A 3x3 convolution of shallow features and of attended ones, which are never all there."""
    width = decoded.shape[1]
    ours, theirs = layer.weight[:, :width], layer.weight[:, width:]
    total = F.conv2d(shallow(blurry), ours, padding=1)
    return by_strips(
        lambda x, seen, rows: F.conv2d(attention(x, seen), theirs, padding=1)[:, :, rows],
        decoded,
        picture,
        halo=1,
        onto=total,
    )


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
