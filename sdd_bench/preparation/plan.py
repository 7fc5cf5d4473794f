"""The plan of ``prepare``: the units of work, and what their pairs become. It reads headers and writes nothing."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sdd_bench.captures.layouts import PairList, read_layout
from sdd_bench.captures.links import links_of_pairs
from sdd_bench.captures.listing import below
from sdd_bench.captures.pairing import Pairing
from sdd_bench.core.errors import ConfigError, ImageError, PairingError
from sdd_bench.core.types import Pair, Problem, Split
from sdd_bench.core.words import counted
from sdd_bench.images.pair import read_headers
from sdd_bench.images.resize import parse_resize
from sdd_bench.preparation.choice import Choice, choose_pairs, two_scenes
from sdd_bench.preparation.options import PRESETS, PrepareOptions
from sdd_bench.preparation.patches import windows
from sdd_bench.prepared.leaks import leaks_of_pairs

_SHOWN = 5
"""Problems that a message lists."""


@dataclass(frozen=True)
class Unit:
    """Consecutive pairs of one split."""

    split: Split
    number: int
    first_row: int
    """Row of the first pair in pairs.csv."""
    pairs: tuple[Pair, ...]
    as_patches: bool
    """Whether the unit becomes a shard of patches; otherwise it becomes full pictures."""

    @property
    def name(self) -> str:
        """Name of the unit, which is also that of its shard and its part.

        Example:
            >>> Unit(Split.TRAIN, 3, first_row=24, pairs=(), as_patches=True).name
            'train-00003'
        """
        return f"{self.split}-{self.number:05d}"


@dataclass(frozen=True)
class Task:
    """A unit together with everything that a worker needs to make it."""

    unit: Unit
    source: Path
    out: Path
    options: PrepareOptions
    bit_depth: int
    plan_sha256: str
    """Digest of the plan that the unit belongs to."""
    measured_sha256: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Digests of the pictures that were measured, blurry and sharp, by pair id."""

    def __str__(self) -> str:
        return self.unit.name


@dataclass(frozen=True)
class PreparePlan:
    """The work that :func:`~sdd_bench.preparation.run.prepare` would do."""

    name: str
    """Name of the set, which is that of the source."""
    source: PairList
    options: PrepareOptions
    bit_depth: int
    units: tuple[Unit, ...]
    listing_sha256: str
    """Digest of names, sizes, scenes and groups of the pairs."""
    n_bytes: int
    """Bytes of all pictures that will be read."""
    n_patches: int
    """Number of pairs of patches expected."""
    n_frames: int
    """Number of pairs of full pictures expected."""
    n_bytes_raw: int
    """Bytes of all patches and full pictures before compression."""
    foreseen: tuple[Problem, ...]
    """Pairs that will fail, as far as their headers show it."""
    kept: Choice
    """Pairs that are kept, which the units hold, and those that were dropped."""
    warnings: tuple[Problem, ...]
    """What would make scores worthless: a scene in two splits, a picture that occurs twice."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Files that form no pair."""
        return self.source.problems


def plan(
    source: Path,
    options: PrepareOptions = PRESETS["sdd"],
    *,
    layout: str = "auto",
    pairs_csv: Path | None = None,
    lists: Path | None = None,
    pairing: Pairing | None = None,
    strict: bool = False,
) -> PreparePlan:
    """Pair the files below ``source``, and work out what they become with ``options``.

    Args:
        source: Folder of captures, or CSV file of pairs.
        options: Options of ``prepare``.
        layout: Layout of the folders, see :func:`~sdd_bench.captures.layouts.read_layout`.
        pairs_csv: CSV of pairs to use in place of the folders.
        lists: Folder of DPDD's name lists.
        pairing: What the user says about pairs, see :mod:`sdd_bench.captures.pairing`.
        strict: Whether what :mod:`sdd_bench.prepared.leaks` finds is an error.

    Raises:
        PairingError: No pair was found or none is left by the rules, the layout is unknown or ambiguous, or a scene is
            in two splits or a picture occurs twice while ``strict``.
        ConfigError: Some pictures have 8 bits and others 16, and ``options.bit_depth`` does not say which to store.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from sdd_bench.images.write import write_png
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for side in ("blur", "gt"):
        ...         write_png(Path(folder, "train", side, "0001.png"), np.zeros((64, 96, 3), np.uint8))
        ...     planned = plan(Path(folder), PrepareOptions(resize="none", patch=64, overlap=0.5, drop=0.0))
        >>> planned.n_patches, planned.bit_depth, [unit.name for unit in planned.units]
        (2, 8, ['train-00000'])
    """
    source = source.absolute()  # workers may run in other folders
    pairs_csv = pairs_csv and pairs_csv.absolute()
    read = read_layout(source, layout=layout, pairs_csv=pairs_csv, lists=lists, pairing=pairing, limit=options.limit)
    left = choose_pairs(read, options)
    found = left.source
    if not left.pairs:
        raise PairingError(
            f"{source}: the rules drop all {counted(len(left.dropped), 'pair')}. First: {left.dropped[0].reason}."
        )
    kept_pairs = dataclasses.replace(found, pairs=left.pairs)
    warnings = (*links_of_pairs(kept_pairs), *leaks_of_pairs(kept_pairs), *two_scenes(left))
    if strict and warnings:
        raise PairingError(f"{source}: {listed(warnings)}")
    units = tuple(_units(left.pairs, options))
    expected = _expect(units, options)
    bit_depth = options.bit_depth or _only_depth(expected.depths, source)
    name = (source if source.is_dir() else source.with_suffix("")).resolve().name
    return PreparePlan(
        name,
        found,
        options,
        bit_depth,
        units,
        _listing_sha256(found),
        expected.n_bytes,
        expected.n_patches,
        expected.n_frames,
        expected.n_pixels * 2 * 3 * bit_depth // 8,
        tuple(expected.foreseen),
        left,
        warnings,
    )


