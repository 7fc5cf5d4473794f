"""How exactly the transfer of light of a pair is found, against truth, and what it gains on real pairs.

``python tools/bench/light.py [--pairs 40] [--flow truth] [--rows exposed,...] [--data ../shared/data] [--photos DIR]``

Synthetic pairs are 1024x640, with circles of confusion up to 30 px and noise, zoomed, shifted and turned; both pictures
share one of the tone curves of :data:`~sdd_bench.optics.tone.CURVES`, in turn, and are stored with 8 bits:

- ``exposed``: up to 1.5 EV either way, white balance up to 10 % per channel;
- ``blurred``: the same light, only blur;
- ``vignetted``: exposed, and the blurry picture loses 30 % at the corners (model ``gain+field``);
- ``veiled``: exposed, and 3 % of its mean light lies on the blurry picture as glare;
- ``foreign``: exposed, and each picture has another curve (gains mean little then; see what ``tone`` gains).

Gain errors are per channel, relative, in percent. ``straight``: the same fit without a camera's curve. ``blocks``:
``analyze``'s median of ratios, on the warped picture. PSNR is that of the true aligned sharp picture, brought to the
blurry one's light by each model, against the truth of that: what matching is for. ``--flow truth`` uses the true flow;
``pwcnet-plain`` or ``pwcnet`` estimate it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sdd_bench.core.types import Split
from sdd_bench.flow.estimator import FlowEstimator, load_flow
from sdd_bench.flow.warp import backwarp, valid_mask
from sdd_bench.images.light import add_noise, linear_to_srgb, srgb_to_linear
from sdd_bench.images.pair import read_pair
from sdd_bench.images.photograph import read_photograph
from sdd_bench.optics.tone import CURVES, expose
from sdd_bench.registration.exposure import exposure_gain
from sdd_bench.registration.light.estimate import estimate_transfer
from sdd_bench.registration.light.fit import fit_light
from sdd_bench.registration.light.observations import pose
from sdd_bench.registration.light.samples import collect
from sdd_bench.registration.light.transfer import Match, Transfer
from sdd_bench.synth.camera import draw_capture, random_numbers
from sdd_bench.synth.options import SynthOptions
from sdd_bench.synth.painting import SceneKind
from sdd_bench.synth.render import canvas_margin, render, truth_flow
from sdd_bench.synth.scenes import draw_scene

Picture = NDArray[np.float32]
ROWS = {
    "exposed": {},
    "blurred": {},
    "vignetted": {"vignetting": 0.3},
    "veiled": {"glare": 0.03},
    "foreign": {},
}
_KINDS = (SceneKind.LEAVES, SceneKind.WALL, SceneKind.PRINT)
_MOST_EV, _CAST = 1.5, 0.1
_FAR_OFF = 3.0
"""Percent: a pair that is off by more must be flagged."""


@dataclass(frozen=True)
class Scene:
    """A rendered pair in scene light."""

    blurry: Picture
    sharp: Picture
    aligned: Picture
    flow: NDArray[np.float32]
    index: int
    kind: str


@dataclass(frozen=True)
class Known:
    """A pair of display values and its truth."""

    blurry: Picture
    sharp: Picture
    aligned: Picture
    """The sharp picture on the blurry grid, without noise."""
    target: Picture
    """The same in the blurry picture's light."""
    gains: NDArray[np.float64]
    curve: str


def scenes(n_pairs: int, photos: list[Path]) -> Iterator[Scene]:
    """Scenes of made kinds in turn; with photographs, one in four is made of them."""
    options = SynthOptions(
        width=1024,
        height=640,
        n_test=n_pairs,
        seed=20230207,
        coc_range=(2.0, 30.0),
        zoom_range=(0.98, 1.02),
        shift_range=(-6.0, 6.0),
        rotation_range=(-0.3, 0.3),
    )
    kinds = (*_KINDS, SceneKind.PHOTO) if photos else _KINDS
    for index in range(n_pairs):
        capture = draw_capture(options, Split.TEST, index)
        margin = canvas_margin(capture, options.height, options.width)
        kind = kinds[index % len(kinds)]
        used = [read_photograph(photos[(index + step) % len(photos)]).pixels for step in range(4) if photos]
        sides = options.height + 2 * margin, options.width + 2 * margin
        rng = random_numbers(options, Split.TEST, index, 1)
        layers = draw_scene(*sides, options.n_layers, kind, rng, used if kind is SceneKind.PHOTO else [])
        made = render(capture, layers, options.height, options.width, margin=margin)
        yield Scene(made.blurry, made.sharp, made.aligned, truth_flow(capture, made.front), index, str(kind))


