"""Run folders for tests: real files in the format of ``sdd-bench evaluate``, with figures made here."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

TRUTHS = ("raw", "warped", "registered", "matched")
METRICS = ("psnr", "ssim", "mae", "lpips")
COLUMNS = (
    "method", "image", "scene", "group", "ground_truth", *METRICS, "valid_share", "drift_px", "deform_px",
    "coc_diameter_px", "misalignment_px",
)  # fmt: skip


def figures(rng: np.random.Generator, gain: float, n: int, pictures: np.ndarray) -> dict[str, np.ndarray]:
    """Scores of one method on ``n`` pictures that are better by ``gain`` dB, more or less."""
    psnr = pictures + gain + rng.normal(0.0, 0.3, n)
    return {
        "psnr": psnr,
        "ssim": np.clip(0.75 + 0.02 * gain + 0.01 * (pictures - 25.0) + rng.normal(0.0, 0.005, n), 0.0, 1.0),
        "mae": np.clip(10 ** (-psnr / 20.0) * 0.6, 0.0, 1.0),
        "lpips": np.clip(0.35 - 0.03 * gain + rng.normal(0.0, 0.01, n), 0.0, 1.0),
    }


def make_run(
    folder: Path,
    *,
    method: str = "UNet",
    dataset: str = "made-up",
    images: list[str] | None = None,
    gain: float = 1.0,
    seed: int = 0,
    n_expected: int | None = None,
    truths: tuple[str, ...] = TRUTHS,
    metrics: tuple[str, ...] = METRICS,
    protocol: str = "pixels=abc bits=8 resize=none crop=none metrics=defocus",
    group: str = "indoor",
    prediction: dict[str, Any] | None = None,
    warp: str = "exact",
) -> Path:
    """Write a finished run and return its folder."""
    images = images if images is not None else [f"picture{index:02d}" for index in range(12)]
    n = len(images)
    pictures = np.random.default_rng(99).normal(25.0, 2.0, n)
    rows: list[dict[str, Any]] = []
    scores: dict[str, Any] = {}
    for number, (name, better) in enumerate(((method, gain), ("identity", 0.0), ("ceiling", 20.0))):
        for place, truth in enumerate(truths):
            rng = np.random.default_rng(1000 * (seed if number == 0 else 0) + 10 * number + place)
            values = {key: [float(f"{v:.7g}") for v in found] for key, found in
                      figures(rng, better + 0.2 * place, n, pictures).items()}  # fmt: skip
            values = {key: found for key, found in values.items() if key in metrics}
            scores.setdefault(name, {})[truth] = {
                key: {
                    "mean": float(np.mean(found)), "median": float(np.median(found)), "low": float(np.min(found)),
                    "high": float(np.max(found)), "n": n, "n_infinite": 0,
                }
                for key, found in values.items()
            }  # fmt: skip
            rows += [
                {
                    "method": name, "image": image, "scene": f"scene of {image}", "group": group, "ground_truth": truth,
                    **{key: found[i] for key, found in values.items()}, "valid_share": 0.99,
                    "drift_px": 0.1 * (i + 1) if number == 0 else 0.0, "deform_px": 0.05, "misalignment_px": 2.5,
                }
                for i, image in enumerate(images)
            ]  # fmt: skip
    rows.sort(key=lambda row: [method, "identity", "ceiling"].index(row["method"]))
    drift = float(np.mean([0.1 * (i + 1) for i in range(n)])) if n else None
    n_expected = n if n_expected is None else n_expected
    summary = {
        "schema": 1,
        "method": method,
        "dataset": {"name": dataset, "split": "test", "n_pairs": n_expected, "pixels_sha256": "abc"},
        "complete": n == n_expected,
        "n_images": n,
        "n_expected": n_expected,
        "bit_depth": 8,
        "resize": "none",
        "crop": "none",
        "warp": warp,
        "metrics": list(metrics),
        "signature": {
            truth: f"{truth}: {protocol}{'' if truth == 'raw' else f' flow=[pwcnet] warp={warp}'}"
            f"{' match=gain light=2' if truth == 'matched' else ''}"
            for truth in TRUTHS
        },
        "scores": scores,
        "drift_px": {method: drift, "identity": 0.0, "ceiling": 0.0},
        "deform_px": {method: 0.05, "identity": 0.05, "ceiling": 0.05},
        "groups": {},
        "problems": [],
        "prediction": prediction,
        "flow": {"name": "pwcnet", "sha256": "0" * 64, "resolution": "full", "precision": "32", "signature": "pwcnet"},
        "provenance": {
            "tool_version": "0.1.0", "commit": "c" * 40, "libraries": {"numpy": "2"}, "machine": {"cores": 2},
            "date": "2025-06-01T12:00:00Z", "options": {},
        },
    }  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    (folder / "per_image.csv").write_text(text.getvalue(), encoding="utf-8")
    (folder / "summary.json").write_text(json.dumps(summary, indent=2), encoding="utf-8")
    seal(folder)
    return folder


def seal(folder: Path) -> None:
    """Write run.json over the files as they are now."""
    files = {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("per_image.csv", "summary.json")
    }
    (folder / "run.json").write_text(json.dumps({"schema": 1, "files": files}, indent=2), encoding="utf-8")


def change_figures(folder: Path, *changes: tuple[str, str]) -> None:
    """Change the text of a run's figures per picture and seal it again, as a forger would."""
    path = folder / "per_image.csv"
    text = path.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    seal(folder)


def set_figure(folder: Path, method: str, image: str, metric: str, value: float) -> None:
    """Give one picture another figure against every ground truth, and make means and seal fit, as a forger would."""
    with open(folder / "per_image.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        if (row["method"], row["image"]) == (method, image):
            row[metric] = str(value)
    with open(folder / "per_image.csv", "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    scores = json.loads((folder / "summary.json").read_text())["scores"]
    for truth, of in scores[method].items():
        values = [float(r[metric]) for r in rows if (r["method"], r["ground_truth"]) == (method, truth)]
        of[metric]["mean"] = float(np.mean([value for value in values if np.isfinite(value)]))
    change_summary(folder, scores=scores)


def change_summary(folder: Path, **changes: Any) -> None:
    """Change the summary of a run and seal it again, as a forger would."""
    path = folder / "summary.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes), encoding="utf-8")
    seal(folder)
