"""``sdd-bench synth``: an SDD-style set with known truth."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from sdd_bench.cli.common import (
    echo_json,
    echo_table,
    handle_errors,
    jobs_options,
    json_option,
    out_argument,
    progress_bar,
)
from sdd_bench.cli.inputs import FILE, Existing, set_option

F = TypeVar("F", bound=Callable[..., Any])
CURVES = ("none", "gamma-1.8", "gamma-2.2", "standard", "vivid", "edited", "punchy", "filmic")
"""Those of :mod:`sdd_bench.optics.tone`, which would import numpy for ``--help``."""


def _range_option(name: str, text: str) -> Callable[[F], F]:
    return click.option(f"--{name}", type=float, nargs=2, default=None, metavar="MIN MAX", help=text)


@click.command()
@out_argument()
@click.option("--preset", type=click.Choice(["sdd", "half", "small"]), default=None,
              help="Picture size: sdd 4096x2160, half 2048x1080, small 640x384 [sdd].")  # fmt: skip
@click.option("--size", metavar="WxH", help="Picture size in pixels, instead of the preset's.")
@click.option("--train", "n_train", type=int, default=None, help="Training pairs [8].")
@click.option("--test", "n_test", type=int, default=None, help="Test pairs [4].")
@click.option("--pairs-per-scene", type=int, default=None, help="Captures per scene [1].")
@click.option("--seed", type=int, default=None, help="Seed; the same seed gives the same bytes [0].")
@click.option(
    "--photos",
    type=Existing("a folder of sharp photographs", only="folder"),
    help="Folder of sharp photographs to make the scenes from.",
)
@_range_option("zoom-range", "Zoom, blurry to sharp [what the lens does: focus breathing].")
@_range_option("shift-range", "Shift in x and y, pixels [-0.5 % to 0.5 % of the width].")
@_range_option("rotation-range", "Rotation, degrees [-0.1 0.1].")
@_range_option("parallax-range", "Motion of the nearest layer against the farthest, pixels [0 0].")
@_range_option("coc-range", "Largest circle of confusion of a pair, diameter, pixels [0.25 % to 1 % of the width].")
@_range_option("exposure-range", "Light of blurry over light of sharp [0.9 1.2].")
@click.option("--color-cast", type=float, help="White balance: largest error of a channel's exposure, a share [0.02].")
@click.option("--tone-curve", "tone_curves", multiple=True, type=click.Choice(CURVES),
              help="Tone curve of the camera; more than one: each pair draws one [none].")  # fmt: skip
@click.option("--foreign-curves", is_flag=True, default=None, help="Draw separate tone curves for blurry and sharp.")
@_range_option("vignetting-range", "Light that the blurry picture loses at its corners, as a share [0 0].")
@_range_option("glare-range", "Veiling glare of the blurry picture, as a share of its mean light [0 0].")
@_range_option("cats-eye-range", "Cat's eye at the corners: shift of the barrel's shadow, in radii [0 0].")
@_range_option("rim-range", "Spherical aberration: brightness of the rim of a blurred point, -1 to 1 [0 0].")
@_range_option("fringe-range", "Colour fringes: red's larger circle of confusion, as a share of the largest [0 0].")
@_range_option("sharpening-range", "Unsharp masking by the camera [0 0].")
@_range_option("jpeg-quality", "Quality of JPEG files, such as 80 98 [PNG].")
@click.option("--sharp-share", type=float, help="Share of pairs with nothing out of focus [0].")
@click.option("--shot-noise", type=float, help="Photon noise at white, linear light [0.007].")
@click.option("--read-noise", type=float, help="Noise in the dark, linear light [0.0005].")
@click.option("--layers", "n_layers", type=int, default=None, help="Layers of depth, the background included [4].")
@_range_option("depth-range", "Nearest and farthest layer, metres [1.5 8].")
@click.option("--focal-length", "focal_length_mm", type=float, help="Focal length in millimetres [50].")
@click.option("--sensor-width", "sensor_width_mm", type=float, help="Width of the sensor in millimetres [36].")
@click.option("--f-number", type=float, help="Aperture of the blurry picture [that which gives --coc-range].")
@click.option("--blades", type=int, default=None, help="Blades of the iris; 0 is a round one [0].")
@click.option("--bit-depth", type=click.Choice(["8", "16"]), help="Bit depth [8].")
@click.option(
    "--truth",
    type=click.Choice(["small", "full"]),
    help="Truth files: small is JSON, full adds flow, aligned sharp picture and blur map [small].",
)
@click.option("--config", type=FILE, help="TOML file of options; the command line wins.")
@set_option
@jobs_options
@json_option
@handle_errors
def command(
    out: Path, preset: str | None, size: str | None, config: Path | None, assignments: dict[str, str], jobs: int,
    dask: str | None, as_json: bool,
    **overrides: Any,
) -> None:  # fmt: skip
    """Make an SDD-style set in OUT: blurry and sharp pairs whose zoom, shift and blur are known exactly.

    Run the same command again to finish an interrupted set. Defaults are in [brackets].
    """
    from sdd_bench.core.executors import reuse_memory
    from sdd_bench.synth.options import load_options
    from sdd_bench.synth.run import synthesize

    reuse_memory()
    overrides["tone_curves"] = overrides["tone_curves"] or None
    options = load_options(config, preset=preset, size=size, overrides=overrides | assignments)
    with progress_bar("synth") as on_progress:
        report = synthesize(out, options, jobs=jobs, dask=dask, on_progress=on_progress)
    if as_json:
        echo_json({"out": str(report.out), "n_pairs": report.n_pairs, "n_made": report.n_made,
                   "n_bytes": report.n_bytes})  # fmt: skip
        return
    row = (report.out, report.n_pairs, report.n_made, f"{report.n_bytes / 1e6:.1f}")
    echo_table("synthetic set", ("folder", "pairs", "made now", "MB written"), [row])
