"""Extra measures by name: shown and stored beside the ranked four, never ranked, each with a signature of its own.

A measure is a function on float32 RGB pictures ``(H, W, 3)`` in [0, 1] that returns a number. How many pictures it
takes says what it is: ``f(picture)`` needs no reference, ``f(prediction, truth)`` is taken against every ground truth,
and ``f(prediction, truth, valid)`` also gets the mask of the pixels that the ground truth knows. Anyone's function is
named as ``package.module:function``; this is code, so name only what you trust.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sdd_bench import weights
from sdd_bench.core.errors import ConfigError, ImageError, SddBenchError, reason_of
from sdd_bench.evaluation.extras import checks_on_registration as checks

Picture = NDArray[np.float32]
Better = Literal["higher", "lower", ""]


@dataclass(frozen=True)
class Measure:
    """A measure, loaded."""

    name: str
    n_pictures: int
    """1: without reference; 2: against a ground truth; 3: and its valid mask."""
    better: Better
    signature: str
    """What a figure depends on, in one line."""
    function: Callable[..., float]

    def __call__(self, *pictures: NDArray[Any]) -> float:
        """The number for one picture.

        Raises:
            ImageError: The function failed, or returned no number.
        """
        try:
            value = self.function(*pictures)
            number = float(value)
        except SddBenchError:
            raise
        except Exception as error:  # whatever someone's function raises
            raise ImageError(f"--extra {self.name}: failed ({reason_of(error)}).") from error
        if np.isnan(number):
            raise ImageError(f"--extra {self.name}: gave NaN, which is no score.")
        return number


def _blur_effect(picture: Picture) -> float:
    from skimage.measure import blur_effect

    return float(blur_effect(picture, channel_axis=2))


def _niqe_style(picture: Picture) -> float:
    from sdd_bench.metrics.niqe_style import niqe_style

    return niqe_style(picture)


def _load_dists(device: str) -> Measure:
    from sdd_bench.metrics.dists import dists_of_picture, dists_signature, load_dists

    load_dists(device)
    return Measure("dists", 2, "lower", dists_signature(), partial(dists_of_picture, device=device))


def _with_skimage(name: str, n_pictures: int, better: Better, function: Callable[..., float]) -> Measure:
    return Measure(name, n_pictures, better, f"{name}: scikit-image={version('scikit-image')}", function)


def _shifted(_: str) -> Measure:
    signature = f"psnr-shift: tile={checks.TILE_PX} shift={checks.SHIFT_PX}"
    return Measure("psnr-shift", 2, "higher", signature, checks.psnr_after_shift)


def _natural(_: str) -> Measure:
    return Measure("niqe-style", 1, "lower", f"niqe-style: weights={weights.sha256('niqe-style')[:16]}", _niqe_style)


OURS: dict[str, Callable[[str], Measure]] = {
    "dists": _load_dists,
    "niqe-style": _natural,
    "blur-effect": lambda _: _with_skimage("blur-effect", 1, "lower", _blur_effect),
    "psnr-shift": _shifted,
    "psnr-valid": lambda _: Measure("psnr-valid", 3, "higher", "psnr-valid: 1", checks.psnr_in_mask),
    "ssim-valid": lambda _: _with_skimage("ssim-valid", 3, "higher", checks.ssim_in_mask),
    "mae-valid": lambda _: Measure("mae-valid", 3, "lower", "mae-valid: 1", checks.mae_in_mask),
}
"""Measures by name, each a function of the torch device."""


@lru_cache(maxsize=16)
def load_measure(name: str, device: str = "cpu") -> Measure:
    """The measure called ``name``.

    Args:
        name: One of :data:`OURS`, or ``package.module:function``.
        device: Torch device, for those that use one.

    Raises:
        ConfigError: No such measure, or the function takes other arguments.
        WeightsError: Its weights are missing or damaged.

    Example:
        >>> load_measure("blur-effect").n_pictures, load_measure("psnr-shift").better
        (1, 'higher')
    """
    if name in OURS:
        return OURS[name](device)
    module_name, colon, function_name = name.partition(":")
    if not (colon and module_name and function_name):
        hint = "; NIQE itself is not free to pass on, niqe-style is fitted to other pictures" if name == "niqe" else ""
        raise ConfigError(f"--extra {name}: expected one of {', '.join(OURS)}, or package.module:function{hint}.")
    try:
        if "" not in sys.path and str(Path.cwd()) not in sys.path:
            sys.path.append(str(Path.cwd()))  # a module beside the data, as python -m finds it
        function = getattr(import_module(module_name), function_name)
        n_pictures = _n_pictures(function)
    except Exception as error:  # whatever the module raises
        raise ConfigError(f"--extra {name}: cannot be loaded ({reason_of(error)}).") from error
    if n_pictures not in (1, 2, 3):
        raise ConfigError(
            f"--extra {name}: takes {n_pictures} arguments; expected (picture), (prediction, truth) or (prediction, "
            "truth, valid)."
        )
    better: Better = getattr(function, "better", "")
    if better not in ("higher", "lower", ""):
        raise ConfigError(f"--extra {name}: its attribute better is {better!r}; expected 'higher' or 'lower'.")
    return Measure(name, n_pictures, better, _signature(name, function), function)


def _n_pictures(function: Any) -> int:
    parameters = inspect.signature(function).parameters.values()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return sum(each.kind in positional and each.default is inspect.Parameter.empty for each in parameters)


def _signature(name: str, function: Any) -> str:
    """What the function says of itself, else a digest of its source, else of nothing but its name."""
    stated = getattr(function, "signature", None)
    if isinstance(stated, str):
        return f"{name}: {' '.join(stated.split())}"
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        return f"{name}: unknown source"
    return f"{name}: source={hashlib.sha256(source.encode()).hexdigest()[:16]}"
