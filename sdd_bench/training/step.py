"""One training step: the pass through the networks, and the loss of each stage (Eq. 1-10 of Li et al., 2023).

============ ======================================== ==========================================================
stage        flow                                     trained
============ ======================================== ==========================================================
``reblur``   none                                     the reblurring network alone
``first``    blurry and sharp, from the flow file     both; with ``stage_one_loss = "warped"`` the deblurring one
``second``   deblurred and sharp, estimated here      both
============ ======================================== ==========================================================
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import torch
from torch import Tensor, nn

from sdd_bench.flow.compose import invert_flow
from sdd_bench.flow.estimator import FlowEstimator
from sdd_bench.flow.warp import backwarp
from sdd_bench.models.reblurring.network import ReblurNetwork
from sdd_bench.training.config import TrainConfig
from sdd_bench.training.contextual.loss import ContextualLoss
from sdd_bench.training.losses import MASKS, DeblurringTerms, MaskKind, adaptive_deblurring_loss, charbonnier, edges
from sdd_bench.training.perceptual import PerceptualDistance

_INVERSION_STEPS = 4
"""Steps of an inversion of flow. Each multiplies the error by the slope of the flow, which is small within a pair."""


class Stage(StrEnum):
    """Part of the schedule."""

    REBLUR = "reblur"
    FIRST = "first"
    SECOND = "second"


@dataclass(frozen=True)
class StepTerms:
    """The loss of a batch with its parts and pictures; a part that a method does not have is None."""

    total: Tensor
    deblurring: Tensor | None
    reblurring: Tensor | None
    deblurred: Tensor
    reblurred: Tensor | None
    warped_sharp: Tensor | None
    mask: Tensor | None


class JointNetworks(nn.Module):
    """The deblurring network F and the reblurring network R as one module, for optimizers and parallel training."""

    def __init__(self, deblur: nn.Module, reblur: ReblurNetwork | None) -> None:
        super().__init__()
        self.deblur = deblur
        self.reblur = reblur

    def forward(self, blurry: Tensor, stage: str, with_reblur: bool) -> tuple[list[Tensor], list[Tensor]]:
        """All outputs of F, the final one first, and of each the reblurred picture R(output, blurry)."""
        if stage == Stage.REBLUR:
            self.deblur.eval()
            with torch.no_grad():
                outputs = _outputs(self.deblur(blurry))
        else:
            outputs = _outputs(self.deblur(blurry))
        if self.reblur is None or not with_reblur:
            return outputs, []
        return outputs, [self.reblur(output, blurry) for output in outputs]


def _outputs(output: Any) -> list[Tensor]:
    return [output] if isinstance(output, Tensor) else list(output)


def build_networks(config: TrainConfig) -> JointNetworks:
    """Both networks with their first weights, which depend on torch's seed.

    Example:
        >>> build_networks(TrainConfig(model="unet-small", width=1, vanilla=True)).reblur is None
        True
    """
    reblur = None
    deblur = config.spec.build()
    if config.has_reblur:
        reblur = ReblurNetwork(
            config.levels, kernels=config.kernels, width=config.reblur_width, recompute=config.recompute
        )
        if config.reblur_init == "xavier":
            for module in reblur.modules():
                if isinstance(module, nn.Conv2d):
                    nn.init.xavier_normal_(module.weight)
    return JointNetworks(deblur, reblur)


def stage_of(config: TrainConfig, epoch: int) -> Stage:
    """Stage of an epoch, counted from 0.

    Example:
        >>> config = TrainConfig(stage_one_epochs=2)
        >>> [str(stage_of(config, epoch)) for epoch in range(4)]
        ['first', 'first', 'second', 'second']
    """
    if epoch < config.reblur_epochs:
        return Stage.REBLUR
    return Stage.FIRST if epoch < config.reblur_epochs + config.stage_one_epochs else Stage.SECOND


def learning_rate_of(config: TrainConfig, epoch: int, step: int) -> float:
    """Learning rate of a step.

    Args:
        config: Options of the run.
        epoch: Epoch of the step, counted from 0.
        step: Number of the step, counted from 0 at the start of the run.

    Example:
        >>> config = TrainConfig(learning_rate=1e-3, halve_every=60)
        >>> learning_rate_of(config, 0, 0), learning_rate_of(config, 60, 6000)
        (0.001, 0.0005)
    """
    rising = min(1.0, (step + 1) / config.warm_up) if config.warm_up else 1.0
    if epoch < config.reblur_epochs:
        return rising * (config.reblur_learning_rate or config.learning_rate)
    return rising * config.learning_rate * 0.5 ** ((epoch - config.reblur_epochs) // config.halve_every)


def compute_terms(
    networks: nn.Module,
    config: TrainConfig,
    stage: Stage,
    batch: dict[str, Tensor],
    estimator: FlowEstimator | None,
    contextual: ContextualLoss | None = None,
    perceptual: PerceptualDistance | None = None,
) -> StepTerms:
    """Run a batch through the networks and compute its loss.

    Args:
        networks: :class:`JointNetworks`, possibly wrapped for parallel training.
        config: Options of the run.
        stage: Part of the schedule.
        batch: Tensors ``blurry`` and ``sharp``, :math:`(N, 3, H, W)`; in the first stage of a method with flow also
            ``flow``, :math:`(N, 2, H, W)`.
        estimator: Flow network of the second stage.
        contextual: The loss of the deblurred picture where the configuration asks for a contextual one.
        perceptual: LPIPS where the configuration gives it a weight.

    Example:
        >>> config = TrainConfig(model="unet-small", width=1, vanilla=True)
        >>> pair = {"blurry": torch.full((1, 3, 16, 16), 0.2), "sharp": torch.full((1, 3, 16, 16), 0.5)}
        >>> terms = compute_terms(build_networks(config), config, Stage.FIRST, pair, None)
        >>> round(terms.total.item(), 3)  # an untrained residual network is the identity
        0.3
    """
    blurry, sharp = batch["blurry"], batch["sharp"]
    plain = contextual is None and _is_plain(config, stage)
    outputs, reblurred = networks(blurry, stage.value, config.has_reblur and not plain)
    deblurred = outputs[0]
    reblurring = _sum(charbonnier(picture - blurry) for picture in reblurred) if reblurred else None
    deblurring = warped_sharp = mask = None
    if contextual is not None and stage is not Stage.REBLUR:
        deblurring = _sum(contextual(output, sharp) for output in outputs)
    elif stage is Stage.SECOND and not bool(deblurred.isfinite().all()):
        deblurring = deblurred.mean()  # no flow can be estimated of such a picture; this loss is not finite either
    elif stage is not Stage.REBLUR:
        flows = _flows(config, stage, deblurred, sharp, batch.get("flow"), estimator)
        terms = _deblurring(config, stage, outputs, sharp, flows)
        deblurring, warped_sharp, mask = terms.loss, terms.warped_sharp, terms.mask
        if perceptual is not None:
            looks = _looks(config, stage, perceptual, deblurred, sharp, terms, flows)
            deblurring = deblurring + config.perceptual_weight * looks
    total = deblurred.new_zeros(()) if deblurring is None else deblurring
    if reblurring is not None:
        total = total + config.alpha * reblurring
    return StepTerms(total, deblurring, reblurring, deblurred, reblurred[0] if reblurred else None, warped_sharp, mask)


def _is_plain(config: TrainConfig, stage: Stage) -> bool:
    """Whether the loss of the stage is the distance to the warped sharp picture alone: no mask, cycle or reblurring."""
    return stage is Stage.FIRST and config.stage_one_loss == "warped"


def _sum(losses: Iterable[Tensor]) -> Tensor:
    return torch.stack(list(losses)).sum()


@dataclass(frozen=True)
class _Flows:
    """Flow from the deblurred picture to the sharp one, and back where a loss asks for it."""

    there: Tensor
    back: Tensor | None


def _flows(
    config: TrainConfig,
    stage: Stage,
    deblurred: Tensor,
    sharp: Tensor,
    flow: Tensor | None,
    estimator: FlowEstimator | None,
) -> _Flows | None:
    """Of the stage: of the file, or estimated; None for a method without flow."""
    if not config.has_flow:
        return None
    if stage is Stage.SECOND:
        assert estimator is not None
        final = deblurred.detach().clamp(0, 1)
        if config.no_cycle:
            return _Flows(estimator.estimate(final, sharp), None)
        return _Flows(*estimator.estimate_both(final, sharp))
    assert flow is not None
    only_there = config.no_cycle or (_is_plain(config, stage) and config.perceptual_side == "deblurred")
    return _Flows(flow, None if only_there else invert_flow(flow, steps=_INVERSION_STEPS))


def _deblurring(
    config: TrainConfig, stage: Stage, outputs: list[Tensor], sharp: Tensor, flows: _Flows | None
) -> DeblurringTerms:
    """Loss over all outputs, and warped pictures and mask of the final one."""

    def distance(difference: Tensor) -> Tensor:
        near = charbonnier(difference)
        return near + config.edge_weight * charbonnier(edges(difference)) if config.edge_weight else near

    if flows is None:
        return DeblurringTerms(_sum(distance(output - sharp) for output in outputs))
    if _is_plain(config, stage):
        warped = backwarp(sharp, flows.there, interpolation=config.interpolation)
        return DeblurringTerms(_sum(distance(output - warped) for output in outputs), warped)
    terms = [
        adaptive_deblurring_loss(
            output,
            sharp,
            flows.there,
            flows.back,
            mask=config.mask_kind,
            tolerance=config.tolerance,
            interpolation=config.interpolation,
            distance=distance,
        )
        for output in outputs
    ]
    return replace(terms[0], loss=_sum(term.loss for term in terms))


def _looks(
    config: TrainConfig,
    stage: Stage,
    perceptual: PerceptualDistance,
    deblurred: Tensor,
    sharp: Tensor,
    terms: DeblurringTerms,
    flows: _Flows | None,
) -> Tensor:
    """LPIPS on the grids that the configuration names."""
    if flows is None or terms.warped_sharp is None:
        return perceptual(deblurred, sharp)
    mask = MASKS[MaskKind.NONE if _is_plain(config, stage) else config.mask_kind]

    def distance(predicted: Tensor, target: Tensor, flow: Tensor) -> Tensor:
        trusted = mask(flow, config.tolerance, config.perceptual_floor_px)
        # What the mask hides shall look as it does.
        return perceptual(predicted, torch.where(trusted, target, predicted.detach()))

    losses = []
    if config.perceptual_side != "sharp":
        losses.append(distance(deblurred, terms.warped_sharp, flows.there))
    if config.perceptual_side != "deblurred":
        assert flows.back is not None
        warped = terms.warped_deblurred
        if warped is None:
            warped = backwarp(deblurred, flows.back, interpolation=config.interpolation)
        losses.append(distance(warped, sharp, flows.back))
    return torch.stack(losses).mean()
