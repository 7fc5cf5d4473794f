"""``sdd-bench demo``: the whole chain on synthetic data, without a download."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from sdd_bench.cli.common import echo_json, echo_table, handle_errors, jobs_option, json_option, progress_bar
from sdd_bench.core.errors import SddBenchError
from sdd_bench.core.types import OnProgress

_CLASSICAL = {
    "unsharp": "an unsharp mask, the simplest deblurring there is",
    "ebdb": "a classical method, blur measured at edges and deconvolved",
}


@dataclass(frozen=True)
class DemoScale:
    """Sizes of a demonstration."""

    width: int = 960
    height: int = 640
    n_train: int = 4
    n_test: int = 6
    """Number of test pictures; six are the fewest whose sign flips can reach 5 %."""
    patch: int = 256
    crop: int = 128
    epochs: int = 10
    stage_one_epochs: int = 8


SHORT = DemoScale(width=480, height=320, n_train=2, n_test=2, patch=128, crop=64, epochs=2, stage_one_epochs=1)
"""Sizes at which every step runs in about a minute in all, to see that an installation works."""


@dataclass(frozen=True)
class DemoReport:
    """Paths of the results of a demonstration."""

    analysis: Path
    runs: tuple[Path, ...]
    leaderboards: Path
    page: Path


def run_demo(
    out: Path, step: Callable[[str], OnProgress], scale: DemoScale | None = None, *, jobs: int = 1
) -> DemoReport:
    """Run synth, analyze, prepare, train-jdrl, predict, evaluate, leaderboard and page, all under ``out``.

    Finished parts are kept, so an interrupted demonstration can be continued.

    Args:
        out: Folder of all results.
        step: Function that is called with the name of each step as it begins. It returns the function that is called
            with the progress of this step.
        scale: Sizes; None for the full demonstration.
        jobs: Local processes, for all steps but training.
    """
    from sdd_bench import weights
    from sdd_bench.analysis.run import analyze
    from sdd_bench.evaluation.picture.cache import open_cache
    from sdd_bench.evaluation.run import evaluate
    from sdd_bench.leaderboard.site.media import PictureSource
    from sdd_bench.leaderboard.site.site import render_site
    from sdd_bench.leaderboard.tables.add import add
    from sdd_bench.models.network import load_network
    from sdd_bench.prediction.classical import load_classical
    from sdd_bench.prediction.run import pictures_of, predict
    from sdd_bench.preparation.options import PrepareOptions
    from sdd_bench.preparation.run import prepare
    from sdd_bench.prepared.open import open_dataset
    from sdd_bench.synth.options import SynthOptions
    from sdd_bench.synth.run import synthesize

    scale = scale or DemoScale()
    captures, prepared, leaderboards = out / "captures", out / "prepared", out / "leaderboards"
    options = SynthOptions(
        width=scale.width,
        height=scale.height,
        n_train=scale.n_train,
        n_test=scale.n_test,
        zoom_range=(0.99, 1.01),
        shift_range=(-6, 6),
        coc_range=(4, 10),
        truth="full",
    )
    synthesize(captures, options, jobs=jobs, on_progress=step("synth: captures whose misalignment is known"))
    measured = analyze(
        open_dataset(captures, split=None),
        out / "analysis",
        jobs=jobs,
        on_progress=step("analyze: zoom, shift, rotation"),
    )
    patches = PrepareOptions(resize="none", patch=scale.patch, overlap=0.5)
    prepare(captures, prepared, patches, jobs=jobs, on_progress=step("prepare: checked pairs to patches in shards"))

    dataset = open_dataset(prepared)
    pictures = pictures_of(prepared)
    for method, name in _CLASSICAL.items():
        on_progress = step(f"predict: {name}")
        predict(load_classical(method), pictures, out / "predictions" / method, jobs=jobs, on_progress=on_progress)
    networks = (
        ("jdrl-tiny", _train(prepared, out / "training", step, scale), "predict: that network"),
        ("unet-folded", weights.path("unet-folded"), "predict: the network that comes with the package"),
    )
    for method, checkpoint, name in networks:
        predict(load_network(checkpoint), pictures, out / "predictions" / method, jobs=jobs, on_progress=step(name))

    runs, cache = [], open_cache(out / "cache")
    for method in (*_CLASSICAL, *(method for method, _, _ in networks)):
        predictions = out / "predictions" / method
        on_progress = step(f"evaluate: {method}, four metrics, three ground truths")
        runs.append(
            evaluate(dataset, predictions, out / "runs" / method, cache=cache, jobs=jobs, on_progress=on_progress).run
        )
        add(runs[-1], leaderboards, dataset="demo", reference="sdd-bench demo", replace=True)
    page = render_site(
        leaderboards,
        out / "page",
        sources=[PictureSource.open(run) for run in runs],
        title="sdd-bench demo",
        jobs=jobs,
        on_progress=step("leaderboard: a page to look at"),
    )
    return DemoReport(measured.out / "analysis.html", tuple(runs), leaderboards / "demo.csv", page)


def _train(prepared: Path, run: Path, step: Callable[[str], OnProgress], scale: DemoScale) -> Path:
    """Network of a short training."""
    from sdd_bench.training.config import TrainConfig
    from sdd_bench.training.run import train

    config = TrainConfig(
        model="unet-small",
        reblur_width=16,
        crop=scale.crop,
        batch=4,
        epochs=scale.epochs,
        stage_one_epochs=scale.stage_one_epochs,
        learning_rate=1e-3,
        warm_up=20 if scale.epochs > 2 else 0,
        val_patches=8 if scale.epochs > 2 else 2,
    )
    on_progress = step("train-jdrl: a small U-Net, for a short while")
    trained = train(prepared, run, config, resume=run.exists(), on_progress=on_progress)
    if trained.model is None:
        raise SddBenchError(f"{run}: stopped at step {trained.step} of {trained.n_steps}; run the same command again.")
    return trained.model


@click.command()
@click.option(
    "-o", "--out", type=click.Path(path_type=Path), default=Path("demo"), show_default=True, help="Folder of results."
)
@click.option("--short", is_flag=True, help="Run every step on tiny pictures, in about a minute.")
@jobs_option
@json_option
@handle_errors
def command(out: Path, short: bool, jobs: int, as_json: bool) -> None:
    """Run the whole chain on a few small synthetic pairs, in minutes on two cores."""
    import contextlib

    from sdd_bench.core.errors import ManifestError
    from sdd_bench.core.storage.documents import read_json

    with contextlib.ExitStack() as bars:

        def step(name: str) -> OnProgress:
            bars.close()
            click.echo(f"== {name}", err=True)
            return bars.enter_context(progress_bar(name.split(":")[0]))

        report = run_demo(out, step, SHORT if short else None, jobs=jobs)
    if as_json:
        echo_json(
            {
                "runs": [str(run) for run in report.runs],
                "leaderboards": str(report.leaderboards),
                "page": str(report.page),
            }
        )
        return
    from sdd_bench.evaluation.text import COLUMNS, motion_lines, score_lines

    for run in report.runs:
        summary = read_json(run / "summary.json", dict, ManifestError, "Run the demonstration again.")
        echo_table(f"{summary['method']} on synthetic pairs: mean [95 % interval]", COLUMNS, score_lines(summary))
        echo_table("motion against the blurry input", ("method", "drift_px", "deform_px"), motion_lines(summary))
    click.echo(f"misalignment: {report.analysis}")
    click.echo(f"leaderboard:  {report.leaderboards}")
    click.echo(f"page:         {report.page}")
