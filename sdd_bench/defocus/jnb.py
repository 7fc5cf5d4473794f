"""Just noticeable blur: the blurrier a patch, the fewer atoms of a dictionary of blurry patches describe it.

Shi, Xu and Jia, "Just Noticeable Defocus Blur Detection and Estimation" (CVPR 2015): 8x8 patches are coded by
orthogonal matching pursuit, the number of atoms is the feature, which is smoothed along the picture's own edges. The
authors' dictionary and their curve from feature to blur are not to be had; ours are learnt anew
(``tools/train_jnb.py``), so figures made with them are called **jnb-style**, never JNB. Who has ``dict128Blur.mat``
may use it (:func:`load_code`); the curve is still ours.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file
from scipy.io import loadmat

from sdd_bench import weights
from sdd_bench.core.arrays import Plane
from sdd_bench.core.errors import ConfigError, ImageError, WeightsError, reason_of
from sdd_bench.core.threads import cores
from sdd_bench.defocus.filters.bilateral import joint_bilateral
from sdd_bench.defocus.filters.domain_transform import domain_transform
from sdd_bench.defocus.sparse_code import pursue

PATCH = 8
TOLERANCE = 8 * 1.15 * 2.0
"""Norm of what may be left of a patch, grey values 0 to 255: 1.15 times what noise of 2 grey levels leaves."""
STRIDE = 2
"""Pixels from patch to patch. The authors take 1: four times the work, for a map that is smoothed by 15 pixels."""
_GREY = np.array([0.2989, 0.5870, 0.1140], np.float32)
_FEWEST_ATOMS = 3
"""Patches with no more atoms have too little structure to tell."""
_DISK = np.array([[0, 0, 1, 0, 0], [0, 1, 1, 1, 0], [1, 1, 1, 1, 1], [0, 1, 1, 1, 0], [0, 0, 1, 0, 0]], np.uint8)
_UNREACHED = np.float32(1e-12)


@dataclass(frozen=True)
class JnbCode:
    """What turns a patch into blur."""

    dictionary: NDArray[np.float32]
    """Atoms, ``(K, 64)``: unit rows of mean 0."""
    counts: NDArray[np.float32]
    """Smoothed numbers of atoms, increasing."""
    sigmas_px: NDArray[np.float32]
    """Sigma in pixels at each of ``counts``, decreasing."""


def jnb(picture: NDArray[np.float32], code: JnbCode, *, stride: int = STRIDE) -> Plane:
    """Blur of every pixel.

    Args:
        picture: ``(H, W, 3)`` float32 RGB in [0, 1], at least 16 pixels a side.
        code: From :func:`load_code`.
        stride: Pixels from patch to patch.

    Returns:
        Sigma of a Gaussian in pixels, ``(H, W)`` float32 from 0 to the curve's largest, 3.25.

    Raises:
        ImageError: The picture is too small.
        ConfigError: ``stride`` is not 1 to 8.
    """
    return np.interp(smoothed_counts(picture, code.dictionary, stride=stride), code.counts, code.sigmas_px).astype(
        np.float32
    )


def smoothed_counts(picture: NDArray[np.float32], dictionary: NDArray[np.float32], *, stride: int = STRIDE) -> Plane:
    """Atoms per patch, smoothed along the picture's edges, ``(H, W)`` float32; 0 for a picture without structure."""
    if min(picture.shape[:2]) < 2 * PATCH:
        raise ImageError(
            f"jnb: expected a picture of at least 16x16 pixels, got {picture.shape[1]}x{picture.shape[0]}."
        )
    if not 1 <= stride <= PATCH:
        raise ConfigError(f"stride: expected 1 to {PATCH} pixels, got {stride}.")
    grey = picture @ _GREY
    counts = atom_counts(255 * grey, dictionary, stride=stride)
    known = cv2.erode((counts > _FEWEST_ATOMS).astype(np.uint8), _DISK).astype(np.float32)
    if not known.any():
        return np.zeros(grey.shape, np.float32)
    middle = PATCH // 2 - 1
    inner = np.ascontiguousarray(grey[middle : middle + counts.shape[0], middle : middle + counts.shape[1]])
    guide = cv2.GaussianBlur(inner, (5, 5), 1.0, borderType=cv2.BORDER_REPLICATE)
    sparse = np.stack([counts * known, known], axis=-1)
    spread = domain_transform(sparse, guide[..., None], sigma_s=15, sigma_r=0.15, iterations=3)
    mean = counts[known > 0].mean()
    dense = (spread[..., 0] + _UNREACHED * mean) / (spread[..., 1] + _UNREACHED)
    smooth = joint_bilateral(dense, guide, sigma_s=5.0, sigma_r=0.1)
    return np.pad(smooth, ((middle, PATCH - 1 - middle), (middle, PATCH - 1 - middle)), mode="edge")


