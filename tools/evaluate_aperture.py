"""Prepare and score real aperture pairs (VABD and EBB), and print the table as Markdown.

`--data DIR` holds `aperture/vabd/{input,8,2_8,1_8}` (f/16 is sharp; f/8, f/2.8 and f/1.8 are blurry) and
`aperture/ebb/{sharp,blurry}`. Each set becomes a CSV of pairs, is prepared, and three predictions are made and scored:
the blurry input itself, an unsharp mask, and a Wiener deconvolution with a small disc. None of them is a good network:
the table shows what raw, warped, registered and matched ground truth make of the same pictures.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import shutil
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.types import GroundTruth
from sdd_bench.evaluation.options import METRICS, EvaluateOptions
from sdd_bench.evaluation.run import evaluate
from sdd_bench.evaluation.text import ordered_methods
from sdd_bench.images.photograph import read_photograph, to_float
from sdd_bench.images.unsharp import unsharp
from sdd_bench.images.write import from_float, write_png
from sdd_bench.preparation.options import PRESETS
from sdd_bench.preparation.run import prepare
from sdd_bench.prepared.open import open_dataset

Picture = NDArray[np.float32]
APERTURES = {"8": "f/8", "2_8": "f/2.8", "1_8": "f/1.8"}
FORMATS = {"psnr": ".2f", "ssim": ".3f", "mae": ".4f", "lpips": ".3f"}


def copy_pairs(data: Path, work: Path) -> dict[str, Path]:
    """Copy the pictures below ``work``, one folder a set, each with a CSV of pairs."""
    vabd = [
        (f"{folder}/{path.name}", f"input/{path.name}", path.stem, aperture)
        for folder, aperture in APERTURES.items()
        for path in sorted((data / "aperture/vabd" / folder).iterdir())
    ]
    ebb = [
        (f"blurry/{path.name}", f"sharp/{path.name}", path.stem, "f/1.8")
        for path in sorted((data / "aperture/ebb/blurry").iterdir())
    ]
    tables = {}
    for name, rows in (("vabd", vabd), ("ebb", ebb)):
        shutil.copytree(data / "aperture" / name, work / "captures" / name, dirs_exist_ok=True)
        tables[name] = work / "captures" / name / "pairs.csv"
        with open(tables[name], "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("blurry", "sharp", "scene", "group", "split"))
            writer.writerows((*row, "test") for row in rows)
    return tables


def wiener(picture: Picture, *, diameter_px: float = 5.0, noise: float = 0.02) -> Picture:
    """Wiener deconvolution with a disc: conj(K) / (|K|^2 + noise) in frequencies, the border mirrored."""
    pad = 32
    padded = cv2.copyMakeBorder(picture, pad, pad, pad, pad, cv2.BORDER_REFLECT_101)
    height, width = padded.shape[:2]
    y, x = np.mgrid[-8:9, -8:9]
    disc = np.clip(diameter_px / 2 + 0.5 - np.hypot(x, y), 0, 1)
    kernel = np.zeros((height, width))
    kernel[:17, :17] = disc / disc.sum()
    response = np.fft.rfft2(np.roll(kernel, (-8, -8), axis=(0, 1)))
    inverse = np.conj(response) / (np.abs(response) ** 2 + noise) * (1 + noise)
    sharp = np.fft.irfft2(np.fft.rfft2(padded, axes=(0, 1)) * inverse[..., None], s=(height, width), axes=(0, 1))
    return np.ascontiguousarray(sharp[pad:-pad, pad:-pad], dtype=np.float32)


METHODS: dict[str, Callable[[Picture], Picture]] = {
    "input": lambda picture: picture,
    "unsharp": partial(unsharp, amount=0.8),
    "wiener": wiener,
}


def write_predictions(prepared: Path, folder: Path, method: Callable[[Picture], Picture]) -> None:
    """Run ``method`` on every blurry test picture."""
    for pair in open_dataset(prepared).pairs:
        photograph = read_photograph(pair.blurry_path)
        predicted = method(to_float(photograph.pixels))
        write_png(folder / f"{pair.name}.png", from_float(np.clip(predicted, 0, 1), photograph.bit_depth))


def lines(name: str, summary: dict[str, Any]) -> list[str]:
    """Markdown lines of one run: metric cells are raw / warped / registered / matched."""
    rows = []
    for method in ordered_methods(summary):
        scores = summary["scores"][method]
        cells = [
            " / ".join(format(scores[truth.value][metric]["mean"], FORMATS[metric]) for truth in GroundTruth)
            for metric in summary["metrics"]
        ]
        motion = [f"{summary[key][method]:.2f}" for key in ("drift_px", "deform_px")]
        rows.append("| " + " | ".join((name, method, *cells, *motion)) + " |")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds aperture/")
    parser.add_argument("--work", type=Path, help="folder to keep; else a temporary one")
    parser.add_argument("--metrics", default=",".join(METRICS))
    parser.add_argument("--flow", default="pwcnet")
    parser.add_argument("--jobs", type=int, default=1)
    arguments = parser.parse_args()
    options = EvaluateOptions(metrics=tuple(arguments.metrics.split(",")), flow=arguments.flow)
    with tempfile.TemporaryDirectory() as temporary:
        work = arguments.work or Path(temporary)
        table, notes = [], []
        for name, pairs_csv in copy_pairs(arguments.data, work).items():
            prepared = work / name
            unchanged = dataclasses.replace(PRESETS["sdd"], resize="none")
            prepare(pairs_csv.parent, prepared, unchanged, pairs_csv=pairs_csv, jobs=arguments.jobs)
            for method, function in METHODS.items():
                folder = work / "predictions" / name / method
                write_predictions(prepared, folder, function)
                report = evaluate(
                    open_dataset(prepared), folder, work / "runs" / name / method, options=options, jobs=arguments.jobs
                )
                if report.problems:
                    raise SystemExit("\n".join(f"{problem.item}: {problem.reason}" for problem in report.problems))
                found = lines(name, report.summary)
                table += found if method == "input" else found[1:]
                notes += [f"- {name}: {note}" for note in report.notes]
    metrics = [f"{metric.upper()} raw / warped / registered / matched" for metric in options.metrics]
    print("| " + " | ".join(("set", "method", *metrics, "drift_px", "deform_px")) + " |")
    print("|" + "---|" * (len(metrics) + 4))
    print("\n".join([*table, "", *dict.fromkeys(notes)]))


if __name__ == "__main__":
    main()
