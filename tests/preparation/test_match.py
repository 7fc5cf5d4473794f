"""Sets whose sharp pictures are stored in the light of the blurry ones."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from sdd_bench.core.errors import ConfigError, ManifestError
from sdd_bench.core.storage.files import sha256_of
from sdd_bench.images.photograph import Photograph, read_photograph, to_float
from sdd_bench.inspect.describe import describe
from sdd_bench.preparation.match import LightRow, LightTable, light_table, match_sharp, transfers_of
from sdd_bench.preparation.options import PrepareOptions
from sdd_bench.preparation.run import prepare
from sdd_bench.prepared.manifest import read_manifest
from sdd_bench.prepared.shards import ShardReader
from sdd_bench.registration.light.transfer import Match, Transfer, failed
from sdd_bench.synth.options import SynthOptions
from sdd_bench.synth.run import synthesize

COLUMNS = ("pair_id", "blurry_sha256", "sharp_sha256", "light_transfer")
GAIN = Transfer(Match.GAIN, (0.7, 0.8, 0.9), white=(0.85, 0.9, 0.95))
CAPTURED = PrepareOptions(resize="none", patch=64, overlap=0.0, drop=0.0)


@pytest.fixture(scope="module")
def captures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pairs to train and one to test, of 16 bits, with aligned truth."""
    folder = tmp_path_factory.mktemp("match") / "captures"
    synthesize(folder, SynthOptions(width=160, height=96, n_train=2, n_test=1, bit_depth=16, truth="full"))
    return folder


def table(path: Path, captures: Path, transfers: dict[str, Transfer]) -> LightTable:
    rows = []
    for pair_id, transfer in transfers.items():
        split, name = pair_id.split("/")
        files = [sha256_of(captures / split / side / f"{name}.png") for side in ("blur", "gt")]
        rows.append((pair_id, *files, transfer.to_json()))
    with open(path, "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([COLUMNS, *rows])
    return light_table(path)


@pytest.fixture(scope="module")
def matched(captures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The set; the light of its second pair could not be estimated."""
    root = tmp_path_factory.mktemp("set")
    transfers = {"train/0000": GAIN, "train/0001": failed("another scene: light correlates by 0.10"), "test/0000": GAIN}
    options = PrepareOptions(**vars(CAPTURED) | {"match": table(root / "m.csv", captures, transfers)})
    report = prepare(captures, root / "set", options)
    assert report.problems == ()
    assert prepare(captures, root / "set", options).was_finished
    return root / "set"


def picture(path: Path) -> np.ndarray:
    return read_photograph(path).pixels


def test_sharp_pictures_go_through_their_transfer_to_a_step_of_16_bits(captures: Path, matched: Path) -> None:
    for kept, source in (("test/gt", "test/gt/0000.png"), ("test/aligned", "truth/test/0000_aligned.png")):
        expected = GAIN.apply(to_float(picture(captures / source)))
        stored = picture(matched / kept / "0000.png")
        assert stored.dtype == np.uint16
        assert np.abs(stored - 65535.0 * expected).max() <= 1
    np.testing.assert_array_equal(picture(matched / "test/blur/0000.png"), picture(captures / "test/blur/0000.png"))


def test_patches_are_matched_and_a_pair_in_doubt_stays_as_it_is(captures: Path, matched: Path) -> None:
    reader = ShardReader(matched / "train-00000.h5")
    pairs, windows = reader.column("pair"), reader.column("window")
    for pair, transfer in ((0, GAIN), (1, Transfer())):
        index = int(np.flatnonzero(pairs == pair)[0])
        y, x = windows[index, :2]
        whole = transfer.apply(to_float(picture(captures / f"train/gt/000{pair}.png")))
        assert np.abs(reader.read_patch(index).sharp - 65535.0 * whole[y : y + 64, x : x + 64]).max() <= 1


def test_manifest_table_and_info_say_what_was_done(matched: Path) -> None:
    manifest = read_manifest(matched)
    assert Transfer.from_json(json.dumps(manifest.light["train/0000"])) == GAIN
    messages = {row.pair_id: row.message for row in manifest.pairs}
    assert "matched in light by gain, gains (0.7000, 0.8000, 0.9000)" in messages["test/0000"]
    assert "not matched in light: another scene" in messages["train/0001"]
    shown = describe(matched)["light"]
    assert (shown["n_matched"], shown["n_flagged"]) == (2, 1)
    assert "in doubt: another scene" in shown["pairs"]["train/0001"]


def test_clipped_pixels_become_what_the_blurry_picture_shows_there() -> None:
    white = Photograph(np.full((4, 4, 3), 65535, np.uint16))
    matched = match_sharp(white, "test/a", ("b", "s"), {"test/a": LightRow("test/a", "b", "s", GAIN.to_json())})
    np.testing.assert_allclose(to_float(matched.pixels)[0, 0], GAIN.white, atol=1e-4)


def test_pairs_are_found_by_their_pictures_whatever_split_they_were_measured_in(captures: Path, tmp_path: Path) -> None:
    path = table(tmp_path / "m.csv", captures, dict.fromkeys(("train/0000", "train/0001", "test/0000"), GAIN)).path
    path.write_text(path.read_text().replace("train/", "val/").replace("test/", "val/1"))
    report = prepare(captures, tmp_path / "set", PrepareOptions(**vars(CAPTURED) | {"match": light_table(path)}))
    assert report.problems == ()
    assert set(read_manifest(tmp_path / "set").light) == {"train/0000", "train/0001", "test/0000"}


def test_a_pair_that_was_not_measured_fails_and_the_others_go_on(captures: Path, tmp_path: Path) -> None:
    options = PrepareOptions(**vars(CAPTURED) | {"match": table(tmp_path / "m.csv", captures, {"train/0000": GAIN})})
    report = prepare(captures, tmp_path / "set", options)
    assert sorted(problem.item for problem in report.problems) == ["test/0000", "train/0001"]
    assert all("its light was not measured" in problem.reason for problem in report.problems)
    assert list(read_manifest(tmp_path / "set").light) == ["train/0000"]


def test_other_pictures_another_table_and_none_are_refused(captures: Path, tmp_path: Path, matched: Path) -> None:
    with pytest.raises(ConfigError, match="match"):
        prepare(captures, matched, CAPTURED)
    known = table(tmp_path / "m.csv", captures, {"train/0000": GAIN})
    (tmp_path / "m.csv").write_text((tmp_path / "m.csv").read_text().replace("0.7", "0.6"))
    with pytest.raises(ManifestError, match="was changed while pictures were matched"):
        transfers_of(known)
    with pytest.raises(ManifestError, match="light was not measured"):
        table(tmp_path / "n.csv", captures, {"train/0000": Transfer()})
    (tmp_path / "o.csv").write_text("pair_id,blurry_sha256,sharp_sha256,light_transfer\na,b,c,{}x\n")
    with pytest.raises(ManifestError, match="light_transfer of a: .* Run analyze again"):
        light_table(tmp_path / "o.csv")
