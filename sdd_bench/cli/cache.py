"""``sdd-bench cache``: what ``evaluate`` keeps from one method to the next."""

from __future__ import annotations

from pathlib import Path

import click

from sdd_bench.cli.common import CACHE_HELP, echo_json, finish, handle_errors, json_option
from sdd_bench.cli.groups import Group
from sdd_bench.core.words import counted

_cache_option = click.option("--cache", "folder", type=click.Path(path_type=Path), help=CACHE_HELP)


@click.group(cls=Group)
def command() -> None:
    """Show or clear what evaluate keeps for the next method.

    It is safe to clear: what is missing is computed again.
    """


@command.command()
@_cache_option
@json_option
@handle_errors
def info(folder: Path | None, as_json: bool) -> None:
    """The folder, how many files of each kind it holds, their size, and the size limit."""
    from sdd_bench.evaluation.picture.cache import stored, usage

    store = stored(folder)
    kinds = usage(store)
    total = sum(kind.n_bytes for kind in kinds)
    if as_json:
        files = {kind.name: {"files": kind.n_files, "bytes": kind.n_bytes} for kind in kinds}
        echo_json({"folder": str(store.folder), "bytes": total, "limit_bytes": store.limit, "kinds": files})
        return
    for kind in kinds:
        click.echo(f"{kind.name:9s}{kind.n_files:6d} files  {kind.n_bytes / 1e6:10.1f} MB")
    click.echo(f"folder: {store.folder}")
    click.echo(f"size: {total / 1e9:.2f} of {store.limit / 1e9:g} GB")


@command.command()
@_cache_option
@json_option
@handle_errors
def clear(folder: Path | None, as_json: bool) -> None:
    """Remove what evaluate has kept, and nothing else; exit status 1 when a file cannot be removed."""
    from sdd_bench.evaluation.picture.cache import stored

    store = stored(folder)
    removed, problems = store.clear()
    n_bytes = sum(entry.n_bytes for entry in removed)
    if as_json:
        echo_json(
            {
                "folder": str(store.folder),
                "removed": len(removed),
                "bytes": n_bytes,
                "problems": [{"item": problem.item, "reason": problem.reason} for problem in problems],
            }
        )
    else:
        click.echo(f"{counted(len(removed), 'file')} removed, {n_bytes / 1e6:.1f} MB: {store.folder}")
    finish(problems)
