"""The Croissant description validates with MLCommons' own tool and its records are those of pairs.csv."""

import dataclasses
import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import pytest

from sdd_bench.preparation.options import PrepareOptions
from sdd_bench.preparation.run import prepare
from sdd_bench.prepared.croissant import CROISSANT_JSON, croissant
from sdd_bench.prepared.manifest import PairRow, pairs_text

ROWS = (
    PairRow("train/a", "train", "s1", "indoor", "train/blur/a.png", "train/gt/a.png", "0" * 64, "1" * 64, 640, 480, 8),
    PairRow("test/b", "test", "s2", "", "test/blur/b.png", "test/gt/b.png", blurry_f_number=1.8, n_patches=0),
)


def manifest(name: str = "sdd") -> dict[str, Any]:
    shard = {"name": "train-00000.h5", "n_bytes": 10, "sha256": "a" * 64, "n_patches": 42}
    virtual = {"name": "train.h5", "n_bytes": 5, "sha256": "b" * 64, "n_patches": 42}
    frame = {"name": "test/blur/b.png", "n_bytes": 7, "sha256": "c" * 64, "n_patches": 0}
    return {
        "schema": 1,
        "name": name,
        "tool_version": "0.1.0",
        "bit_depth": 8,
        "splits": {
            "train": {"n_pairs": 1, "n_patches": 42, "shards": [shard], "virtual": virtual, "frames": []},
            "test": {"n_pairs": 1, "n_patches": 0, "shards": [], "virtual": None, "frames": [frame]},
        },
        "pairs_sha256": hashlib.sha256(pairs_text(ROWS).encode()).hexdigest(),
    }


def load(folder: Path, description: dict[str, Any]) -> Any:
    mlcroissant = pytest.importorskip("mlcroissant")
    (folder / "pairs.csv").write_text(pairs_text(ROWS))
    (folder / CROISSANT_JSON).write_text(json.dumps(description))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mlcroissant.Dataset(jsonld=str(folder / CROISSANT_JSON))


@pytest.mark.parametrize("name", ["sdd", "My Set (2) ü"])
def test_the_description_validates_without_errors(tmp_path: Path, name: str) -> None:
    dataset = load(tmp_path, croissant(manifest(name)))
    assert not dataset.metadata.ctx.issues.errors
    assert {item.uuid for item in dataset.metadata.distribution} == {
        "pairs.csv",
        "train-00000.h5",
        "train.h5",
        "test/blur/b.png",
    }


def test_its_records_are_the_pairs(tmp_path: Path) -> None:
    dataset = load(tmp_path, croissant(manifest()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        records = list(dataset.records("pairs"))
    assert [record["pairs/pair_id"] for record in records] == [b"train/a", b"test/b"]
    assert records[0]["pairs/width"] == 640
    assert len(records[0]) == len(dataclasses.fields(PairRow))


def test_nothing_depends_on_the_place_or_the_time() -> None:
    text = json.dumps(croissant(manifest()))
    assert text == json.dumps(croissant(manifest()))
    assert "date" not in json.loads(text)
    assert all(not item["contentUrl"].startswith("/") for item in json.loads(text)["distribution"])


def test_a_prepared_set_has_a_description_that_fits_its_files(tmp_path: Path, photo: np.ndarray) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    for split in ("train", "test"):
        for side in ("blur", "gt"):
            (tmp_path / "captures" / split / side).mkdir(parents=True)
            iio.imwrite(tmp_path / "captures" / split / side / "a.png", photo)
    out = tmp_path / "out"
    prepare(tmp_path / "captures", out, PrepareOptions(resize="none", patch=128, overlap=0.0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = mlcroissant.Dataset(jsonld=str(out / CROISSANT_JSON))
        records = list(dataset.records("pairs"))
    assert [record["pairs/pair_id"] for record in records] == [b"train/a", b"test/a"]
    for item in dataset.metadata.distribution:
        assert hashlib.sha256((out / item.uuid).read_bytes()).hexdigest() == item.sha256
