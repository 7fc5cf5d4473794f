"""Flow estimators by name: ``pwcnet`` (bundled weights), ``pwcnet-plain``, ``dis`` (OpenCV), ``ptlflow:NAME``.

A flow is always ``estimate(reference, moving)``: on the grid of the reference, in pixels,
``moving(p + flow(p)) ~ reference(p)``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from torch import Tensor

from sdd_bench import weights as weights_table
from sdd_bench.core.devices import device_of
from sdd_bench.core.errors import ConfigError, ImageError
from sdd_bench.core.types import AnyPath

Precision = Literal["32", "bf16"]


@runtime_checkable
class FlowEstimator(Protocol):
    """Estimator of flow: one object per choice of network, weights, resolution, precision and refinement."""

    name: str
    """Name as given to :func:`load_flow`."""
    sha256: str
    """SHA-256 of the weights file; empty for a method without weights."""
    resolution: str
    """``full``, or ``max N`` when pictures are shrunk to a longest side of N pixels first."""
    precision: str
    """``32``, ``bf16``, or ``8-bit grey`` (DIS)."""
    signature: str
    """One line that says all that the flow depends on; equal signatures give comparable flows."""

    def estimate(self, reference: Tensor, moving: Tensor) -> Tensor:
        """Flow ``(N, 2, H, W)`` float32 in pixels, from two RGB pictures ``(N, 3, H, W)`` float32 in [0, 1]."""
        ...

    def estimate_both(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """``estimate(a, b)`` and ``estimate(b, a)``; shared work is done once."""
        ...


@runtime_checkable
class KnowsSupport(Protocol):
    """An estimator that says where the pictures show its flow."""

    def support(self, reference: Tensor, moving: Tensor, flow: Tensor) -> Tensor:
        """From 0 (nothing is shown) to 1, ``(N, 1, H, W)``; pictures ``(N, 3, H, W)``, flow ``(N, 2, H, W)``."""
        ...


@runtime_checkable
class EstimatesSmall(Protocol):
    """An estimator that is faster where pictures nearly lie on one another."""

    def estimate_small(self, reference: Tensor, moving: Tensor) -> Tensor:
        """As :meth:`FlowEstimator.estimate`, whatever the pictures are."""
        ...


def load_flow(
    name: str = "pwcnet",
    *,
    weights: AnyPath | None = None,
    device: str = "cpu",
    precision: Precision = "32",
    refine: bool | None = None,
    max_size: int | None = None,
) -> FlowEstimator:
    """The flow estimator called ``name``.

    Args:
        name: ``pwcnet`` (refined, see :mod:`sdd_bench.flow.pwcnet.refined`), ``pwcnet-plain`` (the network alone, as in
            the paper), ``dis``, or ``ptlflow:NAME`` (extra ``[ptlflow]``).
        weights: Checkpoint in place of the bundled weights (PWC-Net, ptlflow).
        device: Torch device of the network.
        precision: ``32``, or ``bf16`` for convolutions under autocast, which are faster; the model card gives the loss.
        refine: Whether several resolutions and a sub-pixel refinement surround the network. None refines ``pwcnet``
            with the bundled weights; a user's own weights stay as published.
        max_size: Longest side, in pixels, at which the flow is estimated; None works at the size of the picture.

    Raises:
        ConfigError: The name or the device is unknown, an option does not go with the name, or an extra is not
            installed.
        WeightsError: The weights are missing, damaged or do not fit.

    Example:
        >>> load_flow("dis").signature
        'dis medium, resolution full, precision 8-bit grey'
    """
    weights = None if weights is None else Path(weights)
    if precision not in ("32", "bf16"):
        raise ConfigError(f"flow precision: expected 32 or bf16, got {precision!r}.")
    if max_size is not None and max_size < 64:
        raise ConfigError(f"flow max_size: expected at least 64 pixels, got {max_size}.")
    device_of(device)
    if name in ("pwcnet", "pwcnet-plain"):
        from sdd_bench.flow.pwcnet.plain import PwcNetFlow
        from sdd_bench.flow.pwcnet.refined import RefinedFlow

        path = weights if weights is not None else bundled_weights()
        network = PwcNetFlow(path, device=device, precision=precision, max_size=max_size, name=name)
        if refine is None:
            refine = name == "pwcnet" and weights is None
        return RefinedFlow(network) if refine else network
    if refine:
        raise ConfigError(f"flow {name}: cannot be refined; only pwcnet can.")
    if name == "dis":
        if weights is not None or max_size is not None:
            raise ConfigError("flow dis: takes no weights and no max_size.")
        from sdd_bench.flow.dis import DisFlow

        return DisFlow()
    if name.startswith("ptlflow:"):
        if max_size is not None:
            raise ConfigError(f"flow {name}: takes no max_size.")
        from sdd_bench.flow.ptlflow import PtlflowFlow

        return PtlflowFlow(name.removeprefix("ptlflow:"), weights=weights, device=device)
    raise ConfigError(f"unknown flow {name!r}; known: pwcnet, pwcnet-plain, dis, ptlflow:NAME.")


def bundled_weights() -> Path:
    """Path of the PWC-Net weights that come with the package."""
    return weights_table.path("pwcnet")


def check_pictures(reference: Tensor, moving: Tensor) -> tuple[int, int]:
    """Height and width of two pictures ``(N, 3, H, W)`` that flow can be estimated between.

    Raises:
        ImageError: The pictures have another shape, differ in shape, or are not floating point.

    Example:
        >>> import torch
        >>> check_pictures(torch.zeros(1, 3, 48, 64), torch.ones(1, 3, 48, 64))
        (48, 64)
    """
    if reference.ndim != 4 or reference.shape[1] != 3 or reference.shape != moving.shape or 0 in reference.shape:
        raise ImageError(
            f"flow: expected two pictures (N, 3, H, W) of one size, got {tuple(reference.shape)} and "
            f"{tuple(moving.shape)}."
        )
    if not (reference.is_floating_point() and moving.is_floating_point()):
        raise ImageError(f"flow: expected float pictures in [0, 1], got {reference.dtype} and {moving.dtype}.")
    return reference.shape[2], reference.shape[3]
