"""The card of an export: ``README.md`` with Hugging Face's header, and small pictures of what the set is like.

It says what is known and leaves out what is not: a set that was not measured has no figures of misalignment. It holds
no date and no path, so the same set gives the same card.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sdd_bench.core.storage.files import sha256_of, write_json, write_text
from sdd_bench.core.types import Split
from sdd_bench.core.words import counted
from sdd_bench.prepared.croissant import CROISSANT_JSON
from sdd_bench.prepared.export.croissant import croissant_of_pairs, croissant_of_parquet
from sdd_bench.prepared.export.folders import HF_NAMES
from sdd_bench.prepared.export.options import ExportOptions
from sdd_bench.prepared.export.pictures import PICTURES, write_pictures
from sdd_bench.prepared.manifest import FileRecord, Manifest, PairRow

_SHOWN = 3
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_HUGGING_FACE = """```python
from datasets import load_dataset

pairs = load_dataset("FOLDER")  # columns blurry and sharp
```"""
_WEBDATASET = """```python
import webdataset

pairs = webdataset.WebDataset("FOLDER/train-000000.tar", shardshuffle=False).decode("rgb8")
pairs = pairs.to_tuple("blurry.png", "sharp.png", "json")
```"""
_LOAD = {
    "sdd": "Folders of PNG: `train_patches/{blur,gt}`, `test/{blur,gt}`; equal names form a pair.",
    "imagefolder": _HUGGING_FACE,
    "parquet": _HUGGING_FACE,
    "webdataset": _WEBDATASET,
    "basicsr": "BasicSR's `PairedImageDataset`: `dataroot_lq: FOLDER/train/lq`, `dataroot_gt: FOLDER/train/gt`, "
    "`meta_info_file: FOLDER/train/meta_info.txt`.",
}
_16_BITS = (
    "Pictures have 16 bits per channel. Pillow, which `datasets` and `webdataset` decode with, gives 8 of them; read "
    "the bytes (`Image(decode=False)`) with OpenCV: `cv2.imdecode(bytes, cv2.IMREAD_UNCHANGED)[..., ::-1]`."
)


def write_card(manifest: Manifest, out: Path, options: ExportOptions) -> None:
    """Write ``README.md``, its pictures, and the Croissant description.

    Args:
        manifest: The set.
        out: Folder of the export, whose other files exist.
        options: Format, licence and citation.

    Raises:
        OutputError: The folder cannot be written.
    """
    shown = write_pictures(manifest, out)
    write_text(out / "README.md", card_text(manifest, options, shown))
    if options.format == "parquet":
        described = croissant_of_parquet(manifest, _records_of(out, "data/*.parquet"), options)
    else:
        described = croissant_of_pairs(manifest, _pairs_of(out, options), _records_of(out, "*.tar"), options)
    write_json(out / CROISSANT_JSON, described)


_SIDES = {"sdd": ("blur", "gt"), "imagefolder": ("blurry", "sharp"), "basicsr": ("lq", "gt")}
"""Names of the folders of blurry and sharp pictures."""


def _pairs_of(out: Path, options: ExportOptions) -> dict[str, tuple[str, str]]:
    """Names of the blurry and sharp files of an export to folders, by split; patches may be a split of their own."""
    if options.format not in _SIDES:
        return {}
    blurry, sharp = _SIDES[options.format]
    folders = sorted(path.parent.name for path in out.glob(f"*/{blurry}") if any(path.iterdir()))
    return {name: (f"{name}/{blurry}/*.png", f"{name}/{sharp}/*.png") for name in folders}


def _records_of(out: Path, pattern: str) -> list[FileRecord]:
    return [
        FileRecord(path.relative_to(out).as_posix(), path.stat().st_size, sha256_of(path))
        for path in sorted(out.glob(pattern))
    ]


def card_text(manifest: Manifest, options: ExportOptions, shown: Sequence[str] = ()) -> str:
    """The text of the card.

    Args:
        manifest: The set.
        options: Format, licence and citation.
        shown: Names of its pictures that exist.

    Example:
        >>> from sdd_bench.prepared.manifest import SourceRecord
        >>> made = Manifest(Path("set"), "rig", "1.0", 8, {}, SourceRecord("sdd", 0, "", ""), {}, ())
        >>> card_text(made, ExportOptions("parquet", license="cc-by-4.0")).splitlines()[:2]
        ['---', 'license: cc-by-4.0']
    """
    rows = [row for row in manifest.pairs if row.status == "ok"]
    parts = [
        _header(manifest, options),
        f"# {manifest.name}",
        "Pairs of a blurry (defocused) and a sharp photograph of one scene, for defocus deblurring. The two pictures "
        "of a pair may be *misaligned*: moving the lens zooms and shifts the picture.",
        *([f"![Blurry left, sharp right]({PICTURES}/preview.png)"] if "preview.png" in shown else []),
        "## What it holds",
        _counts(manifest, options, rows),
        *_measured(rows, shown),
        "## How to load it",
        _LOAD[options.format],
        *([_16_BITS] if manifest.bit_depth == 16 and options.format != "basicsr" else []),
        "`sha256sum -c SHA256SUMS` checks every file.",
        "## How it was made",
        _made(manifest, options),
        "## Licence",
        f"`{options.license}`" if options.license else "None was stated by whoever exported the set: ask its owner.",
        "## How to cite",
        *([f"```\n{options.citation.strip()}\n```"] if options.citation.strip() else []),
        "Work that uses misaligned pairs builds on Li, Ren, Shu and Zuo, *Learning Single Image Defocus Deblurring "
        "with Misaligned Training Pairs*, AAAI 2023.",
    ]
    return "\n\n".join(parts) + "\n"


def _header(manifest: Manifest, options: ExportOptions) -> str:
    """Hugging Face's YAML; JSON strings are YAML strings."""
    n_records = sum(max(split.n_patches, split.n_pairs) for split in manifest.splits.values())
    size = next((name for most, name in _SIZES if n_records < most), "1M<n<10M")
    lines = ["---"]
    lines += [f"license: {options.license}"] if options.license else []
    lines += [f"pretty_name: {json.dumps(manifest.name)}", "task_categories:", "- image-to-image"]
    lines += ["tags:", "- defocus-deblurring", "- image-restoration", "- misaligned-pairs", "- sdd-bench"]
    lines += ["size_categories:", f"- {size}"]
    if options.format in ("parquet", "imagefolder", "webdataset"):
        lines += ["configs:", "- config_name: default", "  data_files:"]
        pattern = {"parquet": "data/{}-*.parquet", "imagefolder": "{}/**", "webdataset": "{}-*.tar"}[options.format]
        for split in _splits(manifest, options):
            lines += [f"  - split: {HF_NAMES[split]}", f'    path: "{pattern.format(HF_NAMES[split])}"']
    return "\n".join([*lines, "---"])


