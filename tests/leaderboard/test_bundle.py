"""Bundles: what goes in comes out, the same bytes every time, and what was changed is found."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from sdd_bench.cli.main import main
from sdd_bench.core.errors import LeaderboardError
from sdd_bench.evaluation.options import EvaluateOptions
from sdd_bench.evaluation.run import evaluate
from sdd_bench.leaderboard.bundle import opened, verify_bundle, write_bundle
from sdd_bench.prepared.open import open_dataset

OPTIONS = EvaluateOptions(flow="dis", metrics=("psnr", "ssim"), extra=("psnr-shift",))


@pytest.fixture
def run(tmp_path: Path, photo: NDArray[np.uint8]) -> Path:
    """A real run over two pairs; predictions called NAME_out.png in ``net``."""
    for number in range(2):
        sharp = photo[40 * number : 40 * number + 96, 60 * number : 60 * number + 128]
        sides = {"set/test/gt": sharp, "set/test/blur": cv2.GaussianBlur(sharp, (0, 0), 1.5), "net": sharp}
        for folder, picture in sides.items():
            (tmp_path / folder).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(tmp_path / folder / f"p{number}{'_out' if folder == 'net' else ''}.png"), picture)
    return evaluate(open_dataset(tmp_path / "set"), tmp_path / "net", tmp_path / "run", options=OPTIONS).run


@pytest.fixture
def bundle(run: Path, tmp_path: Path) -> Path:
    return write_bundle(run, tmp_path / "net", tmp_path / "mine.zip")


def test_a_bundle_holds_the_run_and_its_predictions_and_is_right(bundle: Path, run: Path, tmp_path: Path) -> None:
    assert sorted(zipfile.ZipFile(bundle).namelist()) == [
        "README.md", "bundle.json", "predictions/p0_out.png", "predictions/p1_out.png", "run/extras.csv",
        "run/per_image.csv", "run/run.json", "run/summary.json",
    ]  # fmt: skip
    assert verify_bundle(bundle) == []
    with opened(bundle) as found:
        assert found.run.method == "net"
        assert (found.predictions / "p0_out.png").read_bytes() == (tmp_path / "net/p0_out.png").read_bytes()
    assert b"net on set" in zipfile.ZipFile(bundle).read("README.md")
    again = write_bundle(run, tmp_path / "net", tmp_path / "again.zip")
    assert again.read_bytes() == bundle.read_bytes()


def test_a_set_may_be_called_as_no_table_can_be(run: Path, tmp_path: Path) -> None:
    (tmp_path / "set").rename(tmp_path / "SET 2")
    evaluate(open_dataset(tmp_path / "SET 2"), tmp_path / "net", tmp_path / "upper", options=OPTIONS)
    assert verify_bundle(write_bundle(tmp_path / "upper", tmp_path / "net", tmp_path / "upper.zip")) == []


def test_predictions_that_were_not_scored_are_refused(run: Path, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "net/p1_out.png"), np.zeros((96, 128, 3), np.uint8))
    with pytest.raises(LeaderboardError, match="p1_out.png: is not the file that"):
        write_bundle(run, tmp_path / "net", tmp_path / "mine.zip")
    (tmp_path / "net/p1_out.png").unlink()
    with pytest.raises(LeaderboardError, match="no prediction of p1"):
        write_bundle(run, tmp_path / "net", tmp_path / "mine.zip")


Members = dict[str, bytes]


def _changed(members: Members) -> None:
    members["predictions/p0_out.png"] = members["predictions/p1_out.png"]


def _forged(members: Members) -> None:
    members["run/per_image.csv"] = members["run/per_image.csv"].replace(b"net,p0", b"net,p9")
    facts = json.loads(members["bundle.json"])
    facts["files"]["run/per_image.csv"] = hashlib.sha256(members["run/per_image.csv"]).hexdigest()
    members["bundle.json"] = json.dumps(facts).encode()


def _escaping(members: Members) -> None:
    members["predictions/../../x.png"] = b""


def _code(members: Members) -> None:
    members["run/setup.py"] = b""


def _missing(members: Members) -> None:
    del members["predictions/p0_out.png"]


def _bare(members: Members) -> None:
    del members["bundle.json"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_changed, "predictions/p0_out.png was changed"),
        (_forged, "changed since the run was sealed"),
        (_escaping, "which no bundle does"),
        (_code, "holds 'run/setup.py', which no bundle does"),
        (_missing, "bundle.json and the files differ"),
        (_bare, "expected bundle.json"),
    ],
)
def test_what_was_changed_is_found(bundle: Path, change: Callable[[Members], None], message: str) -> None:
    with zipfile.ZipFile(bundle) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(bundle, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(LeaderboardError, match=message):
        verify_bundle(bundle)


def test_a_file_that_is_no_zip_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_bytes(b"not a zip")
    with pytest.raises(LeaderboardError, match="cannot be read as a zip file"):
        verify_bundle(tmp_path / "x.zip")


def test_the_commands_pack_and_check_and_score_again(run: Path, tmp_path: Path) -> None:
    out = str(tmp_path / "mine.zip")
    packed = CliRunner().invoke(main, ["leaderboard", "bundle", str(run), out, "--predictions", str(tmp_path / "net")])
    assert packed.exit_code == 0, packed.output
    checked = CliRunner().invoke(main, ["leaderboard", "verify", "--bundle", out])
    assert (checked.exit_code, "is right" in checked.output) == (0, True)
    again = CliRunner().invoke(main, ["leaderboard", "verify", "--bundle", out, "--data", str(tmp_path / "set")])
    assert again.exit_code == 0, again.output
    assert "the protocol is as stated" in again.output


def test_an_archive_damaged_in_its_stream_is_refused(bundle: Path) -> None:
    content = bytearray(bundle.read_bytes())
    with zipfile.ZipFile(bundle) as archive:
        start = archive.getinfo("bundle.json").header_offset
    content[start + 60 : start + 120] = bytes(255 - value for value in content[start + 60 : start + 120])
    bundle.write_bytes(content)
    with pytest.raises(LeaderboardError, match="cannot be read as a zip file"):
        verify_bundle(bundle)
