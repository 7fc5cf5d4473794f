"""Blur maps by name: what each needs, and the function from a picture to sigma in pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.errors import ConfigError
from sdd_bench.core.storage.files import sha256_or_empty
from sdd_bench.weights import TABLE

Picture = NDArray[np.float32]
SigmaMap = NDArray[np.float32]
"""Standard deviation of a Gaussian blur in pixels, ``(H, W)`` float32; the disk that spreads as far has the diameter
``coc_diameter_px`` = 4 sigma."""
Estimator = Callable[[Picture], SigmaMap]


@dataclass(frozen=True)
class BlurMapMethod:
    """A way to estimate blur."""

    name: str
    paper: str
    weights: str
    """The file it needs from the user, or empty."""
    largest_sigma_px: float
    """No map of it goes beyond."""
    stored_range_px: float
    """Sigma of 255 in the 8-bit maps that the published deconvolution recipe reads."""
    load: Callable[[Path | None, str], Estimator]
    """From the user's file, None where none is needed, and a device to the function ``(H, W, 3) -> (H, W)``."""
    is_network: bool = False
    """Whether it computes on other devices than the CPU, too."""


@dataclass(frozen=True)
class BlurMap:
    """A method ready to use."""

    method: BlurMapMethod
    estimate: Estimator
    sha256: str
    """Of its weights; empty where it has none."""


def load_blur_map(name: str, weights: Path | None = None, *, device: str = "cpu") -> BlurMap:
    """The method called ``name``.

    Args:
        name: One of :data:`BLUR_MAPS`.
        weights: The file it needs.
        device: Where to compute, for a network.

    Raises:
        ConfigError: An unknown name, a file missing where one is needed, or given where none is; or a device that
            cannot be used.
        WeightsError: The file is missing, damaged or of something else.
    """
    if name not in BLUR_MAPS:
        raise ConfigError(f"unknown blur map {name!r}; known: {', '.join(BLUR_MAPS)}.")
    method = BLUR_MAPS[name]
    if method.weights and weights is None:
        raise ConfigError(f"blur map {name}: needs a file that does not come with this package: {method.weights}.")
    if weights is not None and not method.weights:
        raise ConfigError(f"blur map {name}: takes no file of weights, got {weights}. Leave it out.")
    if device != "cpu" and not method.is_network:
        raise ConfigError(f"blur map {name}: computes on the CPU alone, got device {device}. Leave it out.")
    estimate = method.load(weights, device)
    if weights is not None:
        return BlurMap(method, estimate, sha256_or_empty(weights))
    return BlurMap(method, estimate, TABLE[name].sha256 if name in TABLE else "")


def _ebdb(_: Path | None, __: str) -> Estimator:
    from sdd_bench.defocus.ebdb import ebdb

    return ebdb


def _jnb(dictionary: Path | None, _: str) -> Estimator:
    from sdd_bench.defocus.jnb import jnb, load_code

    code = load_code(dictionary)
    return lambda picture: jnb(picture, code)


def _dmenet(weights: Path | None, device: str) -> Estimator:
    from sdd_bench.defocus.dmenet.released import dmenet, load_dmenet

    assert weights is not None
    network = load_dmenet(weights, device=device)
    return lambda picture: dmenet(picture, network)


BLUR_MAPS: dict[str, BlurMapMethod] = {
    method.name: method
    for method in (
        BlurMapMethod("ebdb", "Karaali and Jung, TIP 2018", "", 5.0, 5.0, _ebdb),
        BlurMapMethod(
            "jnb-style", "after Shi, Xu and Jia, CVPR 2015, dictionary and curve our own", "", 3.25, 4.0, _jnb
        ),
        BlurMapMethod(
            "jnb", "Shi, Xu and Jia, CVPR 2015, curve our own", "the authors' dict128Blur.mat", 3.25, 4.0, _jnb
        ),
        BlurMapMethod("dmenet", "Lee et al., CVPR 2019", "the authors' DMENet_BDCS.npz", 7.0, 7.5, _dmenet, True),
    )
}
