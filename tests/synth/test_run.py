from __future__ import annotations

import csv
import dataclasses
import json
import math
import os
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from sdd_bench.captures.layouts import read_layout
from sdd_bench.core.errors import ConfigError, ImageError, OutputError
from sdd_bench.core.types import Split
from sdd_bench.flow.flo import read_flo
from sdd_bench.images.light import srgb_to_linear
from sdd_bench.images.photograph import read_photograph
from sdd_bench.images.write import write_png
from sdd_bench.optics.coc import Lens, breathing_zoom, coc_diameter_px
from sdd_bench.optics.tone import expose
from sdd_bench.synth.camera import draw_capture
from sdd_bench.synth.options import SynthOptions
from sdd_bench.synth.run import synthesize

TINY = SynthOptions(width=160, height=96, n_train=2, n_test=1)
STILL = dataclasses.replace(
    TINY, zoom_range=(1, 1), shift_range=(0, 0), rotation_range=(0, 0), shot_noise=0, read_noise=0, truth="full"
)


def _bytes(root):
    return {path.relative_to(root): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def _pixels(path):
    return read_photograph(path).pixels


def _linear(path):
    pixels = _pixels(path)
    return srgb_to_linear(pixels / np.float32(np.iinfo(pixels.dtype).max))


def _scenes(root):
    return list(csv.DictReader((root / "scenes.csv").read_text().splitlines()))


def _truth(root, name="train/0000"):
    return json.loads((root / "truth" / f"{name}.json").read_text())


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    """A set with everything known."""
    root = tmp_path_factory.mktemp("full") / "set"
    synthesize(root, dataclasses.replace(TINY, truth="full"))
    return root


def test_the_set_is_an_sdd_folder_that_our_reader_reads_back_whole(full):
    pairs = read_layout(full)
    assert pairs.problems == ()
    assert [pair.pair_id for pair in pairs.pairs] == ["train/0000", "train/0001", "test/0000"]
    for pair in pairs.pairs:
        assert _pixels(pair.blurry_path).shape == _pixels(pair.sharp_path).shape == (96, 160, 3)
        assert pair.aligned_path is not None
        assert pair.truth_path is not None
        assert pair.scene
        assert pair.group in ("leaves", "wall", "print")


def test_scenes_csv_names_every_pair_once_and_no_scene_is_in_both_splits(full):
    rows = _scenes(full)
    assert [(row["split"], row["name"]) for row in rows] == [("train", "0000"), ("train", "0001"), ("test", "0000")]
    assert len({row["scene"] for row in rows}) == 3


def test_the_truth_file_holds_what_readers_rely_on(full):
    truth = _truth(full)
    assert truth["pair_id"] == "train/0000"
    assert (truth["width"], truth["height"], truth["seed"]) == (160, 96, 0)
    capture = draw_capture(dataclasses.replace(TINY, truth="full"), Split.TRAIN, 0)
    for key in ("zoom", "rotation_deg", "shift_x_px", "shift_y_px"):
        assert truth[key] == getattr(capture.similarity, key)
    assert truth["exposure_gain"] == list(capture.exposure_gain)
    coc = tifffile.imread(full / "truth/train/0000_coc.tiff")
    assert coc.dtype == np.float32
    assert truth["coc_diameter_px"]["max"] >= coc.max() - 1e-6
    assert truth["coc_diameter_px"]["mean"] == pytest.approx(coc.mean(), rel=1e-5)
    assert sum(layer["share"] for layer in truth["layers"]) == pytest.approx(1)


def test_the_truth_files_blur_is_the_thin_lens_of_its_camera(full):
    truth = _truth(full, "test/0000")
    camera = truth["camera"]
    lens = Lens(camera["focal_length_mm"], camera["f_number"], camera["pixel_pitch_um"])
    for layer in truth["layers"]:
        expected = coc_diameter_px(layer["depth_m"], camera["blurry_focus_m"], lens)
        assert layer["coc_diameter_px"] == pytest.approx(float(expected))
    assert truth["zoom"] == breathing_zoom(camera["blurry_focus_m"], camera["sharp_focus_m"], lens)
    assert camera["pixel_pitch_um"] * 160 == pytest.approx(36_000)


def test_the_files_agree_aligned_is_sharp_at_p_plus_flow(full):
    """With 8 bits, noise and bilinear sampling between them: 34 dB and more, where it is below 26 without the flow."""
    flow = read_flo(full / "truth/test/0000_flow.flo")
    sharp, aligned = (
        _pixels(full / name).astype(np.float32) for name in ("test/gt/0000.png", "truth/test/0000_aligned.png")
    )
    y, x = np.mgrid[:96, :160].astype(np.float32)
    warped = cv2.remap(sharp, x + flow[0], y + flow[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    inner = np.s_[8:-8, 8:-8]
    psnr = [10 * math.log10(255**2 / ((picture - aligned)[inner] ** 2).mean()) for picture in (warped, sharp)]
    assert psnr[0] > 34
    assert psnr[1] < psnr[0] - 8


def test_a_plane_in_focus_without_misalignment_is_the_same_picture_three_times(tmp_path):
    options = dataclasses.replace(STILL, coc_range=(0, 0), exposure_range=(1, 1), color_cast=0, n_train=1, n_test=0)
    synthesize(tmp_path / "set", options)
    blurry, sharp = (_pixels(tmp_path / f"set/train/{kind}/0000.png") for kind in ("blur", "gt"))
    aligned = _pixels(tmp_path / "set/truth/train/0000_aligned.png")
    assert np.array_equal(blurry, aligned)
    assert np.abs(sharp.astype(int) - aligned).max() <= 1
    assert not read_flo(tmp_path / "set/truth/train/0000_flow.flo").any()


def test_the_layer_in_focus_stays_sharp_and_the_others_lose_detail(tmp_path):
    options = dataclasses.replace(STILL, coc_range=(6, 6), exposure_range=(1, 1), color_cast=0, n_train=6, n_test=0)
    synthesize(tmp_path / "set", dataclasses.replace(options, width=320, height=192))
    seen_in_focus = 0
    for index in range(6):
        blurry, sharp = (_linear(tmp_path / f"set/train/{kind}/{index:04d}.png")[..., 1] for kind in ("blur", "gt"))
        coc = tifffile.imread(tmp_path / f"set/truth/train/{index:04d}_coc.tiff")
        far_from_edges = cv2.erode((coc == 0).astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
        seen_in_focus += far_from_edges.sum()
        if far_from_edges.any():
            assert np.median(np.abs(blurry - sharp)[far_from_edges]) < 5e-3
        assert cv2.Laplacian(blurry, -1)[coc > 2].std() < 0.6 * cv2.Laplacian(sharp, -1)[coc > 2].std()
    assert seen_in_focus > 100


def test_the_exposure_gain_is_the_ratio_of_mean_light(tmp_path):
    options = dataclasses.replace(
        STILL, coc_range=(1, 3), exposure_range=(0.6, 1.4), color_cast=0.05, bit_depth=16, n_train=3, n_test=0
    )
    synthesize(tmp_path / "set", options)
    for index in range(3):
        blurry, sharp = (_linear(tmp_path / f"set/train/{kind}/{index:04d}.png") for kind in ("blur", "gt"))
        gain = _truth(tmp_path / "set", f"train/{index:04d}")["exposure_gain"]
        assert blurry.mean(axis=(0, 1)) / sharp.mean(axis=(0, 1)) == pytest.approx(gain, rel=0.01)
        assert len(set(gain)) == 3


def test_curve_vignetting_and_glare_are_those_of_the_truth(tmp_path):
    options = dataclasses.replace(
        STILL, coc_range=(0, 0), exposure_range=(0.8, 0.9), bit_depth=16, n_train=3, n_test=0,
        tone_curves=("vivid", "gamma-1.8", "filmic"), vignetting_range=(0.1, 0.4), glare_range=(0.01, 0.05),
    )  # fmt: skip
    plain = dataclasses.replace(options, tone_curves=("none",), vignetting_range=(0, 0), glare_range=(0, 0))
    synthesize(tmp_path / "set", options)
    synthesize(tmp_path / "plain", dataclasses.replace(plain, exposure_range=(1, 1), color_cast=0))
    for index in range(3):
        truth = _truth(tmp_path / "set", f"train/{index:04d}")
        assert truth["tone_curve"]["blurry"] == truth["tone_curve"]["sharp"]
        assert 0.1 <= truth["vignetting"] <= 0.4
        assert 0.01 <= truth["glare"] <= 0.05
        for kind, values in (("blur", truth), ("gt", {"exposure_gain": (1, 1, 1), "vignetting": 0, "glare": 0})):
            scene = _linear(tmp_path / f"plain/train/{kind}/{index:04d}.png").transpose(2, 0, 1)
            expected = expose(
                scene, gain=values["exposure_gain"], curve=truth["tone_curve"]["sharp"],
                vignetting=values["vignetting"], glare=values["glare"],
            )  # fmt: skip
            found = _linear(tmp_path / f"set/train/{kind}/{index:04d}.png").transpose(2, 0, 1)
            assert np.abs(found - expected).max() < 2e-3


def test_cameras_drawn_apart_have_other_curves_and_without_curves_nothing_changes(tmp_path):
    names = ("none", "vivid", "filmic")
    apart = dataclasses.replace(TINY, tone_curves=names, foreign_curves=True)
    drawn = [draw_capture(apart, Split.TRAIN, index) for index in range(30)]
    assert {capture.blurry_curve for capture in drawn} == {capture.sharp_curve for capture in drawn} == set(names)
    assert any(capture.blurry_curve != capture.sharp_curve for capture in drawn)
    alike = [draw_capture(dataclasses.replace(apart, foreign_curves=False), Split.TRAIN, index) for index in range(30)]
    assert all(capture.blurry_curve == capture.sharp_curve for capture in alike)
    plain = [draw_capture(TINY, Split.TRAIN, index) for index in range(30)]
    assert [capture.similarity for capture in drawn] == [capture.similarity for capture in plain]
    assert [capture.exposure_gain for capture in drawn] == [capture.exposure_gain for capture in plain]


def test_a_share_of_the_pairs_has_nothing_out_of_focus(tmp_path):
    options = dataclasses.replace(TINY, n_train=0, n_test=12, sharp_share=0.5, coc_range=(4, 6), truth="small")
    synthesize(tmp_path, options)
    largest = [json.loads(path.read_text())["coc_diameter_px"]["max"] for path in (tmp_path / "truth/test").iterdir()]
    assert 2 <= sum(value == 0 for value in largest) <= 10
    assert all(value == 0 or 4 <= value <= 6.01 for value in largest)


def test_a_camera_that_writes_jpeg_does_so_at_the_quality_of_the_truth(tmp_path):
    pictures = {}
    for name, quality in (("coarse", (30, 30)), ("fine", (98, 98)), ("png", None)):
        options = dataclasses.replace(TINY, n_train=0, n_test=1, jpeg_quality=quality, truth="small")
        synthesize(tmp_path / name, options)
        [pair] = read_layout(tmp_path / name).pairs
        assert pair.blurry_path.suffix == pair.sharp_path.suffix == (".jpg" if quality else ".png")
        pictures[name] = read_photograph(pair.sharp_path).pixels.astype(float)
        truth = json.loads((tmp_path / name / "truth/test/0000.json").read_text())
        assert truth["jpeg_quality"] == (quality and quality[0])
    coarse, fine = (np.abs(pictures[name] - pictures["png"]).mean() for name in ("coarse", "fine"))
    assert 0 < fine < 0.5 * coarse


def test_16_bit_is_16_bit(tmp_path):
    synthesize(tmp_path / "set", dataclasses.replace(TINY, n_train=1, n_test=0, bit_depth=16, truth="full"))
    for name in ("train/blur/0000.png", "train/gt/0000.png", "truth/train/0000_aligned.png"):
        pixels = _pixels(tmp_path / "set" / name)
        assert pixels.dtype == np.uint16
        assert len(np.unique(pixels & 0xFF)) == 256
        assert np.count_nonzero(pixels >> 8 != pixels & 0xFF) > 0.9 * pixels.size


def test_the_same_seed_gives_the_same_bytes_whatever_the_number_of_workers(tmp_path):
    progress = []
    synthesize(tmp_path / "alone", TINY, on_progress=progress.append)
    synthesize(tmp_path / "together", TINY, jobs=2)
    assert _bytes(tmp_path / "alone") == _bytes(tmp_path / "together")
    assert [step.done for step in progress] == [1, 2, 3]
    assert progress[-1].total == 3
    assert progress[-1].n_bytes > 100_000


@pytest.mark.slow
def test_a_cluster_gives_the_same_bytes_though_a_worker_is_killed(tmp_path, monkeypatch):
    distributed = pytest.importorskip("distributed")
    options = dataclasses.replace(TINY, n_train=6)
    synthesize(tmp_path / "alone", options)
    victims = []

    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None
    ) as cluster:

        def kill_one(progress):
            if not victims:
                with distributed.Client(cluster.scheduler_address, set_as_default=False) as client:
                    victims.append(min(client.run(os.getpid).values()))
                os.kill(victims[0], signal.SIGKILL)

        monkeypatch.chdir(tmp_path)  # the workers stay where they are
        report = synthesize(Path("together"), options, dask=cluster.scheduler_address, on_progress=kill_one)
    assert victims
    assert report.n_made == report.n_pairs
    assert _bytes(tmp_path / "alone") == _bytes(tmp_path / "together")


def test_another_seed_gives_another_scene_and_another_camera(tmp_path, full):
    synthesize(tmp_path / "set", dataclasses.replace(TINY, seed=1))
    assert _truth(tmp_path / "set")["zoom"] != _truth(full)["zoom"]
    difference = _pixels(tmp_path / "set/train/gt/0000.png").astype(int) - _pixels(full / "train/gt/0000.png")
    assert np.abs(difference).mean() > 10


def test_captures_of_one_scene_differ_in_the_camera_only(tmp_path):
    options = dataclasses.replace(STILL, pairs_per_scene=2, n_test=2, zoom_range=None, shift_range=(0, 9), bit_depth=16)
    synthesize(tmp_path / "set", options)
    assert [row["scene"] for row in _scenes(tmp_path / "set")] == ["train-0000"] * 2 + ["test-0000"] * 2
    first, second = (_truth(tmp_path / "set", f"train/{index:04d}") for index in (0, 1))
    for key in ("zoom", "shift_x_px", "exposure_gain", "camera"):
        assert first[key] != second[key]
    assert [layer["depth_m"] for layer in first["layers"]] == [layer["depth_m"] for layer in second["layers"]]
    aligned = [_pixels(tmp_path / f"set/truth/train/{index:04d}_aligned.png") for index in (0, 1)]
    assert np.array_equal(*aligned)


def test_a_killed_run_is_finished_by_running_it_again(tmp_path, full):
    root, options = tmp_path / "set", dataclasses.replace(TINY, truth="full")

    class Killed(BaseException):
        pass

    def stop(progress):
        raise Killed

    with pytest.raises(Killed):
        synthesize(root, options, on_progress=stop)
    half_written = root / "test/blur/0000.png.partial"
    half_written.parent.mkdir(parents=True)
    half_written.write_bytes(b"half")
    (root / "truth/train/0000_flow.flo").unlink()
    report = synthesize(root, options)
    assert (report.n_pairs, report.n_made) == (3, 2)
    assert _bytes(root) == _bytes(full)
    again = synthesize(root, options)
    assert (again.n_made, again.n_bytes) == (0, 0)


def test_a_second_run_at_the_same_time_is_refused(tmp_path):
    def run_again(progress):
        with pytest.raises(OutputError, match="another run is writing here"):
            synthesize(tmp_path / "set", TINY)

    assert synthesize(tmp_path / "set", TINY, on_progress=run_again).n_pairs == 3


def test_a_set_made_with_other_options_is_not_mixed_with(full):
    with pytest.raises(ConfigError, match=r"begun differently .seed was 0, now 5"):
        synthesize(full, dataclasses.replace(TINY, truth="full", seed=5))


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("do not touch")
    with pytest.raises(OutputError, match=r"holds thesis.tex and is not a synthetic set \(has no synth.json\)"):
        synthesize(tmp_path, TINY)
    with pytest.raises(OutputError, match="in the way"):
        synthesize(tmp_path / "thesis.tex", TINY)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "synth.json").write_text("[]")
    with pytest.raises(OutputError, match=r"synth\.json: damaged"):
        synthesize(tmp_path / "set", TINY)


@pytest.fixture
def photos(tmp_path, photo):
    folder = tmp_path / "photos"
    for number in range(3):
        write_png(folder / f"{number}.png", np.roll(photo, 60 * number, axis=1)[:, :, [number, 1, 2]])
    return folder


def test_scenes_are_made_of_ones_own_photographs(tmp_path, photos):
    options = dataclasses.replace(
        STILL, photos=photos, n_layers=1, coc_range=(0, 0), exposure_range=(1, 1), color_cast=0
    )
    synthesize(tmp_path / "set", dataclasses.replace(options, width=320, height=208))
    assert {row["group"] for row in _scenes(tmp_path / "set")} == {"photo"}
    aligned = _linear(tmp_path / "set/truth/test/0000_aligned.png")
    assert aligned.mean(axis=(0, 1)) == pytest.approx(_linear(photos / "0.png").mean(axis=(0, 1)), rel=0.1)
    recorded = json.loads((tmp_path / "set/synth.json").read_text())
    assert list(recorded["photographs"]) == ["0.png", "1.png", "2.png"]
    assert str(tmp_path) not in json.dumps(recorded)


def test_other_photographs_are_other_options(tmp_path, photos, photo):
    options = dataclasses.replace(TINY, photos=photos)
    synthesize(tmp_path / "set", options)
    write_png(photos / "0.png", photo[::-1])
    with pytest.raises(ConfigError, match=r"begun differently \(0\.png was '"):
        synthesize(tmp_path / "set", options)


def test_photographs_that_are_missing_or_damaged_are_named_before_any_work(tmp_path, photos):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ImageError, match="holds no picture"):
        synthesize(tmp_path / "set", dataclasses.replace(TINY, photos=tmp_path / "empty"))
    with pytest.raises(ImageError, match="expected a folder"):
        synthesize(tmp_path / "set", dataclasses.replace(TINY, photos=tmp_path / "nowhere"))
    (photos / "1.png").write_bytes((photos / "1.png").read_bytes()[:5000])
    with pytest.raises(ImageError, match=r"1\.png"):
        synthesize(tmp_path / "set", dataclasses.replace(TINY, photos=photos))
    assert not (tmp_path / "set").exists()


def test_the_picture_is_blurred_even_where_all_is_one_plane():
    for changes in ({"n_layers": 1}, {"depth_range": (3.0, 3.0)}, {"n_layers": 1, "depth_range": (3.0, 3.0)}):
        options = dataclasses.replace(TINY, coc_range=(4, 4), **changes)
        assert max(draw_capture(options, Split.TRAIN, 0).coc_px) == pytest.approx(4)


def test_an_aperture_of_ones_own_gives_the_blur_of_the_lens():
    wide, narrow = (
        draw_capture(dataclasses.replace(TINY, f_number=number), Split.TRAIN, 0).coc_px for number in (2.0, 8.0)
    )
    assert np.array(wide) == pytest.approx(4 * np.array(narrow))
    with pytest.raises(ConfigError, match="Stop the lens down"):
        draw_capture(dataclasses.replace(TINY, width=4096, height=2160, f_number=0.1), Split.TRAIN, 0)


def test_an_aperture_too_wide_to_render_is_refused_before_any_work(tmp_path):
    with pytest.raises(ConfigError, match="Stop the lens down"):
        synthesize(tmp_path / "set", dataclasses.replace(TINY, width=1024, height=64, f_number=0.1))
    assert not (tmp_path / "set").exists()


def test_the_same_camera_at_half_the_resolution_has_half_the_blur():
    large, small = (
        draw_capture(dataclasses.replace(TINY, width=width, f_number=4.0), Split.TEST, 3) for width in (160, 80)
    )
    assert np.array(small.coc_px) == pytest.approx(np.array(large.coc_px) / 2)
    assert small.similarity.zoom == large.similarity.zoom
