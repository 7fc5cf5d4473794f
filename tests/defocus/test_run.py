"""From pictures to a folder of maps, and on after an interruption."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from sdd_bench.core.errors import ConfigError, ImageError
from sdd_bench.core.types import Progress
from sdd_bench.defocus.run import STEPS_PER_PX, blur_maps, colored, read_map
from sdd_bench.defocus.spec import BLUR_MAPS, BlurMap, load_blur_map
from sdd_bench.images.write import write_png


def ramp_of(picture: np.ndarray) -> np.ndarray:
    """Sigma from 0 to 6 px across any picture."""
    return np.tile(np.linspace(0, 6, picture.shape[1], dtype=np.float32), (picture.shape[0], 1))


@pytest.fixture
def ramp() -> BlurMap:
    return BlurMap(BLUR_MAPS["ebdb"], ramp_of, "")


@pytest.fixture
def pictures(tmp_path: Path, photo: np.ndarray) -> dict[str, Path]:
    made = {}
    for number in range(3):
        made[f"p{number}"] = tmp_path / "in" / f"p{number}.png"
        write_png(made[f"p{number}"], photo[:48, number : number + 64])
    return made


def test_maps_colors_and_a_table_are_written(ramp: BlurMap, pictures: dict[str, Path], tmp_path: Path) -> None:
    seen: list[Progress] = []
    report = blur_maps(ramp, pictures, tmp_path / "out", on_progress=seen.append)
    assert (report.n_made, report.problems) == (3, ())
    assert [(step.done, step.total) for step in seen] == [(1, 3), (2, 3), (3, 3)]
    stored = cv2.imread(str(tmp_path / "out/p1.png"), cv2.IMREAD_UNCHANGED)
    assert stored.dtype == np.uint16
    np.testing.assert_array_equal(stored[0], np.rint(np.linspace(0, 6, 64, dtype=np.float32) * STEPS_PER_PX))
    np.testing.assert_allclose(read_map(tmp_path / "out/p1.png"), ramp_of(np.zeros((48, 64))), atol=1 / STEPS_PER_PX)
    assert cv2.imread(str(tmp_path / "out/color/p1.png")).shape == (48, 64, 3)
    rows = list(csv.DictReader((tmp_path / "out/blur_maps.csv").read_text().splitlines()))
    assert [row["name"] for row in rows] == ["p0", "p1", "p2"]
    assert float(rows[0]["mean_sigma_px"]) == pytest.approx(3, abs=1e-3)
    assert float(rows[0]["mean_coc_diameter_px"]) == pytest.approx(12, abs=1e-3)
    assert float(rows[0]["share_sharp"]) == pytest.approx(6 / 64, abs=1e-3)
    assert (rows[0]["width"], rows[0]["height"]) == ("64", "48")


def test_a_second_call_makes_what_is_missing_and_the_same_table(
    ramp: BlurMap, pictures: dict[str, Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    blur_maps(ramp, pictures, out)
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    (out / "p1.png").unlink()
    (out / "color" / "p2.png").unlink()
    assert blur_maps(ramp, pictures, out).n_made == 2
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before


def test_another_method_or_another_picture_is_refused(
    ramp: BlurMap, pictures: dict[str, Path], tmp_path: Path, photo: np.ndarray
) -> None:
    blur_maps(ramp, pictures, tmp_path / "out")
    with pytest.raises(ConfigError, match="jnb-style"):
        blur_maps(BlurMap(BLUR_MAPS["jnb-style"], ramp_of, ""), pictures, tmp_path / "out")
    write_png(pictures["p0"], photo[50:98, :64])
    with pytest.raises(ConfigError, match=r"p0\.png: is not made from"):
        blur_maps(ramp, pictures, tmp_path / "out")


def test_a_picture_that_cannot_be_read_is_listed_and_the_others_go_on(
    ramp: BlurMap, pictures: dict[str, Path], tmp_path: Path
) -> None:
    pictures["p1"].write_bytes(b"no picture")
    report = blur_maps(ramp, pictures, tmp_path / "out")
    assert [problem.item for problem in report.problems] == ["p1"]
    assert [row.name for row in report.rows] == ["p0", "p2"]
    assert json.loads((tmp_path / "out/blur_map.json").read_text())["method"] == "ebdb"


def test_what_is_no_map_is_no_map(tmp_path: Path, photo: np.ndarray) -> None:
    write_png(tmp_path / "rgb.png", photo)
    for name in ("rgb.png", "missing.png"):
        with pytest.raises(ImageError, match="16-bit grey"):
            read_map(tmp_path / name)


def test_colors_go_from_blue_to_red() -> None:
    first, last = colored(np.array([[0.0, 7.0]], np.float32))[0].astype(int)
    assert first[2] > first[0]
    assert last[0] > last[2]


def test_methods_are_found_by_name_and_say_what_they_need(tmp_path: Path, photo: np.ndarray) -> None:
    assert {"ebdb", "jnb-style", "jnb", "dmenet"} <= set(BLUR_MAPS)
    with pytest.raises(ConfigError, match="known: ebdb"):
        load_blur_map("nothing")
    for name, file in (("dmenet", "DMENet_BDCS"), ("jnb", "dict128Blur")):
        with pytest.raises(ConfigError, match=file):
            load_blur_map(name)
    with pytest.raises(ConfigError, match="takes no file"):
        load_blur_map("ebdb", tmp_path / "w.npz")
    for name in ("ebdb", "jnb-style"):
        blur_map = load_blur_map(name)
        found = blur_map.estimate(photo[:64, :80].astype(np.float32) / 255)
        assert found.shape == (64, 80)
        assert found.max() <= blur_map.method.largest_sigma_px
    assert len(load_blur_map("jnb-style").sha256) == 64
