"""``sdd-bench blur-map``: how blurred every place of a picture is."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from sdd_bench.cli.common import (
    device_option,
    echo_json,
    finish,
    handle_errors,
    json_option,
    progress_bar,
    threads_option,
)
from sdd_bench.cli.inputs import FILE, PICTURES
from sdd_bench.cli.pairing import data_options
from sdd_bench.core.words import counted

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("data", type=PICTURES)
@click.option("--method", type=click.Choice(["ebdb", "jnb-style", "jnb", "dmenet"]), default="ebdb", show_default=True)
@click.option("--weights", type=FILE, help="The authors' dict128Blur.mat for jnb, DMENet_BDCS.npz for dmenet.")
@click.option("-o", "--out", type=_PATH, help="Folder of maps.  [default: blur-maps/METHOD]")
@data_options()
@click.option("--limit", type=click.IntRange(min=1), help="Number of pictures, from the first on.")
@device_option("Where dmenet computes")
@threads_option
@json_option
@handle_errors
def command(
    data: Path,
    method: str,
    weights: Path | None,
    out: Path | None,
    where: dict[str, Any],
    limit: int | None,
    device: str,
    as_json: bool,
) -> None:
    """Estimate the blur of the blurry pictures of DATA: a set, a folder of pictures, or one picture.

    Writes a 16-bit map per picture (sigma of a Gaussian in pixels, 8192 steps per pixel; four sigmas are the diameter
    of the disk that spreads as far), a colour picture of it, and a table of statistics. Run the same command again to
    go on after an interruption.
    """
    from sdd_bench.core.executors import reuse_memory
    from sdd_bench.prepared.open import open_pictures

    reuse_memory()
    found = open_pictures(data, **where, limit=limit)
    from sdd_bench.defocus.run import blur_maps  # imports torch: not for a folder without pictures
    from sdd_bench.defocus.spec import load_blur_map

    blur_map = load_blur_map(method, weights, device=device)
    pictures = {picture.name: picture.path for picture in found.pictures}
    with progress_bar("blur-map", unit="picture") as on_progress:
        report = blur_maps(blur_map, pictures, out or Path("blur-maps") / method, on_progress=on_progress)
    problems = (*report.problems, *found.problems)
    if as_json:
        echo_json(
            {
                "out": str(report.out),
                "method": method,
                "sha256": blur_map.sha256,
                "n_pictures": len(pictures),
                "n_made": report.n_made,
                "pictures": [asdict(row) for row in report.rows],
                "problems": [{"item": problem.item, "reason": problem.reason} for problem in problems],
            }
        )
    else:
        click.echo(f"{counted(len(report.rows), 'blur map')}: {report.out}")
    finish(problems)
