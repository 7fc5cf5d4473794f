"""Pages: complete in themselves, escaped, and strict about what they are given."""

import io
import re
from pathlib import Path

import imageio.v3 as iio
import jinja2
import numpy as np
import pytest

from sdd_bench.core.errors import OutputError
from sdd_bench.report.html import (
    data_uri,
    encode_image,
    encode_within,
    environment,
    keep_image,
    render_page,
    shrink,
    slug,
    write_page,
)


@pytest.fixture
def template(monkeypatch: pytest.MonkeyPatch) -> str:
    source = (
        '{% extends "base.html" %}{% from "components.html" import filter, heading, slider, histogram %}'
        "{% block title %}{{ title }}{% endblock %}{% block main %}<h1>{{ title }}</h1>"
        '{{ filter("t", title, [title], ["psnr"], ["raw"]) }}{{ heading(title, 0) }}'
        '{{ slider("s", [{"key": "a", "label": title, "src": "a.webp"}], "a", "a", '
        '[{"key": title, "label": title, "layers": {"a": title}}]) }}{% endblock %}'
    )
    templates = environment().loader
    loader = jinja2.ChoiceLoader([jinja2.DictLoader({"test.html": source}), templates])
    monkeypatch.setattr(environment(), "loader", loader)
    return "test.html"


def test_text_from_users_is_escaped_everywhere(template: str) -> None:
    page = render_page(template, title='</script><script>alert("x")</script>')
    assert 'alert("x")</script>' not in page
    assert "&lt;/script&gt;&lt;script&gt;alert(&#34;x&#34;)" in page
    assert r"\u003c/script\u003e" in page


def test_a_page_names_no_address_outside_itself(template: str) -> None:
    page = render_page(template, title="x")
    assert not re.search(r"""(?:src|href)=["'](?:https?:)?//|url\(|@import|https?://""", page)
    assert "default-src 'none'" in page


def test_a_missing_name_is_an_error(template: str) -> None:
    with pytest.raises(jinja2.UndefinedError, match="title"):
        render_page(template)


def test_write_page_writes_a_whole_file(template: str, tmp_path: Path) -> None:
    write_page(tmp_path / "a" / "page.html", template, title="über")
    assert "<h1>über</h1>" in (tmp_path / "a" / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["../../etc", "a/b", "", "UNet*", "漢字", "x" * 300, "CON", "a\x00b"])
def test_a_slug_is_a_short_file_name(text: str) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*-[0-9a-f]{8}", slug(text))
    assert len(slug(text)) <= 49


def test_no_two_names_share_a_slug() -> None:
    assert len({slug(name) for name in ("UNet", "unet", "UNet*", "UNet ", "u-net")}) == 5


def test_shrink_averages_and_never_enlarges(rng: np.random.Generator) -> None:
    picture = rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)
    assert shrink(picture, max_side=60) is picture
    small = shrink(picture.astype(np.float32), max_side=30)
    assert small.shape == (20, 30, 3)
    np.testing.assert_allclose(small, picture.reshape(20, 2, 30, 2, 3).mean(axis=(1, 3)), atol=1e-3)


@pytest.mark.parametrize("kind", ["png", "webp", "jpeg"])
def test_an_encoded_picture_reads_back(kind: str, photo: np.ndarray) -> None:
    data = encode_image(photo, kind, quality=95)  # type: ignore[arg-type]
    back = iio.imread(io.BytesIO(data))
    assert np.abs(back.astype(int) - photo.astype(int)).mean() < (0.01 if kind == "png" else 8.0)
    assert encode_image(photo, kind, quality=95) == data  # type: ignore[arg-type]
    assert data_uri(data, kind).startswith(f"data:image/{kind};base64,")  # type: ignore[arg-type]


def test_a_picture_is_made_once(tmp_path: Path, photo: np.ndarray) -> None:
    made = []

    def make() -> np.ndarray:
        made.append(1)
        return photo

    names = {keep_image(tmp_path / "media", "key", make) for _ in range(3)}
    assert len(made) == 1
    assert [path.name for path in (tmp_path / "media").iterdir()] == list(names)
    assert keep_image(tmp_path / "media", "other key", make) not in names


def test_a_file_in_the_way_of_pictures_is_an_output_error(tmp_path: Path, photo: np.ndarray) -> None:
    (tmp_path / "media").write_text("")
    with pytest.raises(OutputError, match="in the way"):
        keep_image(tmp_path / "media", "key", lambda: photo)


def test_pictures_are_made_coarser_until_they_fit(photo: np.ndarray) -> None:
    pictures = [np.roll(photo, shift, axis=1) for shift in range(12)]
    best = encode_within(pictures, 10**9)
    sizes = [sum(map(len, encode_within(pictures, sum(map(len, best)) // part))) for part in (1, 2, 4)]
    assert sizes[0] == sum(map(len, best))
    for size, part in zip(sizes, (1, 2, 4), strict=True):
        assert size <= sizes[0] / part
    assert sizes == sorted(sizes, reverse=True)


def test_what_never_fits_is_as_coarse_as_there_is(photo: np.ndarray) -> None:
    [data] = encode_within([photo], 10)
    assert iio.imread(io.BytesIO(data)).shape == (64, 96, 3)
    with_alpha = np.dstack([photo, photo[..., :1]])
    assert iio.imread(io.BytesIO(encode_within([with_alpha], 10**9)[0])).shape == (256, 384, 4)
