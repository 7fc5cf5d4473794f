"""The schema of a shard, and opening a shard with a check that it follows the schema."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin  # noqa: F401  (registers the Blosc2 filter with HDF5)

from sdd_bench.core.errors import ShardError, reason_of
from sdd_bench.prepared.shards import chunks, places

SCHEMA = 1
"""Number of the format of shards; shards of another number are refused."""
PICTURES = ("blurry", "sharp")
COLUMNS = {"pair": ((), "int32"), "window": ((4,), "int32"), "sharpness": ((), "float32")}
DATASETS = (*PICTURES, *COLUMNS)
ATTRIBUTES = ("schema", "split", "color", "bit_depth", "resize")
FILTERS: dict[str, dict[str, Any]] = {
    "blosc2": {"compression": chunks.HDF5_FILTER, "compression_opts": chunks.HDF5_FILTER_OPTIONS},
    "gzip": {"compression": "gzip", "compression_opts": 1},
    "lzf": {"compression": "lzf"},
    "none": {},
}
COMPRESSIONS = tuple(FILTERS)


@dataclass(frozen=True)
class ShardInfo:
    """The facts that a shard, or a virtual dataset over shards, records about itself."""

    n_patches: int
    patch: int
    split: str
    bit_depth: int
    resize: str
    color: str
    compression: str
    stored_bytes: int
    """Bytes that the patches take on disk; 0 for a virtual dataset, which holds none."""
    is_bound: bool | None
    """Whether each chunk is bound to its place, see :mod:`~sdd_bench.prepared.shards.places`; None for a virtual
    dataset, which has no chunks."""
    sources: tuple[str, ...] = ()
    """Paths of the shards that a virtual dataset joins, relative to its folder."""


def expected(name: str, patch: int, bit_depth: int) -> tuple[tuple[int, ...], str]:
    """The shape of one entry, and the type, of a dataset of a shard.

    Example:
        >>> expected("blurry", 512, 16), expected("window", 512, 16)
        (((512, 512, 3), 'uint16'), ((4,), 'int32'))
    """
    return ((patch, patch, 3), f"uint{bit_depth}") if name in PICTURES else COLUMNS[name]


def open_shard(path: Path) -> h5py.File:
    """Open a shard or virtual dataset for reading, and check that it follows the schema.

    Raises:
        ShardError: The file is missing, cut short, not HDF5, or of another schema.

    Example:
        >>> open_shard(Path("no/such.h5"))
        Traceback (most recent call last):
        sdd_bench.core.errors.ShardError: no/such.h5: missing. See what the set should hold with: sdd-bench validate.
    """
    try:
        file = h5py.File(path, "r", locking=False)
    except FileNotFoundError as error:
        raise ShardError(f"{path}: missing. See what the set should hold with: sdd-bench validate.") from error
    except OSError as error:
        raise ShardError(
            f"{path}: damaged, cut short or not HDF5 ({error}). Restore it, or delete it and prepare the set again."
        ) from error
    try:
        wrong = _schema_error(file)
        if wrong:
            raise ShardError(f"{path}: {wrong}. It is no shard of schema {SCHEMA}, or it was changed.")
    except BaseException:
        file.close()
        raise
    return file


def _schema_error(file: h5py.File) -> str:
    """The reason why an open file is not a shard; empty if it is one."""
    try:
        attributes = {name: file.attrs[name] for name in ATTRIBUTES if name in file.attrs}
        datasets = {name: file[name] for name in DATASETS if name in file}
    except Exception as error:  # whatever a damaged header leads the library to
        return f"its header cannot be read ({error})"
    for name in ATTRIBUTES:
        if name not in attributes:
            return f"it lacks the attribute {name}"
    if attributes["schema"] != SCHEMA:
        return f"attribute schema is {attributes['schema']}, expected {SCHEMA}"
    if attributes["color"] != "RGB":
        return f"attribute color is {attributes['color']!r}, expected 'RGB'"
    if attributes["bit_depth"] not in (8, 16):
        return f"attribute bit_depth is {attributes['bit_depth']}, expected 8 or 16"
    for name in DATASETS:
        if not isinstance(datasets.get(name), h5py.Dataset):
            return f"it lacks the dataset /{name}"
    if len(datasets["blurry"].shape) < 2:
        return f"/blurry is {datasets['blurry'].shape}, expected pictures"
    n, patch = datasets["blurry"].shape[:2]
    for name, dataset in datasets.items():
        shape, dtype = expected(name, patch, int(attributes["bit_depth"]))
        if dataset.shape != (n, *shape) or dataset.dtype != dtype:
            return f"/{name} is {dataset.shape} {dataset.dtype}, expected {(n, *shape)} {dtype}"
    return ""


def shard_info(path: Path) -> ShardInfo:
    """The facts that the shard or virtual dataset at ``path`` records about itself.

    For an example see :func:`~sdd_bench.prepared.shards.write.write_shard`.

    Raises:
        ShardError: The file is missing, damaged, or of another schema.
    """
    with open_shard(path) as file:
        try:
            return _info(file)
        except Exception as error:  # whatever damage leads the library to
            raise ShardError(
                f"{path}: damaged ({reason_of(error)}). Restore it, or delete it and prepare the set again."
            ) from error


def _info(file: h5py.File) -> ShardInfo:
    blurry = file["blurry"]
    sources = tuple(source.file_name for source in blurry.virtual_sources()) if blurry.is_virtual else ()
    return ShardInfo(
        n_patches=blurry.shape[0],
        patch=blurry.shape[1],
        split=str(file.attrs["split"]),
        bit_depth=int(file.attrs["bit_depth"]),
        resize=str(file.attrs["resize"]),
        color=str(file.attrs["color"]),
        compression="virtual" if sources else compression_of(blurry),
        stored_bytes=0 if sources else sum(file[name].id.get_storage_size() for name in PICTURES),
        is_bound=None if sources else all(places.ATTRIBUTE in file[name].attrs for name in DATASETS),
        sources=sources,
    )


def compression_of(dataset: h5py.Dataset) -> str:
    """The name, in :data:`FILTERS`, of the filter that compresses a dataset.

    Example:
        >>> with h5py.File("memory", "w", driver="core", backing_store=False) as file:
        ...     compression_of(file.create_dataset("a", data=[1, 2], compression="gzip"))
        'gzip'
    """
    filters = dataset.id.get_create_plist()
    numbers = [filters.get_filter(i)[0] for i in range(filters.get_nfilters())]
    names = {chunks.HDF5_FILTER: "blosc2", h5py.h5z.FILTER_DEFLATE: "gzip", h5py.h5z.FILTER_LZF: "lzf"}
    return next((names[number] for number in numbers if number in names), "none")
