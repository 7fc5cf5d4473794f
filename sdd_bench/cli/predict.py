"""``sdd-bench predict``: run a deblurring network or a classical method over a test split or a folder of pictures."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sdd_bench.cli.common import (
    device_of_name,
    echo_json,
    finish,
    handle_errors,
    jobs_options,
    json_option,
    model_option,
    progress_bar,
    say_if_bf16_is_slow,
)
from sdd_bench.cli.inputs import PICTURES, Existing, config_option
from sdd_bench.cli.pairing import data_options
from sdd_bench.core.words import counted

if TYPE_CHECKING:
    from sdd_bench.models.network import Network
    from sdd_bench.prediction.classical import Classical

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("data", type=PICTURES)
@click.option(
    "--checkpoint",
    type=Existing("a checkpoint, or the folder of a training run"),
    help="Weights (.safetensors, .pth), an ExportedProgram (.pt2), or a run, also one that is not finished.  "
    "[default: the network of the package]",
)
@click.option(
    "--model",
    help="A name of sdd-bench models, package.module:factory, path/file.py:factory, or spandrel (that package "
    "tells the network by its tensors); or a classical method, which needs no checkpoint: "
    "ebdb, jnb-style, wiener, richardson-lucy, unsharp, oracle-map (true blur of a synthetic set), or jnb and dmenet "
    "(checkpoint: the authors' file).  [default: what the checkpoint says]",
)
@click.option("--width", type=click.IntRange(min=1), help="Channels of the first stage.")
@click.option("--bgr/--rgb", default=None, help="Order of colours that the weights expect.")
@model_option
@click.option("-o", "--out", type=_PATH, help="Folder of predictions.  [default: predictions/MODEL]")
@data_options()
@click.option("--limit", type=click.IntRange(min=1), help="Number of pictures, from the first on.")
@click.option(
    "--memory",
    "memory_gib",
    type=float,
    default=8.0,
    show_default=True,
    help="Memory for the network in GiB, of each process.",
)
@click.option("--tile", type=click.IntRange(min=1), help="Largest side of a tile.  [default: by --memory]")
@click.option(
    "--overlap", type=click.IntRange(min=0), help="Overlap of tiles in pixels.  [default: by the receptive field]"
)
@click.option("--self-ensemble", is_flag=True, help="Mean over the eight flips and turns.")
@click.option("--bit-depth", type=click.Choice(["same", "8", "16"]), default="same", show_default=True)
@click.option("--precision", type=click.Choice(["32", "bf16"]), default="32", show_default=True)
@click.option(
    "--device",
    default="auto",
    show_default=True,
    help="Torch device: cpu, cuda, ..., or auto for a GPU where there is one (with --dask: cpu).",
)
@click.option("--lambda", "fidelity", type=float, help="Classical: weight of the data; less for noisy pictures.")
@click.option("--alpha", type=float, help="Classical: exponent of the prior of gradients.")
@click.option("--kernel", type=click.Choice(["gaussian", "gaussian-published", "disk"]), help="Classical: its shape.")
@click.option(
    "--levels",
    type=click.Choice(["blend", "published"]),
    help="Classical: blended levels of blur, or the published recipe, slow and with seams.  [default: blend]",
)
@jobs_options
@config_option
@click.option("--trust-program", is_flag=True, help="Run a checkpoint that is an ExportedProgram (.pt2): it is code.")
@json_option
@handle_errors
def command(
    data: Path,
    checkpoint: Path | None,
    model: str | None,
    width: int | None,
    bgr: bool | None,
    model_options: dict[str, Any],
    out: Path | None,
    where: dict[str, Any],
    limit: int | None,
    precision: str,
    device: str,
    fidelity: float | None,
    alpha: float | None,
    kernel: str | None,
    levels: str | None,
    jobs: int,
    dask: str | None,
    trust_program: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Deblur DATA: a prepared set, a folder in a known layout, with or without sharp pictures, a folder of pictures
    and its subfolders, or one picture.

    Predictions are PNG files with the bit depth (RAW: 16), EXIF tags and ICC profile of their pictures.

    Run the same command again to go on after an interruption. Exit status 1: some pictures could not be deblurred; they
    are listed.
    """
    from sdd_bench.core.executors import reuse_memory
    from sdd_bench.prediction.options import PredictOptions
    from sdd_bench.prepared.open import open_pictures

    reuse_memory()
    chosen = PredictOptions(**options)
    found = open_pictures(data, **where, limit=limit)
    pictures = {picture.name: picture.path for picture in found.pictures}
    from sdd_bench.prediction.classical import CLASSICAL, Classical  # imports torch: not for a folder without pictures
    from sdd_bench.prediction.run import predict, true_maps_of

    device = "cpu" if dask and device == "auto" else device_of_name(device)
    say_if_bf16_is_slow(precision, device)
    changes = {"fidelity": fidelity, "alpha": alpha, "kernel": kernel, "levels": levels}
    changes = {name: value for name, value in changes.items() if value is not None}
    network: Network | Classical
    if model is not None and model in CLASSICAL:
        if (width, bgr, model_options, precision) != (None, None, {}, "32"):
            raise click.UsageError(f"{model} is no network; leave out --width, --bgr, --model-option and --precision.")
        network = _load_classical(model, checkpoint, changes, device)
    elif changes:
        raise click.UsageError("--lambda, --alpha, --kernel and --levels are for classical methods.")
    else:
        network = _load_network(
            model,
            checkpoint,
            width,
            bgr,
            model_options,
            device=device,
            precision=precision,
            remote=bool(dask) or jobs > 1,
            trust_program=trust_program,
        )
    truth = isinstance(network, Classical) and network.needs_truth
    true_maps = true_maps_of(data, **{key: where[key] for key in ("split", "layout")}) if truth else {}
    folder = out or Path("predictions") / re.split(r"[/\\]", network.name)[-1].replace(":", "-")
    with progress_bar("predict", unit="picture") as on_progress:
        report = predict(
            network, pictures, folder, chosen, true_maps=true_maps, jobs=jobs, dask=dask, on_progress=on_progress
        )
    problems = (*report.problems, *found.problems)
    if as_json:
        echo_json(
            {
                "out": str(report.out),
                "model": network.name,
                "sha256": network.sha256,
                "n_pictures": report.n_pictures,
                "n_made": report.n_made,
                "notes": report.notes,
                "problems": [{"item": problem.item, "reason": problem.reason} for problem in problems],
            }
        )
    else:
        click.echo(f"{counted(report.n_pictures - len(report.problems), 'prediction')}: {report.out}")
    for note in report.notes:
        click.echo(f"note: {note}", err=True)
    finish(problems)


