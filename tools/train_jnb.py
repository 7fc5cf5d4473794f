"""Learn the dictionary and the curve of ``jnb-style`` from a folder of sharp photographs.

    python tools/train_jnb.py PHOTOS

Half of the photographs (every other one) give the dictionary: 128 atoms for their 8x8 patches, blurred by sigma 2 px,
by alternating orthogonal matching pursuit and least squares (the method of optimal directions, Engan et al. 1999).
The other half give the curve: median of the smoothed numbers of atoms at sigma 0 to 4 px, blurred in linear light and
stored in 8 bits.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from sdd_bench import weights
from sdd_bench.core.storage.files import sealed, sha256_of
from sdd_bench.defocus.jnb import PATCH, TOLERANCE, smoothed_counts
from sdd_bench.defocus.sparse_code import pursue
from sdd_bench.images.light import linear_to_srgb, srgb_to_linear
from sdd_bench.images.photograph import read_photograph, to_float

Array = NDArray[np.float32]
N_ATOMS, ROUNDS, PATCHES_PER_PHOTO = 128, 40, 3000
LEARNT_SIGMA_PX = 2.0
MOST_ATOMS = 16
SIGMAS_PX = tuple(0.25 * step for step in range(17))


def blurred(picture: Array, sigma_px: float) -> Array:
    """An sRGB picture blurred in linear light, in 8-bit steps."""
    light = srgb_to_linear(picture)
    if sigma_px:
        light = cv2.GaussianBlur(light, (0, 0), sigma_px, borderType=cv2.BORDER_REFLECT)
    return np.rint(255 * linear_to_srgb(light)).astype(np.float32) / 255


def patches_of(picture: Array, rng: np.random.Generator) -> Array:
    """Random patches with structure, their means removed."""
    grey = 255 * cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    windows = np.lib.stride_tricks.sliding_window_view(grey, (PATCH, PATCH)).reshape(-1, PATCH * PATCH)
    found = windows[rng.permutation(len(windows))[: 4 * PATCHES_PER_PHOTO]]
    found = found - found.mean(axis=1, keepdims=True)
    return found[np.linalg.norm(found, axis=1) > TOLERANCE][:PATCHES_PER_PHOTO]


def coefficients(patches: Array, dictionary: Array, atoms: NDArray[np.int16]) -> NDArray[np.float64]:
    """Least squares on each patch's own atoms, ``(n, K)``."""
    codes = np.zeros((len(patches), len(dictionary)))
    gram, products = (dictionary @ dictionary.T).astype(np.float64), (patches @ dictionary.T).astype(np.float64)
    n_atoms = (atoms >= 0).sum(axis=1)
    for count in range(1, atoms.shape[1] + 1):
        rows = np.flatnonzero(n_atoms == count)
        chosen = atoms[rows, :count].astype(np.intp)
        systems = gram[chosen[:, :, None], chosen[:, None, :]] + 1e-6 * np.eye(count)
        codes[rows[:, None], chosen] = np.linalg.solve(systems, products[rows[:, None], chosen][..., None])[..., 0]
    return codes


def learn(patches: Array, rng: np.random.Generator) -> Array:
    """The dictionary, ``(K, 64)``."""
    dictionary = patches[rng.permutation(len(patches))[:N_ATOMS]]
    dictionary = dictionary / np.linalg.norm(dictionary, axis=1, keepdims=True)
    for step in range(ROUNDS):
        atoms = pursue(patches, dictionary, tolerance=TOLERANCE, largest=MOST_ATOMS)
        codes = coefficients(patches, dictionary, atoms)
        print(f"round {step}: {(atoms >= 0).sum(axis=1).mean():.3f} atoms per patch", flush=True)
        fitted = np.linalg.solve(codes.T @ codes + 1e-3 * np.eye(N_ATOMS), codes.T @ patches)
        left = np.linalg.norm(patches - codes @ fitted, axis=1)
        unused = np.flatnonzero((codes != 0).sum(axis=0) < 10)
        fitted[unused] = patches[np.argsort(left)[::-1][: len(unused)]]
        fitted -= fitted.mean(axis=1, keepdims=True)
        dictionary = (fitted / np.linalg.norm(fitted, axis=1, keepdims=True)).astype(np.float32)
    return dictionary


def curve(pictures: list[Array], dictionary: Array) -> tuple[Array, Array]:
    """Numbers of atoms, increasing, and the sigma of each."""
    counts = []
    for sigma in SIGMAS_PX:
        found = [np.median(smoothed_counts(blurred(picture, sigma), dictionary)) for picture in pictures]
        counts.append(float(np.median(found)))
        print(f"sigma {sigma:.2f} px: {counts[-1]:.2f} atoms ({min(found):.2f} to {max(found):.2f})", flush=True)
    falling = np.minimum.accumulate(counts)
    kept = np.concatenate([[True], np.diff(falling) < -1e-3])
    return falling[kept][::-1].astype(np.float32), np.array(SIGMAS_PX)[kept][::-1].astype(np.float32)


def main() -> None:
    """Learn, calibrate, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path, help="folder of sharp photographs")
    parser.add_argument("--out", type=Path, default=weights.place("jnb-style"))
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    rng = np.random.default_rng(arguments.seed)
    pictures = [to_float(read_photograph(path).pixels) for path in sorted(arguments.photos.glob("*.png"))]
    patches = np.concatenate([patches_of(blurred(picture, LEARNT_SIGMA_PX), rng) for picture in pictures[::2]])
    print(f"{len(patches)} patches")
    dictionary = learn(patches, rng)
    counts, sigmas_px = curve(pictures[1::2], dictionary)
    with sealed(arguments.out) as partial:
        save_file({"dictionary": dictionary, "counts": counts, "sigmas_px": sigmas_px}, partial)
    print(f"{arguments.out}: {arguments.out.stat().st_size} bytes, sha256 {sha256_of(arguments.out)}")


if __name__ == "__main__":
    main()
