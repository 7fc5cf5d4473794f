"""How registered scores, those inside the valid mask, and PSNR after shifts without flow agree on real pairs.

    python tools/evaluate_checks.py --data DIR [--flow NAME] [--work DIR]

Pairs are those of ``evaluate_aperture.py`` (VABD and EBB). Two predictions are compared: the blurry picture itself and
an unsharp mask. What should agree is the *difference* between methods: a flow that helped one of them would show.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import numpy as np
from evaluate_aperture import METHODS, copy_pairs

from sdd_bench.core.types import GroundTruth
from sdd_bench.evaluation.options import EvaluateOptions
from sdd_bench.evaluation.run import evaluate
from sdd_bench.images.photograph import read_photograph, to_float
from sdd_bench.images.write import from_float, write_png
from sdd_bench.prepared.open import open_dataset

MEASURES = ("psnr-shift", "psnr-valid")


def main() -> None:
    """Print a table: per set and method PSNR raw, registered, registered inside the mask, raw after shifts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds aperture/")
    parser.add_argument("--work", type=Path, help="folder to keep; else a temporary one")
    parser.add_argument("--flow", default="pwcnet")
    parser.add_argument("--resize", default="none")
    arguments = parser.parse_args()
    options = EvaluateOptions(metrics=("psnr",), extra=MEASURES, flow=arguments.flow, resize=arguments.resize)
    print(
        "| set | method | raw | raw, shifted tiles | registered | registered, valid mask |\n|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as temporary:
        work = arguments.work or Path(temporary)
        for name, pairs_csv in copy_pairs(arguments.data, work).items():
            dataset = open_dataset(pairs_csv.parent, pairs_csv=pairs_csv)
            for method in ("input", "unsharp"):
                folder = work / "predictions" / name / method
                for pair in dataset.pairs:
                    predicted = METHODS[method](to_float(read_photograph(pair.blurry_path).pixels))
                    write_png(folder / f"{pair.name}.png", from_float(np.clip(predicted, 0, 1), 8))
                report = evaluate(dataset, folder, work / "runs" / name / method, options=options)
                scores, extras = report.summary["scores"][method], report.summary["extras"]
                shifted = extras["psnr-shift"]["scores"][method][GroundTruth.RAW.value]["mean"]
                valid = extras["psnr-valid"]["scores"][method][GroundTruth.REGISTERED.value]["mean"]
                raw, registered = (scores[truth]["psnr"]["mean"] for truth in ("raw", "registered"))
                cells = (f"{value:.2f}" for value in (raw, shifted, registered, valid))
                print(f"| {name} | {method} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
