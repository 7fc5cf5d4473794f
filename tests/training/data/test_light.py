"""The transfer of light of a set's pairs, estimated on patches that are laid back together."""

import csv
import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from sdd_bench.core.errors import ConfigError, ManifestError
from sdd_bench.flow.estimator import load_flow
from sdd_bench.images.light import linear_to_srgb
from sdd_bench.preparation.options import PrepareOptions
from sdd_bench.preparation.run import prepare
from sdd_bench.prepared.manifest import read_manifest
from sdd_bench.prepared.torch_dataset import PairDataset
from sdd_bench.registration.light.transfer import Match, Transfer
from sdd_bench.synth.scenes import random_scene
from sdd_bench.training.data.light import light_of_patches
from sdd_bench.training.data.stage_one_flow import ensure_flow

GAINS = {"a": (1.5, 1.4, 1.3), "b": (0.6, 0.7, 0.65)}


@pytest.fixture(scope="module")
def exposed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A set of two pairs of known exposure, and its flow."""
    root = tmp_path_factory.mktemp("exposed")
    for seed, (name, gains) in enumerate(GAINS.items()):
        light = np.clip(random_scene(256, 320, np.random.default_rng(seed)), 0.01, 0.6).astype(np.float32)
        light = light if light.shape[-1] == 3 else np.moveaxis(light, 0, -1)
        blurry = cv2.GaussianBlur(light, (0, 0), 2.0) * np.float32(gains)
        for side, picture in (("blur", blurry), ("gt", light)):
            path = root / "captures/train" / side / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.rint(255 * linear_to_srgb(np.clip(picture, 0, 1))).astype(np.uint8)
            assert cv2.imwrite(str(path), pixels[..., ::-1])
    prepare(root / "captures", root / "set", PrepareOptions(resize="none", patch=128, overlap=0.5, drop=0.0))
    return root / "set", ensure_flow(root / "set", load_flow("dis"))


def test_every_patch_has_the_gains_of_its_pair(exposed: tuple[Path, Path], tmp_path: Path) -> None:
    data, flow = exposed
    light = light_of_patches(data, flow, Match.GAIN, tmp_path / "light.json")["train"]
    pairs = PairDataset(data, crop=None)._shards.column("pair")
    for patch, pair in zip(light, pairs, strict=True):
        np.testing.assert_allclose(patch.transfer.gains, list(GAINS.values())[pair], rtol=0.02)
    assert {(patch.place.full_height, patch.place.full_width) for patch in light} == {(256, 320)}


def test_a_matched_crop_is_the_crop_of_the_matched_patch(exposed: tuple[Path, Path], tmp_path: Path) -> None:
    data, flow = exposed
    light = light_of_patches(data, flow, Match.FIELD, tmp_path / "light.json")["train"]
    matched = PairDataset(data, crop=64, light=light, with_transform=True, seed=3)
    whole = PairDataset(data, crop=None, augment=False)
    for index in (0, len(matched) - 1):
        item, sharp = matched[index], whole[index]["sharp"].permute(1, 2, 0).numpy()
        expected = item["transform"].apply(light[index].transfer.apply(sharp, place=light[index].place))
        np.testing.assert_allclose(item["sharp"].permute(1, 2, 0).numpy(), expected, atol=1e-4)
        error = [np.abs(other - item["blurry"].numpy()).mean() for other in (
            item["sharp"].numpy(), item["transform"].apply(sharp).transpose(2, 0, 1))]  # fmt: skip
        assert error[0] < 0.5 * error[1]


def test_kept_transfers_are_read_and_damaged_ones_refused(exposed: tuple[Path, Path], tmp_path: Path) -> None:
    data, flow = exposed
    kept = tmp_path / "light.json"
    first = light_of_patches(data, flow, Match.GAIN, kept)
    before = kept.read_bytes()
    assert light_of_patches(data, Path("no-such-flow"), Match.GAIN, kept) == first
    assert kept.read_bytes() == before
    with pytest.raises(ConfigError, match="expected the transfers of light of this run .* match tone"):
        light_of_patches(data, flow, Match.TONE, kept)
    kept.write_text("{")
    with pytest.raises(ConfigError, match="Start the run anew"):
        light_of_patches(data, flow, Match.GAIN, kept)


def test_light_of_other_patches_is_refused(exposed: tuple[Path, Path], tmp_path: Path) -> None:
    data, flow = exposed
    light = light_of_patches(data, flow, Match.GAIN, tmp_path / "light.json")["train"]
    with pytest.raises(ConfigError, match=f"light of 1 patches, but it holds {len(light)}"):
        PairDataset(data, crop=64, light=light[:1])


def test_a_set_that_was_matched_is_not_matched_again(exposed: tuple[Path, Path], tmp_path: Path) -> None:
    data = Path(shutil.copytree(exposed[0], tmp_path / "set"))
    values = json.loads((data / "dataset.json").read_text())
    (data / "dataset.json").write_text(json.dumps(values | {"light": {"train/a": json.loads(Transfer().to_json())}}))
    with pytest.raises(ConfigError, match="were matched by prepare already"):
        light_of_patches(data, exposed[1], Match.GAIN, tmp_path / "light.json")


def measured(data: Path, path: Path, transfers: dict[str, Transfer], **other: str) -> Path:
    """A table of ``analyze`` with these transfers by pair id."""
    rows = {row.pair_id: row for row in read_manifest(data).pairs}
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("pair_id", "blurry_sha256", "sharp_sha256", "light_transfer"))
        for name, transfer in transfers.items():
            shas = (rows[name].blurry_sha256, rows[name].sharp_sha256)
            writer.writerow((name, *(other.get(name, sha) for sha in shas), transfer.to_json()))
    return path


def test_a_measured_transfer_is_taken_and_the_rest_is_estimated(exposed: tuple[Path, Path], tmp_path: Path) -> None:
    data, flow = exposed
    known = Transfer(Match.GAIN, gains=(1.1, 1.2, 1.3))
    table = measured(data, tmp_path / "misalignment.csv", {"train/a": known})
    light = light_of_patches(data, flow, Match.GAIN, tmp_path / "light.json", table=table)["train"]
    estimated = light_of_patches(data, flow, Match.GAIN, tmp_path / "alone.json")["train"]
    pairs = PairDataset(data, crop=None)._shards.column("pair")
    for patch, alone, pair in zip(light, estimated, pairs, strict=True):
        assert patch.transfer == (known if pair == 0 else alone.transfer)


def test_a_pair_whose_light_is_not_known_stays_as_it_is(exposed: tuple[Path, Path], tmp_path: Path) -> None:
    data, _ = exposed
    dark = Transfer(distrust=("clipped: all of it",))
    table = measured(data, tmp_path / "m.csv", {"train/a": dark, "train/b": Transfer(Match.GAIN, gains=(2, 2, 2))})
    light = light_of_patches(data, Path("no-such-flow"), Match.GAIN, tmp_path / "light.json", table=table)["train"]
    assert light[0].transfer == dark


def test_a_table_of_another_model_of_other_pictures_or_for_a_shard_is_refused(
    exposed: tuple[Path, Path], tmp_path: Path
) -> None:
    data, flow = exposed
    transfers = {"train/a": Transfer(Match.GAIN, gains=(2, 2, 2))}
    table = measured(data, tmp_path / "m.csv", transfers)
    kept = tmp_path / "light.json"
    with pytest.raises(ConfigError, match="of model gain, expected tone. Give --match gain, or analyze"):
        light_of_patches(data, flow, Match.TONE, kept, table=table)
    with pytest.raises(ManifestError, match="not those that were measured"):
        other = measured(data, tmp_path / "o.csv", transfers, **{"train/a": "0" * 64})
        light_of_patches(data, flow, Match.GAIN, kept, table=other)
    with pytest.raises(ConfigError, match="a shard does not know of which pictures"):
        light_of_patches(data / "train-00000.h5", flow, Match.GAIN, kept, table=table)
    assert not kept.exists()
