"""``sdd-bench evaluate``: score a folder of predictions against raw, warped, registered and matched ground truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sdd_bench.cli.common import (
    CACHE_HELP,
    CACHE_LIMIT_HELP,
    device_option,
    echo_json,
    echo_table,
    finish,
    fitting_jobs_options,
    handle_errors,
    json_option,
    progress_bar,
    say_if_bf16_is_slow,
)
from sdd_bench.cli.inputs import FILE, PICTURES, PREDICTIONS, config_option
from sdd_bench.cli.pairing import data_options
from sdd_bench.core.types import WarpMode
from sdd_bench.core.words import counted

if TYPE_CHECKING:
    from sdd_bench.evaluation.options import EvaluateOptions

_FOLDER = click.Path(path_type=Path)


@click.command()
@click.argument("data", type=PICTURES)
@click.option(
    "--predictions",
    required=True,
    type=PREDICTIONS,
    help="Folder of PNG, TIFF, JPEG or .npy files, named after the blurry ones.",
)
@click.option("-o", "--out", type=_FOLDER, help="Run folder.  [default: runs/METHOD]")
@click.option("--method", help="Name of the method.  [default: name of the folder of predictions]")
@data_options()
@click.option("--metrics", default="psnr,ssim,mae,lpips", show_default=True, help="A leaderboard needs all four.")
@click.option(
    "--extra",
    default="",
    metavar="NAMES",
    help="Extra measures, never ranked: dists, niqe-style, blur-effect, psnr-shift, psnr-valid, ssim-valid, mae-valid, "
    "or package.module:function (code: name only what you trust).",
)
@click.option(
    "--flow",
    default="pwcnet",
    show_default=True,
    help="pwcnet (refined), pwcnet-plain (as in the paper), dis or ptlflow:NAME.",
)
@click.option("--flow-weights", type=FILE, help="Checkpoint in place of the bundled weights.")
@click.option("--flow-max-size", type=click.IntRange(min=64), help="Longest side at which flow is estimated.")
@click.option(
    "--precision",
    type=click.Choice(["32", "bf16"]),
    default="32",
    show_default=True,
    help="Precision of the flow network.",
)
@click.option(
    "--warp", type=click.Choice([mode.value for mode in WarpMode]), default=WarpMode.EXACT.value, show_default=True
)
@click.option(
    "--match",
    type=click.Choice(["gain", "gain+field", "tone", "none"]),
    default="gain",
    show_default=True,
    help="How matched ground truth takes on the light of the blurry picture: a gain per channel, with vignetting, a "
    "tone curve per channel, or not at all.",
)
@click.option(
    "--resize", default="none", show_default=True, help="Resizing of blurry and sharp: none, a factor or WIDTHxHEIGHT."
)
@click.option(
    "--crop",
    type=click.Choice(["error", "topleft", "center"]),
    default="error",
    show_default=True,
    help="How the network cropped its input, for predictions smaller than the ground truth.",
)
@click.option(
    "--crop-to",
    metavar="WxH",
    help="Score this middle part (or as --crop says) of every picture, also of full-size predictions: the same for all "
    "methods of a comparison.",
)
@click.option("--suffix", help="End of the predictions' names, as _out in 0001_out.png.  [default: the common one]")
@device_option("Torch device of flow and LPIPS")
@click.option("--limit", type=click.IntRange(min=1), help="Score only the first N pairs (an incomplete run).")
@click.option("--cache", "cache_folder", type=_FOLDER, help=CACHE_HELP)
@click.option("--cache-limit", type=float, metavar="GB", help=CACHE_LIMIT_HELP)
@click.option("--no-cache", is_flag=True, help="Neither read nor write the cache.")
@click.option("--save-flow", is_flag=True, help="Keep the flow of warped truth, and where it is shown, in RUN/flow.")
@click.option("--save-warped", is_flag=True, help="Keep warped, registered and matched ground truth in RUN/warped.")
@click.option(
    "--no-truth", is_flag=True, help="DATA has no sharp pictures: motion, sharpness, noise and --extra alone."
)
@click.option("--report", is_flag=True, help="Write a page with pictures to RUN/report; keeps flow and warped too.")
@fitting_jobs_options
@config_option
@json_option
@handle_errors
def command(
    data: Path,
    predictions: Path,
    out: Path | None,
    method: str | None,
    where: dict[str, Any],
    metrics: str,
    extra: str,
    cache_folder: Path | None,
    cache_limit: float | None,
    no_cache: bool,
    no_truth: bool,
    report: bool,
    jobs: int | None,
    dask: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Score PREDICTIONS on DATA: a prepared set, a folder of captures, or a CSV of pairs.

    With --no-truth DATA needs no sharp pictures: any folder of blurry ones will do. What is measured then is what a
    method does to its input: drift, deformation, gain of sharpness and of noise, and measures without reference.

    Run the same command again to go on after an interruption. Exit status 1: some predictions are missing, extra or
    cannot be used; they are listed, the others are scored.
    """
    from sdd_bench.core.executors import no_garbage, reuse_memory
    from sdd_bench.evaluation.jobs import fitting_jobs
    from sdd_bench.evaluation.options import EvaluateOptions, check_method
    from sdd_bench.prepared.open import open_dataset

    if no_cache and cache_folder is not None:
        raise click.UsageError("--cache and --no-cache exclude each other.")
    reuse_memory()
    method = check_method(method if method is not None else predictions.resolve().name)
    options |= {"save_flow": options["save_flow"] or report, "save_warped": options["save_warped"] or report}
    chosen = EvaluateOptions(metrics=tuple(metrics.split(",")), extra=tuple(filter(None, extra.split(","))), **options)
    say_if_bf16_is_slow(chosen.precision, chosen.device)
    if no_truth:
        if report:
            raise click.UsageError("--report shows scores against sharp pictures; leave it out with --no-truth.")
        _describe(data, predictions, out or Path("runs") / method, method, chosen, where, jobs or 1, dask, as_json)
        return
    dataset = open_dataset(data, **where)
    if jobs is None:
        jobs = fitting_jobs(dataset.pairs[: chosen.limit]) if dask is None and chosen.device == "cpu" else 1
    if jobs == 1 and dask is None:
        from sdd_bench.evaluation.picture.ahead import read_first_ahead

        read_first_ahead(dataset.pairs, predictions, out or Path("runs") / method, chosen)
    with no_garbage():
        from sdd_bench.evaluation.picture.cache import SharedCache, open_cache
        from sdd_bench.evaluation.run import evaluate  # imports torch: not for a folder without pairs

    cache = SharedCache() if no_cache else open_cache(cache_folder, cache_limit)
    for note in (*dataset.notes, *filter(None, [cache.note])):
        click.echo(note, err=True)
    with progress_bar("evaluate", unit="picture") as on_progress:
        done = evaluate(
            dataset,
            predictions,
            out or Path("runs") / method,
            method=method,
            options=chosen,
            cache=cache,
            jobs=jobs,
            dask=dask,
            on_progress=on_progress,
        )
    page = _write_page(done.run, jobs) if report else None
    if as_json:
        echo_json(done.summary | ({"page": str(page)} if page else {}))
    else:
        _show(done.summary, done.run)
        if page is not None:
            click.echo(f"page: {page}")
    finish(done.problems)


