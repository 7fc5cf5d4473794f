"""sdd_bench.images.raw on DNG files made here: good ones, noisy ones, and garbage that decodes without an error."""

from __future__ import annotations

import logging
import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile

from sdd_bench.core.errors import ConfigError, ImageError
from sdd_bench.images.pair import read_pair
from sdd_bench.images.photograph import read_header, read_photograph
from sdd_bench.images.raw import RawOptions
from sdd_bench.images.raw_check import garbage

BLACK, WHITE = 64, 4095
SIDE = (400, 600)


def write_dng(
    path: Path,
    mosaic: np.ndarray,
    *,
    neutral: tuple[int, int, int] = (500, 1000, 600),
    orientation: int = 1,
    white: int = WHITE,
) -> Path:
    """A minimal Bayer DNG (RGGB) with the camera's neutral colour in thousandths."""
    identity = (1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1)
    tags = [
        (274, "H", 1, orientation, True),
        (33421, "H", 2, (2, 2), True),
        (33422, "B", 4, bytes([0, 1, 1, 2]), True),
        (50706, "B", 4, bytes([1, 4, 0, 0]), True),
        (50707, "B", 4, bytes([1, 1, 0, 0]), True),
        (50708, "s", 0, "Test camera", True),
        (50714, "H", 1, BLACK, True),
        (50717, "H", 1, white, True),
        (50721, "2i", 9, identity, True),
        (50728, "2I", 3, (neutral[0], 1000, neutral[1], 1000, neutral[2], 1000), True),
        (50778, "H", 1, 21, True),
    ]
    tifffile.imwrite(path, mosaic, photometric=32803, extratags=tags, metadata=None, software=False)
    return path


def exposed(light: np.ndarray, electrons: float, rng: np.random.Generator, read_noise: float = 3.0) -> np.ndarray:
    """Samples of ``light`` (1 saturates) on a sensor that ``electrons`` saturate."""
    counted = rng.poisson(light * electrons) + rng.normal(0, read_noise, light.shape)
    return np.clip(BLACK + (WHITE - BLACK) * counted / electrons, 0, WHITE).astype(np.uint16)


