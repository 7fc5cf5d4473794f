"""PWC-Net with refinement: the default estimator.

1. Pictures with more than 1,344 pixels along a side are shrunk to 896; steps 2 to 4 happen there, and the network's
   multiples of 64 are then the nearest ones, not the next larger ones.
2. The network at half resolution: heavy defocus leaves nothing finer, and large motions come within its reach.
3. Where that amounts to a large similarity, the moving picture is warped by it first, so that the network at full
   resolution only has to find what is left.
4. Of both flows, place by place, the one that explains the reference better. Here and below pictures are compared in
   linear light (:mod:`sdd_bench.flow.pwcnet.refinement` says why); the network sees sRGB values, as it learned to.
5. Blur-equalised Lucas-Kanade steps at half that size, and at every size up to the pictures' own, each kept where it
   explains more.
6. A flow below a pixel, before and after these steps, only where it explains more than no motion at all.
7. Where the pictures do not show the flow, that of a similarity (:mod:`sdd_bench.flow.evidence`).

What each part brings is in the card of the weights, beside them.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from sdd_bench.core.precision import full_float32
from sdd_bench.flow.compose import compose_flow, similarity_flow
from sdd_bench.flow.estimator import check_pictures
from sdd_bench.flow.evidence import evidence_of, supported_flow
from sdd_bench.flow.pwcnet.plain import PwcNetFlow
from sdd_bench.flow.pwcnet.refinement import Luminance, choose, refine, resize_flow
from sdd_bench.flow.shrink import shrunk
from sdd_bench.flow.warp import backwarp
from sdd_bench.geometry.fit import fit_similarity

_REFINEMENT = "lucas-kanade 8"
"""Part of the signature: changes when the refinement does. 8 compares light, where 7 compared sRGB values."""
_SMALLEST_SIDE_PX = 64
"""Smaller pictures get the network's flow as it is."""
_NETWORK_SIDE_PX = 896
"""Longest side to which larger pictures are shrunk before the network sees them: its cost goes with the pixels, and
what it misses, the finer steps find (tools/bench/flow_sizes.py)."""
_LEAST_STEP = 1.5
"""Times that pictures grow from one size to the next, at least: up to 1,344 pixels a side, the network sees them whole.
"""
_LAST_STEPS, _LAST_STEPS_OF_LARGE = (3, 2), (2, 1)
"""At full size, in wide and in narrow windows. More of them follow noise where the sizes before left little to find (a
photograph of 2048x1080: error 0.16 in place of 0.19 px at a CoC of 10 px); small sharp pictures need all."""
_NEARLY_STILL_PX = 1.0
"""Flows of a smaller RMS, in pixels of the working size, are held against no motion at all."""
_LARGE_RMS_PX = 12.0
"""Similarities that move the working picture further than this are undone before the network sees it."""

_MOVED_PX, _MOVED_SHARE = 1.0, 0.02
"""Pictures do not nearly lie on one another if more than this share moved further, in pixels of the working size."""

_Two = tuple[Tensor, Tensor]


