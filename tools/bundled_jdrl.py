"""The second part of the bundled network's training: JDRL (Li et al., 2023) on misaligned pairs made of photographs.

Called by ``tools/train_bundled.py`` when its supervised part has ended. The pairs are those of ``sdd-bench synth``: the
lens breathes, the camera shifts and turns, exposure and white balance differ; so the light is matched by one gain per
colour. A killed run goes on.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reproduce_jdrl import tell

from sdd_bench.preparation.options import PrepareOptions
from sdd_bench.preparation.run import prepare
from sdd_bench.registration.light.transfer import Match
from sdd_bench.synth.options import SynthOptions
from sdd_bench.synth.run import synthesize
from sdd_bench.training.config import TrainConfig
from sdd_bench.training.run import train

_CAPTURES = 40
_SIDE_PX = 384
_PATCH_PX = 192


def tune(
    weights: Path,
    model: str,
    options: Mapping[str, Any],
    photographs: Sequence[Path],
    out: Path,
    *,
    steps: int,
    learning_rate: float,
    precision: str,
    seed: int,
) -> Path:
    """Train ``weights`` by JDRL, or go on with it.

    Args:
        weights: Checkpoint to start from.
        model: Its network, with its ``options``.
        photographs: Files from which scenes are made.
        out: Folder of the captures, the patches and the run.
        steps: Steps of 4 crops of 128x128.
        learning_rate: The first quarter of the steps keeps it, each further one has half of the one before.
        precision: ``32`` or ``bf16``.
        seed: Of pairs, crops and the reblurring network.

    Returns:
        The checkpoint of the run.
    """
    captures, prepared = out / "captures", out / "prepared"
    synthesize(
        captures,
        SynthOptions(
            width=_SIDE_PX,
            height=_SIDE_PX,
            n_train=_CAPTURES,
            n_test=0,
            seed=seed,
            coc_range=(1.0, 16.0),
            shift_range=(-3.0, 3.0),
            fringe_range=(0.0, 0.06),
            sharp_share=0.1,
            sharpening_range=(0.0, 0.6),
            jpeg_quality=(88, 98),
            photos=_linked(photographs, out / "photos"),
        ),
    )
    summary = prepare(captures, prepared, PrepareOptions(resize="none", patch=_PATCH_PX, overlap=0, drop=0))
    epochs = -(-steps * 4 // summary.n_patches)
    config = TrainConfig(
        model=model,
        model_options=dict(options),
        init=weights,
        match=Match.GAIN,
        alpha=0.05,
        perceptual_weight=0.02,
        reblur_width=16,
        crop=128,
        batch=4,
        steps=steps,
        epochs=epochs,
        stage_one_epochs=max(1, epochs // 4),
        halve_every=max(1, epochs // 4),
        learning_rate=learning_rate,
        warm_up=20,
        clip=0.5,
        precision="32" if precision == "32" else "bf16-mixed",
        val_share=0,
        checkpoint_every=50,
        accelerator="cpu",
        seed=seed,
    )
    report = train(prepared, out / "run", config, resume=True, on_progress=tell)
    if report.model is None:
        raise SystemExit(f"{out}: stopped at step {report.step}; run again to go on.")
    return report.model


def _linked(photographs: Sequence[Path], folder: Path) -> Path:
    """A folder of these files alone."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in photographs:
        os.symlink(path.resolve(), folder / path.name)
    return folder
