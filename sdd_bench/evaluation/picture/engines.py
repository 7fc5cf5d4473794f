"""The networks of a run, loaded once a process."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from sdd_bench.evaluation.extras.measures import Measure, load_measure
from sdd_bench.evaluation.options import EvaluateOptions
from sdd_bench.flow.estimator import FlowEstimator, Precision, load_flow

if TYPE_CHECKING:
    from sdd_bench.metrics.lpips import Lpips


@dataclass(frozen=True)
class Engines:
    """Flow estimator and, where it is among the metrics, LPIPS."""

    flow: FlowEstimator
    lpips: Lpips | None
    measures: tuple[Measure, ...] = ()
    """Extra ones."""

    @property
    def lpips_sha256(self) -> str:
        """Of the LPIPS weights; empty without them."""
        return self.lpips.sha256 if self.lpips else ""


def load_engines(options: EvaluateOptions) -> Engines:
    """Load what ``options`` ask for.

    Raises:
        ConfigError: Unknown flow or extra measure, an option that does not go with it, or no such device.
        WeightsError: Weights are missing or damaged.
    """
    return _load(
        options.flow,
        options.flow_weights,
        options.flow_max_size,
        options.precision,
        options.device,
        "lpips" in options.metrics,
        options.extra,
    )


@lru_cache(maxsize=1)
def _load(
    flow: str,
    weights: Path | None,
    max_size: int | None,
    precision: Precision,
    device: str,
    with_lpips: bool,
    extra: tuple[str, ...],
) -> Engines:
    measures = tuple(load_measure(name, device) for name in extra)
    estimator = load_flow(flow, weights=weights, device=device, precision=precision, max_size=max_size)
    lpips = None
    if with_lpips:
        from sdd_bench.metrics.lpips import Lpips

        lpips = Lpips(device=device)
    return Engines(estimator, lpips, measures)
