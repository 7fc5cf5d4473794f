"""A short training on real aperture pairs (VABD and EBB): input, vanilla and JDRL, with and without matched light.

    python tools/train_aperture.py --data DIR --work runs/aperture

The last scene of each set is the test split, the others are trained on: eight pairs, at half size. That is far too
little for a good network; it shows what each way of training makes of pairs that do not lie on one another and are not
exposed alike. Rank by ``matched``. The photographs stay in ``--work``.
"""

from __future__ import annotations

import argparse
import csv
import shutil
from pathlib import Path
from typing import Any

import torch
from evaluate_aperture import copy_pairs, lines, write_predictions
from reproduce_jdrl import tell

from sdd_bench.evaluation.options import EvaluateOptions
from sdd_bench.evaluation.run import evaluate
from sdd_bench.leaderboard.site.media import PictureSource
from sdd_bench.leaderboard.site.site import render_site
from sdd_bench.leaderboard.tables.add import add
from sdd_bench.models.network import load_network
from sdd_bench.prediction.run import pictures_of, predict
from sdd_bench.preparation.options import PrepareOptions
from sdd_bench.preparation.run import prepare
from sdd_bench.prepared.open import open_dataset
from sdd_bench.training.config import TrainConfig
from sdd_bench.training.run import train

METHODS: dict[str, dict[str, Any]] = {
    "vanilla": {"vanilla": True},
    "vanilla-matched": {"vanilla": True, "match": "gain"},
    "jdrl": {},
    "jdrl-matched": {"match": "gain"},
}


def one_table(data: Path, work: Path, *, choosing: bool = False) -> Path:
    """A CSV of both sets, the last scene of each in the test split; ``choosing`` leaves it out and tests on the one
    before it."""
    rows = []
    for name, path in copy_pairs(data, work).items():
        with open(path, encoding="utf-8", newline="") as file:
            pairs = list(csv.DictReader(file))
        scenes = sorted({pair["scene"] for pair in pairs})
        used = scenes[:-1] if choosing else scenes
        for pair in pairs:
            if pair["scene"] not in used:
                continue
            split = "test" if pair["scene"] == used[-1] else "train"
            rows.append((f"{name}/{pair['blurry']}", f"{name}/{pair['sharp']}", f"{name} {pair['scene']}", split))
    table = work / "captures" / "pairs.csv"
    with open(table, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("blurry", "sharp", "scene", "split"), *rows])
    return table


def prepared_pairs(data: Path, work: Path, *, choosing: bool = False) -> Path:
    """The set of both, at half size, prepared in ``work``; its input as predictions beside it."""
    table, prepared = one_table(data, work, choosing=choosing), work / "prepared"
    options = PrepareOptions(resize="0.5", resize_test=True, patch=192, overlap=0.5, drop=0.3)
    summary = prepare(table.parent, prepared, options, pairs_csv=table)
    print(f"{summary.n_pairs} pairs, {summary.n_patches} patches", flush=True)
    write_predictions(prepared, work / "predictions" / "input", lambda picture: picture)
    return prepared


def main() -> None:
    """Train, score, print the table, write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds aperture/")
    parser.add_argument("--work", type=Path, required=True, help="folder to keep; outside version control")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    work = arguments.work
    prepared, predictions = prepared_pairs(arguments.data, work), work / "predictions"
    for method, ablation in METHODS.items():
        config = TrainConfig(
            model="unet-small",
            reblur_width=16,
            crop=128,
            batch=4,
            epochs=arguments.epochs,
            stage_one_epochs=1,
            learning_rate=1e-3,
            halve_every=max(1, arguments.epochs // 3),
            warm_up=40,
            val_share=0,
            accelerator="cpu",
            **ablation,
        )
        report = train(prepared, work / "training" / method, config, resume=True, on_progress=tell)
        if report.model is None:
            raise SystemExit(f"{method}: stopped at step {report.step}; run again to go on.")
        predict(load_network(report.model), pictures_of(prepared), predictions / method)
    printed, runs = [], []
    leaderboards = work / "leaderboards"
    shutil.rmtree(leaderboards, ignore_errors=True)
    for method in ("input", *METHODS):
        done = evaluate(
            open_dataset(prepared),
            predictions / method,
            work / "runs" / method,
            options=EvaluateOptions(flow="pwcnet-plain", save_flow=True, save_warped=True),
        )
        found = lines("aperture", done.summary)
        printed += found if method == "input" else found[1:]
        add(done.run, leaderboards, dataset="aperture", reference="tools/train_aperture.py")
        runs.append(done.run)
    sources = [PictureSource.open(run, prepared, predictions / run.name) for run in runs]
    page = render_site(leaderboards, work / "page", sources=sources, title="aperture pairs")
    print("\n".join([*printed, f"page: {page}"]))


if __name__ == "__main__":
    main()
