"""Classical methods by name: a blur map and a deconvolution, from picture to picture.

``ebdb``, ``jnb-style``, ``jnb`` and ``dmenet`` are the maps of their names with hyper-Laplacian deconvolution, the
field's first table rows; ``wiener`` and ``richardson-lucy`` deconvolve by the map of EBDB; ``oracle-map`` by the true
one of a synthetic set; ``unsharp`` needs no map. Their options were chosen on made scenes whose truth is known
(``tools/bench/deconvolution.py``), never on a test set.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.errors import ConfigError
from sdd_bench.deconvolution.kernels import KERNELS, sigma_from_coc
from sdd_bench.deconvolution.methods.hyper_laplacian import HyperLaplacian
from sdd_bench.deconvolution.methods.richardson_lucy import RichardsonLucy
from sdd_bench.deconvolution.methods.wiener import Wiener
from sdd_bench.deconvolution.solve import Method
from sdd_bench.deconvolution.spatially_varying import blend, published
from sdd_bench.defocus.spec import BLUR_MAPS, load_blur_map
from sdd_bench.images.unsharp import unsharp
from sdd_bench.optics.coc_map import read_coc

Picture = NDArray[np.float32]
SigmaMap = NDArray[np.float32]

TRUE_MAP = "true"
"""Blur map that a synthetic set brings along."""
_HYPER_LAPLACIAN = HyperLaplacian(fidelity=100.0, alpha=1.5)


@dataclass(frozen=True)
class Recipe:
    """What a method does."""

    blur_map: str
    """Of :data:`sdd_bench.defocus.spec.BLUR_MAPS`, ``true``, or empty."""
    deconvolution: Method | None
    """None: an unsharp mask."""
    kernel: str = "gaussian"
    """Of :data:`sdd_bench.deconvolution.kernels.KERNELS`."""


CLASSICAL: dict[str, Recipe] = {
    "ebdb": Recipe("ebdb", _HYPER_LAPLACIAN),
    "jnb-style": Recipe("jnb-style", _HYPER_LAPLACIAN),
    "jnb": Recipe("jnb", _HYPER_LAPLACIAN),
    "dmenet": Recipe("dmenet", _HYPER_LAPLACIAN),
    "oracle-map": Recipe(TRUE_MAP, _HYPER_LAPLACIAN, "disk"),
    "wiener": Recipe("ebdb", Wiener(noise_ratio=0.05)),
    "richardson-lucy": Recipe("ebdb", RichardsonLucy(steps=2)),
    "unsharp": Recipe("", None),
}


@dataclass(frozen=True)
class ClassicalOptions:
    """What may be changed in a method; None leaves it as it is."""

    fidelity: float | None = None
    """Weight lambda of the data, of hyper-Laplacian deconvolution."""
    alpha: float | None = None
    """Exponent of its prior."""
    kernel: str | None = None
    """``gaussian``, ``gaussian-published`` or ``disk``."""
    levels: Literal["blend", "published"] = "blend"
    """``published``: hard selection from whole pictures, as the field's tables were made."""

    def __post_init__(self) -> None:
        if self.kernel is not None and self.kernel not in KERNELS:
            raise ConfigError(f"unknown kernel {self.kernel!r}; known: {', '.join(KERNELS)}.")
        if self.levels not in ("blend", "published"):
            raise ConfigError(f"levels: expected blend or published, got {self.levels!r}.")


