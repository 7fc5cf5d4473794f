"""Options that say which files form pairs; every command that reads captures has them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from sdd_bench.cli.common import handle_errors

F = TypeVar("F", bound=Callable[..., Any])
NAMES = ("blurry_dirs", "sharp_dirs", "match_names", "list_file", "columns")
"""Names of the options' parameters; the command gets ``pairing`` in their place."""


def pairing_options(function: F) -> F:
    """Add ``--blurry-dir``, ``--sharp-dir``, ``--match-names``, ``--list`` and ``--columns``, given as ``pairing``."""

    @handle_errors
    @functools.wraps(function)
    def with_pairing(*args: Any, **kwargs: Any) -> Any:
        values = {name: kwargs.pop(name) for name in NAMES}
        pairing = None
        if any(values.values()):
            from sdd_bench.captures.pairing import Pairing

            columns = values["columns"]
            if columns is not None and len(columns.split(",")) != 2:
                raise click.UsageError(f"--columns {columns!r}: expected two names, BLURRY,SHARP.")
            pairing = Pairing(**values | {"columns": columns and tuple(columns.split(","))})
        return function(*args, pairing=pairing, **kwargs)

    for option in (
        click.option("--columns", metavar="BLURRY,SHARP", help="Columns of pictures in metadata.csv or Parquet."),
        click.option(
            "--list",
            "list_file",
            type=click.Path(path_type=Path),
            help="List of pairs without a header: blurry,sharp in each line.",
        ),
        click.option(
            "--match-names",
            metavar="REGEX",
            help=r"Pair files whose names agree in the groups of REGEX, such as 'IMG_(\d+)'.",
        ),
        click.option(
            "--sharp-dir", "sharp_dirs", multiple=True, help="Folder of sharp pictures: one for all, or one each."
        ),
        click.option(
            "--blurry-dir",
            "blurry_dirs",
            multiple=True,
            help="Folder of blurry pictures below the source, of any name; may be given again.",
        ),
    ):
        with_pairing = option(with_pairing)
    return with_pairing  # type: ignore[return-value]
