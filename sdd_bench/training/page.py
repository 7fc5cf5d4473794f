"""The page of a training: curves of loss and of PSNR over the blurry input, and sample pictures. One file, no server.

It is made from what the run folder holds, so it can be made again at any time.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import imageio.v3 as iio
import numpy as np

from sdd_bench import __version__
from sdd_bench.report.curve import Curve, curve
from sdd_bench.report.html import data_uri, encode_image, shrink, write_page
from sdd_bench.training.curves import FOLDER, read_curves

if TYPE_CHECKING:
    from pandas import DataFrame

    from sdd_bench.training.report import TrainReport

REPORT_HTML = "report.html"
_SAMPLES = 4
"""Most sample pictures."""
_SAMPLE_SIDE = 1600
"""Longest side of a sample picture, in pixels."""
_VALIDATION = ("val/pictures", "A held-out patch, from left to right: {}.")
_TRAINING = ("train/deblurred", "The deblurred first patch of a batch of the training; nothing is held out.")


def write_training_page(report: TrainReport) -> Path:
    """Write ``report.html`` into the folder of a run.

    Args:
        report: The run so far; it may be unfinished.

    Returns:
        Path of the page.

    Raises:
        OutputError: The folder cannot be written.
    """
    path = report.run / REPORT_HTML
    config = json.loads((report.run / "options.json").read_text(encoding="utf-8")).get("config", {})
    curves = read_curves(report.run)
    tag, samples_are = _VALIDATION if "val/psnr" in curves else _TRAINING
    parts = ["blurry", "deblurred", *(["reblurred"] if _has_reblur(config) else []), "target"]
    write_page(
        path,
        "training.html",
        version=__version__,
        name=report.run.resolve().name,
        headline=headline(report),
        facts=list(_facts(report, config)),
        curves=list(_curves(curves, report)),
        samples=_samples(report.run, tag),
        samples_are=samples_are.format(", ".join(parts)),
        options=[(key, _text(value)) for key, value in config.items() if value not in (None, {}, [])],
    )
    return path


def headline(report: TrainReport) -> str:
    """What the training gained, in one line.

    Example:
        >>> from sdd_bench.training.report import TrainReport
        >>> headline(TrainReport(Path("run"), True, 20, 20, 10, 29.5, None, 28.0))
        'Held-out patches: 29.50 dB PSNR at step 10, +1.50 dB over the blurry input (28.00 dB).'
    """
    if report.best_psnr is None:
        return "No patch was held out, so nothing says how good the network is: predict and evaluate a test split."
    text = f"Held-out patches: {report.best_psnr:.2f} dB PSNR at step {report.best_step}"
    if report.gain is None or report.blurry_psnr is None:
        return f"{text}."
    worse = "" if report.gain > 0 else " The network is no better than doing nothing."
    return f"{text}, {report.gain:+.2f} dB over the blurry input ({report.blurry_psnr:.2f} dB).{worse}"


def _facts(report: TrainReport, config: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    state = "finished" if report.finished else "stopped; the same command goes on"
    yield "Steps", f"{report.step} of {report.n_steps}, {state}"
    if report.model is not None:
        yield "Network", f"{config.get('model', '')}: {report.model.name}"
    else:
        yield "Network", str(config.get("model", ""))
    yield "Patches", f"crop {config.get('crop')}, batch {config.get('batch')}, flips {config.get('flips')}"
    if config.get("flow_signature"):
        yield "Flow", str(config["flow_signature"])
    yield "Use it", f"sdd-bench predict DATA --checkpoint {report.run.name} -o predictions"


def _curves(found: DataFrame, report: TrainReport) -> Iterator[Curve]:
    wanted = (
        ("loss/total", "loss", 4),
        ("val/psnr", "PSNR of held-out patches (dB)", 2),
        ("val/gain over blurry", "gain over the blurry input (dB)", 2),
        ("loss/deblurring", "part of the loss: deblurring", 4),
        ("loss/reblurring", "part of the loss: reblurring", 4),
        ("mask/share", "share of the picture that the mask keeps", 3),
        ("learning_rate", "learning rate", 7),
    )
    for tag, label, decimals in wanted:
        if tag not in found:
            continue
        column = found[tag].dropna()
        levels = []
        if tag == "val/psnr" and report.blurry_psnr is not None:
            levels = [(report.blurry_psnr, "blurry input")]
        elif tag == "val/gain over blurry":
            levels = [(0.0, "blurry input")]
        drawing = curve(column.index.to_numpy(), column.to_numpy(), label=label, decimals=decimals, levels=levels)
        if drawing is not None:
            yield drawing


def _samples(run: Path, tag: str) -> list[tuple[int, str]]:
    """Steps and pictures of a tag, some of them and the last."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    if not (run / FOLDER).is_dir():
        return []
    events = EventAccumulator(str(run / FOLDER), size_guidance={"scalars": 1, "images": _SAMPLES})
    events.Reload()
    if tag not in events.Tags()["images"]:
        return []
    samples = []
    for event in events.Images(tag):
        pixels = np.asarray(iio.imread(io.BytesIO(event.encoded_image_string), extension=".png"))[..., :3]
        picture = encode_image(shrink(pixels, max_side=_SAMPLE_SIDE), quality=85)
        samples.append((int(event.step), data_uri(picture, "webp")))
    return samples


def _has_reblur(config: Mapping[str, Any]) -> bool:
    return not (config.get("vanilla") or config.get("no_reblur"))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
