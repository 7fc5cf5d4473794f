"""Does JDRL train a network on misaligned pairs? The table of the README, on synthetic sets whose truth is known.

Sets, of 640x384 captures without change of exposure: **A** zero-mean misalignment (shift up to 6 px, zoom within 1 %),
**B** a shift with a mean, (4, -2) px +- 3, **C** zoom alone. **E** is A with up to 0.7 EV between blurry and sharp in
training; its networks are scored on A's test pictures, so their figures stand beside A's. Methods, all with the same
small network, first weights, patches and number of steps: ``oracle`` (vanilla on the aligned sharp pictures: what
perfect data give), ``vanilla``, ``jdrl``, ``jdrl matched`` (``--match gain``), and the ablations of Table 4. Everything
lands in ``--out``; a killed run goes on, a finished cell is kept.
``--model`` takes a narrow form of another network of the paper in place of the U-Net, alike for all methods.

    python tools/reproduce_jdrl.py --sets B --methods oracle,vanilla,jdrl --seeds 0,1,2
    python tools/reproduce_jdrl.py --model nafnet --sets A --seeds 0 --crop 96 --steps 480 --n-train 12 \\
        --aligned-only --learning-rate 2e-3 --threads 1 --out runs/reproduce-nafnet
    python tools/reproduce_jdrl.py --table
"""

from __future__ import annotations

import argparse
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sdd_bench.core.storage.files import write_json
from sdd_bench.core.types import Progress
from sdd_bench.evaluation.options import EvaluateOptions
from sdd_bench.evaluation.run import evaluate
from sdd_bench.images.photograph import read_photograph, to_float
from sdd_bench.images.write import write_png
from sdd_bench.metrics.lpips import Lpips
from sdd_bench.metrics.psnr import psnr
from sdd_bench.metrics.ssim import ssim
from sdd_bench.models.network import load_network
from sdd_bench.prediction.run import pictures_of, predict
from sdd_bench.preparation.options import PrepareOptions
from sdd_bench.preparation.run import prepare
from sdd_bench.prepared.open import open_dataset
from sdd_bench.synth.options import SynthOptions
from sdd_bench.synth.run import synthesize
from sdd_bench.training.config import TrainConfig
from sdd_bench.training.run import train

WIDTH, HEIGHT, PATCH = 640, 384, 192
REBLUR_WIDTH = 16
MARGIN = 8
"""Drawn around every capture, so that B's mean shift can be made by cropping."""


@dataclass(frozen=True)
class Misalignment:
    """What separates blurry and sharp."""

    zoom_range: tuple[float, float]
    shift_range: tuple[float, float]
    mean_shift: tuple[int, int] = (0, 0)
    exposure_range: tuple[float, float] = (1, 1)
    tested_on: str = ""
    """Set whose test pictures are scored; empty: its own."""


SETS = {
    "A": Misalignment((0.99, 1.01), (-6, 6)),
    "B": Misalignment((1, 1), (-3, 3), (4, -2)),
    "C": Misalignment((0.99, 1.01), (0, 0)),
    "E": Misalignment((0.99, 1.01), (-6, 6), exposure_range=(2**-0.7, 2**0.7), tested_on="A"),
}
_COBI = {"no_reblur": True, "most_places": 32**2}
"""A quarter of the authors' places: a fifteenth of the time."""
METHODS: dict[str, dict[str, Any]] = {
    "oracle": {"vanilla": True},
    "vanilla": {"vanilla": True},
    "jdrl": {},
    "cobi": _COBI | {"loss": "cobi"},
    "cobi released": _COBI | {"loss": "cobi-released"},
    "contextual": _COBI | {"loss": "contextual"},
    "jdrl matched": {"match": "gain"},
    "#2 no flow": {"no_flow": True},
    "#3 no mask": {"no_mask": True},
    "#4 no reblur": {"no_reblur": True},
    "#5 free kernels": {"free_kernels": True},
    "#6 no weight maps": {"no_weight_maps": True},
    "no cycle": {"no_cycle": True},
    "alpha 0.05": {"alpha": 0.05},
    "similarity mask": {"mask": "similarity"},
}


