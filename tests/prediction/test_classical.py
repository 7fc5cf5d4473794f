"""Classical methods: a table, options, and predictions that are sealed like those of networks."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from sdd_bench.core.errors import ConfigError, ImageError, WeightsError
from sdd_bench.deconvolution.methods.hyper_laplacian import HyperLaplacian
from sdd_bench.deconvolution.spatially_varying import blend
from sdd_bench.images.photograph import read_photograph, to_float
from sdd_bench.images.unsharp import unsharp
from sdd_bench.images.write import write_png
from sdd_bench.metrics.psnr import psnr
from sdd_bench.prediction.classical import CLASSICAL, ClassicalOptions, load_classical, read_true_sigma
from sdd_bench.prediction.options import PredictOptions
from sdd_bench.prediction.run import pictures_of, predict, true_maps_of
from sdd_bench.preparation.options import PrepareOptions
from sdd_bench.preparation.run import prepare
from sdd_bench.synth.options import SynthOptions
from sdd_bench.synth.run import synthesize


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures with a known blur, not misaligned."""
    root = tmp_path_factory.mktemp("synth") / "set"
    still = {"zoom_range": (1.0, 1.0), "shift_range": (0.0, 0.0), "rotation_range": (0.0, 0.0)}
    light = {"exposure_range": (1.0, 1.0), "color_cast": 0.0}
    options = SynthOptions(width=192, height=128, n_train=0, n_test=2, truth="full", coc_range=(5, 7), **still, **light)
    synthesize(root, options)
    return root


def pixels(path: Path) -> np.ndarray:
    return to_float(read_photograph(path).pixels)


def test_every_method_without_a_file_of_its_own_deblurs(synthetic: Path) -> None:
    blurry, truth = pixels(synthetic / "test/blur/0000.png"), synthetic / "truth/test/0000_coc.tiff"
    for name in CLASSICAL:
        if name in ("jnb", "dmenet"):
            continue
        restored = load_classical(name).deblur(blurry, read_true_sigma(truth))
        assert restored.shape == blurry.shape
        assert restored.dtype == np.float32
        assert 0 <= restored.min() <= restored.max() <= 1
        assert np.abs(restored - blurry).max() > 0.01


def test_the_true_map_brings_the_picture_nearer_to_the_truth(synthetic: Path) -> None:
    method = load_classical("oracle-map")
    for name in ("0000", "0001"):
        blurry, sharp = (
            pixels(synthetic / f"test/blur/{name}.png"),
            pixels(synthetic / f"truth/test/{name}_aligned.png"),
        )
        restored = method.deblur(blurry, read_true_sigma(synthetic / f"truth/test/{name}_coc.tiff"))
        assert psnr(restored, sharp) > psnr(blurry, sharp) + 1


def test_predictions_are_sealed_gone_on_with_and_refused_as_those_of_networks(synthetic: Path, tmp_path: Path) -> None:
    pictures, out = pictures_of(synthetic), tmp_path / "out"
    method = load_classical("unsharp")
    assert predict(method, pictures, out).n_made == 2
    first = (out / "0000.png").read_bytes()
    (out / "0001.png").unlink()
    assert predict(method, pictures, out).n_made == 1
    assert (out / "0000.png").read_bytes() == first
    seal = json.loads((out / "predict.json").read_text())
    assert (seal["model"], seal["deconvolution"]) == ("unsharp", "unsharp")
    with pytest.raises(ConfigError, match="model was 'unsharp', now 'wiener'"):
        predict(load_classical("wiener"), pictures, out)


def test_the_prediction_is_the_picture_deblurred_in_its_own_depth(synthetic: Path, tmp_path: Path) -> None:
    pictures = {"0000": pictures_of(synthetic)["0000"]}
    predict(load_classical("unsharp"), pictures, tmp_path / "out")
    expected = unsharp(pixels(pictures["0000"]))
    np.testing.assert_allclose(pixels(tmp_path / "out/0000.png"), expected, atol=0.51 / 255)
    assert cv2.imread(str(tmp_path / "out/0000.png"), cv2.IMREAD_UNCHANGED).dtype == np.uint8


def test_true_maps_come_from_the_set_and_are_asked_for(synthetic: Path, tmp_path: Path) -> None:
    maps = true_maps_of(synthetic)
    assert set(maps) == {"0000", "0001"}
    coc = tifffile.imread(maps["0001"])
    np.testing.assert_allclose(read_true_sigma(maps["0001"]), coc / 4)
    method, pictures = load_classical("oracle-map"), pictures_of(synthetic)
    report = predict(method, pictures, tmp_path / "out", true_maps=maps)
    expected = blend(
        pixels(pictures["0000"]), read_true_sigma(maps["0000"]), HyperLaplacian(100, 1.5), kernel_of=_disk()
    )
    np.testing.assert_allclose(pixels(tmp_path / "out/0000.png"), expected, atol=0.51 / 255)
    assert report.problems == ()
    with pytest.raises(ConfigError, match="needs the true blur map"):
        predict(method, pictures, tmp_path / "other")


