"""Small shards and prepared sets."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.types import Window
from sdd_bench.preparation.options import PrepareOptions
from sdd_bench.preparation.run import prepare
from sdd_bench.prepared.shards import PairPatches, write_shard

PATCH = 48


def pictures(seed: int, n: int, *, size: int = PATCH, depth: int = 8) -> NDArray[np.generic]:
    """(n, size, size, 3) smooth pictures with a little noise, every one another."""
    rng = np.random.default_rng(seed)
    smooth = np.stack([cv2.GaussianBlur(rng.random((size, size, 3)), (0, 0), 4) for _ in range(n)])
    smooth = (smooth - smooth.min()) / np.ptp(smooth) * (2**depth - 1)
    return np.clip(smooth + rng.normal(0, 2, smooth.shape), 0, 2**depth - 1).astype(f"uint{depth}")


def make_shard(path: Path, blurry: NDArray[np.generic], sharp: NDArray[np.generic], **options: object) -> Path:
    """A shard of these patches, one a pair; rows of pairs.csv count from 10, sharpness from 0."""
    size = blurry.shape[1]
    pairs = [
        PairPatches(10 + i, b, s, [Window(0, 0, size, size)], np.array([i], float))
        for i, (b, s) in enumerate(zip(blurry, sharp, strict=True))
    ]
    settings = {"split": "train", "bit_depth": 8 * blurry.itemsize, "resize": "none", "patch": size} | options
    write_shard(path, pairs, **settings)  # type: ignore[arg-type]
    return path


def make_prepared(
    root: Path,
    *,
    n_train: int = 3,
    n_val: int = 0,
    depth: int = 8,
    test: Sequence[str] = ("t1", "t2"),
    scenes: Mapping[str, str] | None = None,
) -> Path:
    """A prepared set at ``root/set`` of captures at ``root/captures``: 4 patches of 48 pixels per train or val pair.

    ``scenes`` names the scene of pairs, by the name of the pair.
    """
    captures = root / "captures"
    names = [("train", f"a{i}") for i in range(n_train)] + [("val", f"v{i}") for i in range(n_val)]
    for seed, (split, name) in enumerate(names + [("test", name) for name in test]):
        for side, picture in zip(("blur", "gt"), pictures(seed, 2, size=96, depth=depth), strict=True):
            path = captures / split / side / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            assert cv2.imwrite(str(path), picture[..., ::-1])
    if scenes is not None:
        rows = [f"{split},{name},{scenes[name]},\n" for split, name in names if name in scenes]
        (captures / "scenes.csv").write_text("split,name,scene,group\n" + "".join(rows))
    options = PrepareOptions(resize="none", patch=PATCH, overlap=0.0, drop=0.0, pairs_per_shard=2)
    prepare(captures, root / "set", options)
    return root / "set"


def flip_byte(path: Path, at: int) -> None:
    """Damage one byte of a file."""
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(data)
