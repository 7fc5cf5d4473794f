"""The options of a run: what changes a score, and what does not."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sdd_bench.core.config import as_dict, take_strings
from sdd_bench.core.errors import ConfigError
from sdd_bench.core.types import WarpMode
from sdd_bench.registration.light.transfer import Match

Crop = Literal["error", "topleft", "center"]
METRICS = ("psnr", "ssim", "mae", "lpips")
_NOT_SCORING = ("flow_weights", "device", "save_flow", "save_warped", "suffix", "limit")
"""Weights count by the flow's signature, not by their path."""
_METHOD_NAME = re.compile(r"""[^/\\,;:"'<>|?\x00-\x1f]{1,64}""")


@dataclass(frozen=True)
class EvaluateOptions:
    """How predictions are scored. Defaults are the protocol of the leaderboards."""

    flow: str = "pwcnet"
    """``pwcnet`` (refined), ``pwcnet-plain`` (the network alone, as in the paper), ``dis`` or ``ptlflow:NAME``."""
    flow_weights: Path | None = None
    """A checkpoint instead of the bundled weights."""
    flow_max_size: int | None = None
    """Longest side at which flow is estimated; None is the size of the pictures."""
    precision: Literal["32", "bf16"] = "32"
    """Of the flow network."""
    warp: WarpMode = WarpMode.EXACT
    """``released`` reproduces the authors' half-pixel-off sampling."""
    match: Match = Match.GAIN
    """How matched ground truth is brought to the light of the blurry input."""
    resize: str = "none"
    """``none``, a factor, or ``WIDTHxHEIGHT``: applied to blurry and sharp; predictions have that size already."""
    crop: Crop = "error"
    """What to do with a prediction smaller than the ground truth: refuse it, or crop the rest to it."""
    crop_to: str | None = None
    """``WIDTHxHEIGHT``: score this part of every picture and of every prediction, also of full-size ones. Methods whose
    networks crop can so be compared with others. It is the middle, or as ``crop`` says."""
    metrics: tuple[str, ...] = METRICS
    extra: tuple[str, ...] = ()
    """Extra measures, shown and never ranked: names of :mod:`sdd_bench.evaluation.extras.measures`, or
    ``package.module:function``."""
    device: str = "cpu"
    """Torch device of flow and LPIPS."""
    save_flow: bool = False
    save_warped: bool = False
    suffix: str | None = None
    """Ending of the predictions' names before the extension, as ``_out``; None finds one that they share."""
    limit: int | None = None
    """Only the first so many pairs; such a run is incomplete."""

    def __post_init__(self) -> None:
        take_strings(self, "flow_weights")
        unknown = [name for name in self.metrics if name not in METRICS]
        if unknown or not self.metrics or len(set(self.metrics)) != len(self.metrics):
            raise ConfigError(
                f"metrics {','.join(self.metrics) or '(none)'}: expected some of {','.join(METRICS)}, each once."
            )
        object.__setattr__(self, "metrics", tuple(name for name in METRICS if name in self.metrics))
        object.__setattr__(self, "extra", tuple(dict.fromkeys(self.extra)))
        object.__setattr__(self, "warp", WarpMode(self.warp))
        if self.match not in tuple(Match):
            raise ConfigError(f"match: expected one of {', '.join(Match)}, got {self.match!r}.")
        object.__setattr__(self, "match", Match(self.match))
        if self.crop not in ("error", "topleft", "center"):
            raise ConfigError(f"crop: expected error, topleft or center, got {self.crop!r}.")
        if self.crop_to is not None:
            crop_size(self.crop_to)
            object.__setattr__(self, "crop", "center" if self.crop == "error" else self.crop)
        if self.limit is not None and self.limit < 1:
            raise ConfigError(f"limit: expected 1 or more, got {self.limit}.")

    def scoring(self) -> dict[str, object]:
        """The options that scores depend on, as JSON values; a run folder holds results of one such set."""
        values = {key: value for key, value in as_dict(self).items() if key not in _NOT_SCORING}
        return values if self.crop_to is not None else {key: values[key] for key in values if key != "crop_to"}


def crop_size(text: str) -> tuple[int, int]:
    """Width and height of ``crop_to``.

    Raises:
        ConfigError: The text is no ``WIDTHxHEIGHT``.

    Example:
        >>> crop_size("640x360")
        (640, 360)
    """
    if found := re.fullmatch(r"([1-9][0-9]{0,5})x([1-9][0-9]{0,5})", text.strip().lower()):
        return int(found[1]), int(found[2])
    raise ConfigError(f"crop_to: expected WIDTHxHEIGHT like 1672x1120, got {text!r}.")


def check_method(method: str) -> str:
    """The name of a method as it may stand in a table and in a file name.

    Raises:
        ConfigError: It is empty or long, holds a separator or a quote, or is the name of a baseline.
    """
    if method in ("identity", "ceiling"):
        raise ConfigError(f"--method {method}: this is the name of a baseline row; choose another.")
    if method != method.strip() or not _METHOD_NAME.fullmatch(method) or method.startswith("."):
        raise ConfigError(
            f"--method {method!r}: expected 1 to 64 characters without / \\ , ; : ? | < > quotes or line breaks."
        )
    return method
