"""Flow networks of the optional package ptlflow (extra ``[ptlflow]``), as ``ptlflow:NAME``."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sdd_bench.core.errors import ConfigError, WeightsError
from sdd_bench.core.precision import full_float32
from sdd_bench.core.storage.files import sha256_of
from sdd_bench.flow.estimator import check_pictures


class PtlflowFlow:
    """Flow by a network of ptlflow; implements :class:`sdd_bench.flow.estimator.FlowEstimator`.

    Args:
        network: Name of the network in ptlflow.
        weights: Checkpoint file; ptlflow's default weights depend on its version, so a file has to be named.
        device: Torch device.

    Raises:
        ConfigError: ptlflow is not installed, or knows no such network.
        WeightsError: The checkpoint is missing or does not load.
    """

    def __init__(self, network: str, *, weights: Path | None, device: str = "cpu") -> None:
        try:
            ptlflow: Any = import_module("ptlflow")
        except ImportError as error:
            raise ConfigError(
                f"flow ptlflow:{network}: the package ptlflow is not installed ({error}). "
                "Install it with: pip install 'sdd-bench[ptlflow]'."
            ) from error
        if weights is None:
            raise ConfigError(f"flow ptlflow:{network}: needs its weights as a file, so that its sha256 is on record.")
        if not weights.is_file():
            raise WeightsError(f"{weights}: no such file; expected a checkpoint of ptlflow's {network}.")
        known = sorted(ptlflow.get_model_names())
        if network not in known:
            raise ConfigError(f"flow ptlflow:{network}: unknown network; ptlflow knows {', '.join(known)}.")
        self.network = ptlflow.get_model(network, ckpt_path=str(weights)).to(device).eval()
        self.name = f"ptlflow:{network}"
        self.sha256 = sha256_of(weights)
        self.resolution = "full"
        self.precision = "32"
        self.signature = f"{self.name} {self.sha256[:12]}, resolution full, precision 32"
        self._device = device

    @full_float32()
    def estimate(self, reference: Tensor, moving: Tensor) -> Tensor:
        """Flow ``(N, 2, H, W)`` in pixels with ``moving(p + flow(p)) ~ reference(p)``."""
        height, width = check_pictures(reference, moving)
        multiple = int(getattr(self.network, "output_stride", 64))
        padding = (0, -width % multiple, 0, -height % multiple)
        pair = torch.stack([F.pad(x.to(self._device), padding, mode="replicate") for x in (reference, moving)], dim=1)
        with torch.no_grad():
            flow: Tensor = self.network({"images": pair})["flows"][:, 0]
        return flow[:, :, :height, :width].float().to(reference.device)

    def estimate_both(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """``estimate(a, b)`` and ``estimate(b, a)``."""
        return self.estimate(a, b), self.estimate(b, a)
