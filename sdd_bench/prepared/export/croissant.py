"""``croissant.json`` of an export to Parquet: records that a tool can iterate, pictures and all.

The files are listed with their SHA-256; the record set ``records`` takes its fields from their columns. Pictures are
the bytes of their cells, which Croissant's reader decodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sdd_bench.core.storage.tables import columns
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
    counts = ", ".join(f"{split}: {record.n_pairs} pairs" for split, record in manifest.splits.items())
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


def _field(name: str, description: str, kind: str, source: dict[str, Any], **transform: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"records/{name}",
        "name": name,
        "description": description,
        "dataType": kind,
        "source": {**source, "extract": {"column": name}, **({"transform": transform} if transform else {})},
    }
