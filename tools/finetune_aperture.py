"""Fine-tuning on real aperture pairs (VABD and EBB): does JDRL improve a network that is trained already?

    python tools/finetune_aperture.py --data DIR --work runs/aperture --init MODEL.safetensors

The last scene of each set is the test split (four pairs), the others are trained on: eight pairs, at half size. They do
not lie on one another and are not exposed alike; both ways of training match the light by one gain per colour
(``--match gain``), JDRL aligns, too. Prints the mean of every way over the seeds and their spread, then what every way
differs by from the first, pair by pair; scores are against ``matched`` ground truth. ``--flow pwcnet-plain`` scores by
the flow of the trainings, which sees drift where there is none (``bench/drift.py``). A killed run goes on. The
photographs stay in ``--work``.
``truth`` is that ground truth as if it were a prediction, ``unsharp`` are masks that move nothing, being symmetric:
drift as theirs need not be motion.
``--choosing`` leaves the test pairs out and tests on the scene before the last, to choose settings by.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from evaluate_aperture import write_predictions
from numpy.typing import NDArray
from reproduce_jdrl import tell
from train_aperture import prepared_pairs

from sdd_bench.core.precision import has_fast_bf16
from sdd_bench.core.types import GroundTruth
from sdd_bench.evaluation.options import EvaluateOptions
from sdd_bench.evaluation.picture.scorer import PictureScorer
from sdd_bench.evaluation.run import evaluate
from sdd_bench.flow.estimator import load_flow
from sdd_bench.flow.mask import FLOOR_PX, calibration_mask
from sdd_bench.images.photograph import read_photograph, to_float
from sdd_bench.images.unsharp import unsharp
from sdd_bench.images.write import from_float, write_png
from sdd_bench.models.network import load_network, read_spec
from sdd_bench.prediction.run import pictures_of, predict
from sdd_bench.prepared.open import open_dataset
from sdd_bench.prepared.torch_dataset import PairDataset
from sdd_bench.training.config import TrainConfig
from sdd_bench.training.data.stage_one_flow import ensure_flow
from sdd_bench.training.run import train

_BOTH_WAYS = {"perceptual_side": "both", "perceptual_floor_px": 1.0, "interpolation": "lanczos"}
METHODS: dict[str, dict[str, Any]] = {
    "vanilla": {"vanilla": True},
    "jdrl": {},
    "jdrl, reblurring first": {"reblur_epochs": 2},
    "jdrl, alpha 0.05": {"alpha": 0.05},
    "jdrl without reblurring": {"no_reblur": True},
    "vanilla, LPIPS": {"vanilla": True, "perceptual_weight": 0.02},
    "jdrl, alpha 0.05, LPIPS": {"alpha": 0.05, "perceptual_weight": 0.02},
    "vanilla, LPIPS 0.05": {"vanilla": True, "perceptual_weight": 0.05},
    "jdrl, alpha 0.05, LPIPS 0.05": {"alpha": 0.05, "perceptual_weight": 0.05},
    "jdrl, alpha 0.05, LPIPS 0.05 both ways": _BOTH_WAYS | {"alpha": 0.05, "perceptual_weight": 0.05},
    "vanilla, LPIPS 0.1": {"vanilla": True, "perceptual_weight": 0.1},
    "jdrl, alpha 0.05, LPIPS 0.1 both ways": _BOTH_WAYS | {"alpha": 0.05, "perceptual_weight": 0.1},
    "jdrl, alpha 0.05, LPIPS 0.1 both ways, first flow": _BOTH_WAYS
    | {"alpha": 0.05, "perceptual_weight": 0.1, "stage_one_epochs": 1000},
    "jdrl, alpha 0.05, LPIPS 0.1 both ways, refined first flow": _BOTH_WAYS
    | {"alpha": 0.05, "perceptual_weight": 0.1, "stage_one_epochs": 1000, "flow": "pwcnet"},
}
SHOWN = ("vanilla, LPIPS 0.1", "jdrl, alpha 0.05, LPIPS 0.1 both ways, first flow")
"""The two ways that are compared unless ``--methods`` names others."""
UNSHARP = (0.8, 2.0)
"""Amounts of unsharp masks."""
MATCHED = GroundTruth.MATCHED.value
FORMS = {"psnr": ".2f", "ssim": ".4f", "lpips": ".4f", "drift_px": ".4f", "deform_px": ".3f"}
"""Columns and their formats."""
Figures = dict[str, NDArray[np.float64]]
"""By column, one of every test picture."""


def tuned(prepared: Path, run: Path, method: str, seed: int, arguments: argparse.Namespace) -> Path:
    """Train, or go on; the weights."""
    spec = read_spec(arguments.init)
    shared: dict[str, Any] = {
        "model": spec.model,
        "width": spec.width,
        "model_options": spec.options,
        "init": arguments.init,
        "match": "gain",
        "reblur_width": 16,
        "crop": 128,
        "batch": 4,
        "epochs": arguments.epochs,
        "stage_one_epochs": max(1, arguments.epochs // 2),
        "learning_rate": arguments.learning_rate,
        "halve_every": max(1, arguments.epochs // 2),
        "warm_up": 20,
        "clip": 0.5,
        "precision": "bf16-mixed" if has_fast_bf16() else "32",
        "val_share": 0,
        "checkpoint_every": 20,
        "accelerator": "cpu",
        "seed": seed,
    }
    options = shared | METHODS[method]
    if "flow" in options:  # both estimators have the same weights, by which the default file is named
        options["flow_file"] = prepared.with_name(f"flow-{options['flow']}.h5")
    config = TrainConfig(**options)
    report = train(prepared, run, config, resume=True, on_progress=tell)
    if report.model is None:
        raise SystemExit(f"{run}: stopped at step {report.step}; run again to go on.")
    return report.model


def seen_share(prepared: Path, floor_px: float) -> float:
    """Part of the pixels of the training patches that the paper's mask shows, by the flow of the first stage."""
    flow_file = ensure_flow(prepared, load_flow("pwcnet-plain"))
    patches = PairDataset(prepared, crop=None, augment=False, flow=flow_file)
    masks = [calibration_mask(patches[index]["flow"][None], floor_px=floor_px) for index in range(len(patches))]
    return float(torch.cat(masks).float().mean())