@dataclass
class _Expected:
    """What units of work come to, by the headers of their pictures."""

    n_bytes: int = 0
    n_patches: int = 0
    n_frames: int = 0
    n_pixels: int = 0
    """Pixels of a side of all patches and full pictures."""
    depths: dict[int, Path] = field(default_factory=dict)
    """An example picture of each bit depth."""
    foreseen: list[Problem] = field(default_factory=list)


def _expect(units: Sequence[Unit], options: PrepareOptions) -> _Expected:
    resize, found = parse_resize(options.resize), _Expected()
    for unit, pair in ((part, pair) for part in units for pair in part.pairs):
        found.n_bytes += pair.blurry_path.stat().st_size + pair.sharp_path.stat().st_size
        try:
            width, height = _size(pair, options, found.depths)
            if unit.as_patches or options.resize_test:
                width, height = resize.size(width, height)
            if not unit.as_patches:
                found.n_frames, found.n_pixels = found.n_frames + 1, found.n_pixels + width * height
                continue
            cut = options.cut(unit.split)
            n = cut.n_kept(len(windows(height, width, patch=options.patch, overlap=cut.overlap)))
        except ImageError as error:
            found.foreseen.append(Problem(pair.pair_id, str(error)))
            continue
        found.n_patches, found.n_pixels = found.n_patches + n, found.n_pixels + n * options.patch**2
    return found


def listed(problems: Sequence[Problem]) -> str:
    """What is wrong, for a message.

    Example:
        >>> listed([Problem("train/a", "its blurry and its sharp picture are the same")])
        'train/a: its blurry and its sharp picture are the same'
    """
    shown = [f"{problem.item}: {problem.reason}" for problem in problems[:_SHOWN]]
    more = [f"and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
    return "\n  ".join([*shown, *more])


def _units(pairs: tuple[Pair, ...], options: PrepareOptions) -> Iterator[Unit]:
    row = 0
    for split, group in itertools.groupby(pairs, key=lambda pair: pair.split):
        members = tuple(group)
        as_patches = options.as_patches(split)
        for number, start in enumerate(range(0, len(members), options.pairs_per_shard)):
            chunk = members[start : start + options.pairs_per_shard]
            yield Unit(split, number, row, chunk, as_patches)
            row += len(chunk)


def _size(pair: Pair, options: PrepareOptions, depths: dict[int, Path]) -> tuple[int, int]:
    """Width and height of the pair by its headers; ``depths`` gets an example picture of each bit depth."""
    paths = (pair.blurry_path, pair.sharp_path)
    headers = read_headers(*paths, max_pixels=options.max_pixels)
    for path, header in zip(paths, headers, strict=True):
        depths.setdefault(header.bit_depth, path)
    return headers[1].width, headers[1].height  # the sharp one's tag of orientation always counts


def _only_depth(depths: dict[int, Path], source: Path) -> int:
    if len(depths) > 1:
        examples = ", ".join(f"{below(path, source)} has {depth} bits" for depth, path in sorted(depths.items()))
        raise ConfigError(
            f"{source}: a set has one bit depth, but {examples}. Say what to store by --bit-depth 8 or 16."
        )
    return next(iter(depths), 8)


def _listing_sha256(found: PairList) -> str:
    digest = hashlib.sha256()
    for pair in found.pairs:
        paths = [pair.blurry_path, pair.sharp_path, pair.aligned_path, pair.truth_path]
        if pair.coc_path is not None:
            paths.append(pair.coc_path)
        files = [[below(path, found.root), path.stat().st_size] if path else None for path in paths]
        digest.update(json.dumps([pair.pair_id, pair.scene, pair.group, files]).encode() + b"\n")
    return digest.hexdigest()
