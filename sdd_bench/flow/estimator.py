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

Precision = Literal["32", "bf16"]


@runtime_checkable
class FlowEstimator(Protocol):
    """What estimates flow: one object per choice of network, weights, resolution, precision and refinement."""

    name: str
    """As given to :func:`load_flow`."""
    sha256: str
    """SHA-256 of the weights file; empty where there are no weights."""
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
        """``estimate(a, b)`` and ``estimate(b, a)``; what both need is computed once."""
        ...


def load_flow(
    name: str = "pwcnet",
    *,
    weights: Path | None = None,
    device: str = "cpu",
    precision: Precision = "32",
    refine: bool | None = None,
    max_size: int | None = None,
) -> FlowEstimator:
    """The flow estimator called ``name``.

    Args:
        name: ``pwcnet`` (refined, see :mod:`sdd_bench.flow.pwcnet.refined`), ``pwcnet-plain`` (the network alone, as in
            the paper), ``dis``, or ``ptlflow:NAME`` (extra ``[ptlflow]``).
        weights: A checkpoint instead of the bundled weights (PWC-Net, ptlflow).
        device: Torch device of the network.
        precision: ``bf16`` runs convolutions under autocast: faster, see the model card for what it costs.
        refine: Several resolutions and sub-pixel refinement around the network. None: with ``pwcnet`` and the bundled
            weights; weights of the user's own stay as published.
        max_size: Longest side, in pixels, at which the flow is estimated; None works at the size of the picture.

    Raises:
        ConfigError: Unknown name, an option that does not go with it, no such device, or an extra that is not
            installed.
        WeightsError: The weights are missing, damaged or do not fit.
    """
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
    """The PWC-Net weights that come with the package."""
    return weights_table.path("pwcnet")


def check_pictures(reference: Tensor, moving: Tensor) -> tuple[int, int]:
    """Height and width of two pictures ``(N, 3, H, W)`` that flow can be estimated between.

    Raises:
        ImageError: Another shape, two different shapes, or not floating point.
    """
    if reference.ndim != 4 or reference.shape[1] != 3 or reference.shape != moving.shape or 0 in reference.shape:
        raise ImageError(
            f"flow: expected two pictures (N, 3, H, W) of one size, got {tuple(reference.shape)} and "
            f"{tuple(moving.shape)}."
        )
    if not (reference.is_floating_point() and moving.is_floating_point()):
        raise ImageError(f"flow: expected float pictures in [0, 1], got {reference.dtype} and {moving.dtype}.")
    return reference.shape[2], reference.shape[3]