def figures_of(prepared: Path, predictions: Path, run: Path, flow: str) -> Figures:
    """What ``evaluate`` says of every picture of a folder of predictions, by name."""
    done = evaluate(open_dataset(prepared), predictions, run, method="m", options=EvaluateOptions(flow=flow))
    rows = done.to_frame().query("method == 'm' and ground_truth == @MATCHED").sort_values("image")
    return {key: rows[key].to_numpy(np.float64) for key in FORMS}


def write_truth(prepared: Path, folder: Path, flow_name: str) -> None:
    """The matched ground truth of every test picture as if it were a prediction."""
    flow = load_flow(flow_name)
    for pair in open_dataset(prepared).pairs:
        blurry, sharp = read_photograph(pair.blurry_path), read_photograph(pair.sharp_path)
        truth = PictureScorer(to_float(blurry.pixels), to_float(sharp.pixels), flow=flow, metrics=()).matched.picture
        write_png(folder / f"{pair.name}.png", from_float(truth, blurry.bit_depth))


def row(name: str, figures: list[Figures]) -> str:
    """Means over pictures and seeds; in brackets the standard deviation from seed to seed."""
    cells = [_cell([float(one[key].mean()) for one in figures], form) for key, form in FORMS.items()]
    return "| " + " | ".join((name, *cells)) + " |"


def _cell(values: list[float], form: str) -> str:
    spread = f" ({np.std(values, ddof=1):{form}})" if len(values) > 1 else ""
    return f"{np.mean(values):{form}}{spread}"


def differences(name: str, figures: list[Figures], first: list[Figures]) -> str:
    """Mean difference from the first way with the same seeds, its spread as in :func:`row`, and that of every pair."""
    cells = []
    for key, form in FORMS.items():
        apart = np.array([one[key] - other[key] for one, other in zip(figures, first, strict=True)])
        mean, *each = (f"{value:+{form}}" for value in (apart.mean(), *apart.mean(axis=0)))
        spread = f" ({apart.mean(axis=1).std(ddof=1):{form}})" if len(apart) > 1 else ""
        cells.append(f"{mean}{spread}: {', '.join(each)}")
    return "| " + " | ".join((name, *cells)) + " |"


def main() -> None:
    """Train, score, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds aperture/")
    parser.add_argument("--work", type=Path, required=True, help="folder to keep; outside version control")
    parser.add_argument("--init", type=Path, required=True, help="weights to start from, which say their network")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--methods", default=";".join(SHOWN), help=f"of {'; '.join(METHODS)}")
    parser.add_argument("--flow", default="pwcnet", help="of ground truth and drift; trainings have their own")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--learning-rate", type=float, default=5e-5)
    parser.add_argument(
        "--choosing",
        action="store_true",
        help="leave the test pairs out and test on the last scenes but one, to choose settings; another --work, "
        "and twice the epochs, as half the pairs are left",
    )
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    work = arguments.work
    prepared, predictions = prepared_pairs(arguments.data, work, choosing=arguments.choosing), work / "predictions"
    pictures = pictures_of(prepared)
    predict(load_network(arguments.init), pictures, predictions / "before")
    shares = " and ".join(f"{seen_share(prepared, floor_px):.0%} ({floor_px} px)" for floor_px in (FLOOR_PX, 1.0))
    print(f"the mask shows {shares} of the pixels", flush=True)
    head = ["| | PSNR | SSIM | LPIPS | drift_px | deform_px |", "|" + "---|" * 6]
    rows = [*head]
    truth, scores = f"truth {arguments.flow}", work / "scores" / arguments.flow
    write_truth(prepared, predictions / truth, arguments.flow)
    for amount in UNSHARP:
        write_predictions(prepared, predictions / f"unsharp {amount}", partial(unsharp, amount=amount))
    for name in ("input", truth, *(f"unsharp {amount}" for amount in UNSHARP), "before"):
        rows.append(row(name, [figures_of(prepared, predictions / name, scores / name, arguments.flow)]))
        print(rows[-1], flush=True)
    found: dict[str, list[Figures]] = {method: [] for method in arguments.methods.split(";")}
    for seed in map(int, arguments.seeds.split(",")):
        for method in found:
            name = f"{method}-{seed}".replace(",", "").replace(" ", "-")
            predict(
                load_network(tuned(prepared, work / "training" / name, method, seed, arguments)),
                pictures,
                predictions / name,
            )
            found[method].append(figures_of(prepared, predictions / name, scores / name, arguments.flow))
            print(row(name, found[method][-1:]), flush=True)
    print("\n".join([*rows, *(row(method, figures) for method, figures in found.items())]))
    (first, of_first), *others = found.items()
    if others:
        names = ", ".join(sorted(pair.name for pair in open_dataset(prepared).pairs))
        print(f"\nless {first}; behind each mean the pairs: {names}")
        print("\n".join([*head, *(differences(method, figures, of_first) for method, figures in others)]))


if __name__ == "__main__":
    main()
