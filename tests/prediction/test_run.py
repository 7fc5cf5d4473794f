"""From pictures to a folder of predictions."""

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from sdd_bench.core.errors import ConfigError, OutputError, PairingError
from sdd_bench.core.storage.files import sha256_of
from sdd_bench.core.types import Progress, Split
from sdd_bench.images.photograph import Photograph, read_photograph
from sdd_bench.models.catalogue import TILE_TESTS
from sdd_bench.models.network import Network
from sdd_bench.prediction.options import PredictOptions
from sdd_bench.prediction.run import pictures_of, predict

HALF = Network(lambda x: x / 2, "half", "abc", 1, 0, 100, torch.device("cpu"))


def write(path: Path, value: int, *, dtype: str = "uint8", size: tuple[int, int] = (20, 30)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((*size, 3), value, dtype))
    return path


def make_split(root: Path, names: tuple[str, ...] = ("a", "b")) -> Path:
    for name in names:
        for side in ("blur", "gt"):
            write(root / "test" / side / f"{name}.png", 200)
    return root


def test_every_blurry_picture_of_the_split_gets_a_prediction(tmp_path: Path) -> None:
    seen: list[Progress] = []
    pictures = pictures_of(make_split(tmp_path / "data"))
    report = predict(HALF, pictures, tmp_path / "out", on_progress=seen.append)
    assert (report.n_pictures, report.n_made, report.problems) == (2, 2, ())
    assert [progress.done for progress in seen] == [1, 2]
    for name in ("a", "b"):
        assert np.all(read_photograph(tmp_path / "out" / f"{name}.png").pixels == 100)


def test_a_report_is_a_frame_and_a_table(tmp_path: Path) -> None:
    report = predict(HALF, pictures_of(make_split(tmp_path / "data")), tmp_path / "out")
    frame = report.to_frame()
    assert frame["name"].tolist() == ["a", "b"]
    assert frame["megapixels"].tolist() == [20 * 30 / 1e6] * 2
    assert "2 of 2 predictions" in report._repr_html_()


def test_a_prediction_of_a_picture_that_was_replaced_meanwhile_is_taken_back(tmp_path: Path) -> None:
    picture = write(tmp_path / "x.png", 10)

    def replaced(x: torch.Tensor) -> torch.Tensor:
        write(picture, 20)
        return x

    network = dataclasses.replace(HALF, forward=replaced)
    (problem,) = predict(network, pictures_of(picture), tmp_path / "out").problems
    assert "changed while it was in use" in problem.reason
    assert not (tmp_path / "out" / "x.png").exists()


def test_a_folder_of_pictures_and_one_picture_will_do(tmp_path: Path) -> None:
    path = write(tmp_path / "loose" / "x.png", 10)
    assert pictures_of(tmp_path / "loose") == pictures_of(path) == {"x": path}
    write(tmp_path / "loose" / "x.jpg", 10)
    with pytest.raises(PairingError, match="2 pictures share the name x"):
        pictures_of(tmp_path / "loose")


def test_a_picture_beside_a_known_layout_is_not_what_is_asked_for(tmp_path: Path) -> None:
    make_split(tmp_path)
    write(tmp_path / "overview.png", 1)
    assert list(pictures_of(tmp_path)) == ["a", "b"]
    with pytest.raises(PairingError, match="split val"):
        pictures_of(tmp_path, split=Split.VAL)


@pytest.mark.parametrize(("depth", "value"), [("same", 100), ("16", 100 * 257)])
def test_the_bit_depth_is_that_of_the_picture_or_the_one_asked_for(tmp_path: Path, depth: str, value: int) -> None:
    picture = write(tmp_path / "x.png", 200)
    predict(HALF, {"x": picture}, tmp_path / "out", PredictOptions(bit_depth=depth))  # type: ignore[arg-type]
    assert np.all(read_photograph(tmp_path / "out" / "x.png").pixels == value)


def test_sixteen_bits_stay_sixteen_bits(tmp_path: Path) -> None:
    predict(HALF, {"x": write(tmp_path / "x.png", 40002, dtype="uint16")}, tmp_path / "out")
    assert np.all(read_photograph(tmp_path / "out" / "x.png").pixels == np.uint16(20001))


def test_what_is_there_is_kept(tmp_path: Path) -> None:
    pictures = pictures_of(make_split(tmp_path / "data"))
    predict(HALF, {"a": pictures["a"]}, tmp_path / "out")
    before = (tmp_path / "out" / "a.png").stat().st_mtime_ns
    report = predict(HALF, pictures, tmp_path / "out")
    assert report.n_made == 1
    assert (tmp_path / "out" / "a.png").stat().st_mtime_ns == before


