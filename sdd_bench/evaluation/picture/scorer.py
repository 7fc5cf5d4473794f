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
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sdd_bench.core.errors import ConfigError, ImageError
from sdd_bench.core.types import GroundTruth, WarpMode
from sdd_bench.evaluation.extras.measures import Measure
from sdd_bench.evaluation.extras.scores import ExtraScore, extra_scores
from sdd_bench.evaluation.regions import Regions, RegionScores, regions_of
from sdd_bench.flow.estimator import FlowEstimator, KnowsSupport
from sdd_bench.flow.warp import backwarp, valid_mask
from sdd_bench.geometry.fit import fit_similarity
from sdd_bench.metrics.mae import mae
from sdd_bench.metrics.psnr import psnr
from sdd_bench.metrics.ssim import ssim
from sdd_bench.registration.light.estimate import estimate_transfer
from sdd_bench.registration.light.transfer import Match, Transfer

if TYPE_CHECKING:
    from sdd_bench.metrics.lpips import Lpips

Picture = NDArray[np.float32]
Kept = TypeVar("Kept")
_ON_ARRAYS: Mapping[str, Callable[[Picture, Picture], float]] = {"psnr": psnr, "ssim": ssim, "mae": mae}


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
    """Ground truth made by a warp: the picture ``(H, W, 3)``, its flow ``(2, H, W)``, and the share of valid pixels."""

    picture: Picture
    flow: Tensor
    valid_share: float


