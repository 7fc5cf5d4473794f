"""``sdd-bench validate``: check of all checksums, and list of what is damaged."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click

from sdd_bench.cli.common import echo_json, finish, handle_errors, jobs_options, json_option, progress_bar
from sdd_bench.cli.inputs import Existing


@click.command()
@click.argument("path", type=Existing("captures, a set, an export, a shard, a run, or weights"))
@click.option(
    "--strict",
    is_flag=True,
    help="A scene in two splits, a picture that occurs twice, or a link out of the set is an error.",
)
@jobs_options
@json_option
@handle_errors
def command(path: Path, strict: bool, jobs: int, dask: str | None, as_json: bool) -> None:
    """Check PATH, any file or folder that a command here reads or writes: see info.

    Exit status: 0 all is well; 1 something is damaged (file, dataset and chunk are listed); 2 PATH is of no known kind.
    """
    from sdd_bench.inspect.validate import validate

    with progress_bar("Checking", unit="file") as on_progress:
        result = validate(path, jobs=jobs, dask=dask, on_progress=on_progress)
    if as_json:
        echo_json(dataclasses.asdict(result))
    else:
        for warning in () if strict else result.warnings:
            click.echo(f"warning: {warning.item}: {warning.reason}", err=True)
        if not result.problems:
            click.echo(f"{path}: {result.kind}, {result.n_checked} file(s) checked, all is well.")
    finish([*result.problems, *(result.warnings if strict else ())])
