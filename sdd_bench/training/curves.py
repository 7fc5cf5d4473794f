"""Loss terms and pictures of a run, written for TensorBoard."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from sdd_bench.core.errors import reason_of
from sdd_bench.core.storage.files import output_errors
from sdd_bench.training.step import StepTerms
from sdd_bench.training.validation import Validation

if TYPE_CHECKING:
    from pandas import DataFrame

FOLDER = "tensorboard"
"""Folder of the curves in that of a run."""
_WRITERS_THREAD = "_AsyncWriterThread"
"""Class, in TensorBoard, of the thread that writes."""
_LOG = logging.getLogger(__name__)


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
    """Curves of one run. Points of steps that a resumed run repeats are dropped.

    Where they can no longer be written, as on a full disk, that is said once, and the training goes on: what it cannot
    do without are its checkpoints.
    """

    def __init__(self, run: Path, first_step: int) -> None:
        self._run, self._broken = run, False
        self._hook, threading.excepthook = threading.excepthook, self._in_thread
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
                self._write("add_image", f"train/{name}", picture, step)

    def validation(self, step: int, found: Validation) -> None:
        """Write scores and pictures of the held-out patches."""
        self._scalar("val/psnr", found.psnr, step)
        self._scalar("val/gain over blurry", found.psnr - found.blurry_psnr, step)
        self._write("add_images", "val/pictures", found.pictures, step)
        self._write("flush")

    def close(self) -> None:
        """Write the remaining points and close the file."""
        self._write("close")
        threading.excepthook = self._hook

    def _scalar(self, name: str, value: float, step: int) -> None:
        self._write("add_scalar", name, value, step)

    def _write(self, what: str, *arguments: Any) -> None:
        if self._broken:
            return
        try:
            getattr(self._writer, what)(*arguments)
        except (OSError, ValueError) as error:  # ValueError: the file of a writer that failed before is closed
            self._broken = True
            place = self._run / FOLDER
            _LOG.warning("%s: curves are no longer written (%s); training goes on", place, reason_of(error))

    def _in_thread(self, failed: threading.ExceptHookArgs) -> None:
        """Say nothing of the writer's thread, whose error comes with the next point; and all of others."""
        if type(failed.thread).__name__ != _WRITERS_THREAD:
            self._hook(failed)