class RefinedFlow:
    """PWC-Net, two resolutions, refined; implements :class:`sdd_bench.flow.estimator.FlowEstimator`.

    Every decision is made for a pair alone, so that its flow does not depend on the batch it comes in.

    Args:
        network: The estimator to refine.
    """

    def __init__(self, network: PwcNetFlow) -> None:
        self.name = network.name
        self.sha256 = network.sha256
        self.resolution = network.resolution
        self.precision = network.precision
        self.signature = f"{network.signature}, refinement {_REFINEMENT}"
        self.network = network

    @full_float32()
    def estimate(self, reference: Tensor, moving: Tensor) -> Tensor:
        """Flow ``(N, 2, H, W)`` in pixels with ``moving(p + flow(p)) ~ reference(p)``."""
        if min(check_pictures(reference, moving)) < _SMALLEST_SIDE_PX:
            return self.network.estimate(reference, moving)
        with torch.no_grad():
            scales, pictures = self._scales(reference), (reference, moving)
            small = _shrunk(reference, scales[0]), _shrunk(moving, scales[0])
            return self._at_full_resolution(scales, pictures, small, self._by_network(scales, *small, shrink=2))

    def _at_full_resolution(self, scales: list[float], pictures: _Two, small: _Two, coarse: Tensor) -> Tensor:
        """The refined flow of ``pictures``, from that of the network at half resolution on."""
        fine = self._after_similarity(scales, *small, coarse)
        if fine is None:
            fine = self._by_network(scales, *small)
        return _refined(scales, *pictures, fine, coarse)

    @full_float32()
    def estimate_small(self, reference: Tensor, moving: Tensor) -> Tensor:
        """:meth:`estimate` where pictures nearly lie on one another, as a prediction lies on its input: half the time.

        The network looks at half resolution alone, and large pictures are refined up to the last size before their own,
        beyond which such motions are found no better. Where what the network sees explains a part of the pictures
        better than no motion does, all is done as by :meth:`estimate`.
        """
        if min(check_pictures(reference, moving)) < _SMALLEST_SIDE_PX:
            return self.network.estimate(reference, moving)
        with torch.no_grad():
            return torch.cat([self._small(*pair) for pair in zip(reference.split(1), moving.split(1), strict=True)])

    def _small(self, reference: Tensor, moving: Tensor) -> Tensor:
        scales, planes = self._scales(reference), (Luminance(reference[0]), Luminance(moving[0]))
        small = _shrunk(reference, scales[0]), _shrunk(moving, scales[0])
        coarse = self._by_network(scales, *small, shrink=2)
        none = torch.zeros_like(coarse[0])
        moved = choose(*planes, (coarse[0], none), scale=4 * scales[0], window=3)
        if float((torch.hypot(*moved) > _MOVED_PX).float().mean()) > _MOVED_SHARE:
            return self._at_full_resolution(scales, (reference, moving), small, coarse)
        return _refined_pair(scales[:-1] or scales, *planes, none)[None]

    @full_float32()
    def estimate_both(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """``estimate(a, b)`` and ``estimate(b, a)``; the network's pyramids are shared where nothing is pre-warped."""
        if min(check_pictures(a, b)) < _SMALLEST_SIDE_PX:
            return self.network.estimate_both(a, b)
        with torch.no_grad():
            scales = self._scales(a)
            small_a, small_b = _shrunk(a, scales[0]), _shrunk(b, scales[0])
            nearest = len(scales) > 1
            forth, back = self.network.estimate_both(small_a, small_b, shrink=2, nearest=nearest)
            fine_forth = self._after_similarity(scales, small_a, small_b, forth)
            fine_back = self._after_similarity(scales, small_b, small_a, back)
            if fine_forth is None or fine_back is None:
                shared = self.network.estimate_both(small_a, small_b, nearest=nearest)
                fine_forth = shared[0] if fine_forth is None else fine_forth
                fine_back = shared[1] if fine_back is None else fine_back
            return _refined(scales, a, b, fine_forth, forth), _refined(scales, b, a, fine_back, back)

    def support(self, reference: Tensor, moving: Tensor, flow: Tensor) -> Tensor:
        """Where two pictures show the flow between them, from 0 (nowhere) to 1, ``(N, 1, H, W)``.

        Args:
            reference: Pictures on whose grid the flow is, ``(N, 3, H, W)``.
            moving: The others.
            flow: From :meth:`estimate`, ``(N, 2, H, W)``.
        """
        scale = self._scales(reference)[0]
        maps = []
        with torch.no_grad():
            for one, other, vectors in zip(reference, moving, flow, strict=True):
                found = evidence_of(Luminance(one), Luminance(other), vectors.float(), scale=scale)
                maps.append(torch.ones_like(vectors[:1]) if found is None else found.support[None])
        return torch.stack(maps)

    def _scales(self, picture: Tensor) -> list[float]:
        """How many times smaller than the picture the flow is estimated, coarsest first; a factor of two apart, but the
        last."""
        side, finest = max(picture.shape[2:]), self.network.working_scale(*picture.shape[2:])
        scales, scale = [], side / _NETWORK_SIDE_PX
        while scale > _LEAST_STEP * finest:
            scales.append(scale)
            scale /= 2
        return [*scales, finest]

    def _by_network(self, scales: list[float], reference: Tensor, moving: Tensor, shrink: float = 1) -> Tensor:
        """The network's flow of pictures that :meth:`_scales` made smaller: then, a little more costs nothing."""
        return self.network.estimate(reference, moving, shrink=shrink, nearest=len(scales) > 1)

    def _after_similarity(
        self, scales: list[float], reference: Tensor, moving: Tensor, coarse: Tensor
    ) -> Tensor | None:
        """The network's flow after undoing the similarities of the coarse flow; None when they are all small."""
        height, width = reference.shape[2:]
        similarities = [fit_similarity(flow.cpu().numpy(), robust=True).similarity for flow in coarse]
        undone = torch.zeros_like(coarse)
        for index, similarity in enumerate(similarities):
            if similarity.rms_px(height, width) >= _LARGE_RMS_PX:
                undone[index] = similarity_flow(similarity, height, width)
        if not undone.any():
            return None
        return compose_flow(self._by_network(scales, reference, backwarp(moving, undone)), undone)


def _shrunk(pictures: Tensor, scale: float) -> Tensor:
    if scale == 1:
        return pictures
    size = [max(1, round(side / scale)) for side in pictures.shape[2:]]
    return shrunk(pictures.float(), size)


def _refined(scales: Sequence[float], *batch: Tensor) -> Tensor:
    """Reference, moving, fine and coarse flows to refined flows."""
    refined = []
    for first, second, fine, coarse in zip(*batch, strict=True):
        reference, moving = Luminance(first), Luminance(second)
        flow = choose(reference, moving, (fine, coarse), scale=4 * scales[0], window=3, margin=1.1)
        refined.append(_refined_pair(scales, reference, moving, flow))
    return torch.stack(refined)


def _refined_pair(scales: Sequence[float], reference: Luminance, moving: Luminance, flow: Tensor) -> Tensor:
    base, finest = scales[0], scales[-1]
    flow = _or_still(reference, moving, flow, base)
    for scale in (2 * base, *scales[:-1]):
        flow = resize_flow(flow, reference.at(min(scale, base)).shape)
        found = refine(reference, moving, flow, scale=scale, window=3)
        flow = choose(reference, moving, (found, flow), scale=2 * scale, window=3)
    flow = resize_flow(flow, reference.at(finest).shape)
    wide, narrow = _LAST_STEPS if len(scales) == 1 else _LAST_STEPS_OF_LARGE
    found = refine(reference, moving, flow, scale=finest, window=2, steps=wide)
    found = refine(reference, moving, found, scale=finest, window=1.25, steps=narrow)
    flow = choose(reference, moving, (found, flow), scale=2 * finest, window=4, margin=1.3)
    flow = _or_still(reference, moving, flow, finest)
    evidence = evidence_of(reference, moving, flow, scale=base)
    if evidence is not None:
        flow = supported_flow(flow, evidence)
    return resize_flow(flow, reference.at(1.0).shape)


def _or_still(reference: Luminance, moving: Luminance, flow: Tensor, scale: float) -> Tensor:
    """A small flow, but where no motion at all explains the reference as well."""
    if float(flow.square().sum(0).mean().sqrt()) >= _NEARLY_STILL_PX:
        return flow
    return choose(reference, moving, (torch.zeros_like(flow), flow), scale=2 * scale, window=4)
