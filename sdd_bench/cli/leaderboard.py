"""``sdd-bench leaderboard``: tables, statistics and a page of results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sdd_bench.cli.common import (
    device_option,
    echo_json,
    echo_table,
    finish,
    handle_errors,
    jobs_option,
    json_option,
    out_argument,
    progress_bar,
    threads_option,
)
from sdd_bench.cli.groups import Group
from sdd_bench.cli.inputs import FILE, PICTURES, PREDICTIONS, RUN
from sdd_bench.cli.pairing import data_options
from sdd_bench.core.types import GroundTruth, Problem
from sdd_bench.core.words import counted

if TYPE_CHECKING:
    from sdd_bench.captures.layouts import PairList

TRUTHS = tuple(truth.value for truth in GroundTruth)
METRICS = ("psnr", "ssim", "mae", "lpips")
_FOLDER = click.Path(path_type=Path, file_okay=False)

leaderboards_option = click.option(
    "--leaderboards", type=_FOLDER, default=Path("leaderboards"), show_default=True, metavar="DIR",
    help="Folder of tables.",
)  # fmt: skip
dataset_option = click.option("--dataset", metavar="NAME", help="Name of the table; the run's dataset by default.")


def _open(data: Path, where: dict[str, Any]) -> PairList:
    from sdd_bench.prepared.open import open_dataset

    return open_dataset(data, **where)


@click.group(cls=Group)
def command() -> None:
    """Tables people can trust: check, add, verify, compare, render, strip, export, bundle."""


@command.command()
@click.argument("run", type=RUN)
@dataset_option
@json_option
@handle_errors
def check(run: Path, dataset: str | None, as_json: bool) -> None:
    """Check whether RUN can be listed, and print what is missing."""
    from dataclasses import asdict

    from sdd_bench.leaderboard.runs.check import check_run

    checks = check_run(run, dataset=dataset)
    missing = sum(item.status == "missing" for item in checks)
    if as_json:
        echo_json({"listable": not missing, "checks": [asdict(item) for item in checks]})
    else:
        for item in checks:
            click.echo(f"{item.status:8s}{item.what:15s}{item.detail}")
        click.echo("")
        click.echo(
            f"cannot be listed: {missing} missing." if missing else f"can be listed: sdd-bench leaderboard add {run}"
        )
    if missing:
        raise SystemExit(1)


@command.command()
@click.argument("run", type=RUN)
@leaderboards_option
@dataset_option
@click.option("--trained-on", default="", metavar="TEXT", help="Training data of the method, e.g. dpdd or dpdd+lfdof.")
@click.option("--input", "given", type=click.Choice(["single", "dual"]), help="One picture, or dual-pixel views.")
@click.option("--reference", default="", metavar="TEXT", help="Publication of the method.")
@click.option("--replace", is_flag=True, help="Replace the run of the same method and protocol.")
@json_option
@handle_errors
def add(
    run: Path, leaderboards: Path, dataset: str | None, given: str | None, replace: bool, as_json: bool, **labels: str
) -> None:
    """Enter RUN into its table, after recomputing its means."""
    from dataclasses import asdict

    from sdd_bench.leaderboard.tables.add import add as add_run

    entries = add_run(run, leaderboards, dataset=dataset, input=given or "", replace=replace, **labels)
    if as_json:
        echo_json([asdict(entry) for entry in entries])
        return
    for entry in entries:
        click.echo(f"added {entry.method} ({entry.ground_truth}) to {leaderboards / entry.dataset}.csv")


@command.command()
@leaderboards_option
@click.option(
    "--bundle", type=FILE, help="Check a bundle in place of the tables; with --data, score a sample of it again."
)
@click.option("--rerun", type=RUN, metavar="RUN", help="Score a random sample of this run's pictures again.")
@click.option("--data", type=PICTURES, help="With --rerun: the dataset, with the options that it was evaluated with.")
@data_options()
@click.option("--predictions", type=PREDICTIONS, help="With --rerun: the predictions that were scored.")
@click.option(
    "--sample", type=click.IntRange(min=1), default=3, show_default=True, help="With --rerun: number of pictures."
)
@click.option("--seed", type=int, help="With --rerun: seed of the choice of pictures.")
@device_option("With --rerun: torch device")
@threads_option
@click.option(
    "--flow-weights",
    type=FILE,
    help="With --rerun: the run's own flow weights.",
)
@json_option
@handle_errors
def verify(
    leaderboards: Path,
    bundle: Path | None,
    rerun: Path | None,
    data: Path | None,
    predictions: Path | None,
    sample: int,
    seed: int | None,
    device: str,
    flow_weights: Path | None,
    as_json: bool,
    where: dict[str, Any],
) -> None:
    """Check every table: schema, order, ranges, hashes, agreement with its runs; --rerun: scores and protocol."""
    if bundle is not None:
        if rerun is not None or predictions is not None:
            raise click.UsageError(
                "--bundle brings its run and predictions along; leave out --rerun and --predictions."
            )
        options = {"n_pictures": sample, "seed": seed, "device": device, "flow_weights": flow_weights}
        _verify_bundle(bundle, None if data is None else _open(data, where), as_json, **options)
        return
    if rerun is not None:
        if data is None or predictions is None:
            raise click.UsageError("--rerun needs --data and --predictions.")
        options = {"n_pictures": sample, "seed": seed, "device": device, "flow_weights": flow_weights}
        _rerun(rerun, _open(data, where), predictions, as_json, **options)
        return
    from dataclasses import asdict

    from sdd_bench.leaderboard.tables.store import tables
    from sdd_bench.leaderboard.tables.verify import verify as verify_tables

    problems = verify_tables(leaderboards)
    if as_json:
        echo_json({"tables": [path.name for path in tables(leaderboards)], "problems": [asdict(p) for p in problems]})
    elif not problems:
        click.echo(f"{leaderboards}: all is right, tables checked: {len(tables(leaderboards))}")
    finish(problems)


def _verify_bundle(bundle: Path, data: PairList | None, as_json: bool, **options: Any) -> None:
    from dataclasses import asdict

    from sdd_bench.leaderboard.bundle import opened, verify_bundle

    problems = verify_bundle(bundle)
    if problems or data is None:
        if as_json:
            echo_json({"bundle": str(bundle), "problems": [asdict(problem) for problem in problems]})
        elif not problems:
            click.echo(f"{bundle} is right: hashes, seal, means, a prediction for every picture")
        finish(problems)
        return
    with opened(bundle) as found:
        _rerun(found.run.folder, data, found.predictions, as_json, **options)


def _rerun(run: Path, data: PairList, predictions: Path, as_json: bool, **options: Any) -> None:
    from dataclasses import asdict

    from sdd_bench.leaderboard.runs.rerun import rerun, rerun_problems

    with progress_bar("scoring again", unit="picture") as on_progress:
        results = rerun(run, data, predictions, on_progress=on_progress, **options)
    if as_json:
        echo_json([asdict(item) | {"agrees": item.agrees} for item in results])
    else:
        figures = [item for item in results if item.image]
        pictures = sorted({item.image for item in figures})
        agree = sum(item.agrees for item in figures)
        click.echo(
            f"{agree} of {len(figures)} figures of {counted(len(pictures), 'picture')} agree ({', '.join(pictures)})"
        )
        same = all(item.agrees for item in results if not item.image)
        click.echo("the protocol is as stated" if same else "the protocol is not as stated")
    finish(rerun_problems(results))


@command.command()
@click.argument("methods", nargs=-1, required=True)
@leaderboards_option
@click.option("--dataset", metavar="NAME", help="Take methods from the table of this dataset.")
@click.option(
    "--ground-truth",
    type=click.Choice(TRUTHS),
    default="registered",
    show_default=True,
)
@click.option("--metric", "metrics", multiple=True, type=click.Choice(METRICS), help="Default: all.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw the differences: FILE.svg and FILE.png.")
@click.option("--resamples", type=click.IntRange(min=100), default=10_000, show_default=True, help="Draws.")
@click.option("--seed", type=int, default=2023, show_default=True, help="Seed of the draws.")
@json_option
@handle_errors
def compare(
    methods: tuple[str, ...],
    leaderboards: Path,
    dataset: str | None,
    ground_truth: str,
    metrics: tuple[str, ...],
    plot: Path | None,
    resamples: int,
    seed: int,
    as_json: bool,
) -> None:
    """Compare METHODS: two or more run folders, or names in a table (with --dataset).

    Paired over the same pictures, scene by scene: difference (positive: the first is better) with its 95 % interval,
    permutation test, Holm's correction over all pairs, effect size (Cohen's d_z), probability of superiority, and rank
    intervals. A difference is shown where p (Holm) is below 5 %, the interval leaves out zero, and the difference is no
    smaller than what the ground truth's own errors cost (ceiling). Fewer than six scenes cannot show a difference.
    Infinite PSNR (equal pictures) counts as 100 dB in all of these; the mean leaves it out and gives the number.
    """
    from sdd_bench.leaderboard.text import compare_methods, write_drawing

    if len(methods) < 2:
        raise click.UsageError("compare needs at least two methods.")
    result = compare_methods(
        methods,
        leaderboards=leaderboards,
        dataset=dataset,
        truth=ground_truth,
        metrics=metrics,
        n_resamples=resamples,
        seed=seed,
    )
    drawn = [] if plot is None else list(write_drawing(result.drawing(), plot))
    if as_json:
        echo_json(result.as_json() | ({"plot": [str(path) for path in drawn]} if drawn else {}))
        return
    for title, columns, rows in result.tables():
        echo_table(title, columns, rows)
    for path in drawn:
        click.echo(f"plot: {path}")


@command.command()
@out_argument()
@leaderboards_option
@click.option(
    "--pictures", "runs", type=RUN, multiple=True, metavar="RUN",
    help="Show the pictures of this run folder. Repeat for more runs.",
)  # fmt: skip
@click.option(
    "--pictures-from", "moved", type=(RUN, PICTURES, PREDICTIONS), multiple=True, metavar="RUN DATA PREDICTIONS",
    help="The same for a run whose pictures lie elsewhere now: its folder, its dataset, its predictions.",
)  # fmt: skip
@data_options()
@click.option("--title", default="Leaderboards", show_default=True, help="Title of the pages.")
@jobs_option
@json_option
@handle_errors
def render(
    out: Path,
    leaderboards: Path,
    runs: tuple[Path, ...],
    moved: tuple[tuple[Path, Path, Path], ...],
    title: str,
    jobs: int,
    as_json: bool,
    where: dict[str, Any],
) -> None:
    """Write pages of all tables into OUT; they need no server and no network.

    Exit status 1: something could not be shown; it is listed, and the rest is written.
    """
    from sdd_bench.leaderboard.site.media import PictureSource
    from sdd_bench.leaderboard.site.site import render_site

    sources = [PictureSource.open(run) for run in runs]
    sources += [PictureSource.open(run, _open(data, where), predictions) for run, data, predictions in moved]
    problems: list[Problem] = []
    with progress_bar("rendering", unit="page") as on_progress:
        index = render_site(
            leaderboards,
            out,
            sources=sources,
            title=title,
            jobs=jobs,
            on_progress=on_progress,
            on_problem=problems.append,
        )
    if as_json:
        echo_json({"page": str(index)})
    else:
        click.echo(f"page: {index}")
    finish(problems)


def _places(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> list[tuple[int, ...]]:
    """Crops given as ``X,Y,W,H``."""
    places = []
    for value in values:
        parts = value.split(",")
        if len(parts) != 4 or not all(part.strip().isdecimal() for part in parts):
            raise click.BadParameter(f"{value!r} is no crop; expected X,Y,W,H in pixels, such as 640,200,160,120.")
        places.append(tuple(int(part) for part in parts))
    return places


@command.command()
@click.argument("runs", nargs=-1, required=True, type=RUN)
@click.option("--picture", required=True, metavar="NAME", help="Name of the picture, as its page and the run give it.")
@click.option(
    "--crop", "places", multiple=True, callback=_places, metavar="X,Y,W,H",
    help="What to cut out; repeat for more.  [default: the two places with the most detail]",
)  # fmt: skip
@click.option("--labels/--no-labels", default=True, show_default=True, help="Names of the methods above.")
@click.option(
    "-o", "--out", type=click.Path(path_type=Path, dir_okay=False), default=Path("strip.png"), show_default=True,
    help="PNG or TIFF to write.",
)  # fmt: skip
@json_option
@handle_errors
def strip(
    runs: tuple[Path, ...],
    picture: str,
    places: list[tuple[int, int, int, int]],
    labels: bool,
    out: Path,
    as_json: bool,
) -> None:
    """Write a strip of crops for a paper: the blurry picture, that of every RUN, and the sharp one.

    Pixels are those that were scored, neither scaled nor compressed with loss. The pages have such a strip of every
    picture, too.
    """
    from sdd_bench.images.write import check_suffix, write_image
    from sdd_bench.leaderboard.site.media import PictureSource
    from sdd_bench.leaderboard.site.strips import strip_of_runs

    check_suffix(out)
    drawn = strip_of_runs([PictureSource.open(run) for run in runs], picture, places=places, labels=labels)
    write_image(out, drawn)
    if as_json:
        echo_json({"strip": str(out), "width": drawn.shape[1], "height": drawn.shape[0]})
    else:
        click.echo(f"strip: {out} ({drawn.shape[1]}x{drawn.shape[0]})")


@command.command()
@click.argument("run", type=RUN)
@out_argument(dir_okay=False)
@click.option("--predictions", type=PREDICTIONS, required=True, help="The predictions that were scored.")
@json_option
@handle_errors
def bundle(run: Path, out: Path, predictions: Path, as_json: bool) -> None:
    """Pack RUN, its predictions and a readme into OUT.zip, which anyone can check: verify --bundle OUT.zip."""
    from sdd_bench.leaderboard.runs.read import read_run

    read_run(run)
    from sdd_bench.leaderboard.bundle import write_bundle  # imports torch: not for a folder without a run

    written = write_bundle(run, predictions, out)
    if as_json:
        echo_json({"bundle": str(written), "n_bytes": written.stat().st_size})
    else:
        click.echo(f"bundle: {written} ({written.stat().st_size / 1e6:.1f} MB)")


@command.command()
@leaderboards_option
@click.option("--dataset", "datasets", multiple=True, metavar="NAME", help="Table; repeat for more.  [default: all]")
@click.option(
    "--format", "form", type=click.Choice(["latex", "markdown", "json", "csv"]), default="markdown", show_default=True
)
@click.option("--ground-truth", "truths", multiple=True, type=click.Choice(TRUTHS), help="Default: all.")
@click.option("--metric", "metrics", multiple=True, type=click.Choice(METRICS), help="Default: all.")
@click.option("-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="File.  [default: print it]")
@click.option("--schema", is_flag=True, help="Print the JSON schema of --format json, and nothing else.")
@handle_errors
def export(
    leaderboards: Path,
    datasets: tuple[str, ...],
    form: str,
    truths: tuple[str, ...],
    metrics: tuple[str, ...],
    out: Path | None,
    schema: bool,
) -> None:
    """Write tables for a paper (LaTeX with booktabs), a page (Markdown), or programs (JSON, CSV).

    Bold is what is green on the page: certainly behind none, certainly ahead of some other method, and not below its
    input. JSON always has all metrics and ground truths.
    """
    import json

    from sdd_bench.core.storage.files import write_text
    from sdd_bench.leaderboard.export import collect
    from sdd_bench.leaderboard.export.formats import FORMATS

    if schema:
        echo_json(collect.schema())
        return
    standings = collect.read_standings(leaderboards, datasets)
    if form == "json":
        text = json.dumps(collect.as_json(standings), indent=2, ensure_ascii=False) + "\n"
    else:
        text = FORMATS[form](standings, truths or TRUTHS, metrics or METRICS)
    if out is None:
        click.echo(text, nl=False)
    else:
        write_text(out, text)
