"""Writing pictures."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.fft import dctn, idctn

from sdd_bench.core.errors import ConfigError, ImageError, OutputError
from sdd_bench.images.photograph import read_photograph, to_float
from sdd_bench.images.write import encode_jpeg, write_image, write_png


@pytest.mark.parametrize("name", ["a.png", "deep/er/a.tif"])
def test_written_pictures_are_read_back_bit_for_bit(
    tmp_path: Path, small: np.ndarray, small16: np.ndarray, name: str
) -> None:
    for pixels in (small, small16):
        write_image(tmp_path / name, pixels)
        first = (tmp_path / name).read_bytes()
        photograph = read_photograph(tmp_path / name)
        np.testing.assert_array_equal(photograph.pixels, pixels)
        assert photograph.message == ""
        write_image(tmp_path / name, pixels)
        assert (tmp_path / name).read_bytes() == first
    assert [path.name for path in (tmp_path / name).parent.iterdir()] == [Path(name).name]


def test_png_compression_can_be_chosen(tmp_path: Path, small: np.ndarray) -> None:
    for level in (0, 1, 9):
        write_png(tmp_path / f"{level}.png", small, compression=level)
        np.testing.assert_array_equal(read_photograph(tmp_path / f"{level}.png").pixels, small)
    assert (tmp_path / "9.png").stat().st_size < (tmp_path / "0.png").stat().st_size


def test_what_cannot_be_written_is_refused(tmp_path: Path, small: np.ndarray) -> None:
    with pytest.raises(ImageError, match=r"a.png: expected \(H, W, 3\) uint8 or uint16 to write, got \(40, 60\)"):
        write_png(tmp_path / "a.png", small[..., 0])
    with pytest.raises(ImageError, match="of float32. Convert it by from_float"):
        write_png(tmp_path / "a.png", to_float(small))
    for name, got in (("a.gif", ".gif"), ("a.jpg", ".jpg"), ("a", "a file without suffix")):
        with pytest.raises(ConfigError, match=rf"{name}: pictures are written as .png or .tiff, not as {got}. Name it"):
            write_image(tmp_path / name, small)
        assert not (tmp_path / name).exists()
    (tmp_path / "b.png").mkdir()
    (tmp_path / "b.png" / "in the way").write_text("")
    with pytest.raises(OutputError, match="b.png: something else is in the way"):
        write_png(tmp_path / "b.png", small)


@pytest.mark.parametrize("quality", [60, 80, 90, 95])
def test_jpeg_is_written_by_the_exact_transform_at_any_quality(quality: int) -> None:
    """A fast one is off by 1.2 to 1.9 levels on average here, the exact one by rounding."""
    grey = np.random.default_rng(0).normal(128, 30, (64, 64)).clip(0, 255).astype(np.uint8)
    encoded = encode_jpeg(np.repeat(grey[..., None], 3, axis=2), quality)
    picture = Image.open(io.BytesIO(encoded))
    table = np.reshape(picture.quantization[0], (8, 8))
    blocks = (grey - 128.0).reshape(8, 8, 8, 8).swapaxes(1, 2)
    kept = table * np.rint(dctn(blocks, axes=(2, 3), norm="ortho") / table)
    expected = idctn(kept, axes=(2, 3), norm="ortho").swapaxes(1, 2).reshape(64, 64) + 128
    assert np.abs(np.asarray(picture)[..., 0] - expected.clip(0, 255)).mean() < 0.8


def test_quick_png_holds_the_same_pixels(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)
    write_png(tmp_path / "a.png", pixels, quick=True)
    assert np.array_equal(read_photograph(tmp_path / "a.png").pixels, pixels)