def test_the_true_map_is_found_in_a_prepared_set(synthetic: Path, tmp_path: Path) -> None:
    prepare(synthetic, tmp_path / "prepared", PrepareOptions(resize="none", patch=64))
    method = load_classical("oracle-map")
    for number, data in enumerate((synthetic, tmp_path / "prepared")):
        report = predict(method, pictures_of(data), tmp_path / str(number), true_maps=true_maps_of(data))
        assert report.problems == ()
    for name in ("0000.png", "0001.png"):
        assert (tmp_path / "0" / name).read_bytes() == (tmp_path / "1" / name).read_bytes()


def test_only_the_network_computes_elsewhere() -> None:
    for name in ("ebdb", "unsharp", "oracle-map"):
        with pytest.raises(ConfigError, match="on the CPU alone, got device cuda"):
            load_classical(name, device="cuda")


def _disk():  # type: ignore[no-untyped-def]
    from sdd_bench.deconvolution.kernels import disk_kernel

    return disk_kernel


def test_options_change_the_method_and_what_its_predictions_depend_on() -> None:
    plain = load_classical("ebdb")
    changed = load_classical(
        "ebdb", options=ClassicalOptions(fidelity=420, alpha=0.5, kernel="disk", levels="published")
    )
    assert changed.settings["deconvolution"] == {
        "name": "HyperLaplacian",
        "fidelity": 420,
        "alpha": 0.5,
        "largest_beta": 256.0,
    }
    assert (changed.settings["kernel"], changed.settings["levels"]) == ("disk", "published")
    assert plain.settings != changed.settings


def test_the_published_recipe_reads_an_8_bit_map(synthetic: Path) -> None:
    blurry = pixels(synthetic / "test/blur/0000.png")[:64, :96]
    method = load_classical("ebdb", options=ClassicalOptions(levels="published"))
    restored = method.deblur(blurry)
    assert restored.shape == blurry.shape
    assert np.abs(restored - load_classical("ebdb").deblur(blurry)).mean() < 0.05


def test_what_a_method_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="known: ebdb"):
        load_classical("nothing")
    with pytest.raises(ConfigError, match="has no fidelity"):
        load_classical("wiener", options=ClassicalOptions(fidelity=3))
    with pytest.raises(ConfigError, match="neither kernel nor levels"):
        load_classical("unsharp", options=ClassicalOptions(kernel="disk"))
    with pytest.raises(ConfigError, match="takes no file"):
        load_classical("unsharp", weights=tmp_path / "x")
    with pytest.raises(ConfigError, match="DMENet_BDCS"):
        load_classical("dmenet")
    with pytest.raises(WeightsError, match="no.npz"):
        load_classical("dmenet", weights=tmp_path / "no.npz")
    with pytest.raises(ConfigError, match="unknown kernel"):
        ClassicalOptions(kernel="box")
    with pytest.raises(ConfigError, match="blend or published"):
        ClassicalOptions(levels="some")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="whole and once"):
        predict(load_classical("unsharp"), {}, tmp_path / "out", PredictOptions(self_ensemble=True))


def test_maps_that_are_none_are_refused(tmp_path: Path, photo: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "rgb.tiff", photo)
    (tmp_path / "damaged.tiff").write_bytes(b"II*\0")
    for name in ("rgb.tiff", "damaged.tiff", "missing.tiff"):
        with pytest.raises(ImageError, match=name):
            read_true_sigma(tmp_path / name)


def test_a_map_of_another_size_is_a_problem_of_that_picture(synthetic: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.tiff"
    tifffile.imwrite(small, np.zeros((4, 4), np.float32))
    pictures = pictures_of(synthetic)
    report = predict(
        load_classical("oracle-map"), pictures, tmp_path / "out", true_maps=true_maps_of(synthetic) | {"0000": small}
    )
    assert [problem.item for problem in report.problems] == ["0000"]
    assert (tmp_path / "out/0001.png").is_file()


def test_an_unsharp_mask_adds_the_difference_from_a_blurred_copy(photo: np.ndarray) -> None:
    picture = photo.astype(np.float32) / 255
    blurred = cv2.GaussianBlur(picture, (0, 0), 1.5, borderType=cv2.BORDER_REFLECT)
    expected = np.clip(picture + 0.7 * (picture - blurred), 0, 1)
    np.testing.assert_allclose(unsharp(picture, amount=0.7, sigma_px=1.5), expected, atol=1e-6)


def test_a_picture_written_and_read_stays_what_it_is(tmp_path: Path, photo: np.ndarray) -> None:
    """A flat picture has no edges, so by EBDB's map it is sharp: it comes back as it was, bit for bit."""
    flat = np.full((64, 80, 3), 90, np.uint8)
    write_png(tmp_path / "in/flat.png", flat)
    predict(load_classical("ebdb"), {"flat": tmp_path / "in/flat.png"}, tmp_path / "out")
    np.testing.assert_array_equal(read_photograph(tmp_path / "out/flat.png").pixels, flat)
