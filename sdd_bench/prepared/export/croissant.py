"""``croissant.json`` of an export: records that a tool can iterate, pictures and all, patches too.

Parquet: the files are listed with their SHA-256; the record set ``records`` takes its fields from their columns.
Pictures are the bytes of their cells, which Croissant's reader decodes.

Folders: a record set per split and side, such as ``train-blurry`` and ``train-sharp``; records of equal names are a
pair. (Croissant's reader cannot join two sets of pictures: their contents would share a column.) The files are
described as sets, whose checksums are in ``SHA256SUMS``.

Archives are listed with their SHA-256, without records: MLCommons' reader unpacks an archive into a cache folder that
depends on its name alone, so of two sets it would show the first one's pictures twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sdd_bench.core.storage.tables import columns
from sdd_bench.core.words import counted
from sdd_bench.prepared.croissant import CONTEXT, TYPES, file_object
from sdd_bench.prepared.export.options import ExportOptions
from sdd_bench.prepared.export.records import Facts
from sdd_bench.prepared.manifest import FileRecord, Manifest

_FILES = "parquet-files"
_TOLD = {
    "name": "Name of the record.",
    "pair_id": "Pair it is of; patches of one pair share it.",
    "scene": "Scene; pairs of one scene are never in two splits if the set was dealt so.",
    "misalignment_px": "RMS displacement by zoom, shift and rotation over the full picture, pixels.",
    "exposure_ev": "Light of blurry over light of sharp, in stops, of the channel that differs most.",
}


def croissant_of_parquet(manifest: Manifest, files: Sequence[FileRecord], options: ExportOptions) -> dict[str, Any]:
    """The description of an export.

    Args:
        manifest: The set.
        files: Files of Parquet, below the folder of the export.
        options: Licence, citation and day of publication.

    Example:
        >>> from pathlib import Path
        >>> from sdd_bench.prepared.manifest import SourceRecord
        >>> made = Manifest(Path("set"), "rig", "1.0", 8, {}, SourceRecord("sdd", 0, "", ""), {}, ())
        >>> file = FileRecord("data/test.parquet", 9, "0" * 64)
        >>> described = croissant_of_parquet(made, [file], ExportOptions("parquet"))
        >>> [field["name"] for field in described["recordSet"][0]["field"]][:3]
        ['blurry', 'sharp', 'name']
    """
    source = {"fileSet": {"@id": _FILES}}
    fields = [
        _field(side, f"The {side} picture.", "sc:ImageObject", source, jsonPath="bytes") for side in ("blurry", "sharp")
    ]
    for name, (kind, _) in columns(Facts).items():
        fields.append(_field(name, _TOLD.get(name, f"Column {name}."), TYPES[kind], source))
    return {
        **_head(manifest, options),
        "distribution": [
            *(file_object(file.name, file.sha256, "Records of a split.", file.n_bytes) for file in files),
            {
                "@type": "cr:FileSet",
                "@id": _FILES,
                "name": _FILES,
                "description": "All files of records.",
                "encodingFormat": "application/x-parquet",
                "includes": "data/*.parquet",
            },
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "records",
                "name": "records",
                "description": "A blurry and a sharp picture per record.",
                "field": fields,
            }
        ],
    }


def croissant_of_pairs(
    manifest: Manifest,
    pairs: Mapping[str, tuple[str, str]],
    files: Sequence[FileRecord],
    options: ExportOptions,
) -> dict[str, Any]:
    """The description of an export to folders or archives.

    Args:
        manifest: The set.
        pairs: Patterns of the names of blurry and sharp files of every split, and of its patches where they lie apart.
        files: Archives and other single files, below the folder of the export.
        options: Licence, citation and day of publication.

    Example:
        >>> from pathlib import Path
        >>> from sdd_bench.prepared.manifest import SourceRecord
        >>> made = Manifest(Path("set"), "rig", "1.0", 8, {}, SourceRecord("sdd", 0, "", ""), {}, ())
        >>> sides = ("train/blurry/*.png", "train/sharp/*.png")
        >>> described = croissant_of_pairs(made, {"train": sides}, [], ExportOptions("imagefolder", license="cc0-1.0"))
        >>> described["license"], [records["@id"] for records in described["recordSet"]]
        ('cc0-1.0', ['train-blurry', 'train-sharp'])
    """
    sets, records = [], []
    for split, sides in pairs.items():
        for name, pattern in zip((f"{split}-blurry", f"{split}-sharp"), sides, strict=True):
            files_id = f"{name}-files"
            sets.append(
                {
                    "@type": "cr:FileSet",
                    "@id": files_id,
                    "name": files_id,
                    "description": f"PNG files {pattern}.",
                    "encodingFormat": "image/png",
                    "includes": pattern,
                }
            )
            ending = pattern.rpartition("*")[2].replace(".", r"\.")
            of_files = {"fileSet": {"@id": files_id}}
            named = of_files | {"extract": {"fileProperty": "filename"}, "transform": {"regex": f"^(.+){ending}$"}}
            shown = of_files | {"extract": {"fileProperty": "content"}}
            records.append(
                {
                    "@type": "cr:RecordSet",
                    "@id": name,
                    "name": name,
                    "description": f"The pictures {pattern}; the other side of a pair has the same name.",
                    "key": {"@id": f"{name}/name"},
                    "field": [
                        _of_record(name, "name", "Name of the pair or patch.", "sc:Text", named),
                        _of_record(name, "picture", "The picture.", "sc:ImageObject", shown),
                    ],
                }
            )
    singles = [file_object(file.name, file.sha256, "Archive or table.", file.n_bytes) for file in files]
    return {**_head(manifest, options), "distribution": [*singles, *sets], "recordSet": records}


def _of_record(record_set: str, name: str, description: str, kind: str, source: dict[str, Any]) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{record_set}/{name}",
        "name": name,
        "description": description,
        "dataType": kind,
        "source": source,
    }


def _head(manifest: Manifest, options: ExportOptions) -> dict[str, Any]:
    """What is known of the set as a whole, and what whoever exports it says."""
    counts = ", ".join(
        f"{split}: {counted(record.n_pairs, 'pair')}"
        + (f" with {counted(record.n_patches, 'patch')}" if record.n_patches else "")
        for split, record in manifest.splits.items()
    )
    optional = {"license": options.license, "citeAs": options.citation.strip(), "datePublished": options.published}
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": manifest.name,
        "description": (
            f"Pairs of a blurry and a sharp photograph of one scene, {manifest.bit_depth} bit RGB ({counts}). Defocus "
            f"deblurring with misaligned pairs; exported by sdd-bench {manifest.tool_version}."
        ),
        "version": "1.0.0",
        **{key: value for key, value in optional.items() if value},
    }


def _field(name: str, description: str, kind: str, source: dict[str, Any], **transform: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"records/{name}",
        "name": name,
        "description": description,
        "dataType": kind,
        "source": {**source, "extract": {"column": name}, **({"transform": transform} if transform else {})},
    }
