"""Judge a deblurring network on pictures it was never trained on, against the blurry input.

    python tools/evaluate_bundled.py sdd_bench/models/weights/NAME.safetensors --data DIR

Prints a table per picture and the means: PSNR, SSIM and LPIPS of the network against those of its input, and with
``--drift`` how far it moved what it deblurred. ``sharp`` are photographs without blur: there the PSNR is that of the
network against its input. Real pairs have their ground truth registered and matched in light
(``tools/bundled_sets.py``).
"""

from __future__ import annotations

import argparse
import functools
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from bundled_sets import Case, Picture, cases

from sdd_bench.flow.estimator import load_flow
from sdd_bench.geometry.fit import fit_similarity
from sdd_bench.images.photograph import read_photograph, to_float
from sdd_bench.metrics.lpips import Lpips
from sdd_bench.metrics.psnr import psnr
from sdd_bench.metrics.ssim import ssim
from sdd_bench.models.network import Network, load_network

_MOST_DB = 60.0
"""PSNR counts up to here, so that a picture equal to its truth does not rule the mean."""
_LEAST_LPIPS = 5e-5
"""LPIPS of an input below this is printed as 0.0000: it has no blur, and a change in per cent of it says nothing."""
_ALL = ("synthetic", "aperture", "homography", "breathing", "focus_6mp", "sharp")


@dataclass(frozen=True)
class Score:
    """One picture: the network's scores and, in the fields with ``input_``, those of the blurry picture."""

    set: str
    name: str
    psnr: float
    input_psnr: float
    ssim: float
    input_ssim: float
    lpips: float
    input_lpips: float
    drift_px: float | None = None
    deform_px: float | None = None


def deblur(network: Network, blurry: Picture) -> Picture:
    """The whole picture at once, mirrored up to a size the network takes."""
    height, width = blurry.shape[:2]
    multiple = network.size_multiple
    padded = np.pad(blurry, ((0, -height % multiple), (0, -width % multiple), (0, 0)), mode="reflect")
    made = network.deblur(torch.from_numpy(padded.transpose(2, 0, 1)[None].copy()))
    return np.ascontiguousarray(made[0].permute(1, 2, 0).numpy()[:height, :width].clip(0, 1))


def score(case: Case, network: Network, lpips: Lpips, *, drift: bool) -> Score:
    """Network and input against the sharp picture."""
    made = deblur(network, case.blurry)
    truth = lpips.features(case.sharp)
    distances = [lpips.distance(lpips.features(picture), truth) for picture in (made, case.blurry)]
    moved = _motion(case.blurry, made) if drift else (None, None)
    return Score(
        case.set,
        case.name,
        min(psnr(made, case.sharp), _MOST_DB),
        min(psnr(case.blurry, case.sharp), _MOST_DB),
        ssim(made, case.sharp),
        ssim(case.blurry, case.sharp),
        *distances,
        *moved,
    )


@functools.cache
def _flow():  # type: ignore[no-untyped-def]
    return load_flow("pwcnet")


def _motion(blurry: Picture, made: Picture) -> tuple[float, float]:
    pictures = (torch.from_numpy(x.transpose(2, 0, 1)[None].copy()) for x in (blurry, made))
    with torch.inference_mode():
        fit = fit_similarity(_flow().estimate(*pictures)[0], robust=True)
    return fit.rms_px, fit.residual_px


def change_of_sharp(network: Network, data: Path) -> dict[str, float]:
    """PSNR of the network against its input, for photographs without blur."""
    changes = {}
    for path in sorted((data / "photos").glob("*.png")):
        picture = to_float(read_photograph(path).pixels)
        changes[path.stem] = psnr(deblur(network, picture), picture)
    return changes


def lines(scores: list[Score]) -> list[str]:
    """A Markdown table: every picture, then the mean of each set."""
    rows = ["| set | picture | PSNR | gain | SSIM | gain | LPIPS | change | drift_px | deform_px |", "|" + "---|" * 10]
    for name in dict.fromkeys(score.set for score in scores):
        own = [score for score in scores if score.set == name]
        rows += [_row(name, score.name, [score]) for score in own] + [_row(f"**{name}**", "mean", own)]
    return rows


def _row(name: str, label: str, scores: list[Score]) -> str:
    def mean(field: str) -> float:
        values = [getattr(score, field) for score in scores]
        return float(np.mean([np.nan if value is None else value for value in values]))

    before = mean("input_lpips")
    change = "-" if before < _LEAST_LPIPS else f"{100 * (mean('lpips') / before - 1):+.1f} %"
    return (
        f"| {name} | {label} | {mean('psnr'):.2f} | {mean('psnr') - mean('input_psnr'):+.2f} | {mean('ssim'):.4f} | "
        f"{mean('ssim') - mean('input_ssim'):+.4f} | {mean('lpips'):.4f} | {change} | "
        f"{mean('drift_px'):.3f} | {mean('deform_px'):.3f} |"
    )


def main() -> None:
    """Score, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path("artifacts/bundled-truth"), help="registered pictures")
    parser.add_argument("--sets", default=",".join(_ALL))
    parser.add_argument("--scale", type=float, default=1.0, help="shrink real pairs by this factor")
    parser.add_argument("--drift", action="store_true", help="measure how far pictures moved, too (slow)")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--precision", default="32", choices=("32", "bf16"))
    parser.add_argument("--out", type=Path, help="JSON of all scores")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    network = load_network(arguments.checkpoint, precision=arguments.precision)
    lpips = Lpips()
    sets = arguments.sets.split(",")
    scores = []
    wanted = [name for name in sets if name != "sharp"]
    for case in cases(arguments.data, arguments.cache, _flow, wanted, arguments.scale):
        scores.append(score(case, network, lpips, drift=arguments.drift))
        print(_row(case.set, case.name, scores[-1:]), flush=True)
    changes = change_of_sharp(network, arguments.data) if "sharp" in sets else {}
    print("\n".join(lines(scores)))
    if changes:
        print(f"sharp photographs, PSNR against the input: mean {np.mean(list(changes.values())):.2f}, {changes}")
    if arguments.out is not None:
        arguments.out.write_text(json.dumps({"scores": [asdict(s) for s in scores], "sharp": changes}, indent=1))


if __name__ == "__main__":
    main()