@dataclass(frozen=True)
class Narrow:
    """A network in a form that trains on a CPU."""

    width: int
    options: dict[str, Any] = field(default_factory=dict)
    clip: float | None = None
    """Largest norm of the gradient."""


NETWORKS = {
    "unet-small": Narrow(16),
    "mprnet": Narrow(8, {"depth": 1}),
    "ifan": Narrow(16, {"iterations": 8}, clip=0.5),
    "nafnet": Narrow(16, {"encoder": [1, 1, 1, 4]}),
}
"""Networks by ``--model``. IFAN is that of the paper's IFAN*: no dual pixels, so no loss of its defocus map, and JDRL's
reblurring network in place of its own. Its authors clip gradients at 0.5."""


def check_settings(arguments: argparse.Namespace) -> None:
    """Cells are comparable only when all of them were made with the same settings."""
    names = ("steps", "batch", "crop", "width", "learning_rate", "n_train", "n_test")
    settings = {name: getattr(arguments, name) for name in names}
    if arguments.model != "unet-small":
        settings["model"] = arguments.model
    if arguments.precision != "32":
        settings["precision"] = arguments.precision
    path = arguments.out / "settings.json"
    if path.is_file() and (before := json.loads(path.read_text(encoding="utf-8"))) != settings:
        raise SystemExit(f"{arguments.out}: was begun with {before}; give the same, or another --out.")
    write_json(path, settings)


def make_captures(root: Path, misalignment: Misalignment, n_train: int, n_test: int) -> tuple[Path, Path]:
    """The misaligned set and the aligned one: folders in the SDD layout."""
    drawn, captures, aligned = root / "drawn", root / "captures", root / "aligned"
    if (root / "captures.json").is_file():
        return captures, aligned
    options = SynthOptions(
        width=WIDTH + 2 * MARGIN,
        height=HEIGHT + 2 * MARGIN,
        n_train=n_train,
        n_test=n_test,
        zoom_range=misalignment.zoom_range,
        shift_range=misalignment.shift_range,
        rotation_range=(0, 0),
        coc_range=(4, 10),
        exposure_range=misalignment.exposure_range,
        color_cast=0,
        truth="full",
    )
    synthesize(drawn, options)
    dx, dy = misalignment.mean_shift
    for pair in open_dataset(drawn, split=None).pairs:
        assert pair.aligned_path is not None
        assert pair.truth_path is not None
        blurry, truth = (_cut(path, 0, 0) for path in (pair.blurry_path, pair.aligned_path))
        # Cut d px earlier, the sharp picture shows everything d px later.
        sharp = _cut(pair.sharp_path, -dx, -dy)
        for folder, target in ((captures, sharp), (aligned, truth)):
            write_png(folder / pair.split / "blur" / f"{pair.name}.png", blurry)
            write_png(folder / pair.split / "gt" / f"{pair.name}.png", target)
        values = json.loads(pair.truth_path.read_text(encoding="utf-8"))
        values |= {"width": WIDTH, "height": HEIGHT}
        values |= {"shift_x_px": values["shift_x_px"] + dx, "shift_y_px": values["shift_y_px"] + dy}
        beside = captures / "truth" / pair.split
        write_png(beside / f"{pair.name}_aligned.png", truth)
        write_json(beside / f"{pair.name}.json", values)
    shutil.rmtree(drawn)
    write_json(root / "captures.json", {"n_train": n_train, "n_test": n_test})
    return captures, aligned


def _cut(path: Path, dx: int, dy: int) -> Any:
    pixels = read_photograph(path).pixels
    return np.ascontiguousarray(pixels[MARGIN + dy : MARGIN + dy + HEIGHT, MARGIN + dx : MARGIN + dx + WIDTH])