@dataclass(frozen=True)
class Motion:
    """The warped ground truth of a prediction, and how the prediction moved against the blurry input."""

    warped: Warped
    drift_px: float
    deform_px: float


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
        measures: Extra ones.

    Raises:
        ImageError: The shapes differ.
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
        measures: Sequence[Measure] = (),
    ) -> None:
        if blurry.shape != sharp.shape:
            raise ImageError(f"blurry is {blurry.shape} but sharp is {sharp.shape}; a pair must share one size.")
        if "lpips" in metrics and lpips is None:
            raise ConfigError("score: lpips is among the metrics, but no Lpips network was given.")
        self.blurry, self.sharp = blurry, sharp
        self._flow, self._warp, self._metrics, self._lpips = flow, warp, metrics, lpips
        self.registered = self._backwarp(registered_flow(lambda: self._estimate(blurry, sharp)))
        self.transfer = transfer(lambda: self._estimate_transfer(match))
        light = self.transfer.apply(self.registered.picture)
        self.matched = dataclasses.replace(self.registered, picture=light)
        self._features: dict[GroundTruth, Any] = {}
        self._measures = measures

    @cached_property
    def regions(self) -> Regions:
        """How blurred each region of the input is, against matched ground truth."""
        valid = valid_mask(self.registered.flow[None])[0, 0].cpu().numpy()
        return regions_of(self.blurry, self.matched.picture, valid)

    def identity(self) -> PictureScores:
        """The blurry input scored as a prediction: its warped ground truth is the registered one, its drift zero."""
        features = self._features_of(self.blurry)
        registered = self._registered_scores(self.blurry, features)
        truths = {
            GroundTruth.RAW: self._raw_scores(self.blurry, features),
            GroundTruth.WARPED: registered,
            GroundTruth.REGISTERED: registered,
            GroundTruth.MATCHED: self._matched_scores(self.blurry, features, registered),
        }
        extras = self._extras(self.blurry, self.registered)
        return PictureScores(truths, 0.0, 0.0, self.regions.score(self.blurry), extras)

    def motion(self, prediction: Picture) -> Motion:
        """The two flows of one prediction; apart from :meth:`score`, so that flow and LPIPS need not share memory.

        Raises:
            ImageError: It has another shape, or holds NaN.
        """
        if prediction.shape != self.sharp.shape:
            raise ImageError(f"the prediction is {prediction.shape}, expected {self.sharp.shape} as the ground truth.")
        if not np.isfinite(prediction).all():
            raise ImageError(
                "the prediction holds NaN or infinite values; the network diverged or the file is damaged."
            )
        moved = fit_similarity(self._estimate(self.blurry, prediction).numpy(), robust=True)
        warped = self._backwarp(self._estimate(prediction, self.sharp))
        return Motion(warped, drift_px=moved.rms_px, deform_px=moved.residual_px)

    def score(self, prediction: Picture, motion: Motion | None = None) -> PictureScores:
        """Score one prediction, ``(H, W, 3)`` float32 RGB in [0, 1].

        Args:
            prediction: What to score.
            motion: What :meth:`motion` gave for it.

        Raises:
            ImageError: It has another shape, or holds NaN.
        """
        motion = motion or self.motion(prediction)
        warped = motion.warped
        features = self._features_of(prediction)
        registered = self._registered_scores(prediction, features)
        truths = {
            GroundTruth.RAW: self._raw_scores(prediction, features),
            GroundTruth.WARPED: self._scores(
                prediction, warped.picture, warped.valid_share, features, self._features_of(warped.picture)
            ),
            GroundTruth.REGISTERED: registered,
            GroundTruth.MATCHED: self._matched_scores(prediction, features, registered),
        }
        regions, extras = self.regions.score(prediction), self._extras(prediction, warped)
        return PictureScores(truths, motion.drift_px, motion.deform_px, regions, extras)

    def _extras(self, prediction: Picture, warped: Warped) -> tuple[ExtraScore, ...]:
        if not self._measures:
            return ()
        everywhere = np.ones(self.sharp.shape[:2], np.bool_)
        inside, inside_warped = (valid_mask(w.flow[None])[0, 0].cpu().numpy() for w in (self.registered, warped))
        truths = {
            GroundTruth.RAW: (self.sharp, everywhere),
            GroundTruth.WARPED: (warped.picture, inside_warped),
            GroundTruth.REGISTERED: (self.registered.picture, inside),
            GroundTruth.MATCHED: (self.matched.picture, inside),
        }
        return extra_scores(self._measures, prediction, truths)

    def _raw_scores(self, prediction: Picture, features: Any) -> TruthScores:
        truth_features = self._shared_features(GroundTruth.RAW, self.sharp)
        return self._scores(prediction, self.sharp, 1.0, features, truth_features)

    def _registered_scores(self, prediction: Picture, features: Any) -> TruthScores:
        truth = self.registered
        truth_features = self._shared_features(GroundTruth.REGISTERED, truth.picture)
        return self._scores(prediction, truth.picture, truth.valid_share, features, truth_features)

    def _matched_scores(self, prediction: Picture, features: Any, registered: TruthScores) -> TruthScores:
        """Scores against the matched picture; without a transfer it is the registered one."""
        if self.transfer.model is Match.NONE:
            return registered
        truth = self.matched
        truth_features = self._shared_features(GroundTruth.MATCHED, truth.picture)
        return self._scores(prediction, truth.picture, truth.valid_share, features, truth_features)

    def _scores(
        self, prediction: Picture, truth: Picture, valid_share: float, features: Any, truth_features: Any
    ) -> TruthScores:
        values: dict[str, float | None] = {
            name: function(prediction, truth) if name in self._metrics else None
            for name, function in _ON_ARRAYS.items()
        }
        distance = self._lpips.distance(features, truth_features) if self._lpips and "lpips" in self._metrics else None
        return TruthScores(values["psnr"], values["ssim"], values["mae"], distance, valid_share)

    def _features_of(self, picture: Picture) -> Any:
        return self._lpips.features(picture) if self._lpips and "lpips" in self._metrics else None

    def _shared_features(self, truth: GroundTruth, picture: Picture) -> Any:
        if truth not in self._features:
            self._features[truth] = self._features_of(picture)
        return self._features[truth]

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

    def _estimate_transfer(self, match: Match) -> Transfer:
        if match is Match.NONE:
            return Transfer()
        flow = self.registered.flow
        inside = valid_mask(flow[None])[0, 0].numpy()
        return estimate_transfer(self.blurry, self.sharp, flow=flow.numpy(), model=match, valid=inside)

    def _backwarp(self, flow: Tensor) -> Warped:
        with torch.no_grad():
            moved = backwarp(to_tensor(self.sharp), flow[None], mode=self._warp)[0]
            valid_share = float(valid_mask(flow[None]).float().mean())
        return Warped(np.ascontiguousarray(moved.permute(1, 2, 0).numpy()), flow, valid_share)


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
        ImageError: The shapes differ, or the prediction holds NaN.
        ConfigError: LPIPS is asked for without a network.
    """
    scorer = PictureScorer(blurry, sharp, flow=flow, warp=warp, metrics=metrics, lpips=lpips, match=match)
    return scorer.score(prediction)


def to_tensor(picture: Picture) -> Tensor:
    """``(H, W, 3)`` array as a ``(1, 3, H, W)`` tensor."""
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None]
