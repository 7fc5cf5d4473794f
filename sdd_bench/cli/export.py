"""``sdd-bench export``: a prepared set in the forms that other programs read."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from sdd_bench.cli.common import echo_json, finish, handle_errors, jobs_options, json_option, out_argument, progress_bar
from sdd_bench.cli.inputs import FILE, Existing


@click.command()
@click.argument("prepared", type=Existing("a prepared set"))
@out_argument()
@click.option(
    "--format",
    "form",
    type=click.Choice(["sdd", "imagefolder", "parquet", "webdataset", "basicsr"]),
    default="sdd",
    show_default=True,
    help="imagefolder and parquet: Hugging Face; sdd: folders of the SDD layout.",
)
@click.option(
    "--only", type=click.Choice(["patches", "frames"]), help="Patches, or full pictures.  [default: what the set holds]"
)
@click.option("--license", metavar="ID", default="", help="Licence of the pictures for the card, such as cc-by-4.0.")
@click.option("--citation", type=FILE, help="File with what to cite, BibTeX or text.")
@click.option("--published", metavar="YYYY-MM-DD", default="", help="Day of publication for the Croissant description.")
@jobs_options
@json_option
@handle_errors
def command(
    prepared: Path,
    out: Path,
    form: str,
    only: str | None,
    license: str,
    citation: Path | None,
    published: str,
    jobs: int,
    dask: str | None,
    as_json: bool,
) -> None:
    """Write the prepared set PREPARED to OUT: as folders of PNG, for Hugging Face, as archives, or for BasicSR.

    Writes a card (README.md) and SHA256SUMS and a Croissant description beside it, with licence, citation, date and
    the records, patches too. Run the same command again to continue after an interruption; existing files are kept.
    """
    from sdd_bench.prepared.export.options import ExportOptions
    from sdd_bench.prepared.export.run import export

    try:
        cited = "" if citation is None else citation.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise click.UsageError(f"--citation {citation}: not UTF-8 text.") from None
    options = ExportOptions(form, only or "all", license, cited, published)  # type: ignore[arg-type]
    with progress_bar("export", unit="file") as on_progress:
        report = export(prepared, out, options, jobs=jobs, dask=dask, on_progress=on_progress)
    if as_json:
        echo_json({"out": str(out), **dataclasses.asdict(report)})
    else:
        click.echo(f"{out}: {report.n_written} file(s) written, {report.n_kept} were there already")
    finish(report.problems)