def run_cell(root: Path, name: str, method: str, seed: int, arguments: argparse.Namespace) -> None:
    """Train, predict and score one method on one set with one seed."""
    cell = root / f"{method.replace(' ', '-').replace('#', '')}-{seed}"
    if (cell / "scores.json").is_file():
        return
    captures, aligned = make_captures(root, SETS[name], arguments.n_train, arguments.n_test)
    patches = PrepareOptions(resize="none", patch=PATCH, overlap=0.5, drop=0)
    prepared = root / ("prepared-aligned" if method == "oracle" else "prepared")
    summary = prepare(aligned if method == "oracle" else captures, prepared, patches)
    epochs = max(1, round(arguments.steps * arguments.batch / summary.n_patches))
    config = TrainConfig(
        model=arguments.model,
        width=arguments.width,
        model_options=NETWORKS[arguments.model].options,
        clip=NETWORKS[arguments.model].clip,
        crop=arguments.crop,
        batch=arguments.batch,
        epochs=epochs,
        stage_one_epochs=max(1, round(0.15 * epochs)),
        halve_every=max(1, round(0.3 * epochs)),
        learning_rate=arguments.learning_rate,
        precision=arguments.precision,
        warm_up=40,
        reblur_width=REBLUR_WIDTH,
        flips=False,  # flips and turns would give B a mean shift of zero
        val_share=0,
        validate_every=epochs,
        checkpoint_every=50,
        seed=seed,
        accelerator="cpu",
        **METHODS[method],
    )
    print(f"{name} {method} {seed}: {epochs} epochs of {summary.n_patches} patches", flush=True)
    report = train(prepared, cell / "run", config, resume=True, on_progress=tell)
    assert report.finished, "stopped; run again to go on"
    assert report.model is not None
    tested_on = SETS[name].tested_on
    if tested_on:
        captures, _ = make_captures(root.parent / tested_on, SETS[tested_on], arguments.n_train, arguments.n_test)
    predictions = cell / "predictions"
    predict(load_network(report.model), pictures_of(captures), predictions)
    write_json(cell / "scores.json", score(captures, predictions, cell, aligned_only=arguments.aligned_only))


def tell(progress: Progress) -> None:
    """Print every fiftieth step."""
    if progress.done % 50 == 0 or progress.done == progress.total:
        print(f"  {progress.done}/{progress.total} {progress.item}", flush=True)


def score(captures: Path, predictions: Path, cell: Path, *, aligned_only: bool) -> dict[str, Any]:
    """Scores against the aligned truth by picture; warped, registered and motion as means of ``evaluate``."""
    lpips = Lpips()
    rows = []
    dataset = open_dataset(captures)
    for pair in dataset.pairs:
        assert pair.aligned_path is not None
        truth = to_float(read_photograph(pair.aligned_path).pixels)
        row = {"image": pair.name}
        for label, path in (("", predictions / f"{pair.name}.png"), ("input_", pair.blurry_path)):
            picture = to_float(read_photograph(path).pixels)
            row |= {f"{label}psnr": psnr(picture, truth), f"{label}ssim": ssim(picture, truth)}
            row[f"{label}lpips"] = lpips.distance(lpips.features(picture), lpips.features(truth))
        rows.append(row)
    if aligned_only:
        return {"pictures": rows, "means": {}, "drift_px": None, "deform_px": None}
    metrics = ("psnr", "ssim", "lpips")
    done = evaluate(dataset, predictions, cell / "evaluation", method="m", options=EvaluateOptions(metrics=metrics))
    scores = done.summary["scores"]["m"]
    means = {
        f"{truth}_{metric}": scores[truth][metric]["mean"] for truth in ("warped", "registered") for metric in metrics
    }
    return {
        "pictures": rows,
        "means": means,
        "drift_px": _mean(done, "drift_px"),
        "deform_px": _mean(done, "deform_px"),
    }


def _mean(done: Any, name: str) -> float:
    value = done.summary[name]["m"]
    return float(value["mean"] if isinstance(value, dict) else value)


def _cells(root: Path, method: str) -> list[dict[str, Any]]:
    pattern = f"{method.replace(' ', '-').replace('#', '')}-[0-9]*/scores.json"
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(root.glob(pattern))]


