"""``croissant.json`` beside ``dataset.json``: the set described in MLCommons Croissant 1.0 (JSON-LD).

Tools that read Croissant find every file with its SHA-256 and can iterate over ``pairs.csv``. Croissant 1.0 cannot
extract records from HDF5, so shards are described as files. The description depends on ``dataset.json`` alone, so the
same set gives the same bytes. The owner of the set must add what only the owner knows: licence, address, date and
citation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdd_bench.core.storage.tables import columns
from sdd_bench.core.words import counted
from sdd_bench.prepared.manifest import PAIRS_CSV, PairRow

CROISSANT_JSON = "croissant.json"

CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataBiases": "cr:dataBiases",
    "dataCollection": "cr:dataCollection",
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "personalSensitiveInformation": "cr:personalSensitiveInformation",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_FORMATS = {
    ".csv": "text/csv",
    ".h5": "application/x-hdf5",
    ".parquet": "application/x-parquet",
    ".json": "application/json",
    ".png": "image/png",
    ".tiff": "image/tiff",
    ".tar": "application/x-tar",
}
TYPES = {str: "sc:Text", int: "sc:Integer", float: "sc:Float"}


def croissant(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The Croissant description of a prepared set.

    Args:
        manifest: Content of ``dataset.json``.

    Returns:
        JSON-LD; file names are relative to the folder of both files.

    Example:
        >>> manifest = {"name": "rig", "tool_version": "1.0", "bit_depth": 8, "pairs_sha256": "0" * 64, "splits": {}}
        >>> description = croissant(manifest)
        >>> description["name"], [file["name"] for file in description["distribution"]]
        ('rig', ['pairs.csv'])
    """
    splits: Mapping[str, Mapping[str, Any]] = manifest["splits"]
    counts = ", ".join(
        f"{name}: {counted(split['n_pairs'], 'pair')}{_patches(split)}" for name, split in splits.items()
    )
    files = [
        file_object(PAIRS_CSV, manifest["pairs_sha256"], "One row a pair: paths in the source, size, exposure, status.")
    ]
    for name, split in splits.items():
        holds = f"Patches of {name}: /blurry and /sharp (N, H, W, 3), /pair, /window, /sharpness."
        files += [_record(shard, holds) for shard in split["shards"]]
        if split["virtual"]:
            files.append(_record(split["virtual"], f"HDF5 virtual dataset over the shards of {name}."))
        files += [_record(frame, f"Full picture or truth of {name}.") for frame in split["frames"]]
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": manifest["name"],
        "description": (
            f"Pairs of a blurry and a sharp photograph of one scene, prepared by sdd-bench {manifest['tool_version']} "
            f"({manifest['bit_depth']} bit RGB; {counts}). Defocus deblurring with misaligned pairs."
        ),
        "version": "1.0.0",
        "distribution": files,
        "recordSet": [_pairs()],
    }


def _patches(split: Mapping[str, Any]) -> str:
    return f" with {counted(split['n_patches'], 'patch')}" if split["n_patches"] else ""


def file_object(name: str, sha256: str, description: str, n_bytes: int | None = None) -> dict[str, Any]:
    suffix = name[name.rfind(".") :]
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "description": description,
        **({"contentSize": f"{n_bytes} B"} if n_bytes is not None else {}),
        "contentUrl": name,
        "encodingFormat": _FORMATS.get(suffix, "application/octet-stream"),
        "sha256": sha256,
    }


def _record(record: Mapping[str, Any], description: str) -> dict[str, Any]:
    return file_object(record["name"], record["sha256"], description, record["n_bytes"])


def _pairs() -> dict[str, Any]:
    fields = []
    for column, (kind, _) in columns(PairRow).items():
        fields.append(
            {
                "@type": "cr:Field",
                "@id": f"pairs/{column}",
                "name": column,
                "description": f"Column {column} of {PAIRS_CSV}.",
                "dataType": TYPES[kind],
                "source": {"fileObject": {"@id": PAIRS_CSV}, "extract": {"column": column}},
            }
        )
    return {
        "@type": "cr:RecordSet",
        "@id": "pairs",
        "name": "pairs",
        "description": "The pairs the set was made from.",
        "key": {"@id": "pairs/pair_id"},
        "field": fields,
    }
