"""``sdd-bench export``: a prepared set back to folders of PNG."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from sdd_bench.cli.common import echo_json, finish, handle_errors, jobs_options, json_option, progress_bar


@click.command()
@click.argument("prepared", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@jobs_options
@json_option
@handle_errors
def command(prepared: Path, out: Path, jobs: int, dask: str | None, as_json: bool) -> None:
    """Write the prepared set PREPARED to folders of PNG below OUT, in the SDD layout.

    Run the same command again to continue after an interruption; existing files are kept.
    """
    from sdd_bench.prepared.export import export

    with progress_bar("export", unit="files") as on_progress:
        report = export(prepared, out, jobs=jobs, dask=dask, on_progress=on_progress)
    if as_json:
        echo_json({"out": str(out), **dataclasses.asdict(report)})
    else:
        click.echo(f"{out}: {report.n_written} file(s) written, {report.n_kept} were there already")
    finish(report.problems)
