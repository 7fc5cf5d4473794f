"""One row of a table: its columns, ranges and rules."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Literal, get_args

from sdd_bench.core.errors import LeaderboardError
from sdd_bench.core.types import GroundTruth

Source = Literal["paper", "measured"]
METRICS = ("psnr", "ssim", "mae", "lpips")
TRUTHS = tuple(truth.value for truth in GroundTruth)

PAPER_DIGITS = {"psnr": 2, "ssim": 3, "mae": 4, "lpips": 3, "drift_px": 2}
MEASURED_DIGITS = {"psnr": 4, "ssim": 6, "mae": 6, "lpips": 6, "drift_px": 4, "seconds_per_mpx": 4}
RANGES = {"psnr": (-100.0, 200.0), "ssim": (-1.0, 1.0), "mae": (0.0, 1.0), "lpips": (0.0, 10.0)}
N_TEST = {"sdd": 35, "dpdd": 76, "realdof": 50, "lfdof": 725}
"""Number of pictures in the test splits that papers share."""
INPUTS = ("", "single", "dual")
RUN_SHA256 = re.compile(r"[0-9a-f]{64}")
_TEXT_LENGTH = 1000
"""Most characters of a cell."""


@dataclass(frozen=True)
class Entry:
    """One row of a table; the fields are its columns, in order. An unknown value is None or empty."""

    method: str
    dataset: str
    ground_truth: str
    psnr: float | None
    ssim: float | None
    mae: float | None
    lpips: float | None
    drift_px: float | None
    n_images: int | None
    source: str
    trained_on: str = ""
    bit_depth: str = ""
    resize: str = ""
    crop: str = ""
    flow: str = ""
    warp: str = ""
    signature: str = ""
    reference: str = ""
    run_sha256: str = ""
    tool_version: str = ""
    date: str = ""
    params: int | None = None
    """Number of parameters of the network."""
    seconds_per_mpx: float | None = None
    """Time per megapixel, on the machine of the run."""
    input: str = ""
    """What the method is given: ``single`` picture, or ``dual`` pixel views."""
    as_printed_in: str = ""
    """Publication that the figures are copied from, where it is not ``reference``."""
    metrics_note: str = ""
    """How figures of a paper differ from the protocol: parts joined by ``; ``. A part ``METRIC: ...`` says that this
    figure is of another implementation."""

    @property
    def foreign(self) -> dict[str, str]:
        """Metrics computed by another implementation, so not to be compared, and what the row says of each.

        Example:
            >>> note = "ssim: Gaussian window; rounded to 8 bit"
            >>> Entry("unet", "lab", "raw", 30.0, 0.8, None, None, None, 2, "paper", metrics_note=note).foreign
            {'ssim': 'Gaussian window'}
        """
        parts = [part.partition(": ") for part in self.metrics_note.split("; ")]
        return {metric: note for metric, colon, note in parts if colon and metric in METRICS}

    def score(self, metric: str) -> float | None:
        """Mean over pictures of one of :data:`METRICS`."""
        value: float | None = getattr(self, metric)
        return value


COLUMNS = tuple(field.name for field in fields(Entry))


def sort_key(entry: Entry) -> tuple[object, ...]:
    """Key of the order of a table: ground truth, measured before paper, protocol, method.

    Example:
        >>> rows = [Entry(name, "lab", "raw", 30.0, None, None, None, None, 2, "paper") for name in ("unet", "kpac")]
        >>> [entry.method for entry in sorted(rows, key=sort_key)]
        ['kpac', 'unet']
    """
    return (
        TRUTHS.index(entry.ground_truth),
        entry.source != "measured",
        entry.signature,
        entry.method.casefold(),
        entry.method,
        entry.trained_on,
        entry.reference,
        entry.run_sha256,
    )


def signatures_by_run(entries: Iterable[Entry]) -> dict[str, dict[str, str]]:
    """``{run: {ground truth: signature}}`` of measured rows. All signatures of a run together are its protocol.

    Example:
        >>> row = Entry("unet", "lab", "raw", 30.0, *4 * [None], 2, "measured", signature="v1", run_sha256="a")
        >>> signatures_by_run([row])
        {'a': {'raw': 'v1'}}
    """
    runs: dict[str, dict[str, str]] = {}
    for entry in entries:
        if entry.source == "measured":
            runs.setdefault(entry.run_sha256, {})[entry.ground_truth] = entry.signature
    return runs


def has_twins(entries: Sequence[Entry]) -> bool:
    """Whether two rows have the same method, ground truth and protocol.

    Example:
        >>> row = Entry("unet", "lab", "raw", 30.0, None, None, None, None, 2, "paper", reference="Li et al., 2023")
        >>> has_twins([row]), has_twins([row, row])
        (False, True)
    """
    protocols = {run: frozenset(signatures.items()) for run, signatures in signatures_by_run(entries).items()}
    keys = {
        (e.method, e.dataset, e.ground_truth, e.trained_on, protocols[e.run_sha256])
        if e.source == "measured"
        else (e.method, e.dataset, e.ground_truth, e.trained_on, e.reference)
        for e in entries
    }
    return len(keys) < len(entries)


def problems_of(entry: Entry) -> list[str]:
    """Violations of the schema in one row.

    Example:
        >>> problems_of(Entry("unet", "lab", "raw", 30.0, None, None, None, None, 2, "paper"))
        ['a paper row needs its reference']
    """
    found = []
    if not entry.method or entry.method != entry.method.strip():
        found.append("method is empty or has spaces around it")
    if entry.ground_truth not in TRUTHS:
        found.append(f"ground_truth {entry.ground_truth!r} is none of {', '.join(TRUTHS)}")
    if entry.source not in get_args(Source):
        found.append(f"source {entry.source!r} is neither paper nor measured")
    for column in COLUMNS:
        value = getattr(entry, column)
        if isinstance(value, str) and (len(value) > _TEXT_LENGTH or not value.isprintable()):
            found.append(f"{column} is longer than {_TEXT_LENGTH} characters or holds control characters")
    for metric, (low, high) in RANGES.items():
        value = entry.score(metric)
        if value is not None and not low <= value <= high:
            found.append(f"{metric} {value} is outside {low:g} to {high:g}")
    if entry.drift_px is not None and not (math.isfinite(entry.drift_px) and entry.drift_px >= 0.0):
        found.append(f"drift_px {entry.drift_px} is not a length")
    if entry.params is not None and entry.params < 0:
        found.append(f"params {entry.params} is less than 0")
    if entry.seconds_per_mpx is not None and not 0.0 <= entry.seconds_per_mpx < math.inf:
        found.append(f"seconds_per_mpx {entry.seconds_per_mpx} is not a time")
    if entry.n_images is not None and entry.n_images < 1:
        found.append(f"n_images {entry.n_images} is less than 1")
    n_test = N_TEST.get(entry.dataset)
    if n_test is not None and entry.n_images not in (n_test, None):
        found.append(f"n_images {entry.n_images}, but the test split of {entry.dataset} has {n_test} pictures")
    if entry.input not in INPUTS:
        found.append(f"input {entry.input!r} is neither single nor dual")
    if entry.date and not re.fullmatch(r"\d{4}-\d\d-\d\d", entry.date):
        found.append(f"date {entry.date!r} is not YYYY-MM-DD")
    if entry.source == "measured":
        if not RUN_SHA256.fullmatch(entry.run_sha256):
            found.append("a measured row needs the run's run_sha256 (64 hex digits)")
        found += [f"a measured row has no {name}" for name in ("as_printed_in", "metrics_note") if getattr(entry, name)]
        found += [f"a measured row needs {name}" for name in ("signature", "n_images") if not getattr(entry, name)]
        if entry.psnr is None and entry.ssim is None:
            found.append("a measured row needs figures")
    elif entry.source == "paper":
        measured = ("signature", "run_sha256", "params", "seconds_per_mpx")
        found += [f"a paper row has no {name}" for name in measured if getattr(entry, name)]
        found += [f"metrics_note names {name}, which is empty" for name in entry.foreign if entry.score(name) is None]
        if not entry.reference:
            found.append("a paper row needs its reference")
    return found


def check_name(dataset: str) -> str:
    """``dataset`` as the name of a table.

    Raises:
        LeaderboardError: The name does not consist of lower-case letters, digits, ``.``, ``_`` and ``-``.

    Example:
        >>> check_name("dpdd")
        'dpdd'
    """
    if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", dataset):
        raise LeaderboardError(
            f"dataset name {dataset!r}: a table's name is lower-case letters, digits, '.', '_' and '-', beginning with "
            "a letter or digit. Say --dataset NAME."
        )
    return dataset
