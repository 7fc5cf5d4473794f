r"""Scores of one picture against four ground truths, on arrays.

With flow :math:`\Phi(a, b)` = ``estimate(reference=a, moving=b)`` and :math:`W` the backward warp of the sharp picture
S:

- ``raw``: S as captured;
- ``warped`` (Table 1 of Li et al., 2023): :math:`W(S, \Phi(P, S))`, brought onto the prediction P;
- ``registered``: :math:`W(S, \Phi(B, S))`, brought onto the blurry input B, the same for every method;
- ``matched``: the registered picture after the transfer of light from S to B, estimated from these two alone.

Metrics cover the whole picture; what a warp draws from outside repeats the border, and ``valid_share`` says how much
of the picture that is not. ``drift_px`` and ``deform_px`` split :math:`\Phi(B, P)`, the motion a method put between its
input and its output, into a similarity and the rest. Three flows a picture; the one of ``registered`` serves every
method.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sdd_bench.core.errors import ConfigError, ImageError
from sdd_bench.core.precision import full_float32
from sdd_bench.core.side_by_side import side_by_side
from sdd_bench.core.types import GroundTruth, WarpMode
from sdd_bench.evaluation.extras.measures import Measure
from sdd_bench.evaluation.extras.scores import ExtraScore, extra_scores
from sdd_bench.evaluation.regions import Regions, RegionScores, blur_of_regions
from sdd_bench.flow.estimator import EstimatesSmall, FlowEstimator, KnowsSupport
from sdd_bench.flow.warp_picture import backwarp_picture, valid_mask_of_picture
from sdd_bench.geometry.fit import fit_similarity
from sdd_bench.metrics.mae import mean_differences
from sdd_bench.metrics.psnr import decibel
from sdd_bench.metrics.ssim import ssim
from sdd_bench.registration.light.estimate import estimate_transfer
from sdd_bench.registration.light.transfer import Match, Transfer

if TYPE_CHECKING:
    from sdd_bench.metrics.lpips import Lpips

Picture = NDArray[np.float32]
Kept = TypeVar("Kept")
_SMALLEST_SIDE_PX = 2
_Figures = tuple[float | None, float | None, float | None]
"""PSNR, SSIM and MAE; None for one that was not asked for."""


@dataclass(frozen=True)
class TruthScores:
    """One prediction against one ground truth; a metric that was not asked for is None."""

    psnr: float | None
    """In dB; infinite where both are equal."""
    ssim: float | None
    mae: float | None
    lpips: float | None
    valid_share: float
    """Share of the ground truth that needed no pixel from outside the sharp picture."""


@dataclass(frozen=True)
class PictureScores:
    """One prediction against every ground truth, and how it moved."""

    truths: Mapping[GroundTruth, TruthScores]
    drift_px: float
    deform_px: float
    regions: RegionScores = field(default_factory=RegionScores)
    """By how blurred the input was, against matched ground truth; without levels where it was not measured."""
    extras: tuple[ExtraScore, ...] = ()


@dataclass(frozen=True)
class Warped:
    """Ground truth made by a warp: the picture ``(H, W, 3)``, its flow ``(2, H, W)``, and which pixels are valid."""

    picture: Picture
    flow: Tensor
    valid: NDArray[np.bool_]
    valid_share: float


@dataclass(frozen=True)
class Motion:
    """The warped ground truth of a prediction, and how the prediction moved against the blurry input."""

    warped: Warped
    drift_px: float
    deform_px: float
    figures: Mapping[GroundTruth, _Figures] = field(default_factory=dict)
    """PSNR, SSIM and MAE of the prediction, where they are known already."""


def _computed(compute: Callable[[], Kept]) -> Kept:
    return compute()


class PictureScorer:
    """Scores predictions of one picture; what they share is computed once.

    Args:
        blurry: ``(H, W, 3)`` float32 RGB in [0, 1].
        sharp: The captured ground truth, same shape.
        flow: What estimates flow.
        warp: How a flow is applied.
        metrics: Some of ``psnr``, ``ssim``, ``mae``, ``lpips``.
        lpips: The network; needed when ``lpips`` is among the metrics.
        registered_flow: Gives the flow of the registered ground truth from the function that computes it, so that it
            can be kept between methods.
        match: What the transfer of light of the matched ground truth may do.
        transfer: Gives that transfer from the function that estimates it, likewise.
        blur: Gives the blur of the regions, ``(rows, columns)``, from the function that measures it, likewise.
        measures: Extra ones.

    Raises:
        ImageError: The shapes differ, or the pictures are too small.
        ConfigError: LPIPS is asked for without a network.
    """

    def __init__(
        self,
        blurry: Picture,
        sharp: Picture,
        *,
        flow: FlowEstimator,
        warp: WarpMode = WarpMode.EXACT,
        metrics: tuple[str, ...] = ("psnr", "ssim", "mae", "lpips"),
        lpips: Lpips | None = None,
        registered_flow: Callable[[Callable[[], Tensor]], Tensor] = _computed,
        match: Match = Match.GAIN,
        transfer: Callable[[Callable[[], Transfer]], Transfer] = _computed,
        blur: Callable[[Callable[[], NDArray[np.float32]]], NDArray[np.float32]] = _computed,
        measures: Sequence[Measure] = (),
    ) -> None:
        if blurry.shape != sharp.shape:
            raise ImageError(f"blurry is {blurry.shape} but sharp is {sharp.shape}; a pair must share one size.")
        check_size(blurry)
        if "lpips" in metrics and lpips is None:
            raise ConfigError("score: lpips is among the metrics, but no Lpips network was given.")
        self.blurry, self.sharp = blurry, sharp
        self._flow, self._warp, self._metrics, self._lpips = flow, warp, metrics, lpips
        everywhere = np.ones(sharp.shape[:2], np.bool_)
        self._raw = Warped(sharp, torch.zeros(()).expand(2, *sharp.shape[:2]), everywhere, 1.0)
        self._registered_flow, self._transfer, self._match = registered_flow, transfer, match
        self._measures, self._blur = measures, blur

    @cached_property
    def registered(self) -> Warped:
        """The sharp picture on the grid of the blurry one."""
        return self._backwarp(self._registered_flow(lambda: self._estimate(self.blurry, self.sharp)))

    @cached_property
    def transfer(self) -> Transfer:
        """What turns the light of the registered picture into that of the blurry one."""
        return self._transfer(lambda: self._estimate_transfer(self._match))

    @cached_property
    def matched(self) -> Warped:
        """The registered picture in the light of the blurry one."""
        return dataclasses.replace(self.registered, picture=self.transfer.apply(self.registered.picture))

    @cached_property
    def regions(self) -> Regions:
        """How blurred each region of the input is, against matched ground truth."""
        pair = self.blurry, self.matched.picture, self.registered.valid
        return Regions(self._blur(lambda: blur_of_regions(*pair)), self.registered.valid, *pair[:2])

    @property
    def still(self) -> Motion:
        """The motion of the blurry input scored as a prediction: its warped ground truth is the registered one."""
        return Motion(self.registered, drift_px=0.0, deform_px=0.0)

    def motion(self, prediction: Picture) -> Motion:
        """The two flows of one prediction; apart from :meth:`score`, so that flow and LPIPS need not share memory.

        What needs neither, as the other ground truths and their scores, is computed beside them: much of it waits.

        Raises:
            ImageError: It has another shape, or holds NaN.
        """
        if prediction.shape != self.sharp.shape:
            raise ImageError(f"the prediction is {prediction.shape}, expected {self.sharp.shape} as the ground truth.")
        if not np.isfinite(prediction).all():
            raise ImageError(
                "the prediction holds NaN or infinite values; the network diverged or the file is damaged."
            )
        with full_float32():
            warped, moved, figures = side_by_side(
                lambda: self._backwarp(self._estimate(prediction, self.sharp)),
                lambda: fit_similarity(self._estimate_put(prediction).numpy(), robust=True),
                lambda: self._beside_flows(prediction),
                spare=1,
            )
        return Motion(warped, moved.rms_px, moved.residual_px, figures)

    def _beside_flows(self, prediction: Picture) -> dict[GroundTruth, _Figures]:
        """What the metrics on arrays say of ground truths that need no flow of the prediction; LPIPS is loaded."""
        if self._lpips is not None:
            self._lpips.load()
        found: dict[int, _Figures] = {}
        for truth in self._fixed.values():  # two of them may be one picture
            if id(truth.picture) not in found:
                found[id(truth.picture)] = self._on_arrays(prediction, truth.picture)
        _ = self.regions
        return {name: found[id(truth.picture)] for name, truth in self._fixed.items()}

    def score(self, prediction: Picture, motion: Motion | None = None) -> PictureScores:
        """Score one prediction, ``(H, W, 3)`` float32 RGB in [0, 1].

        Args:
            prediction: What to score.
            motion: What :meth:`motion` gave for it.

        Raises:
            ImageError: It has another shape, or holds NaN.
        """
        return self.score_all([(prediction, motion or self.motion(prediction))])[0]

    def score_all(self, predictions: Sequence[tuple[Picture, Motion]]) -> list[PictureScores]:
        """:meth:`score` of several predictions; what they share, as ground truths, LPIPS looks at once."""
        truths = [self._truths(motion.warped) for _, motion in predictions]
        pairs, known = {}, {}
        for (prediction, motion), of_prediction in zip(predictions, truths, strict=True):
            for name, truth in of_prediction.items():
                pair = id(prediction), id(truth.picture)
                pairs[pair] = prediction, truth.picture
                if name in motion.figures:
                    known[pair] = motion.figures[name]
        asked = [pair for pair in pairs if pair not in known]
        with full_float32():
            distances = self._distances(pairs)
            regions, *values = side_by_side(
                lambda: [self.regions.score(prediction) for prediction, _ in predictions],
                *(partial(self._on_arrays, *pairs[pair]) for pair in asked),
            )
        known |= dict(zip(asked, values, strict=True))
        figures = {pair: (known[pair], distance) for pair, distance in zip(pairs, distances, strict=True)}
        found = []
        for (prediction, motion), of_prediction, by_region in zip(predictions, truths, regions, strict=True):
            scores = {}
            for name, truth in of_prediction.items():
                (psnr, ssim, mae), lpips = figures[id(prediction), id(truth.picture)]
                scores[name] = TruthScores(psnr, ssim, mae, lpips, truth.valid_share)
            extras = self._extras(prediction, of_prediction)
            found.append(PictureScores(scores, motion.drift_px, motion.deform_px, by_region, extras))
        return found

    def _truths(self, warped: Warped) -> dict[GroundTruth, Warped]:
        fixed = self._fixed
        return {truth: warped if truth is GroundTruth.WARPED else fixed[truth] for truth in GroundTruth}

    @property
    def _fixed(self) -> dict[GroundTruth, Warped]:
        """The ground truths that do not depend on the prediction."""
        return {
            GroundTruth.RAW: self._raw,
            GroundTruth.REGISTERED: self.registered,
            GroundTruth.MATCHED: self.matched,
        }

    def _extras(self, prediction: Picture, truths: Mapping[GroundTruth, Warped]) -> tuple[ExtraScore, ...]:
        if not self._measures:
            return ()
        return extra_scores(self._measures, prediction, {name: (t.picture, t.valid) for name, t in truths.items()})

    def _on_arrays(self, prediction: Picture, truth: Picture) -> _Figures:
        wanted = self._metrics
        mse, error = mean_differences(prediction, truth) if "psnr" in wanted or "mae" in wanted else (0.0, 0.0)
        return (
            decibel(mse) if "psnr" in wanted else None,
            ssim(prediction, truth) if "ssim" in wanted else None,
            error if "mae" in wanted else None,
        )

    def _distances(self, pairs: Mapping[tuple[int, int], tuple[Picture, Picture]]) -> Sequence[float | None]:
        """LPIPS of pairs of pictures, by their identities."""
        if self._lpips is None or "lpips" not in self._metrics:
            return [None] * len(pairs)
        pictures = {id(picture): picture for pair in pairs.values() for picture in pair}
        places = {name: place for place, name in enumerate(pictures)}
        return self._lpips.distances(list(pictures.values()), [(places[a], places[b]) for a, b in pairs])

    def support(self, reference: Picture, moving: Picture, flow: Tensor) -> NDArray[np.float32] | None:
        """Where two pictures show the flow between them, from 0 to 1, ``(H, W)``; None where the flow does not know."""
        if not isinstance(self._flow, KnowsSupport):
            return None
        with torch.no_grad():
            found = self._flow.support(to_tensor(reference), to_tensor(moving), flow[None])
        return np.asarray(found[0, 0].cpu().numpy(), np.float32)

    def _estimate(self, reference: Picture, moving: Picture) -> Tensor:
        with torch.no_grad():
            return self._flow.estimate(to_tensor(reference), to_tensor(moving))[0].cpu()

    def _estimate_put(self, prediction: Picture) -> Tensor:
        """What motion a method put between its input and its output: most put none."""
        flow = self._flow
        with torch.no_grad():
            estimate = flow.estimate_small if isinstance(flow, EstimatesSmall) else flow.estimate
            return estimate(to_tensor(self.blurry), to_tensor(prediction))[0].cpu()

    def _estimate_transfer(self, match: Match) -> Transfer:
        if match is Match.NONE:
            return Transfer()
        known = self.registered
        return estimate_transfer(self.blurry, self.sharp, flow=known.flow.numpy(), model=match, valid=known.valid)

    def _backwarp(self, flow: Tensor) -> Warped:
        valid = valid_mask_of_picture(flow)
        return Warped(
            backwarp_picture(self.sharp, flow, mode=self._warp), flow, valid, np.count_nonzero(valid) / valid.size
        )


def score_picture(
    blurry: Picture,
    sharp: Picture,
    prediction: Picture,
    *,
    flow: FlowEstimator,
    warp: WarpMode = WarpMode.EXACT,
    metrics: tuple[str, ...] = ("psnr", "ssim", "mae", "lpips"),
    lpips: Lpips | None = None,
    match: Match = Match.GAIN,
) -> PictureScores:
    """Score one prediction against the four ground truths.

    Args:
        blurry: The captured input, ``(H, W, 3)`` float32 RGB in [0, 1].
        sharp: The captured ground truth, same shape.
        prediction: The network's output, same shape.
        flow: From :func:`sdd_bench.flow.estimator.load_flow`.
        warp: How a flow is applied.
        metrics: Some of ``psnr``, ``ssim``, ``mae``, ``lpips``.
        lpips: The network; needed when ``lpips`` is among the metrics.
        match: What the transfer of light of the matched ground truth may do.

    Raises:
        ImageError: The shapes differ, the pictures are too small, or the prediction holds NaN.
        ConfigError: LPIPS is asked for without a network.
    """
    scorer = PictureScorer(blurry, sharp, flow=flow, warp=warp, metrics=metrics, lpips=lpips, match=match)
    return scorer.score(prediction)


def check_size(picture: Picture) -> None:
    """Refuse a picture, ``(H, W, 3)``, in which no motion can be found.

    Raises:
        ImageError: It is a line or a point.

    Example:
        >>> check_size(np.zeros((2, 2, 3), np.float32))
    """
    height, width = picture.shape[:2]
    if min(height, width) < _SMALLEST_SIDE_PX:
        raise ImageError(
            f"{width}x{height} is too small to find what moved; expected at least {_SMALLEST_SIDE_PX} px a side. "
            "Leave it out, or score at another size."
        )


def to_tensor(picture: Picture) -> Tensor:
    """``(H, W, 3)`` array as a ``(1, 3, H, W)`` tensor that shares its memory."""
    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None]
