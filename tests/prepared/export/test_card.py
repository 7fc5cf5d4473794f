"""The card says what a set is, in the form that Hugging Face reads."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import pytest
from prepared_sets import make_prepared

from sdd_bench.core.errors import ConfigError
from sdd_bench.prepared.export.card import card_text
from sdd_bench.prepared.export.options import ExportOptions
from sdd_bench.prepared.export.run import export
from sdd_bench.prepared.manifest import Manifest, read_manifest

yaml = pytest.importorskip("yaml")


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    made = read_manifest(make_prepared(tmp_path, n_val=1))
    rows = []
    for n, row in enumerate(made.pairs):
        figures = {"misalignment_px": n + 0.5, "exposure_ev": -0.25 * n, "likeness": 0.9, "trusted": n % 2}
        rows.append(dataclasses.replace(row, group="day", **figures))
    left_out = dataclasses.replace(rows[0], pair_id="train/x", status="dropped", message="misaligned by 9.00 px")
    return dataclasses.replace(made, pairs=(*rows, left_out))


def header(text: str) -> dict[str, object]:
    value = yaml.safe_load(text.split("---\n")[1])
    assert isinstance(value, dict)
    return value


def test_its_header_names_licence_splits_and_files(manifest: Manifest) -> None:
    found = header(card_text(manifest, ExportOptions("parquet", license="cc-by-nc-4.0")))
    assert found["license"] == "cc-by-nc-4.0"
    assert found["size_categories"] == ["n<1K"]
    assert found["configs"] == [
        {
            "config_name": "default",
            "data_files": [
                {"split": "train", "path": "data/train-*.parquet"},
                {"split": "validation", "path": "data/validation-*.parquet"},
                {"split": "test", "path": "data/test-*.parquet"},
            ],
        }
    ]
    assert "license" not in header(card_text(manifest, ExportOptions("parquet")))
    assert "configs" not in header(card_text(manifest, ExportOptions("basicsr")))


def test_a_name_is_text_whatever_it_holds(manifest: Manifest) -> None:
    for name in ('a "quoted": name', "#1", "café\u2028set"):
        assert header(card_text(dataclasses.replace(manifest, name=name), ExportOptions()))["pretty_name"] == name


def test_it_tells_counts_sizes_figures_and_how_it_was_made(manifest: Manifest) -> None:
    text = card_text(manifest, ExportOptions("parquet", citation="@misc{rig}"), ["misalignment.png"])
    assert "| train | 3 | 3 | 12 |  |" in text
    assert "| test | 2 | 2 |  | 2 |" in text
    assert "RGB, 8 bits per channel, lossless PNG. Patches have 48x48 pixels. Captured at 96x96 (6 pairs)." in text
    assert "Groups: day (6)" in text
    assert (
        "| misalignment | 3.00 | 0.50 to 5.50 | px by zoom, shift and rotation, RMS over the full picture | 6 |" in text
    )
    assert "trusted of 3 of 6 pairs" in text
    assert "1 were dropped by rules and 0 could not be read" in text
    assert "![misalignment](.card/misalignment.png)" in text
    assert "```\n@misc{rig}\n```" in text
    assert '"patch": 48' in text
    assert "None was stated by whoever exported the set" in text


def test_a_set_that_was_not_measured_claims_nothing(tmp_path: Path) -> None:
    prepared = make_prepared(tmp_path)
    export(prepared, tmp_path / "out")
    text = (tmp_path / "out/README.md").read_text()
    assert "was not measured" in text
    assert str(tmp_path) not in text
    assert sorted(path.name for path in (tmp_path / "out/.card").iterdir()) == ["preview.png"]
    preview = cv2.imread(str(tmp_path / "out/.card/preview.png"))
    assert preview.shape == (3 * 256, 512, 3)


def test_the_same_set_gives_the_same_card(tmp_path: Path) -> None:
    prepared = make_prepared(tmp_path)
    for name in ("one", "two"):
        export(prepared, tmp_path / name, ExportOptions("basicsr"))
    for name in ("README.md", ".card/preview.png", "SHA256SUMS"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "lmdb"}, "format is 'lmdb'; expected one of sdd, imagefolder"),
        ({"license": "mit\nevil: yes"}, "expected an identifier"),
        ({"only": "some"}, "expected all, patches or frames"),
        ({"published": "yesterday"}, "expected YYYY-MM-DD"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ExportOptions(**options)  # type: ignore[arg-type]
