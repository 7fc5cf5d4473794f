"""One line that says all that a number depends on apart from the method.

Equal signatures are comparable on any machine; nothing of the machine, the date or a path is in them. The dataset
enters by its decoded pixels, so a losslessly re-compressed copy counts as the same set and a resized one does not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sdd_bench.core import protocol
from sdd_bench.core.types import GroundTruth, WarpMode
from sdd_bench.registration.light.transfer import Match

PROFILE = "defocus"
"""Name of the way metrics are computed (see :mod:`sdd_bench.metrics`)."""
BORDER = "replicate"
"""What stands outside a picture when it is warped."""


@dataclass(frozen=True)
class Protocol:
    """What a run's numbers depend on, apart from the method."""

    pixels_sha256: str
    bit_depth: str
    resize: str
    crop: str
    metrics: tuple[str, ...]
    lpips_sha256: str
    flow_signature: str
    warp: WarpMode
    match: Match

    def signatures(self) -> dict[str, str]:
        """The signature of each ground truth."""
        parts = [
            f"pixels={self.pixels_sha256}",
            f"bits={self.bit_depth}",
            f"resize={self.resize}",
            f"crop={self.crop}",
            f"metrics={PROFILE}:{','.join(self.metrics)}",
        ]
        if self.lpips_sha256:
            parts.append(f"lpips={self.lpips_sha256}")
        raw = " ".join(parts)
        moved = f"{raw} flow=[{self.flow_signature}] warp={self.warp.value} border={BORDER}"
        matched = f"{moved} match={self.match.value} light={protocol.LIGHT}"
        lines = {GroundTruth.RAW: raw, GroundTruth.MATCHED: matched}
        return {truth.value: f"{truth.value}: {lines.get(truth, moved)}" for truth in GroundTruth}


def pixels_sha256(pixels: NDArray[np.generic]) -> str:
    """SHA-256 of a decoded picture: its shape and bit depth, then its samples (16-bit ones little-endian)."""
    header = f"{'x'.join(map(str, pixels.shape))} {pixels.dtype.itemsize * 8} "
    digest = hashlib.sha256(header.encode())
    digest.update(np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("<")).data)
    return digest.hexdigest()


def dataset_sha256(pictures: Iterable[tuple[str, str]]) -> str:
    """SHA-256 of a dataset from the (blurry, sharp) hashes of its pairs, in their order."""
    digest = hashlib.sha256()
    for blurry, sharp in pictures:
        digest.update(f"{blurry} {sharp}\n".encode())
    return digest.hexdigest()


def describe_crop(mode: str, crops: Sequence[tuple[str, str]], n_pictures: int) -> str:
    """What was cropped: ``none``; mode and size where all pictures were cropped to one size; else a hash of the list.

    Args:
        mode: ``topleft`` or ``center``.
        crops: Name and size (as text) of each picture that was cropped.
        n_pictures: How many pictures there are.
    """
    if not crops:
        return "none"
    sizes = {size for _, size in crops}
    if len(sizes) == 1 and len(crops) == n_pictures:
        return f"{mode}:{sizes.pop()}"
    return f"{mode}:{hashlib.sha256(repr(sorted(crops)).encode()).hexdigest()[:16]}"


def digest(values: Mapping[str, object]) -> str:
    """A short name for a set of values, for cache files."""
    text = "\n".join(f"{key}={value}" for key, value in sorted(values.items()))
    return hashlib.sha256(text.encode()).hexdigest()
