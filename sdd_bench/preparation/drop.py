"""Rules by which ``prepare`` drops pairs: by what ``analyze`` measured, and by a list of names.

A dropped pair stays in pairs.csv, with its reason. The measurements are told apart by the paths of the pictures, so the
table may come from the same source under another split; the pictures must have the bytes that were measured.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdd_bench.captures.listing import below
from sdd_bench.core.config import take_strings
from sdd_bench.core.errors import ConfigError, ManifestError, reason_of
from sdd_bench.core.storage.tables import Form, read_table
from sdd_bench.core.types import Pair
from sdd_bench.prepared.manifest import PairRow


@dataclass(frozen=True)
class Measured:
    """What the rules need of a row of ``misalignment.csv``."""

    blurry_path: str
    sharp_path: str
    trusted: int
    distrust: str
    rms_px: float
    residual_px: float | None
    likeness: float | None
    exposure_gain_r: float | None
    exposure_gain_g: float | None
    exposure_gain_b: float | None
    blurry_sha256: str
    sharp_sha256: str

    @property
    def exposure_ev(self) -> float | None:
        """Light of blurry over light of sharp in stops, of the channel that differs most; None if it is not known.

        Example:
            >>> Measured("a", "b", 1, "", 0.0, None, 1.0, 1.0, 0.5, 0.25, "", "").exposure_ev
            -2.0
        """
        gains = (self.exposure_gain_r, self.exposure_gain_g, self.exposure_gain_b)
        return max((math.log2(gain) for gain in gains if gain), key=abs, default=None)

    def fill(self, row: PairRow) -> PairRow:
        """A row of pairs.csv with these figures."""
        return dataclasses.replace(
            row,
            misalignment_px=round(self.rms_px, 4),
            likeness=None if self.likeness is None else round(self.likeness, 4),
            exposure_ev=None if self.exposure_ev is None else round(self.exposure_ev, 4),
            trusted=self.trusted,
        )


@dataclass(frozen=True)
class DropRules:
    """Which pairs ``prepare`` drops; a rule that is None drops none."""

    table: Path | None = None
    """``misalignment.csv`` of ``analyze``; its figures go into pairs.csv, whether they drop a pair or not."""
    max_misalignment_px: float | None = None
    """Largest RMS displacement by zoom, shift and rotation, pixels of the full picture."""
    max_residual_px: float | None = None
    """Largest RMS of what these leave, such as leaves that moved and layers of depth."""
    require_trusted: bool = False
    """Whether pairs whose measurement is not trusted are dropped."""
    min_likeness: float | None = None
    """Least correlation of the aligned pictures."""
    max_exposure_ev: float | None = None
    """Largest difference of light, in stops, of any channel."""
    exclude: Path | None = None
    """List of pairs to drop: a name, pair id, blurry path or scene per line, then perhaps a comma and why."""

    def __post_init__(self) -> None:
        take_strings(self, "table", "exclude")
        if self.needs_table and self.table is None:
            raise ConfigError("a rule goes by what analyze measured, but there is no table: give misalignment.csv.")
        for name in ("max_misalignment_px", "max_residual_px", "max_exposure_ev"):
            if (getattr(self, name) or 0) < 0:
                raise ConfigError(f"{name} is {getattr(self, name)}; expected 0 or more.")

    @property
    def needs_table(self) -> bool:
        """Whether a rule goes by measurements."""
        limits = (self.max_misalignment_px, self.max_residual_px, self.min_likeness, self.max_exposure_ev)
        return self.require_trusted or any(limit is not None for limit in limits)

    def as_dict(self) -> dict[str, Any]:
        """The rules as the manifest holds them, files by the digest of what they say.

        Example:
            >>> DropRules().as_dict()
            {}
        """
        values = {name: value for name, value in dataclasses.asdict(self).items() if value not in (None, False)}
        values = {name: value for name, value in values.items() if name not in ("table", "exclude")}
        if self.table is not None:
            rows = [dataclasses.astuple(row) for row in read_measured(self.table).values()]
            values["table_sha256"] = hashlib.sha256(json.dumps(sorted(map(str, rows))).encode()).hexdigest()
        if self.exclude is not None:
            values["exclude_sha256"] = hashlib.sha256(json.dumps(_read_exclude(self.exclude)).encode()).hexdigest()
        return values


@dataclass(frozen=True)
class Judged:
    """A pair, and what the rules say of it."""

    pair: Pair
    reason: str = ""
    """Why it is dropped; empty if it is kept."""
    measured: Measured | None = None


def read_measured(path: Path) -> dict[tuple[str, str], Measured]:
    """The rows of ``misalignment.csv`` by the paths of their pictures.

    Raises:
        ManifestError: The file is missing or not such a table.
    """
    form = Form(ManifestError, "Run analyze, and give its misalignment.csv.")
    return {(row.blurry_path, row.sharp_path): row for row in read_table(path, Measured, form).values()}


def judge(pairs: Sequence[Pair], rules: DropRules, root: Path) -> tuple[list[Judged], list[str]]:
    """What the rules say of the pairs below ``root``, and remarks on names in ``exclude`` that name nothing.

    A pair that a rule goes by and that was not measured is dropped.

    Raises:
        ManifestError: The table cannot be read, or measured none of the pairs.
        ConfigError: The list of names cannot be read.

    Example:
        >>> import tempfile
        >>> pairs = [Pair(name, "train", Path(f"{name}.png"), Path(f"{name}s.png")) for name in ("a", "b")]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "exclude.txt")
        ...     _ = path.write_text("b, the tripod was kicked\\n")
        ...     judged, _ = judge(pairs, DropRules(exclude=path), Path())
        >>> [each.reason for each in judged]
        ['', 'excluded by exclude.txt: the tripod was kicked']
    """
    table = {} if rules.table is None else read_measured(rules.table)
    excluded = {} if rules.exclude is None else _read_exclude(rules.exclude)
    unused = set(excluded)
    judged = []
    for pair in pairs:
        blurry = below(pair.blurry_path, root)
        row = table.get((blurry, below(pair.sharp_path, root)))
        names = (pair.pair_id, pair.name, blurry, blurry.rpartition(".")[0], *([pair.scene] if pair.scene else []))
        found = [name for name in names if name in excluded]
        unused -= set(found)
        reasons = _broken(row, rules) if rules.needs_table else []
        if found and rules.exclude is not None:
            reasons = [f"excluded by {rules.exclude.name}: {excluded[found[0]]}".rstrip(": "), *reasons]
        judged.append(Judged(pair, "; ".join(reasons), row))
    if table and judged and not any(each.measured for each in judged):
        raise ManifestError(
            f"{rules.table}: has none of these pairs; its first row is {next(iter(table))[0]}, the first pair "
            f"{below(pairs[0].blurry_path, root)}. Run analyze on this source."
        )
    notes = [f"{rules.exclude.name}: {name} names no pair" for name in sorted(unused)] if rules.exclude else []
    return judged, notes


def _broken(row: Measured | None, rules: DropRules) -> list[str]:
    """The rules that a pair breaks, in words."""
    if row is None:
        return ["was not measured"]
    found = []
    if rules.require_trusted and not row.trusted:
        found.append(f"the measurement is not trusted ({row.distrust})")
    if rules.max_misalignment_px is not None and row.rms_px > rules.max_misalignment_px:
        found.append(f"misaligned by {row.rms_px:.2f} px, more than {rules.max_misalignment_px:g}")
    if rules.max_residual_px is not None and (row.residual_px or 0) > rules.max_residual_px:
        found.append(f"parts of it move by {row.residual_px:.2f} px, more than {rules.max_residual_px:g}")
    if rules.min_likeness is not None and (row.likeness is None or row.likeness < rules.min_likeness):
        value = "not known" if row.likeness is None else f"{row.likeness:.3f}"
        found.append(f"likeness {value}, less than {rules.min_likeness:g}")
    if rules.max_exposure_ev is not None and (row.exposure_ev is None or abs(row.exposure_ev) > rules.max_exposure_ev):
        value = "not known" if row.exposure_ev is None else f"{row.exposure_ev:+.2f} EV"
        found.append(f"exposure differs by {value}, more than {rules.max_exposure_ev:g}")
    return found


def _read_exclude(path: Path) -> dict[str, str]:
    """What each line names, and why."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else reason_of(error)
        raise ConfigError(f"{path}: cannot be read as a list of pairs ({reason}).") from error
    found = {}
    for line in lines:
        name, _, why = line.partition(",")
        if name.strip() and not name.startswith("#"):
            found[name.strip()] = why.strip()
    return found
