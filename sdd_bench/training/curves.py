"""Loss terms and pictures of a run, written for TensorBoard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from sdd_bench.core.storage.files import output_errors
from sdd_bench.training.step import StepTerms
from sdd_bench.training.validation import Validation

if TYPE_CHECKING:
    from pandas import DataFrame

FOLDER = "tensorboard"
"""Folder of the curves in that of a run."""


def read_curves(run: Path) -> DataFrame:
    """The curves of a run: one row per step, one column per curve; empty where nothing was written."""
    import pandas as pd
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    if not (run / FOLDER).is_dir():
        return pd.DataFrame()
    events = EventAccumulator(str(run / FOLDER), size_guidance={"scalars": 0})
    events.Reload()
    tags = events.Tags()["scalars"]
    return pd.DataFrame({tag: pd.Series({event.step: event.value for event in events.Scalars(tag)}) for tag in tags})


class Curves:
    """Curves of one run. Points of steps that a resumed run repeats are dropped."""

    def __init__(self, run: Path, first_step: int) -> None:
        with output_errors(run):
            self._writer = SummaryWriter(str(run / FOLDER), purge_step=first_step)  # type: ignore[no-untyped-call]

    def step(self, step: int, terms: StepTerms, learning_rate: float) -> None:
        """Write the loss of a step, and the share of the picture that the mask keeps."""
        values = {
            "loss/total": terms.total,
            "loss/deblurring": terms.deblurring,
            "loss/reblurring": terms.reblurring,
            "mask/share": None if terms.mask is None else terms.mask.float().mean(),
        }
        for name, value in values.items():
            if value is not None:
                self._scalar(name, float(value.detach()), step)
        self._scalar("learning_rate", learning_rate, step)

    def pictures(self, step: int, batch: dict[str, Tensor], terms: StepTerms) -> None:
        """Write blurry, deblurred, reblurred and warped sharp picture, and the mask, of a batch's first patch."""
        found = {
            "blurry": batch["blurry"],
            "deblurred": terms.deblurred,
            "reblurred": terms.reblurred,
            "warped sharp": terms.warped_sharp,
            "mask": None if terms.mask is None else terms.mask.float(),
        }
        for name, value in found.items():
            if value is not None:
                picture = value[0].detach().float().cpu().clamp(0, 1)
                self._writer.add_image(f"train/{name}", picture, step)  # type: ignore[no-untyped-call]

    def validation(self, step: int, found: Validation) -> None:
        """Write scores and pictures of the held-out patches."""
        self._scalar("val/psnr", found.psnr, step)
        self._scalar("val/gain over blurry", found.psnr - found.blurry_psnr, step)
        self._writer.add_images("val/pictures", found.pictures, step)  # type: ignore[no-untyped-call]
        self._writer.flush()  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Write the remaining points and close the file."""
        self._writer.close()  # type: ignore[no-untyped-call]

    def _scalar(self, name: str, value: float, step: int) -> None:
        self._writer.add_scalar(name, value, step)  # type: ignore[no-untyped-call]
