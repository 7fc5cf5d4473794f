from __future__ import annotations

import csv
import dataclasses
import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from sdd_bench.core.errors import ImageError, ManifestError, SddBenchError
from sdd_bench.core.storage.files import sha256_of
from sdd_bench.images.photograph import Photograph, read_photograph
from sdd_bench.preparation.align import (
    Registration,
    read_registrations,
    register_sharp,
    registration_table,
    registrations_of,
)
from sdd_bench.preparation.options import PrepareOptions
from sdd_bench.preparation.run import prepare
from sdd_bench.synth.options import SynthOptions
from sdd_bench.synth.run import synthesize

_COLUMNS = ("pair_id", "width", "height", "trusted", "zoom", "rotation_deg", "shift_x_px", "shift_y_px",
            "blurry_sha256", "sharp_sha256")  # fmt: skip
_FILES = ("b" * 64, "5" * 64)


def _write(path: Path, *rows: tuple[object, ...]) -> Path:
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([_COLUMNS, *rows])
    return path


def test_only_trusted_rows_are_read(tmp_path: Path) -> None:
    distrusted = ("test/b", 64, 48, 0, 2, 0, 0, 0, *_FILES)
    path = _write(tmp_path / "m.csv", ("test/a", 64, 48, 1, 1.01, 0.1, 2.0, -1.0, *_FILES), distrusted)
    assert read_registrations(path) == (Registration("test/a", 64, 48, 1.01, 0.1, 2.0, -1.0, *_FILES, 1),)
    with pytest.raises(ManifestError, match="trusted"):
        read_registrations(_write(tmp_path / "n.csv", distrusted))
    with pytest.raises(ManifestError, match="Run analyze"):
        read_registrations(tmp_path / "none.csv")


def test_a_row_cut_short_is_refused(tmp_path: Path) -> None:
    for n_cells in (5, len(_COLUMNS) - 1):
        row = ("test/a", 64, 48, 1, 1.01, 0.1, 2.0, -1.0, *_FILES)[:n_cells]
        with pytest.raises(ManifestError, match="Run analyze"):
            read_registrations(_write(tmp_path / "m.csv", row))


def test_a_shift_of_whole_pixels_copies_them(photo: np.ndarray) -> None:
    entry = Registration("test/a", 384, 256, 1.0, 0.0, 3.0, -2.0, *_FILES, 1)
    registered = register_sharp(Photograph(photo), "test/a", _FILES, {"test/a": entry})
    assert np.array_equal(registered.pixels[2:, :-3], photo[:-2, 3:])
    assert "shift (3.000, -2.000) px" in registered.message


def test_a_pair_that_went_to_another_split_is_found_by_its_pictures(photo: np.ndarray) -> None:
    entry = Registration("test/a", 384, 256, 1.0, 0.0, 3.0, -2.0, *_FILES, 1)
    other = Registration("train/a", 384, 256, 1.0, 0.0, 9.0, 9.0, "11", "22", 1)
    registered = register_sharp(Photograph(photo), "train/a", _FILES, {"test/a": entry, "train/a": other})
    assert "shift (3.000, -2.000) px" in registered.message


def test_a_pair_that_was_not_measured_or_has_another_size_is_refused(photo: np.ndarray) -> None:
    entry = Registration("test/a", 100, 100, 1.0, 0.0, 0.0, 0.0, *_FILES, 1)
    with pytest.raises(ImageError, match="no trusted measurement"):
        register_sharp(Photograph(photo), "test/b", ("11", "22"), {"test/a": entry})
    with pytest.raises(ImageError, match="measured at 100x100"):
        register_sharp(Photograph(photo), "test/a", _FILES, {"test/a": entry})


