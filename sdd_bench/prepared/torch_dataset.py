r"""Patches as a torch dataset, with random crops, flips and turns that are the same for blurry, sharp and flow.

Pictures are float32 :math:`(3, H, W)` RGB in [0, 1] for any bit depth. The flow is float32 :math:`(2, H, W)`, in pixels
of the crop. Every worker opens the files on first use, so workers may be forked or spawned. The random numbers depend
on (seed, epoch, index) only, not on the number of workers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate
from torch.utils.data import Dataset

from sdd_bench.core.errors import ConfigError, ShardError
from sdd_bench.images.photograph import to_float
from sdd_bench.prepared.shards import FlowReader, ShardSet, shard_paths
from sdd_bench.prepared.transforms import Transform, centre_crop, random_transform
from sdd_bench.registration.light.transfer import Match, Place, Transfer


@dataclass(frozen=True)
class PatchLight:
    """The transfer of light that a sharp patch goes through, and where the patch lies in its pair."""

    transfer: Transfer
    place: Place


class PairDataset(Dataset[dict[str, Any]]):
    """The patches of a prepared set, a virtual dataset or one shard.

    An item is a dictionary of ``blurry`` and ``sharp``, each (3, crop, crop), and ``index``. On request it also holds
    ``flow``, (2, crop, crop), and ``transform``, a :class:`~sdd_bench.prepared.transforms.Transform`.

    Args:
        path: Prepared set (its folder or dataset.json), virtual dataset such as its ``train.h5``, or shard.
        split: Name of the split.
        crop: Side of the crop in pixels; ``None`` takes whole patches.
        augment: Whether to crop anywhere, flip and turn at random; otherwise the crop is in the middle.
        flips: Whether an augmented patch is flipped and turned; otherwise it is only cropped anywhere.
        seed: Seed of the random numbers.
        flow: File of flows ``estimate(reference=blurry, moving=sharp)`` beside the set, see
            :mod:`sdd_bench.prepared.shards.flows`.
        light: For each patch, the transfer that brings its sharp picture to the light of the blurry one; None leaves
            the sharp pictures as they are.
        with_transform: Whether an item holds the transform that was applied to the patch.

    Raises:
        ManifestError: The set is damaged.
        ShardError: The split has no patches, a file is missing or damaged, or the flow belongs to other patches.
        ConfigError: The crop is larger than the patches.

    Example:
        >>> import tempfile
        >>> from sdd_bench.core.types import Window
        >>> from sdd_bench.prepared.shards import PairPatches, write_shard
        >>> picture = np.zeros((64, 64, 3), np.uint8)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     shard = Path(folder, "train-00000.h5")
        ...     pair = PairPatches(0, picture, picture, [Window(0, 0, 64, 64)], np.ones(1))
        ...     _ = write_shard(shard, [pair], split="train", bit_depth=8, resize="none", patch=64)
        ...     dataset = PairDataset(shard, crop=32)
        ...     len(dataset), tuple(dataset[0]["blurry"].shape)
        (1, (3, 32, 32))
    """

    def __init__(
        self,
        path: Path | str,
        split: str = "train",
        *,
        crop: int | None = 256,
        augment: bool = True,
        flips: bool = True,
        seed: int = 0,
        flow: Path | str | None = None,
        light: Sequence[PatchLight] | None = None,
        with_transform: bool = False,
    ) -> None:
        path = Path(path)
        self._shards = ShardSet(shard_paths(path, split))
        patch = self._shards.patch
        self.crop = patch if crop is None else crop
        if not 1 <= self.crop <= patch:
            raise ConfigError(f"crop is {crop}; the patches of {path} allow 1 to {patch}.")
        self.augment = augment
        self.flips = flips
        self.seed = seed
        self.with_transform = with_transform
        self._flows = None if flow is None else FlowReader(Path(flow), split)
        if self._flows is not None and (len(self._flows), self._flows.patch) != (len(self), patch):
            raise ShardError(
                f"{flow}: flow of {len(self._flows)} patches of {self._flows.patch} pixels, but {path} holds "
                f"{len(self)} of {patch}. Delete it and estimate it again."
            )
        self._light = light
        if light is not None and len(light) != len(self):
            raise ConfigError(f"{path}: light of {len(light)} patches, but it holds {len(self)}.")
        # In shared memory, so that workers that persist from epoch to epoch see the change.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        """Choose the random numbers of ``epoch``. Call it before each epoch, so that the crops differ."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self._shards)

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The item of one patch.

        Raises:
            IndexError: The patch does not exist.
            ShardError: Its chunk is damaged.
        """
        transform = self._transform(index)
        crop = self._shards.read_crop(index, *transform[:4])
        item: dict[str, Any] = {
            "blurry": to_tensor(transform.turn(crop.blurry)),
            "sharp": self._sharp(index, transform, crop.sharp),
            "index": index,
        }
        if self._flows is not None:
            flow = torch.from_numpy(self._flows.read(index))
            whole = interpolate(flow[None], (self._shards.patch,) * 2, mode="bilinear", align_corners=False)[0]
            item["flow"] = torch.from_numpy(np.ascontiguousarray(transform.apply_flow(whole.numpy())))
        if self.with_transform:
            item["transform"] = transform
        return item

    def _sharp(self, index: int, transform: Transform, pixels: NDArray[np.generic]) -> Tensor:
        if self._light is None or self._light[index].transfer.model is Match.NONE:
            return to_tensor(transform.turn(pixels))
        place = self._light[index].place
        place = replace(place, top=place.top + transform.y, left=place.left + transform.x)
        matched = self._light[index].transfer.apply(to_float(pixels), place=place)
        return torch.from_numpy(np.ascontiguousarray(transform.turn(matched).transpose(2, 0, 1)))

    def _transform(self, index: int) -> Transform:
        if not self.augment:
            return centre_crop(self._shards.patch, self.crop)
        generator = np.random.default_rng((self.seed, int(self._epoch), index))
        drawn = random_transform(generator, self._shards.patch, self.crop)
        return drawn if self.flips else Transform(*drawn[:4])


def to_tensor(pixels: NDArray[np.generic]) -> Tensor:
    """(H, W, 3) uint8 or uint16 as (3, H, W) float32 in [0, 1].

    Example:
        >>> to_tensor(np.full((1, 1, 3), 255, np.uint8)).flatten().tolist()
        [1.0, 1.0, 1.0]
    """
    planes = np.empty((3, *pixels.shape[:2]), np.float32)
    np.divide(pixels.transpose(2, 0, 1), np.float32(255 if pixels.dtype == np.uint8 else 65535), out=planes)
    return torch.from_numpy(planes)
