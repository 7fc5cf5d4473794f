"""``sdd-bench blur-map``: how blurred every place of a picture is."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sdd_bench.cli.common import device_option, echo_json, finish, handle_errors, json_option, progress_bar
from sdd_bench.cli.pairing import pairing_options
from sdd_bench.core.types import Split

if TYPE_CHECKING:
    from sdd_bench.captures.pairing import Pairing

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("data", type=_PATH)
@click.option("--method", default="ebdb", show_default=True, help="ebdb, jnb-style, jnb or dmenet.")
@click.option("--weights", type=_PATH, help="The authors' dict128Blur.mat for jnb, DMENet_BDCS.npz for dmenet.")
@click.option("-o", "--out", type=_PATH, help="Folder of maps.  [default: blur-maps/METHOD]")
@click.option(
    "--split", type=click.Choice([split.value for split in Split]), default=Split.TEST.value, show_default=True
)
@click.option("--layout", default="auto", show_default=True, help="Layout of DATA when it is not a prepared set.")
@pairing_options
@device_option("Where dmenet computes")
@json_option
@handle_errors
def command(
    data: Path,
    method: str,
    weights: Path | None,
    out: Path | None,
    split: str,
    layout: str,
    pairing: Pairing | None,
    device: str,
    as_json: bool,
) -> None:
    """Estimate the blur of the blurry pictures of DATA: a set, a folder of pictures, or one picture.

    Writes a 16-bit map per picture (sigma of a Gaussian in pixels, 8192 steps per pixel; four sigmas are the diameter
    of the disk that spreads as far), a colour picture of it, and a table of statistics. Run the same command again to
    go on after an interruption.
    """
    from sdd_bench.defocus.run import blur_maps
    from sdd_bench.defocus.spec import load_blur_map
    from sdd_bench.prepared.open import open_pictures

    blur_map = load_blur_map(method, weights, device=device)
    found = open_pictures(data, split=Split(split), layout=layout, pairing=pairing)
    pictures = {picture.name: picture.path for picture in found.pictures}
    with progress_bar("blur-map", unit="pictures") as on_progress:
        report = blur_maps(blur_map, pictures, out or Path("blur-maps") / method, on_progress=on_progress)
    if as_json:
        echo_json(
            {
                "out": str(report.out),
                "method": method,
                "sha256": blur_map.sha256,
                "n_pictures": len(pictures),
                "n_made": report.n_made,
                "pictures": [asdict(row) for row in report.rows],
                "problems": [{"item": problem.item, "reason": problem.reason} for problem in report.problems],
            }
        )
    else:
        click.echo(f"{len(report.rows)} blur maps: {report.out}")
    finish([*report.problems, *(() if found.has_truth else found.problems)])
