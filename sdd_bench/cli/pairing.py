"""Options that say which files of DATA are meant, and which form pairs: alike in every command that reads captures."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import click

from sdd_bench.cli.common import handle_errors
from sdd_bench.cli.inputs import FILE, FOLDER
from sdd_bench.core.types import Split

F = TypeVar("F", bound=Callable[..., Any])
LAYOUTS = (
    "sdd",
    "sdd-patches",
    "dpdd",
    "restormer",
    "realdof",
    "lfdof",
    "pairs",
    "basicsr",
    "ebb",
    "rtf",
    "realbokeh",
    "hf-imagefolder",
    "hf-parquet",
    "csv",
)
"""Those of :mod:`sdd_bench.captures.recognise`, which would import numpy and OpenCV for ``--help``."""
NAMES = ("blurry_dirs", "sharp_dirs", "match_names", "list_file", "columns")
"""Names of the options' parameters; the command gets ``pairing`` in their place."""


WHERE = ("split", "layout", "pairs_csv", "lists")
"""Names of the other parameters of :func:`data_options`."""


def data_options(*, default: str = Split.TEST.value, all_splits: bool = False) -> Callable[[F], F]:
    """Add ``--split``, ``--layout``, ``--pairs``, ``--lists`` and :func:`pairing_options`, given as ``where``.

    ``where`` holds the arguments of :func:`~sdd_bench.prepared.open.open_dataset` and ``open_pictures``.

    Args:
        default: The split where none is given.
        all_splits: Whether ``--split all`` is one.
    """
    splits = [*(split.value for split in Split), *(["all"] if all_splits else [])]

    def add(function: F) -> F:
        @functools.wraps(function)
        def with_where(*args: Any, pairing: Any, **kwargs: Any) -> Any:
            where = {name: kwargs.pop(name) for name in WHERE} | {"pairing": pairing}
            where["split"] = None if where["split"] == "all" else Split(where["split"])
            return function(*args, where=where, **kwargs)

        with_options: Any = pairing_options(with_where)
        for option in (
            click.option("--lists", type=FOLDER, help="Folder of DPDD's name lists (*_src.npy, *_trg.npy)."),
            click.option("--pairs", "pairs_csv", type=FILE, help="CSV of pairs instead of folders."),
            layout_option("Layout of DATA when it is not a prepared set"),
            click.option("--split", type=click.Choice(splits), default=default, show_default=True),
        ):
            with_options = option(with_options)
        return with_options  # type: ignore[no-any-return]

    return add


def layout_option(text: str) -> Callable[[F], F]:
    """Add ``--layout``, with the layouts as choices."""
    return click.option(
        "--layout",
        type=click.Choice(["auto", *LAYOUTS]),
        metavar="NAME",
        default="auto",
        show_default=True,
        help=f"{text}: auto, {', '.join(LAYOUTS)}.",
    )


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
            type=FILE,
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