def test_the_seal_says_what_a_prediction_is_and_what_it_costs(tmp_path: Path) -> None:
    pictures = pictures_of(make_split(tmp_path / "data"))
    out = tmp_path / "out"
    predict(dataclasses.replace(HALF, parameters=7), {"a": pictures["a"]}, out)
    first = json.loads((out / "predict.json").read_text())
    assert (first["params"], first["device"]) == (7, "cpu")
    assert first["made"]["a"]["sha256"] == sha256_of(out / "a.png")
    assert first["made"]["a"]["megapixels"] == pytest.approx(20 * 30 / 1e6)
    assert first["made"]["a"]["seconds"] > 0
    predict(HALF, pictures, out)
    second = json.loads((out / "predict.json").read_text())
    assert second["made"].keys() == {"a", "b"}
    assert second["made"]["a"] == first["made"]["a"]


def test_what_was_made_before_a_failure_is_in_the_seal(tmp_path: Path) -> None:
    pictures = pictures_of(make_split(tmp_path / "data"))

    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predict(HALF, pictures, tmp_path / "out", on_progress=stop)
    assert list(json.loads((tmp_path / "out" / "predict.json").read_text())["made"]) == ["a"]


def test_a_folder_of_an_earlier_version_goes_on(tmp_path: Path) -> None:
    pictures = pictures_of(make_split(tmp_path / "data"))
    out = tmp_path / "out"
    predict(HALF, {"a": pictures["a"]}, out)
    seal = json.loads((out / "predict.json").read_text())
    (out / "predict.json").write_text(json.dumps({k: v for k, v in seal.items() if k not in ("made", "params")}))
    assert predict(HALF, pictures, out).n_made == 1
    made = json.loads((out / "predict.json").read_text())["made"]
    assert made["a"] == {"sha256": sha256_of(out / "a.png")}
    assert made["b"].keys() == {"sha256", "seconds", "megapixels", "tiled"}


@pytest.mark.parametrize(
    ("radius", "tile", "tiled"), [(None, 16, True), (None, 64, False), (None, None, False), (0, 16, False)]
)
def test_tiles_that_change_the_picture_are_said(
    tmp_path: Path, radius: int | None, tile: int | None, tiled: bool
) -> None:
    network = dataclasses.replace(HALF, name="mprnet", receptive_radius_px=radius)
    picture = write(tmp_path / "x.png", 200)
    report = predict(network, {"x": picture}, tmp_path / "out", PredictOptions(tile=tile, overlap=0))
    made = json.loads((tmp_path / "out" / "predict.json").read_text())["made"]["x"]
    assert made["tiled"] is tiled
    assert len(report.notes) == int(tiled)
    if tiled:
        assert "1 picture(s) passed mprnet in tiles" in report.notes[0]
        assert all(str(test) in report.notes[0] for test in TILE_TESTS["mprnet"])


def test_a_folder_of_other_predictions_is_refused(tmp_path: Path) -> None:
    pictures = pictures_of(make_split(tmp_path / "data"))
    predict(HALF, pictures, tmp_path / "out")
    with pytest.raises(ConfigError, match="begun differently"):
        predict(HALF, pictures, tmp_path / "out", PredictOptions(self_ensemble=True))
    (tmp_path / "out" / "predict.json").write_text("{")
    with pytest.raises(OutputError, match="damaged"):
        predict(HALF, pictures, tmp_path / "out")
    write(tmp_path / "full" / "x.png", 1)
    with pytest.raises(OutputError, match="empty"):
        predict(HALF, pictures, tmp_path / "full")


def test_a_second_run_at_the_same_time_is_refused(tmp_path: Path) -> None:
    pictures = pictures_of(make_split(tmp_path / "data"))

    def run_again(progress: Progress) -> None:
        with pytest.raises(OutputError, match="another run is writing here"):
            predict(HALF, pictures, tmp_path / "out")

    assert predict(HALF, pictures, tmp_path / "out", on_progress=run_again).problems == ()


def test_predictions_of_other_pictures_are_refused_and_left_alone(tmp_path: Path) -> None:
    first, second = write(tmp_path / "first" / "x.png", 200), write(tmp_path / "second" / "x.png", 100)
    predict(HALF, {"x": first}, tmp_path / "out")
    with pytest.raises(ConfigError, match=r"x\.png: is not made from .*second"):
        predict(HALF, {"x": second, "y": first}, tmp_path / "out")
    assert np.all(read_photograph(tmp_path / "out" / "x.png").pixels == 100)
    (tmp_path / "out" / "x.png").unlink()
    assert predict(HALF, {"x": second}, tmp_path / "out").n_made == 1
    assert predict(HALF, {"x": second}, tmp_path / "out").n_made == 0
    assert np.all(read_photograph(tmp_path / "out" / "x.png").pixels == 50)


