"""The result of a training, for scripts, tables and notebooks."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sdd_bench.report.notebook import html_table
from sdd_bench.training.curves import read_curves

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class TrainReport:
    """Result of a call of :func:`~sdd_bench.training.run.train`."""

    run: Path
    finished: bool
    """Whether all steps are done, or the time is up; False if a signal stopped the run, which can then be resumed."""
    step: int
    """Number of finished steps."""
    n_steps: int
    """Number of all steps."""
    best_step: int | None
    best_psnr: float | None
    """PSNR of the held-out patches at ``best_step``, in dB."""
    model: Path | None
    """File of the best network; None before the run is finished."""
    blurry_psnr: float | None = None
    """PSNR of the held-out patches before deblurring, in dB."""
    page: Path | None = None
    """Page with curves and sample pictures; None in all processes but the first."""

    def to_frame(self) -> DataFrame:
        """The curves of ``RUN/tensorboard`` as a pandas DataFrame: one row per step, one column per curve."""
        return read_curves(self.run)

    def _repr_html_(self) -> str:
        facts = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return html_table(f"training {self.run.name}", ("", ""), facts.items())

    @property
    def gain(self) -> float | None:
        """PSNR of the held-out patches over that of the blurry ones, in dB; None where nothing is held out."""
        return None if self.best_psnr is None or self.blurry_psnr is None else self.best_psnr - self.blurry_psnr