@pytest.fixture
def scene(rng: np.random.Generator) -> np.ndarray:
    """Light of an ordinary scene."""
    y, x = np.mgrid[: SIDE[0], : SIDE[1]]
    light = 0.3 + 0.15 * np.sin(x / 23) + 0.1 * np.cos(y / 17)
    return light + 0.1 * ((x // 80 + y // 60) % 2)


def test_a_good_file_is_developed_to_16_bits(tmp_path: Path, scene: np.ndarray, rng: np.random.Generator) -> None:
    path = write_dng(tmp_path / "a.dng", exposed(scene, 20000, rng))
    photograph = read_photograph(path)
    assert photograph.pixels.shape == (*SIDE, 3)
    assert photograph.bit_depth == 16
    assert photograph.message == "RAW developed with the camera's white balance"
    header = read_header(path)
    assert (header.width, header.height, header.bit_depth) == (600, 400, 16)


def test_brightness_does_not_follow_the_picture(tmp_path: Path, scene: np.ndarray, rng: np.random.Generator) -> None:
    """A pair of one scene at half the light stays at half the light, in spite of a lamp in one of them."""
    full = 0.5 * scene
    with_lamp = full.copy()
    with_lamp[10:60, 10:60] = 0.99
    developed = []
    for name, light in (("full", full), ("half", full / 2), ("lamp", with_lamp)):
        path = write_dng(tmp_path / f"{name}.dng", exposed(light, 1e6, rng, read_noise=0))
        developed.append(read_photograph(path, raw=RawOptions(gamma=(1.0, 1.0))).pixels[150:350, 150:450].mean())
    assert developed[1] / developed[0] == pytest.approx(0.5, abs=0.01)
    assert developed[2] / developed[0] == pytest.approx(1, abs=0.001)


def test_a_pair_gets_the_white_balance_of_the_sharp_one(
    tmp_path: Path, scene: np.ndarray, rng: np.random.Generator
) -> None:
    mosaic = exposed(scene, 20000, rng)
    blurry = write_dng(tmp_path / "blurry.dng", mosaic, neutral=(900, 1000, 300))
    sharp = write_dng(tmp_path / "sharp.dng", mosaic)
    pair = read_pair(blurry, sharp)
    np.testing.assert_array_equal(pair[0].pixels, pair[1].pixels)
    assert not np.array_equal(read_photograph(blurry).pixels, pair[0].pixels)
    assert pair[0].message == "RAW developed with the given white balance"


def test_an_insane_white_balance_becomes_daylight_and_is_said(
    tmp_path: Path, scene: np.ndarray, rng: np.random.Generator, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_dng(tmp_path / "a.dng", exposed(scene, 20000, rng), neutral=(0, 1000, 600))
    with caplog.at_level(logging.WARNING):
        photograph = read_photograph(path)
    assert "daylight white balance, the camera's is not usable" in photograph.message
    assert photograph.message in caplog.text
    np.testing.assert_array_equal(
        photograph.pixels, read_photograph(path, raw=RawOptions(white_balance="daylight")).pixels
    )
    with pytest.raises(ImageError, match="the camera's white balance .* is not usable. Choose auto or daylight"):
        read_photograph(path, raw=RawOptions(white_balance="camera"))


def test_orientation_is_applied_once_and_equally(tmp_path: Path, scene: np.ndarray, rng: np.random.Generator) -> None:
    mosaic = exposed(scene, 20000, rng)
    upright = write_dng(tmp_path / "a.dng", mosaic)
    turned = write_dng(tmp_path / "b.dng", mosaic, orientation=6)
    expected = np.rot90(read_photograph(upright).pixels, -1)
    np.testing.assert_array_equal(read_photograph(turned).pixels, expected)
    assert (read_header(turned).width, read_header(turned).height) == (400, 600)
    blurry, sharp = read_pair(turned, upright)
    assert blurry.pixels.shape == sharp.pixels.shape == (*SIDE, 3)
    assert "EXIF orientations of the pair differ (blurry 6, sharp 1)" in blurry.message


def test_options_are_plain_values_for_a_manifest() -> None:
    options = RawOptions().as_dict()
    assert options["auto_bright"] is False
    assert (options["output_bits"], options["output_color"], options["white_balance"]) == (16, "sRGB", "auto")
    with pytest.raises(ConfigError, match="expected auto, camera, daylight"):
        RawOptions(white_balance="cloudy")  # type: ignore[arg-type]


# What is no garbage although it is dark, plain or noisy


def plain_subjects() -> dict[str, np.ndarray]:
    y, x = np.mgrid[: SIDE[0], : SIDE[1]]
    radius = np.hypot((y - 200) / 200, (x - 300) / 300)
    vignette = (1 / (1 + 0.3 * radius**2)) ** 2
    stars = np.full(SIDE, 0.002)
    stars[::37, ::41] = 8
    stars = cv2.GaussianBlur(stars, (0, 0), 1.3) * vignette
    hot = 0.03 * vignette
    hot.flat[::887] = 1.0
    return {
        "a dark wall with hot pixels": hot,
        "a wall": 0.4 * vignette,
        "a dark wall": 0.03 * vignette,
        "a defocused scene": 0.3 + 0.05 * np.sin(x / 150) * np.cos(y / 130),
        "the night sky": stars,
        "an overexposed sky above a landscape": np.where(y < 300, 2.0, 0.1 + 0.05 * np.sin(x / 9) * np.sin(y / 8)),
    }


@pytest.mark.parametrize("subject", sorted(plain_subjects()))
@pytest.mark.parametrize("electrons", [60000, 2000, 300, 60])
def test_a_plain_subject_is_no_garbage_at_any_iso(subject: str, electrons: float, rng: np.random.Generator) -> None:
    mosaic = exposed(plain_subjects()[subject], electrons, rng, read_noise=1.5)
    assert garbage(mosaic[:, 1:], step=(2, 2), black=BLACK, white=WHITE) == ""


def test_a_noisy_wall_really_fails_the_plain_rule(rng: np.random.Generator) -> None:
    """Without the second look at block means the high-ISO wall would be refused."""
    plane = exposed(plain_subjects()["a dark wall"], 300, rng)[::2, 1::2].astype(float)
    assert np.corrcoef(plane[:, :-1].ravel(), plane[:, 1:].ravel())[0, 1] < 0.2


# Garbage


def garbage_mosaics() -> dict[str, tuple[np.ndarray, str]]:
    rng = np.random.default_rng(3)
    constant = np.full(SIDE, 900, np.uint16)
    nearly = constant.copy()
    nearly[:2] = rng.integers(0, 4096, (2, SIDE[1]))
    y, _ = np.mgrid[: SIDE[0], : SIDE[1]]
    ramp = y * 8 + rng.integers(-3000, 3000, SIDE)
    stripes = np.where(np.arange(SIDE[1]) // 2 % 2, 3500, 100) + np.zeros(SIDE)
    uncorrelated = "neighbouring green samples correlate by"
    return {
        "constant": (constant, "100.0% of its samples are 900"),
        "nearly constant": (nearly, "of its samples are 900"),
        "noise over the whole range": (rng.integers(0, 4096, SIDE), uncorrelated),
        "noise about a level": (rng.normal(2000, 300, SIDE), uncorrelated),
        "noise on a ramp": (ramp % 4096, uncorrelated),
        "stripes": (stripes, uncorrelated),
        "bytes of a compressed stream": (rng.integers(0, 256, SIDE) << 4, uncorrelated),
    }


@pytest.mark.parametrize("case", sorted(garbage_mosaics()))
def test_garbage_that_decodes_is_refused(tmp_path: Path, case: str) -> None:
    mosaic, message = garbage_mosaics()[case]
    path = write_dng(tmp_path / "bad.dng", mosaic.astype(np.uint16))
    with pytest.raises(ImageError, match=f"bad.dng: decodes to garbage: .*{message}"):
        read_photograph(path)


def test_a_payload_shorter_than_declared_is_refused_silently(
    tmp_path: Path, scene: np.ndarray, rng: np.random.Generator, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = write_dng(tmp_path / "a.dng", exposed(scene, 20000, rng)).read_bytes()
    for share in (0.99, 0.5, 0.02):
        (tmp_path / "cut.dng").write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(ImageError, match="cut.dng: its header declares pixels up to byte .* The file is truncated"):
            read_photograph(tmp_path / "cut.dng")
    assert capfd.readouterr() == ("", "")


def test_what_is_no_raw_is_refused(tmp_path: Path, scene: np.ndarray, rng: np.random.Generator) -> None:
    cases = {
        "empty.nef": (b"", "0 bytes"),
        "text.cr2": (b"no picture" * 100, "not supported by LibRaw"),
        "empty.cr3": (b"\0\0\0\x18ftypcrx " + bytes(100), "not supported by LibRaw|LibRaw cannot decode it"),
        "heif.dng": (b"\0\0\0\x18ftypheic" + bytes(100), "suffix says RAW but the content is HEIF"),
        "png.dng": (b"\x89PNG\r\n\x1a\n" + bytes(100), "suffix says RAW but the content is PNG"),
        "jpeg.arw": (b"\xff\xd8\xff\xe0" + bytes(100), "suffix says RAW but the content is JPEG"),
    }
    for name, (data, message) in cases.items():
        (tmp_path / name).write_bytes(data)
        for read in (read_photograph, read_header):
            with pytest.raises(ImageError, match=f"{name}: .*{message}"):
                read(tmp_path / name)
    dng = write_dng(tmp_path / "a.dng", exposed(scene, 20000, rng))
    with pytest.raises(ImageError, match="600x400 is 240,000 pixels, more than the 1,000 allowed"):
        read_photograph(dng, max_pixels=1000)
    (tmp_path / "b.tif").write_bytes(dng.read_bytes())
    with pytest.raises(ImageError, match="a RAW file with the suffix of a TIFF. Rename it to b.dng"):
        read_photograph(tmp_path / "b.tif")


# Real files


def test_all_real_raw_files_are_read(data_root: Path) -> None:
    for path in sorted((data_root / "raw").iterdir()):
        photograph = read_photograph(path)
        assert photograph.bit_depth == 16
        assert 1000 < photograph.pixels.mean() < 60000
        assert (".dng" in path.name) == ("camera's white balance" in photograph.message)
    pair = read_pair(data_root / "raw" / "Image__1.qtk", data_root / "raw" / "Image__2.qtk")
    assert pair[0].pixels.shape == pair[1].pixels.shape == (480, 640, 3)


def test_all_bad_real_raw_files_are_refused(data_root: Path) -> None:
    bad = sorted((data_root / "raw_bad").iterdir())
    assert len(bad) == 4
    for path in bad:
        with pytest.raises(ImageError, match=path.name):
            read_photograph(path)


def test_a_monochrome_dng_is_read_as_grey(tmp_path: Path, scene: np.ndarray, rng: np.random.Generator) -> None:
    tags = [
        (50706, "B", 4, bytes([1, 4, 0, 0]), True),
        (50708, "s", 0, "Test camera", True),
        (50714, "H", 1, BLACK, True),
        (50717, "H", 1, WHITE, True),
    ]
    path = tmp_path / "mono.dng"
    tifffile.imwrite(path, exposed(scene, 20000, rng), photometric=1, extratags=tags, metadata=None, software=False)
    with tifffile.TiffFile(path) as file:
        at = file.pages[0].tags[262].valueoffset
    data = bytearray(path.read_bytes())
    struct.pack_into("<H", data, at, 34892)  # LinearRaw, of which tifffile writes three samples only
    path.write_bytes(data)
    photograph = read_photograph(path)
    assert photograph.pixels.shape == (*scene.shape[:2], 3)
    assert np.ptp(photograph.pixels, axis=2).max() == 0
    assert photograph.message.endswith("grey to RGB")