@pytest.mark.parametrize("settings", [{"bgr": True, "precision": "32"}, {"bgr": False, "precision": "bf16"}])
def test_predictions_of_another_colour_order_or_precision_are_refused(
    tmp_path: Path, settings: dict[str, object]
) -> None:
    pictures = {"x": write(tmp_path / "x.png", 200)}
    predict(dataclasses.replace(HALF, settings={"bgr": False, "precision": "32"}), pictures, tmp_path / "out")
    with pytest.raises(ConfigError, match="(bgr was False, now True|precision was '32', now 'bf16')"):
        predict(dataclasses.replace(HALF, settings=settings), pictures, tmp_path / "out")


def test_memory_and_tiles_may_change_while_they_see_as_far(tmp_path: Path) -> None:
    network = dataclasses.replace(HALF, receptive_radius_px=8)
    pictures = {"x": write(tmp_path / "x.png", 200)}
    predict(network, pictures, tmp_path / "out")
    assert predict(network, pictures, tmp_path / "out", PredictOptions(4.0, tile=32, overlap=9)).n_made == 0
    with pytest.raises(ConfigError, match="overlap was 8, now 4"):
        predict(network, pictures, tmp_path / "out", PredictOptions(overlap=4))


def test_a_picture_the_network_fails_on_is_a_problem_and_the_others_go_on(tmp_path: Path) -> None:
    class Even(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.interpolate(x[..., ::2, ::2], scale_factor=2) + 0 * x

    pictures = {str(side): write(tmp_path / f"{side}.png", 7, size=(side, side)) for side in (65, 66)}
    report = predict(dataclasses.replace(HALF, forward=Even()), pictures, tmp_path / "out")
    assert [problem.item for problem in report.problems] == ["65"]
    assert (tmp_path / "out" / "66.png").is_file()


def test_too_little_memory_says_what_to_allow(tmp_path: Path) -> None:
    network = dataclasses.replace(HALF, forward=lambda x: x.new_empty(1 << 60))
    with pytest.raises(ConfigError, match="less than 8 GiB"):
        predict(network, {"x": write(tmp_path / "x.png", 7)}, tmp_path / "out")


def test_a_damaged_picture_is_a_problem_and_the_others_go_on(tmp_path: Path) -> None:
    pictures = pictures_of(make_split(tmp_path / "data"))
    pictures["a"].write_bytes(b"no picture")
    report = predict(HALF, pictures | {"c": tmp_path / "absent.png"}, tmp_path / "out")
    assert [problem.item for problem in report.problems] == ["a", "c"]
    assert (tmp_path / "out" / "b.png").is_file()


def test_the_seal_says_what_made_the_predictions(tmp_path: Path) -> None:
    predict(HALF, {"x": write(tmp_path / "x.png", 1)}, tmp_path / "out")
    seal = json.loads((tmp_path / "out" / "predict.json").read_text())
    assert (seal["model"], seal["sha256"]) == ("half", "abc")


@pytest.mark.parametrize("options", [{"memory_gib": 0}, {"tile": 0}, {"overlap": -1}, {"bit_depth": "12"}])
def test_options_out_of_range_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        PredictOptions(**options)  # type: ignore[arg-type]


def test_large_pictures_pass_in_tiles_that_fit_the_memory(tmp_path: Path) -> None:
    pixels = []

    class Watching(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            pixels.append(x.shape[2] * x.shape[3])
            return x

    network = Network(Watching(), "watching", "", 1, 4, 2**20, torch.device("cpu"))
    predict(network, {"x": write(tmp_path / "x.png", 7, size=(90, 70))}, tmp_path / "out", PredictOptions(memory_gib=1))
    assert max(pixels) <= 32 * 32
    assert len(pixels) > 4


def test_a_picture_that_was_another_only_while_it_was_read_gets_no_prediction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = write(tmp_path / "x.png", 10)
    before = picture.read_bytes()

    def read_another(path: Path) -> Photograph:
        write(path, 20)
        try:
            return read_photograph(path)
        finally:
            path.write_bytes(before)

    monkeypatch.setattr("sdd_bench.prediction.run.read_photograph", read_another)
    (problem,) = predict(HALF, pictures_of(picture), tmp_path / "out").problems
    assert "changed while it was in use" in problem.reason
    assert not list((tmp_path / "out").glob("*.png"))
