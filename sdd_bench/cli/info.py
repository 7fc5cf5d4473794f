"""``sdd-bench info``: contents of a prepared set, shard, run or weights file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from sdd_bench.cli.common import echo_json, echo_table, handle_errors, json_option
from sdd_bench.cli.inputs import Existing


@click.command()
@click.argument("path", type=Existing("captures, a set, an export, a shard, a run, or weights"))
@json_option
@handle_errors
def command(path: Path, as_json: bool) -> None:
    """Print the contents of PATH, any file or folder that a command here reads or writes.

    Sets, captures, exports, shards, predictions, blur maps, analyses, runs, training runs, checkpoints, weights,
    leaderboards, bundles, pages, the cache, tables, flows, arrays, pictures, JSON; or a folder of such folders.
    """
    from sdd_bench.inspect.describe import describe

    description = describe(path)
    if as_json:
        echo_json(description)
    else:
        echo_table(description["kind"], ("what", "value"), list(_rows(description)))


def _rows(value: dict[str, Any], before: str = "") -> Iterator[tuple[str, object]]:
    for key, item in value.items():
        if isinstance(item, dict):
            yield from _rows(item, f"{before}{key} / ")
        elif isinstance(item, list):
            yield f"{before}{key}", ", ".join(map(str, item))
        elif f"{before}{key}" != "kind":
            yield f"{before}{key}", "" if item is None else item