def photograph(scene: Scene, row: str) -> Known:
    """Expose both pictures as the row says."""
    rng = np.random.default_rng([scene.index, 20230207])
    names = list(CURVES)
    curve = names[scene.index % len(names)]
    gains = 2 ** rng.uniform(-_MOST_EV, _MOST_EV) * rng.uniform(1 - _CAST, 1 + _CAST, 3)
    if row == "blurred":
        gains = np.ones(3)
    foreign = names[(scene.index + 3) % len(names)] if row == "foreign" else curve
    noisy = [add_noise(light, rng, shot=0.007, read=0.0005) for light in (scene.blurry, scene.sharp)]
    lens = ROWS[row]
    return Known(
        stored(expose(noisy[0], gain=gains, curve=foreign, **lens)),
        stored(expose(noisy[1], curve=curve)),
        stored(expose(scene.aligned, curve=curve)),
        stored(expose(scene.aligned, gain=gains, curve=foreign, **lens)),
        gains,
        curve,
    )


def stored(light: Picture) -> Picture:
    """Display values ``(H, W, 3)`` of a file of 8 bits."""
    return np.ascontiguousarray((np.rint(255 * linear_to_srgb(light)) / np.float32(255)).transpose(1, 2, 0))


def tensor(picture: Picture) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))[None]


def warp(sharp: Picture, flow: NDArray[np.float32]) -> Picture:
    """Bilinear, in display values, as ``evaluate`` does."""
    warped = backwarp(tensor(sharp), torch.from_numpy(np.ascontiguousarray(flow))[None])
    return np.ascontiguousarray(warped[0].numpy().transpose(1, 2, 0))


def psnr(picture: Picture, other: Picture) -> float:
    return float(-10 * np.log10(max(np.mean((picture - other).astype(np.float64) ** 2), 1e-10)))


def straight_gains(known: Known, flow: NDArray[np.float32]) -> NDArray[np.float64]:
    """Without a camera's curve; NaN where nothing can be compared."""
    problem = pose(collect(known.blurry, known.sharp, flow))
    return np.full(3, np.nan) if problem is None else np.exp(fit_light(problem, curve=False, field=False).log_gain)


def block_gains(known: Known, flow: NDArray[np.float32]) -> NDArray[np.float64]:
    light = [srgb_to_linear(picture) for picture in (known.blurry, warp(known.sharp, flow))]
    return np.array(exposure_gain(light[0], light[1]))


def one_row(row: str, made: list[Scene], estimator: FlowEstimator | None, *, verbose: bool, gains_only: bool) -> None:
    """Print a row of the table."""
    model = Match.FIELD if row == "vignetted" else Match.GAIN
    errors: dict[str, list[NDArray[np.float64]]] = {"ours": [], "straight": [], "blocks": []}
    gained: dict[str, list[float]] = {name: [] for name in Match}
    flagged, silent, seconds, by_curve = 0, 0, [], {}
    for scene in made:
        known, flow = photograph(scene, row), scene.flow
        if estimator is not None:
            flow = estimator.estimate(tensor(known.blurry), tensor(known.sharp))[0].numpy()
        start = time.process_time()
        transfer = estimate_transfer(known.blurry, known.sharp, flow=flow, model=model)
        seconds.append(time.process_time() - start)
        off = 100 * np.abs(np.array(transfer.gains) / known.gains - 1)
        errors["ours"].append(off)
        errors["straight"].append(100 * np.abs(straight_gains(known, flow) / known.gains - 1))
        errors["blocks"].append(100 * np.abs(block_gains(known, flow) / known.gains - 1))
        by_curve.setdefault(known.curve, []).append(off.mean())
        flagged += not transfer.trusted
        silent += transfer.trusted and off.max() > _FAR_OFF
        for name in () if gains_only else Match:
            other = transfer if name is model else estimate_transfer(known.blurry, known.sharp, flow=flow, model=name)
            gained[name].append(psnr(other.apply(known.aligned), known.target))
        if verbose:
            print(f"    {scene.index:2} {scene.kind:6} {known.curve:10} {known.gains.round(2)} off {off.round(2)} %"
                  f" +- {100 * max(transfer.gain_errors):.2f}  {transfer.reason}", flush=True)  # fmt: skip
    print(f"\n{row}: {len(made)} pairs, {model}; flagged {flagged}, off by more than {_FAR_OFF:g} % without a flag: "
          f"{silent}; {np.mean(seconds):.1f} s of processor per pair")  # fmt: skip
    for name, found in errors.items():
        per_pair = np.nanmean(np.array(found), axis=1)
        print(f"  {name:9} mean {np.nanmean(found):7.3f} %  median {np.nanmedian(per_pair):7.3f} %  "
              f"worst channel {np.nanmax(found):7.2f} %")  # fmt: skip
    print("  by curve  " + "  ".join(f"{name} {np.mean(found):.2f}" for name, found in by_curve.items()))
    if not gains_only:
        print("  PSNR against truth, dB: "
              + "  ".join(f"{name} {np.mean(found):.2f}" for name, found in gained.items()))  # fmt: skip