def _load_classical(model: str, checkpoint: Path | None, changes: dict[str, Any], device: str) -> Classical:
    from sdd_bench.prediction.classical import ClassicalOptions, load_classical

    return load_classical(model, weights=checkpoint, options=ClassicalOptions(**changes), device=device)


def _load_network(
    model: str | None,
    checkpoint: Path | None,
    width: int | None,
    bgr: bool | None,
    options: dict[str, Any],
    *,
    device: str,
    precision: str,
    remote: bool,
    trust_program: bool,
) -> Network:
    """The network; where others are to run it (``remote``), it is on the CPU here, and on ``device`` there."""
    from sdd_bench import weights
    from sdd_bench.models.network import load_network
    from sdd_bench.models.spec import ModelSpec
    from sdd_bench.training.checkpoints import weights_of

    if checkpoint is None:
        if model is not None:
            raise click.UsageError("--model needs --checkpoint.")
        checkpoint = weights.path("unet-folded")
    elif checkpoint.is_dir() and not any(checkpoint.glob("*.pkl")):
        run = checkpoint
        checkpoint, step = weights_of(run)
        if step is not None:
            click.echo(f"{run} is not finished: its last checkpoint, of step {step}, is used.", err=True)
    if model is None and (width, bgr, options) != (None, None, {}):
        raise click.UsageError("--width, --bgr and --model-option need --model.")
    spec = None if model is None else ModelSpec(model, width=width, bgr=bgr, options=options)
    network = load_network(
        checkpoint, spec, device="cpu" if remote else device, precision=precision, trust_program=trust_program
    )
    assert network.again is not None
    return replace(network, again=partial(network.again, device=device)) if remote else network
