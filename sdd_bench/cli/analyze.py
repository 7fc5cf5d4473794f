"""``sdd-bench analyze``: zoom, shift and rotation of every pair, or of two pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from sdd_bench.cli.common import (
    analysis_folder,
    device_option,
    echo_json,
    echo_table,
    finish,
    handle_errors,
    jobs_options,
    json_option,
    progress_bar,
    say_if_bf16_is_slow,
)
from sdd_bench.cli.inputs import FILE, PICTURES, Existing, config_option
from sdd_bench.cli.pairing import NAMES, WHERE, data_options
from sdd_bench.core.words import counted

_PATH = click.Path(path_type=Path)
_OF_A_SET = ("out", *WHERE, *NAMES, "limit", "worst", "page", "jobs", "dask")
"""Options that have no meaning for two pictures."""


@click.command()
@click.argument("data", type=PICTURES)
@click.argument("sharp", type=Existing("the sharp picture to DATA, the blurry one", only="file"), required=False)
@click.option("-o", "--out", type=_PATH, help="Folder of results.  [default: analysis-NAME OF DATA]")
@data_options(default="all", all_splits=True)
@click.option(
    "--flow", default="pwcnet-plain", show_default=True, help="pwcnet-plain, pwcnet, dis (fastest) or ptlflow:NAME."
)
@click.option("--flow-weights", type=FILE, help="Checkpoint in place of the bundled weights.")
@device_option("Torch device of the flow network")
@click.option("--precision", type=click.Choice(["32", "bf16"]), default="32", show_default=True)
@click.option(
    "--working-width", type=int, default=1024, show_default=True, help="Longer side at which flow is estimated."
)
@click.option("--aligned-px", type=float, default=0.5, show_default=True, help="Pairs that move less count as aligned.")
@click.option(
    "--nonrigid-px", type=float, default=1.0, show_default=True, help="Pairs with a larger residual count as nonrigid."
)
@click.option(
    "--match",
    type=click.Choice(["gain", "gain+field", "tone", "none"]),
    default="gain",
    show_default=True,
    help="How light may change from sharp to blurry; none: light is not measured.",
)
@click.option("--limit", type=click.IntRange(min=1), help="Number of pairs to measure, from the first on.")
@click.option("--worst", type=int, default=6, show_default=True, help="Number of pairs shown in pictures on the page.")
@click.option("--page/--no-page", default=True, show_default=True, help="Write analysis.html.")
@jobs_options
@config_option
@json_option
@handle_errors
def command(
    data: Path,
    sharp: Path | None,
    out: Path | None,
    where: dict[str, Any],
    page: bool,
    jobs: int,
    dask: str | None,
    as_json: bool,
    **values: Any,
) -> None:
    """Measure misalignment and light of blurry and sharp pictures: all pairs of DATA, or the two files BLURRY SHARP.

    Writes misalignment.csv, summary.json and analysis.html. Run the same command again to go on after an
    interruption.
    """
    from sdd_bench.analysis.options import AnalyzeOptions
    from sdd_bench.core.executors import reuse_memory
    from sdd_bench.prepared.open import open_dataset

    reuse_memory()
    options = AnalyzeOptions(**values)
    say_if_bf16_is_slow(options.precision, options.device)
    if sharp is not None:
        _refuse_options_of_a_set(click.get_current_context())
        _two_pictures(data, sharp, options, as_json)
        return
    dataset = open_dataset(data, **where)
    from sdd_bench.analysis.run import analyze  # imports torch: not for a folder without pairs

    for note in (*dataset.remarks, *dataset.shared):
        click.echo(note, err=True)
    folder = out or analysis_folder(data, **where)
    with progress_bar("analyze") as on_progress:
        done = analyze(dataset, folder, options=options, jobs=jobs, dask=dask, page=page, on_progress=on_progress)
    if as_json:
        echo_json(done.summary | {"out": str(done.out)})
    else:
        _show(done.rows, done.summary, done.out)
    finish(done.problems)


def _refuse_options_of_a_set(context: click.Context) -> None:
    names = [
        max(parameter.opts, key=len)
        for parameter in context.command.params
        if parameter.name in _OF_A_SET and context.get_parameter_source(parameter.name) is ParameterSource.COMMANDLINE
    ]
    if names:
        raise click.UsageError(
            f"two pictures are analyzed without {', '.join(names)}; leave that out, or name a set of pairs."
        )


def _two_pictures(blurry_path: Path, sharp_path: Path, options: Any, as_json: bool) -> None:
    from sdd_bench.analysis.pair import flow_of
    from sdd_bench.analysis.table import figures, light_figures
    from sdd_bench.images.pair import read_pair
    from sdd_bench.registration.light.pair import light_of_pair
    from sdd_bench.registration.measure import measure

    blurry, sharp = read_pair(blurry_path, sharp_path)
    measured = measure(blurry.pixels, sharp.pixels, flow_of(options), options=options)
    row = figures(measured)
    row |= light_figures(light_of_pair(blurry.pixels, sharp.pixels, measured.similarity, match=options.match))
    if as_json:
        echo_json(row)
    else:
        cells = [(name, "" if value is None else value) for name, value in row.items()]
        echo_table(f"{blurry_path.name} -> {sharp_path.name}", ("figure", "value"), cells)


def _show(rows: Any, summary: dict[str, Any], out: Path) -> None:
    from sdd_bench.analysis.summary import headline, light_line
    from sdd_bench.registration.evidence.roles import notes_on_set

    worst = sorted(rows, key=lambda row: -row.rms_px)[:20]
    columns = (
        "pair",
        "kind",
        "zoom",
        "shift x, px",
        "shift y, px",
        "rotation, deg",
        "RMS, px",
        "residual, px",
        "trust",
    )
    echo_table(
        f"the {len(worst)} most misaligned of {len(rows)} pairs" if len(rows) > 20 else counted(len(rows), "pair"),
        columns,
        [
            (
                row.pair_id,
                row.kind,
                f"{row.zoom:.5f}",
                f"{row.shift_x_px:.2f}",
                f"{row.shift_y_px:.2f}",
                f"{row.rotation_deg:.4f}",
                f"{row.rms_px:.2f}",
                "" if row.residual_px is None else f"{row.residual_px:.2f}",
                "; ".join(text for text in (row.distrust or "yes", row.note) if text),
            )
            for row in worst
        ],
    )
    click.echo(headline(summary))
    if line := light_line(summary):
        click.echo(line)
    for note in notes_on_set({row.pair_id: row.note for row in rows}):
        click.echo(f"note: {note}")
    click.echo(f"results: {out}")
