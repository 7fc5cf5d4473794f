"""PWC-Net with refinement: the default estimator.

1. The network at half resolution: heavy defocus leaves nothing finer, and large motions come within its reach.
2. Where that amounts to a large similarity, the moving picture is warped by it first, so that the network at full
   resolution only has to find what is left.
3. Of both flows, place by place, the one that explains the reference better.
4. Blur-equalised Lucas-Kanade steps at half and at full resolution, each kept where it explains more.
5. A flow below a pixel, before and after these steps, only where it explains more than no motion at all.

What each part brings is in the card of the weights, beside them.
"""

from __future__ import annotations

import torch
from torch import Tensor

from sdd_bench.core.precision import full_float32
from sdd_bench.flow.compose import compose_flow, similarity_flow
from sdd_bench.flow.estimator import check_pictures
from sdd_bench.flow.pwcnet.plain import PwcNetFlow
from sdd_bench.flow.pwcnet.refinement import choose, refine
from sdd_bench.flow.warp import backwarp
from sdd_bench.geometry.fit import fit_similarity

_REFINEMENT = "lucas-kanade 2"
"""Part of the signature: changes when the refinement does."""
_SMALLEST_SIDE_PX = 64
"""Smaller pictures get the network's flow as it is."""
_NEARLY_STILL_PX = 1.0
"""Flows of a smaller RMS are held against no motion at all."""
_LARGE_RMS_PX = 12.0
"""Similarities that move the working picture further than this are undone before the network sees it."""


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
            coarse = self.network.estimate(reference, moving, shrink=2)
            fine = self._after_similarity(reference, moving, coarse)
            if fine is None:
                fine = self.network.estimate(reference, moving)
            return self._refined(reference, moving, fine, coarse)

    @full_float32()
    def estimate_both(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """``estimate(a, b)`` and ``estimate(b, a)``; the network's pyramids are shared where nothing is pre-warped."""
        if min(check_pictures(a, b)) < _SMALLEST_SIDE_PX:
            return self.network.estimate_both(a, b)
        with torch.no_grad():
            forth, back = self.network.estimate_both(a, b, shrink=2)
            fine_forth, fine_back = self._after_similarity(a, b, forth), self._after_similarity(b, a, back)
            if fine_forth is None or fine_back is None:
                shared = self.network.estimate_both(a, b)
                fine_forth = shared[0] if fine_forth is None else fine_forth
                fine_back = shared[1] if fine_back is None else fine_back
            return self._refined(a, b, fine_forth, forth), self._refined(b, a, fine_back, back)

    def _after_similarity(self, reference: Tensor, moving: Tensor, coarse: Tensor) -> Tensor | None:
        """The network's flow after undoing the similarities of the coarse flow; None when they are all small."""
        height, width = reference.shape[2:]
        large = _LARGE_RMS_PX * self.network.working_scale(height, width)
        similarities = [fit_similarity(flow.cpu().numpy(), robust=True).similarity for flow in coarse]
        undone = torch.zeros_like(coarse)
        for index, similarity in enumerate(similarities):
            if similarity.rms_px(height, width) >= large:
                undone[index] = similarity_flow(similarity, height, width)
        if not undone.any():
            return None
        return compose_flow(self.network.estimate(reference, backwarp(moving, undone)), undone)

    def _refined(self, *batch: Tensor) -> Tensor:
        return torch.cat([self._refined_pair(*pair) for pair in zip(*(x.split(1) for x in batch), strict=True)])

    def _refined_pair(self, reference: Tensor, moving: Tensor, fine: Tensor, coarse: Tensor) -> Tensor:
        scale = self.network.working_scale(*reference.shape[2:])
        flow = choose(reference, moving, [fine, coarse], scale=4 * scale, window=3, margin=1.1)
        flow = self._or_still(reference, moving, flow)
        half = refine(reference, moving, flow, scale=2 * scale, window=3)
        flow = choose(reference, moving, [half, flow], scale=4 * scale, window=3)
        full = refine(reference, moving, flow, scale=scale, window=2)
        full = refine(reference, moving, full, scale=scale, window=1.25, steps=2)
        flow = choose(reference, moving, [full, flow], scale=2 * scale, window=4, margin=1.3)
        return self._or_still(reference, moving, flow)

    def _or_still(self, reference: Tensor, moving: Tensor, flow: Tensor) -> Tensor:
        """A small flow, but where no motion at all explains the reference as well."""
        scale = self.network.working_scale(*reference.shape[2:])
        if float(flow.square().sum(1).mean().sqrt()) >= _NEARLY_STILL_PX * scale:
            return flow
        return choose(reference, moving, [torch.zeros_like(flow), flow], scale=2 * scale, window=4)
