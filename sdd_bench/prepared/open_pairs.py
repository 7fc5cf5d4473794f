r"""Pairs to train on straight from folders, tables or Parquet, without preparing a set.

A prepared set is faster: its patches are chosen, checked and stored in chunks, so a crop reads little. Here every item
decodes two whole pictures to cut one crop of them. ``tools/bench/sets.py`` measures how much slower that is.
"""

from __future__ import annotations

import bisect
from abc import ABC, abstractmethod
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from sdd_bench.captures.layouts import read_layout
from sdd_bench.captures.metadata.parquet import content_of, find_parquet, open_parquet, picture_columns, split_of_file
from sdd_bench.captures.pairing import Pairing
from sdd_bench.core.arrays import Pixels
from sdd_bench.core.errors import ConfigError, ImageError, PairingError
from sdd_bench.core.types import AnyPath, Pair, Split
from sdd_bench.images.formats.header import SUFFIXES, format_of
from sdd_bench.images.pair import read_pair
from sdd_bench.images.photograph import read_photograph_bytes
from sdd_bench.prepared.manifest import PARTS, is_prepared
from sdd_bench.prepared.torch_dataset import PairDataset, to_tensor
from sdd_bench.prepared.transforms import Transform


def open_pairs(
    path: AnyPath,
    split: str = "train",
    *,
    crop: int | None = 256,
    augment: bool = True,
    seed: int = 0,
    layout: str = "auto",
    pairs_csv: AnyPath | None = None,
    pairing: Pairing | None = None,
) -> PairDataset | FolderPairs | ParquetPairs:
    """Pairs of any source as a torch dataset, whose items are those of :class:`PairDataset`.

    Args:
        path: Prepared set, shard, folder of captures, CSV, or Parquet (a file, or a folder of them).
        split: Split to train on. Pairs whose split is not known count as this one.
        crop: Side of a square crop, pixels; None takes whole pictures, which must then share one size to be batched.
        augment: Whether to crop anywhere, flip and turn at random; otherwise the crop is in the middle.
        seed: Seed of the random numbers, which depend on (seed, epoch, index) only.
        layout: Layout of the folders.
        pairs_csv: CSV of pairs to use in place of the folders.
        pairing: What the user says about pairs.

    Raises:
        PairingError: The pairs cannot be read, or the split has none.
        ShardError: The prepared set has no patches of the split.
        ConfigError: The crop is below 1, or larger than the patches.

    Example:
        >>> import tempfile
        >>> from sdd_bench.images.write import write_png
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for side in ("input", "target"):
        ...         write_png(Path(folder, "train", side, "1.png"), np.zeros((64, 96, 3), np.uint8))
        ...     pairs = open_pairs(folder, crop=32)
        ...     len(pairs), tuple(pairs[0]["blurry"].shape)
        (1, (3, 32, 32))
    """
    pairs_csv = None if pairs_csv is None else Path(pairs_csv)
    path = Path(path)
    if crop is not None and crop < 1:
        raise ConfigError(f"crop is {crop}; expected 1 or more, or None for whole pictures.")
    if is_prepared(path) or (path / PARTS).is_dir() or path.suffix == ".h5":
        return PairDataset(path, split, crop=crop, augment=augment, seed=seed)
    wanted = Split(split)
    names_files = pairs_csv is not None or (pairing is not None and pairing.names_files)
    if layout in ("auto", "hf-parquet") and not names_files and find_parquet(path):
        return ParquetPairs(
            path, wanted, columns=pairing.columns if pairing else None, crop=crop, augment=augment, seed=seed
        )
    found = read_layout(path, layout=layout, pairs_csv=pairs_csv, pairing=pairing, default_split=wanted)
    pairs = [pair for pair in found.pairs if pair.split is wanted]
    if not pairs:
        there = ", ".join(sorted({pair.split for pair in found.pairs}))
        raise PairingError(f"{path}: has no pairs in the split {split}; splits with some: {there}.")
    return FolderPairs(pairs, crop=crop, augment=augment, seed=seed)