@dataclass(frozen=True)
class Classical:
    """A method ready to deblur."""

    name: str
    sha256: str
    """Of the weights of its blur map; empty where it has none."""
    recipe: Recipe
    levels: str
    estimate: Callable[[Picture], SigmaMap] | None
    """None: it needs no map, or the true one."""
    again: Callable[[], Classical] | None = None
    """What loads the method anew, in another process too."""

    @property
    def settings(self) -> dict[str, Any]:
        """What its output depends on beside the name and the weights, as JSON values."""
        method = self.recipe.deconvolution
        if method is None:
            return {"deconvolution": "unsharp"}
        options = dataclasses.asdict(method)  # type: ignore[call-overload]
        return {
            "blur_map": self.recipe.blur_map,
            "deconvolution": {"name": type(method).__name__, **options},
            "kernel": self.recipe.kernel,
            "levels": self.levels,
        }

    @property
    def needs_truth(self) -> bool:
        """Whether it deconvolves by the true map."""
        return self.recipe.blur_map == TRUE_MAP

    def deblur(self, picture: Picture, true_sigma_px: SigmaMap | None = None) -> Picture:
        """Deblur a picture.

        Args:
            picture: ``(H, W, 3)`` float32 RGB in [0, 1].
            true_sigma_px: ``(H, W)`` float32, for ``oracle-map``.

        Returns:
            ``(H, W, 3)`` float32 in [0, 1].

        Raises:
            ConfigError: The true map is needed and missing.
            ImageError: It is of another size.
        """
        method = self.recipe.deconvolution
        if method is None:
            return unsharp(picture)
        sigma_px = true_sigma_px if self.estimate is None else self.estimate(picture)
        if sigma_px is None:
            raise ConfigError(f"{self.name}: needs the true blur map of every picture; synth --truth full writes them.")
        kernel_of = KERNELS[self.recipe.kernel]
        if self.levels == "blend":
            return blend(picture, sigma_px, method, kernel_of=kernel_of)
        known = BLUR_MAPS.get(self.recipe.blur_map)
        stored = known.stored_range_px if known is not None else float(sigma_px.max()) or None
        rounded = np.divide(np.rint(255 * picture), 255, dtype=np.float32)
        return published(rounded, sigma_px, method, kernel_of=kernel_of, stored_range_px=stored)


def load_classical(
    name: str, *, weights: Path | None = None, options: ClassicalOptions | None = None, device: str = "cpu"
) -> Classical:
    """The method called ``name``.

    Args:
        name: One of :data:`CLASSICAL`.
        weights: File that its blur map needs: ``dmenet`` and ``jnb``.
        options: What to change.
        device: Where its blur map is computed: ``dmenet``.

    Raises:
        ConfigError: An unknown name, weights missing or too many, or an option or device the method does not have.
        WeightsError: The weights are damaged, or of something else.
    """
    if name not in CLASSICAL:
        raise ConfigError(f"unknown classical method {name!r}; known: {', '.join(CLASSICAL)}.")
    options = options or ClassicalOptions()
    again = partial(load_classical, name, weights=weights and weights.absolute(), options=options, device=device)
    recipe = _changed(name, CLASSICAL[name], options)
    if recipe.blur_map in BLUR_MAPS:
        blur_map = load_blur_map(recipe.blur_map, weights, device=device)
        return Classical(name, blur_map.sha256, recipe, options.levels, blur_map.estimate, again)
    if device != "cpu":
        raise ConfigError(f"{name}: computes on the CPU alone, got device {device}. Leave it out.")
    if weights is not None:
        raise ConfigError(f"{name}: takes no file of weights, got {weights}. Leave it out.")
    return Classical(name, "", recipe, options.levels, None, again)


def _changed(name: str, recipe: Recipe, options: ClassicalOptions) -> Recipe:
    method = recipe.deconvolution
    asked = {"fidelity": options.fidelity, "alpha": options.alpha}
    given = {key: value for key, value in asked.items() if value is not None}
    if given:
        if not isinstance(method, HyperLaplacian):
            raise ConfigError(f"{name}: has no {' and no '.join(given)}; only hyper-Laplacian deconvolution has.")
        method = dataclasses.replace(method, **given)
    if method is None and (options.kernel is not None or options.levels != "blend"):
        raise ConfigError(f"{name}: has neither kernel nor levels; leave them out.")
    return dataclasses.replace(recipe, deconvolution=method, kernel=options.kernel or recipe.kernel)


def read_true_sigma(path: Path) -> SigmaMap:
    """Sigma in pixels of a synthetic picture, from its map of circles of confusion (``truth/SPLIT/NAME_coc.tiff``).

    Raises:
        ImageError: The file is missing, damaged or of something else.
    """
    return np.asarray(sigma_from_coc(1.0) * read_coc(path))
