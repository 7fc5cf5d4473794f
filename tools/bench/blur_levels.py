"""Blur of regions from a registered pair against the truth of synthetic captures: rank correlation and error.

    python tools/bench/blur_levels.py

Pairs are misaligned, exposed differently and noisy, as ``synth`` makes them by default, and registered by the flow of
``evaluate``. A region is 32x32 pixels; both sides are medians over it. The rank correlation (Spearman) is over all
regions of a set whose blur is known; within a picture most regions share one depth, so ties leave little to rank.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import numpy as np
import tifffile
from scipy.stats import spearmanr

from sdd_bench.evaluation.picture.scorer import PictureScorer
from sdd_bench.evaluation.regions import region_medians
from sdd_bench.flow.estimator import load_flow
from sdd_bench.images.photograph import read_photograph, to_float
from sdd_bench.prepared.open import open_dataset
from sdd_bench.synth.options import SynthOptions
from sdd_bench.synth.run import synthesize


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=4)
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--flow", default="pwcnet")
    arguments = parser.parse_args()
    data = os.environ.get("SDD_BENCH_DATA")
    scenes: dict[str, Path | None] = {"made": None} | ({"photographs": Path(data) / "photos"} if data else {})
    flow = load_flow(arguments.flow)
    print(f"{'scenes':14s}{'regions':>9s}{'known':>8s}{'rank':>8s}{'error, px':>11s}")
    for name, photos in scenes.items():
        with tempfile.TemporaryDirectory() as folder:
            options = SynthOptions(
                width=1024,
                height=640,
                n_train=0,
                n_test=arguments.pictures,
                coc_range=(2, 20),
                truth="full",
                photos=photos,
                seed=arguments.seed,
            )
            synthesize(Path(folder), options)
            measured, true = [], []
            for pair in open_dataset(Path(folder)).pairs:
                blurry, sharp = (to_float(read_photograph(path).pixels) for path in (pair.blurry_path, pair.sharp_path))
                measured.append(PictureScorer(blurry, sharp, flow=flow, metrics=("psnr",)).regions.blur_px.ravel())
                assert pair.truth_path is not None
                truth = tifffile.imread(pair.truth_path.with_name(f"{pair.name}_coc.tiff"))
                true.append(region_medians(truth).ravel())
            found, known_truth = np.concatenate(measured), np.concatenate(true)
            known = np.isfinite(found)
            rank = spearmanr(found[known], known_truth[known]).statistic
            error = np.abs(found[known] - known_truth[known]).mean()
            print(f"{name:14s}{found.size:9d}{known.mean():8.0%}{rank:8.3f}{error:11.2f}", flush=True)


if __name__ == "__main__":
    main()