class _Pairs(Dataset[dict[str, Any]], ABC):
    """Whole pictures, of which an item is a crop."""

    def __init__(self, *, crop: int | None, augment: bool, seed: int) -> None:
        self.crop = crop
        self.augment = augment
        self.seed = seed
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        """Choose the random numbers of ``epoch``. Call it before each epoch, so that the crops differ."""
        self._epoch.fill_(epoch)

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def pixels(self, index: int) -> tuple[Pixels, Pixels, str]:
        """Blurry and sharp picture, (H, W, 3), and their name for messages."""

    def __getitem__(self, index: int) -> dict[str, Any]:
        """The item of one pair.

        Raises:
            IndexError: The pair does not exist.
            ImageError: A picture is damaged, or smaller than the crop.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"no pair {index}, there are {len(self)}")
        blurry, sharp, name = self.pixels(index)
        transform = self._transform(index, blurry.shape[0], blurry.shape[1], name)
        pictures: dict[str, Tensor] = {
            side: to_tensor(transform.apply(pixels)) for side, pixels in (("blurry", blurry), ("sharp", sharp))
        }
        return {**pictures, "index": index}

    def _transform(self, index: int, height: int, width: int, name: str) -> Transform:
        crop = self.crop
        if crop is not None and crop > min(height, width):
            raise ImageError(f"{name}: is {width}x{height}, smaller than the crop of {crop}. Choose a smaller one.")
        rows, columns = (height, width) if crop is None else (crop, crop)
        if not self.augment:
            return Transform((height - rows) // 2, (width - columns) // 2, rows, columns)
        random = np.random.default_rng((self.seed, int(self._epoch), index))
        y, x = int(random.integers(0, height - rows + 1)), int(random.integers(0, width - columns + 1))
        flip_x, flip_y = random.integers(0, 2, 2).tolist()
        turns = int(random.integers(0, 4)) if rows == columns else 0
        return Transform(y, x, rows, columns, flip_x, flip_y, turns)


class FolderPairs(_Pairs):
    """Pairs of files, for :func:`open_pairs`."""

    def __init__(self, pairs: list[Pair], *, crop: int | None, augment: bool, seed: int) -> None:
        super().__init__(crop=crop, augment=augment, seed=seed)
        self._pairs = pairs

    def __len__(self) -> int:
        return len(self._pairs)

    def pixels(self, index: int) -> tuple[Pixels, Pixels, str]:
        """Blurry and sharp picture of a pair, upright, of one size."""
        pair = self._pairs[index]
        blurry, sharp = read_pair(pair.blurry_path, pair.sharp_path)
        return blurry.pixels, sharp.pixels, str(pair.blurry_path)


class ParquetPairs(_Pairs):
    """Rows of Parquet, for :func:`open_pairs`. A worker opens the files on first use and keeps one row group."""

    def __init__(
        self, path: Path, split: Split, *, columns: tuple[str, str] | None, crop: int | None, augment: bool, seed: int
    ) -> None:
        super().__init__(crop=crop, augment=augment, seed=seed)
        self._columns = columns
        self._files: list[Path] = []
        self._groups: list[tuple[int, int]] = []
        """File and row group of each group."""
        sizes = []
        for file_path in find_parquet(path):
            if split_of_file(file_path) not in (None, split):
                continue
            with open_parquet(file_path) as file:
                picture_columns(file_path, file, columns)
                sizes += [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
                self._groups += [(len(self._files), group) for group in range(file.num_row_groups)]
            self._files.append(file_path)
        self._ends = list(accumulate(sizes))
        if not self._ends or not self._ends[-1]:
            raise PairingError(f"{path}: has no rows in the split {split}.")
        self._kept: tuple[int, list[list[Any]]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": None}

    def __len__(self) -> int:
        return self._ends[-1]

    def pixels(self, index: int) -> tuple[Pixels, Pixels, str]:
        """Blurry and sharp picture of a row."""
        number = bisect.bisect_right(self._ends, index)
        first = self._ends[number - 1] if number else 0
        name = f"{self._files[self._groups[number][0]]} row {index - first} of row group {self._groups[number][1]}"
        if self._kept is None or self._kept[0] != number:
            self._kept = None  # one group in memory at a time
            self._kept = number, self._read(number)
        pictures = [_decoded(column[index - first], name) for column in self._kept[1]]
        if pictures[0].shape != pictures[1].shape:
            raise ImageError(f"{name}: blurry and sharp differ in size; a pair must share one size.")
        return pictures[0], pictures[1], name

    def _read(self, number: int) -> list[list[Any]]:
        file_number, group = self._groups[number]
        path = self._files[file_number]
        with open_parquet(path) as file:
            columns = picture_columns(path, file, self._columns)
            table = file.read_row_group(group, columns=list(columns))
            return [table.column(name).to_pylist() for name in columns]


def _decoded(cell: Any, name: str) -> Pixels:
    try:
        content = content_of(cell)
    except ValueError as error:
        raise ImageError(f"{name}: {error}.") from error
    kind = format_of(content)
    if kind not in SUFFIXES:
        raise ImageError(f"{name}: its bytes are {kind or 'no picture format that is known'}.")
    return read_photograph_bytes(Path(f"{name}{SUFFIXES[kind][0]}"), content).pixels