def _splits(manifest: Manifest, options: ExportOptions) -> list[Split]:
    """The splits of which something is exported."""
    return [
        split
        for split, record in manifest.splits.items()
        if (record.n_patches and options.only != "frames") or (record.frames and options.only != "patches")
    ]


def _counts(manifest: Manifest, options: ExportOptions, rows: Sequence[PairRow]) -> str:
    lines = ["| split | pairs | scenes | patches | full pictures |", "|---|---|---|---|---|"]
    for split in _splits(manifest, options):
        record = manifest.splits[split]
        of_split = [row for row in rows if row.split == split]
        scenes = len({row.scene or row.pair_id for row in of_split})
        patches = record.n_patches if options.only != "frames" else 0
        frames = 0 if record.n_patches or options.only == "patches" else record.n_pairs
        lines.append(f"| {split} | {record.n_pairs} | {scenes} | {patches or ''} | {frames or ''} |")
    sizes = Counter(f"{row.width}x{row.height}" for row in rows if row.width)
    told = ", ".join(f"{size} ({counted(count, 'pair')})" for size, count in sizes.most_common(_SHOWN))
    more = f" and {len(sizes) - _SHOWN} more" if len(sizes) > _SHOWN else ""
    patch = (
        f" Patches have {manifest.options['patch']}x{manifest.options['patch']} pixels."
        if "patch" in manifest.options
        else ""
    )
    groups = Counter(row.group for row in rows if row.group)
    of_groups = (
        f" Groups: {', '.join(f'{name} ({count})' for name, count in sorted(groups.items()))}." if groups else ""
    )
    captured = f" Captured at {told}{more}." if told else ""
    return (
        "\n".join(lines) + f"\n\nRGB, {manifest.bit_depth} bits per channel, lossless PNG.{patch}{captured}{of_groups}"
    )


def _measured(rows: Sequence[PairRow], shown: Sequence[str]) -> list[str]:
    lines = []
    for name, of, unit in (
        ("misalignment", "misalignment_px", "px by zoom, shift and rotation, RMS over the full picture"),
        ("difference of light", "exposure_ev", "EV, of the channel that differs most"),
        ("likeness", "likeness", "correlation of the aligned pictures, coarse detail"),
    ):
        values = np.array([getattr(row, of) for row in rows if getattr(row, of) is not None])
        if len(values):
            low, middle, high = (np.quantile(np.abs(values), share) for share in (0, 0.5, 1))
            lines.append(f"| {name} | {middle:.2f} | {low:.2f} to {high:.2f} | {unit} | {len(values)} |")
    if not lines:
        return ["The misalignment of these pairs was not measured (`sdd-bench analyze` does)."]
    trusted = [row.trusted for row in rows if row.trusted is not None]
    table = ["| of the pairs | median | range | in | pairs |", "|---|---|---|---|---|", *lines]
    pictures = [f"![{name}]({PICTURES}/{name}.png)" for name in ("misalignment", "exposure") if f"{name}.png" in shown]
    return [
        "## How aligned the pairs are",
        "\n".join(table) + f"\n\nThe measurement is trusted of {sum(trusted)} of {counted(len(trusted), 'pair')}.",
        *([" ".join(pictures)] if pictures else []),
    ]


def _made(manifest: Manifest, options: ExportOptions) -> str:
    given = {key: value for key, value in manifest.options.items() if value is not None}
    dropped = Counter(row.message.split(" ")[0] for row in manifest.pairs if row.status == "dropped")
    n_dropped = sum(dropped.values())
    failed = sum(row.status == "failed" for row in manifest.pairs)
    left = (
        f" Of {counted(len(manifest.pairs), 'pair')}, {n_dropped} were dropped by rules and {failed} could not be read."
        if n_dropped or failed
        else ""
    )
    return (
        f"`sdd-bench` {manifest.tool_version}: `prepare` from the layout `{manifest.source.layout}`, then `export "
        f"--format {options.format}`.{left} Options of `prepare`:\n\n```json\n{json.dumps(given, indent=2)}\n```\n\n"
        f"Digest of the source's pictures: `{manifest.source.sha256}`."
    )