def atom_counts(grey: Plane, dictionary: NDArray[np.float32], *, stride: int = 1) -> Plane:
    """Atoms that every 8x8 patch needs.

    Args:
        grey: ``(H, W)`` float32, 0 to 255.
        dictionary: ``(K, 64)``.
        stride: Pixels from patch to patch; those between take their neighbour's number.

    Returns:
        ``(H - 7, W - 7)`` float32.
    """
    height, width = grey.shape[0] - PATCH + 1, grey.shape[1] - PATCH + 1
    windows = np.lib.stride_tricks.sliding_window_view(grey, (PATCH, PATCH))[::stride, ::stride]

    def row(y: int) -> NDArray[np.float32]:
        patches = windows[y].reshape(-1, PATCH * PATCH).astype(np.float32)
        patches -= patches.mean(axis=1, keepdims=True)
        return (pursue(patches, dictionary, tolerance=TOLERANCE) >= 0).sum(axis=1, dtype=np.float32)

    with ThreadPoolExecutor(cores()) as pool:
        counts = np.stack(list(pool.map(row, range(len(windows)))))
    return counts.repeat(stride, axis=0)[:height].repeat(stride, axis=1)[:, :width]


def load_code(path: Path | None = None) -> JnbCode:
    """Dictionary and curve: the bundled ones, or the authors' dictionary (``.mat``, variable ``D``) with our curve.

    Raises:
        WeightsError: The file is missing, damaged, or holds something else.
    """
    path = path or weights.path("jnb-style")
    if path.suffix == ".mat":
        ours = load_code()
        return JnbCode(_authors_dictionary(path), ours.counts, ours.sigmas_px)
    try:
        tensors = load_file(path)
        return JnbCode(tensors["dictionary"], tensors["counts"], tensors["sigmas_px"])
    except KeyError as error:
        raise WeightsError(f"{path}: expected dictionary, counts and sigmas_px, got no {error}.") from error
    except (OSError, SafetensorError, ValueError) as error:
        raise WeightsError(
            f"{path}: expected a safetensors file of a jnb dictionary, got: {reason_of(error)}. Make one with "
            "tools/train_jnb.py."
        ) from error


def _authors_dictionary(path: Path) -> NDArray[np.float32]:
    try:
        columns = np.asarray(loadmat(path, variable_names=["D"])["D"], np.float32)
    except Exception as error:  # loadmat raises whatever a damaged file leads it to
        raise WeightsError(
            f"{path}: expected a MATLAB file with the dictionary D, got: {reason_of(error)}. It is called "
            "dict128Blur.mat."
        ) from error
    if columns.ndim != 2 or columns.shape[0] != PATCH * PATCH or not np.isfinite(columns).all():
        raise WeightsError(f"{path}: D: expected finite atoms in {PATCH * PATCH} rows, got {columns.shape}.")
    norms = np.linalg.norm(columns, axis=0)
    if not (norms > 0).all():
        raise WeightsError(f"{path}: D: an atom is zero; the file is damaged.")
    return np.ascontiguousarray((columns / norms).T)