def gap_closed(jdrl: Any, vanilla: Any, oracle: Any, *, draws: int = 2000) -> tuple[float, float, float]:
    """Share of the gap from vanilla to oracle, with a 95 % interval; PSNR of (seeds, pictures) each."""
    rng = np.random.default_rng(0)
    shares = []
    for _ in range(draws):
        pictures = rng.integers(0, jdrl.shape[1], jdrl.shape[1])
        drawn = [
            table[rng.integers(0, len(table), len(table))][:, pictures].mean() for table in (jdrl, vanilla, oracle)
        ]
        shares.append((drawn[0] - drawn[1]) / (drawn[2] - drawn[1]))
    means = [table.mean() for table in (jdrl, vanilla, oracle)]
    low, high = np.percentile(shares, [2.5, 97.5])
    return (means[0] - means[1]) / (means[2] - means[1]), float(low), float(high)


def print_table(out: Path) -> None:
    """Everything that is finished, and what the goals say of it."""
    print("set method            seeds  PSNR   SSIM   LPIPS  | warped registered | drift_px deform_px")
    for name in SETS:
        tables: dict[str, Any] = {}
        for method in METHODS:
            cells = _cells(out / name, method)
            if not cells:
                continue
            rows = [row for cell in cells for row in cell["pictures"]]
            if not tables:
                print(
                    _line(name, "(blurry input)", 0, [_average(rows, f"input_{m}") for m in ("psnr", "ssim", "lpips")])
                )
            tables[method] = np.array([[row["psnr"] for row in cell["pictures"]] for cell in cells])
            means = [_average(rows, metric) for metric in ("psnr", "ssim", "lpips")]
            extra = [_known(cell["means"].get(key)) for key in ("warped_psnr", "registered_psnr") for cell in cells]
            warped, registered = np.mean(extra[: len(cells)]), np.mean(extra[len(cells) :])
            motion = [np.mean([_known(cell[key]) for cell in cells]) for key in ("drift_px", "deform_px")]
            tail = f" | {warped:6.2f} {registered:10.2f} | {motion[0]:8.2f} {motion[1]:9.2f}"
            print(_line(name, method, len(cells), means) + tail)
        for method in ("jdrl", "alpha 0.05"):
            if {"oracle", "vanilla", method} <= set(tables):
                share, low, high = gap_closed(tables[method], tables["vanilla"], tables["oracle"])
                print(f"{name}   of the gap from vanilla to oracle {method} closes {share:.0%} [{low:.0%}, {high:.0%}]")


def _known(value: float | None) -> float:
    return float("nan") if value is None else value


def _average(rows: list[dict[str, float]], key: str) -> float:
    values = [row[key] for row in rows if key in row]
    return float(np.mean(values)) if values else float("nan")


def _line(name: str, method: str, seeds: int, means: list[float]) -> str:
    return f"{name}   {method:18} {seeds:4d} {means[0]:6.2f} {means[1]:6.4f} {means[2]:6.4f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/reproduce"))
    parser.add_argument("--sets", default="A,B,C")
    parser.add_argument("--methods", default="oracle,vanilla,jdrl")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--steps", type=int, default=360)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--crop", type=int, default=128)
    parser.add_argument("--model", choices=list(NETWORKS), default="unet-small")
    parser.add_argument("--width", type=int, help="channels of the first stage; by default a narrow network's")
    parser.add_argument("--learning-rate", type=float, default=1e-3)
    parser.add_argument("--precision", choices=("32", "bf16-mixed"), default="32", help="of training; scores are of 32")
    parser.add_argument("--n-train", type=int, default=16)
    parser.add_argument("--n-test", type=int, default=6)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--aligned-only", action="store_true", help="no scores that need flow, to save time")
    parser.add_argument("--table", action="store_true", help="only print what is finished")
    arguments = parser.parse_args()
    arguments.width = arguments.width or NETWORKS[arguments.model].width
    torch.set_num_threads(arguments.threads)
    if not arguments.table:
        check_settings(arguments)
        for seed in map(int, arguments.seeds.split(",")):
            for name in arguments.sets.split(","):
                for method in arguments.methods.split(","):
                    run_cell(arguments.out / name, name, method, seed, arguments)
    print_table(arguments.out)


if __name__ == "__main__":
    main()