def test_a_registered_set_holds_the_aligned_picture_and_its_transform(tmp_path: Path) -> None:
    options = SynthOptions(
        width=384, height=256, n_train=0, n_test=1, zoom_range=(1.01, 1.01), shot_noise=0, read_noise=0, truth="full"
    )
    synthesize(tmp_path / "captures", options)
    truth = json.loads((tmp_path / "captures/truth/test/0000.json").read_text())
    numbers = {name: truth[name] for name in ("zoom", "rotation_deg", "shift_x_px", "shift_y_px")}
    files = [sha256_of(tmp_path / "captures/test" / kind / "0000.png") for kind in ("blur", "gt")]
    row = ("test/0000", 384, 256, 1, *numbers.values())
    chosen = PrepareOptions(resize="none", register=registration_table(_write(tmp_path / "m.csv", (*row, *files))))
    prepare(tmp_path / "captures", tmp_path / "out", chosen)
    gt = read_photograph(tmp_path / "out/test/gt/0000.png").pixels.astype(float)
    aligned = read_photograph(tmp_path / "out/test/aligned/0000.png").pixels.astype(float)
    captured = read_photograph(tmp_path / "captures/test/gt/0000.png").pixels.astype(float)
    left, before = (np.abs(picture - aligned)[16:-16, 16:-16].mean() for picture in (gt, captured))
    assert left < min(2.0, before / 5)
    manifest = json.loads((tmp_path / "out/dataset.json").read_text())
    assert chosen.register is not None
    assert manifest["options"]["register"] == {"n_pairs": 1, "sha256": chosen.register.sha256}
    assert "registered by zoom 1.01" in (tmp_path / "out/pairs.csv").read_text()
    assert not (tmp_path / "out/test/truth/0000.json").exists()
    for side in (0, 1):
        others = [*files]
        others[side] = "0" * 64
        table = registration_table(_write(tmp_path / f"{side}.csv", (*row, *others)))
        with pytest.raises(ManifestError, match="test/0000: its pictures are not those that were measured"):
            prepare(tmp_path / "captures", tmp_path / str(side), dataclasses.replace(chosen, register=table))


def _large_table(path: Path, shift_px: float = 2.0) -> Path:
    """A table of 300 pairs, the two of the test split among them."""
    names = ["test/t1", "test/t2", *(f"train/{number:04d}" for number in range(298))]
    return _write(path, *((name, 64, 48, 1, 1.01, 0.1, shift_px, -1.0, *_FILES) for name in names))


def test_a_changed_table_is_refused_in_a_few_words(captures: Path, tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="are not those that were measured"):
        prepare(captures, tmp_path / "out", PrepareOptions(register=registration_table(_large_table(tmp_path / "a"))))
    changed = PrepareOptions(register=registration_table(_large_table(tmp_path / "a", 2.5)))
    with pytest.raises(SddBenchError, match="sha256") as refused:
        prepare(captures, tmp_path / "out", changed)
    assert len(str(refused.value)) < 500
    # nor does the table travel with every unit of work
    assert len(pickle.dumps(changed)) < 2000


def test_a_set_made_by_a_table_is_not_continued_without_it(captures: Path, tmp_path: Path) -> None:
    prepare(captures, tmp_path / "out", PrepareOptions(resize="none", patch=32))
    manifest = json.loads((tmp_path / "out/dataset.json").read_text())
    manifest["options"]["register"] = {"n_pairs": 5, "sha256": "0" * 64}
    (tmp_path / "out/dataset.json").write_text(json.dumps(manifest))
    with pytest.raises(SddBenchError, match=r"register was .* now None"):
        prepare(captures, tmp_path / "out", PrepareOptions(resize="none", patch=32))


def test_the_measurements_count_and_not_the_file(tmp_path: Path) -> None:
    first, moved = (_large_table(tmp_path / name) for name in ("a", "b"))
    moved.write_text(moved.read_text() + "val/x,64,48,0,1,0,0,0,0,0\n")  # not trusted
    table = registration_table(first)
    assert table.as_dict() == registration_table(moved).as_dict()
    assert registrations_of(table)["train/0297"].shift_x_px == 2.0
    _large_table(first, 2.5)
    registrations_of.cache_clear()  # as in another process
    with pytest.raises(ManifestError, match="was changed while"):
        registrations_of(table)


def test_two_rows_of_a_pair_are_refused(tmp_path: Path) -> None:
    row = ("test/a", 64, 48, 1, 1.01, 0.1, 2.0, -1.0, *_FILES)
    with pytest.raises(ManifestError, match="two trusted rows of one pair"):
        read_registrations(_write(tmp_path / "m.csv", row, row))


def test_without_registration_the_manifest_says_nothing_of_it() -> None:
    assert "register" not in PrepareOptions().as_dict()
