"""``sdd-bench train-jdrl``: joint deblurring and reblurring learning, its ablations and the vanilla baseline."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sdd_bench.cli.common import (
    echo_json,
    handle_errors,
    json_option,
    model_option,
    progress_bar,
    say_if_bf16_is_slow,
    threads_option,
)
from sdd_bench.cli.groups import INTERRUPTED
from sdd_bench.cli.inputs import FILE, Existing, set_option

if TYPE_CHECKING:
    from sdd_bench.training.report import TrainReport

F = TypeVar("F", bound=Callable[..., Any])
_PATH = click.Path(path_type=Path)


def _flag(name: str, text: str) -> Callable[[F], F]:
    return click.option(name, is_flag=True, default=None, help=text)


@click.command()
@click.argument("data", type=Existing("a prepared set, a shard, or the folder of a training run"))
@click.option("-o", "--out", "run", type=_PATH, default=Path("runs/jdrl"), show_default=True, help="Folder of the run.")
@click.option("--resume", is_flag=True, help="Go on with the run DATA, or the one in --out, with the options it has.")
@click.option("--config", "config_path", type=FILE, help="TOML file of options; the command line wins.")
@click.option(
    "--recipe",
    type=click.Choice(["paper", "released", "two-stage", "cpu"]),
    help="Source of the defaults; cpu: a small network in ten minutes.  [default: paper]",
)
@click.option(
    "--model", help="A name of `sdd-bench models`, package.module:factory, or path/file.py:factory.  [default: unet]"
)
@click.option("--width", type=int, help="Channels of the network's first stage; 64 in the paper's U-Net.")
@model_option
@click.option("--init", type=Existing("a checkpoint"), help="Checkpoint from which the deblurring network starts.")
@click.option("--crop", type=int, help="Side of the crops in pixels.  [default: 512, or that of the patches]")
@click.option("--batch", type=int, help="Patches per step, over all devices.  [default: 1]")
@click.option("--accumulate", type=int, help="Gradient accumulation: parts per step and device.")
@click.option("--steps", type=int, help="End after so many steps, whatever the epochs.")
@click.option("--max-minutes", type=float, help="End after so many minutes of steps, with the best network so far.")
@click.option("--epochs", type=int, help="Epochs of both stages together.  [default: 100]")
@click.option(
    "--stage-one-epochs", type=int, help="First epochs, with flow taken between blurry and sharp.  [default: 15]"
)
@click.option("--reblur-epochs", type=int, help="Epochs before these that train the reblurring network alone.")
@click.option("--learning-rate", type=float, help="Learning rate at the start.  [default: 2e-5]")
@click.option(
    "--perceptual-weight", type=float, help="Weight of LPIPS in the loss; 0.02 for fine-tuning.  [default: 0]"
)
@click.option("--edge-weight", type=float, help="Weight of the edge loss; MPRNet's paper has 0.05.  [default: 0]")
@click.option("--clip", type=float, help="Clip gradients to this norm.")
@click.option("--mask", type=click.Choice(["magnitude", "similarity", "released", "none"]), help="Calibration mask.")
@click.option(
    "--loss",
    type=click.Choice(["adaptive", "contextual", "cobi", "cobi-released"]),
    help="Loss of the deblurred picture: the paper's, or contextual (bilateral), without flow.  [default: adaptive]",
)
@click.option("--loss-weights", type=FILE, help="torchvision's VGG19 for that loss.  [default: our AlexNet]")
@_flag("--vanilla", "Table 4 #1: Charbonnier against sharp as captured, nothing else.")
@_flag("--no-flow", "#2: without deformation; reblurring stays.")
@_flag("--no-mask", "#3: without the calibration mask.")
@_flag("--no-reblur", "#4: without the reblurring network.")
@_flag("--free-kernels", "#5: free kernels of each size.")
@_flag("--no-weight-maps", "#6: one isotropic kernel of full size.")
@_flag("--no-cycle", "One direction of deformation only.")
@click.option("--flow", help="pwcnet-plain, pwcnet, dis or ptlflow:NAME.  [default: pwcnet-plain]")
@click.option(
    "--match",
    type=click.Choice(["none", "gain", "gain+field", "tone"]),
    help="Bring sharp pictures to the light of the blurry ones before every loss; for captures.  [default: none]",
)
@click.option("--light", type=FILE, help="misalignment.csv of analyze: --match takes its transfers, not its own.")
@click.option("--precision", type=click.Choice(["32", "bf16-mixed", "16-mixed"]), help="Precision.  [default: 32]")
@click.option(
    "--device",
    "--accelerator",
    "accelerator",
    help="Torch device: cpu, cuda, cuda:1, ..., or auto for a GPU where there is one.  [default: auto]",
)
@_flag("--compile", "Compile the deblurring network.")
@threads_option
@click.option("--workers", type=int, help="Processes that read patches.")
@click.option("--seed", type=int, help="Seed of weights, crops and order.")
@_flag("--export-program", "Also write the best network as an ExportedProgram.")
@set_option
@json_option
@handle_errors
def command(
    data: Path,
    run: Path,
    resume: bool,
    config_path: Path | None,
    assignments: dict[str, str],
    model_options: dict[str, Any],
    as_json: bool,
    **options: Any,
) -> None:
    """Train on the patches of DATA, a prepared set or a shard; or go on with DATA, the folder of a run.

    Before the first step it says how long the run will take; in the end it compares the held-out patches with the
    blurry input. Curves and sample pictures stand in RUN/report.html, and in RUN/tensorboard while it trains.

    Under torchrun all processes train together. SIGTERM or Ctrl-C saves and leaves with status 130; a second one leaves
    at once. The same command again goes on, also after a crash, and ends with the same weights. The run knows its
    options: only one that is given and differs is refused.
    """
    from sdd_bench.core.executors import reuse_memory
    from sdd_bench.prepared.shards import shard_paths

    reuse_memory()
    if not (resume and (data / "config.toml").is_file()):
        shard_paths(data)
    from sdd_bench.training.config import load_train_config  # imports torch: not for a folder without patches
    from sdd_bench.training.run import begun, train

    given = options | {"model_options": model_options or None} | assignments
    if resume and (earlier := begun(data)):
        run, data = data, earlier[0]
    known = begun(run)
    config = load_train_config(config_path or (known and known[1]), given, data=data)
    first = os.environ.get("RANK", "0") == "0"  # under torchrun the first process speaks
    if first:
        say_if_bf16_is_slow(config.precision, config.accelerator)
    with progress_bar("train", unit="step") as on_progress:
        report = train(data, run, config, resume=True, on_progress=on_progress, on_say=_say if first else None)
    if not first:
        sys.exit(not report.finished)
    if as_json:
        echo_json(
            {
                "run": str(report.run),
                "finished": report.finished,
                "step": report.step,
                "n_steps": report.n_steps,
                "best_step": report.best_step,
                "best_psnr": report.best_psnr,
                "blurry_psnr": report.blurry_psnr,
                "model": None if report.model is None else str(report.model),
                "page": None if report.page is None else str(report.page),
            }
        )
    elif report.finished:
        click.echo(
            f"model: {report.model} (step {report.best_step or report.step} of {report.n_steps}, {_score(report)})"
        )
        if report.step < report.n_steps:
            _say(f"the time is up at step {report.step} (--max-minutes); the same command trains for as long again.")
    if report.page is not None and not as_json:
        click.echo(f"page: {report.page}")
    if not report.finished:
        click.echo(f"stopped at step {report.step} of {report.n_steps}; run the same command to go on.", err=True)
        sys.exit(INTERRUPTED)


def _say(line: str) -> None:
    click.echo(line, err=True)


def _score(report: TrainReport) -> str:
    """Score of the held-out patches beside that of their blurry pictures."""
    if report.best_psnr is None:
        return "nothing held out"
    score = f"held-out PSNR {report.best_psnr:.2f} dB"
    if report.gain is None:
        return score
    return f"{score}, {report.gain:+.2f} dB over the blurry input" + (": below it" if report.gain < 0 else "")