def _describe(
    data: Path,
    predictions: Path,
    out: Path,
    method: str,
    options: EvaluateOptions,
    where: dict[str, Any],
    jobs: int,
    dask: str | None,
    as_json: bool,
) -> None:
    from sdd_bench.prepared.open import open_pictures

    pictures = open_pictures(data, **where)
    from sdd_bench.evaluation.no_truth.run import evaluate_without_truth  # imports torch
    from sdd_bench.evaluation.no_truth.text import COLUMNS, figure_lines

    for note in pictures.notes:
        click.echo(note, err=True)
    with progress_bar("evaluate", unit="picture") as on_progress:
        done = evaluate_without_truth(
            pictures, predictions, out, method=method, options=options, jobs=jobs, dask=dask, on_progress=on_progress
        )
    if as_json:
        echo_json(done.summary)
    else:
        count = f"{done.summary['n_images']} of {counted(done.summary['dataset']['n_pictures'], 'picture')}"
        echo_table(f"{method} without ground truth ({count})", COLUMNS, figure_lines(done.summary))
        for note in done.summary["notes"]:
            click.echo(f"- {note}")
        click.echo(f"run: {done.run}")
    finish(done.problems)


def _write_page(run: Path, jobs: int) -> Path:
    from sdd_bench.leaderboard.site.media import PictureSource
    from sdd_bench.leaderboard.site.site import render_run

    with progress_bar("report", unit="page") as on_progress:
        return render_run(PictureSource.open(run), run / "report", jobs=jobs, on_progress=on_progress)


def _show(summary: dict[str, Any], run: Path) -> None:
    from sdd_bench.evaluation.text import (
        COLUMNS,
        TITLES,
        extra_lines,
        group_lines,
        level_lines,
        motion_lines,
        pair_lines,
        region_lines,
        score_lines,
    )

    count = f"{summary['n_images']} of {counted(summary['n_expected'], 'picture')}"
    title = f"{summary['method']} on {summary['dataset']['name']} ({summary['dataset']['split']}, {count})"
    echo_table(f"{title}: mean [95 % interval]", COLUMNS, score_lines(summary))
    moved = ("what moved", "pictures", "of the picture", "by, on average", "")
    echo_table("motion between blurry and sharp", moved, pair_lines(summary))
    echo_table("motion against the blurry input", ("method", "drift_px", "deform_px"), motion_lines(summary))
    title = f"where {summary['method']} helps: gain over the input by blur of the region"
    echo_table(title, ("blur, px", "of the picture", "pictures", "gain, dB"), region_lines(summary))
    if summary["extras"]:
        columns = ("measure", "ground truth", "method", "mean [95 % interval]")
        echo_table("extra measures, not ranked", columns, extra_lines(summary))
    metric = summary["metrics"][0]
    tables = (
        ("group", group_lines(summary, metric)),
        ("blur, px", level_lines(summary["blur_levels"], metric)),
        ("misalignment, px", level_lines(summary["misalignment_bins"], metric)),
    )
    for name, lines in tables:
        if len(lines) > 1:
            echo_table(f"{TITLES[metric]} of {summary['method']} by {name}", (name, "pictures", *COLUMNS[2:]), lines)
    for note in summary["notes"]:
        click.echo(f"- {note}")
    for signature in summary["signature"].values():
        click.echo(signature)
    click.echo(f"run: {run}")
