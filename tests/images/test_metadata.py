"""EXIF tags and ICC profiles, from files made here into PNG files that Pillow reads again."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from sdd_bench.images.metadata import Metadata, read_metadata
from sdd_bench.images.photograph import read_photograph
from sdd_bench.images.write import write_png

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
PIXELS = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


def exif() -> Image.Exif:
    """As a camera held upright writes it: what, when, how, where, and how the file is stored."""
    tags = Image.Exif()
    tags.update({271: "Maker", 272: "Model", 274: 6, 306: "2026:11:29 12:00:00", 33432: "Somebody", 256: 6, 257: 4})
    tags[34665] = {
        33437: 1.8,
        37386: 50.0,
        34855: 200,
        40962: 6,
        40963: 4,
        37500: b"secret positions",
        37510: b"ASCII\0\0\0words",
    }
    tags[34853] = {1: "N", 2: (51.0, 30.0, 0.0)}
    read = Image.Exif()
    read.load(tags.tobytes())  # only tags that were read can be saved as TIFF
    return read


def written(kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(PIXELS).save(file, kind, exif=exif(), icc_profile=PROFILE)
    return file.getvalue()


def again(folder: Path, metadata: Metadata, pixels: np.ndarray = PIXELS) -> Image.Image:
    write_png(folder / "out.png", pixels, metadata=metadata)
    image = Image.open(folder / "out.png")
    image.load()
    return image


@pytest.mark.parametrize(("kind", "suffix"), [("JPEG", "jpg"), ("PNG", "png"), ("TIFF", "tif")])
def test_tags_and_profile_of_every_format_arrive_in_the_png(tmp_path: Path, kind: str, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(written(kind))
    image = again(tmp_path, read_metadata(path))
    assert image.info["icc_profile"] == PROFILE
    tags = image.getexif()
    assert dict(tags) | {34665: 0, 34853: 0} == {
        271: "Maker", 272: "Model", 306: "2026:11:29 12:00:00", 33432: "Somebody", 34665: 0, 34853: 0,
    }  # fmt: skip
    camera, place = tags.get_ifd(34665), tags.get_ifd(34853)
    assert {tag: float(camera[tag]) for tag in (33437, 37386, 34855)} == {33437: 1.8, 37386: 50.0, 34855: 200}
    assert camera[37510] == b"ASCII\0\0\0words"
    assert place[1] == "N"
    assert [float(x) for x in place[2]] == [51, 30, 0]


def test_what_was_true_of_the_old_file_alone_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(written("JPEG"))
    tags = again(tmp_path, read_metadata(tmp_path / "a.jpg")).getexif()
    assert not {256, 257, 274} & set(tags)
    assert not {37500, 40962, 40963} & set(tags.get_ifd(34665))


def test_pixels_are_the_same_with_and_without(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(written("JPEG"))
    for pixels in (PIXELS, PIXELS.astype(np.uint16) * 257):
        again(tmp_path, read_metadata(tmp_path / "a.jpg"), pixels)
        read = read_photograph(tmp_path / "out.png")
        assert read.pixels.dtype == pixels.dtype
        assert np.array_equal(read.pixels, pixels)
        assert read.exif.f_number == pytest.approx(1.8)


def test_a_raw_file_gives_its_tags(tmp_path: Path) -> None:
    tags = [(271, "s", 0, "Maker", True), (33421, "H", 2, (2, 2), True), (50706, "B", 4, bytes([1, 4, 0, 0]), True)]
    mosaic = np.zeros((8, 8), np.uint16)
    tifffile.imwrite(tmp_path / "a.dng", mosaic, photometric=32803, extratags=tags, metadata=None, software=False)
    found = read_metadata(tmp_path / "a.dng")
    assert found.profile == b""
    image = again(tmp_path, found)
    assert image.getexif()[271] == "Maker"
    assert not {258, 273, 33421, 50706} & set(image.getexif())


def test_the_profile_of_a_grey_picture_is_left_out(tmp_path: Path) -> None:
    grey = bytearray(PROFILE)
    grey[16:20] = b"GRAY"
    Image.fromarray(PIXELS[..., 0]).save(tmp_path / "a.png", icc_profile=bytes(grey))
    assert read_metadata(tmp_path / "a.png").profile == b""


def test_damage_and_absence_give_nothing_and_no_warning(tmp_path: Path) -> None:
    whole = written("JPEG")
    block = exif().tobytes()
    start = whole.index(block[:20])
    for damage in (b"\0" * len(block), block[:16] + b"\xff" * (len(block) - 16)):
        (tmp_path / "a.jpg").write_bytes(whole[:start] + damage + whole[start + len(block) :])
        again(tmp_path, read_metadata(tmp_path / "a.jpg"))
    (tmp_path / "b.png").write_bytes(b"")
    (tmp_path / "c.png").write_bytes(b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 99))
    for name in ("b.png", "c.png", "no-such.png"):
        assert read_metadata(tmp_path / name) == Metadata()