def real_pairs(root: Path) -> Iterator[tuple[str, Path, Path]]:
    """Name, blurry and sharp of the aperture pairs."""
    aperture = root / "aperture"
    for folder in ("8", "2_8", "1_8"):
        for path in sorted((aperture / "vabd" / folder).iterdir()):
            yield f"vabd {folder}/{path.stem}", path, aperture / "vabd/input" / path.name
    for path in sorted((aperture / "ebb/blurry").iterdir()):
        yield f"ebb {path.stem}", path, aperture / "ebb/sharp" / path.name


def on_real_pairs(root: Path, estimator: FlowEstimator) -> None:
    """PSNR of the sharp picture against the blurry one: as captured, registered, and matched by each model."""
    print(f"\nreal pairs ({estimator.name}): PSNR against the blurry picture, dB; gains of model gain")
    print(f"  {'pair':12} {'raw':>6} {'regist.':>8} {'blocks':>7} {'gain':>6} {'+field':>7} {'tone':>6}")
    table = []
    for name, blurry_path, sharp_path in real_pairs(root):
        blurry, sharp = (photo.pixels.astype(np.float32) / 255 for photo in read_pair(blurry_path, sharp_path))
        flow = estimator.estimate(tensor(blurry), tensor(sharp))
        registered, valid = warp(sharp, flow[0].numpy()), valid_mask(flow)[0, 0].numpy()
        transfers: dict[Match, Transfer] = {
            model: estimate_transfer(blurry, sharp, flow=flow[0].numpy(), valid=valid, model=model)
            for model in (Match.GAIN, Match.FIELD, Match.TONE)
        }
        blocks = exposure_gain(srgb_to_linear(blurry), srgb_to_linear(registered))
        by_blocks = linear_to_srgb(srgb_to_linear(registered) * np.float32(blocks))
        pictures = [sharp, registered, by_blocks, *(found.apply(registered) for found in transfers.values())]
        table.append([psnr(picture, blurry) for picture in pictures])
        cells = " ".join(f"{value:7.2f}" for value in table[-1])
        gain = transfers[Match.GAIN]
        bent = "bent" if any(gain.bends) else "straight"
        print(
            f"  {name:12}{cells}  {' '.join(f'{value:.3f}' for value in gain.gains)} {bent:8} {gain.reason}", flush=True
        )
    print(f"  {'mean':12}{' '.join(f'{value:7.2f}' for value in np.mean(table, axis=0))}")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--flow", default="truth", help="truth, or the name of a flow estimator")
    parser.add_argument("--photos", type=Path, help="folder of sharp photographs for every fourth scene")
    parser.add_argument("--data", type=Path, help="folder of real photographs")
    parser.add_argument("--real-flow", default="pwcnet")
    parser.add_argument("--gains-only", action="store_true", help="no PSNR, which takes four more estimates a pair")
    parser.add_argument("--verbose", action="store_true", help="one line per pair")
    arguments = parser.parse_args()
    photos = sorted(arguments.photos.glob("*.png")) if arguments.photos else []
    estimator = None if arguments.flow == "truth" else load_flow(arguments.flow)
    rows = [row for row in arguments.rows.split(",") if row]
    with torch.no_grad():
        made = list(scenes(arguments.pairs, photos)) if rows else []
        for row in rows:
            one_row(row, made, estimator, verbose=arguments.verbose, gains_only=arguments.gains_only)
        if arguments.data is not None:
            on_real_pairs(arguments.data, load_flow(arguments.real_flow))


if __name__ == "__main__":
    main()
