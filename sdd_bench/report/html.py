"""Pages that open from disk, rendered by jinja2, and the pictures they show.

A page contains its own style and script. It needs no server, no font and no library from elsewhere. All text is
escaped. A name that a template expects and does not get is an error, not an empty place.

Pictures are stored in the page as data URIs, so that the page is one file to send; or beside it as files named after
what decides their content, so that a second rendering reuses them.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import cv2
import imageio.v3 as iio
import jinja2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.storage.files import sealed, write_text
from sdd_bench.core.words import counted

ImageKind = Literal["png", "webp", "jpeg"]

GENERATOR = '<meta name="generator" content="sdd-bench">'
"""What every page says near its beginning, by which it is known as one of this package."""
_SLUG_LENGTH = 40
"""Letters of the text that a slug keeps: enough to recognise it, and far below the limit of any file system."""


@lru_cache(maxsize=1)
def environment() -> jinja2.Environment:
    """The jinja2 environment of this folder's templates: text is escaped, and an undefined name is an error.

    Example:
        >>> environment().from_string("{{ name }}").render(name="a < b")
        'a &lt; b'
    """
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"generator": GENERATOR, "counted": counted}
    return made


def render_page(template: str, **context: Any) -> str:
    """The page that ``template`` gives for ``context``.

    Args:
        template: Name of a file of ``report/templates``; it extends ``base.html``.
        context: Plain data: text, numbers, lists, dictionaries, dataclasses.

    Returns:
        HTML, complete except for pictures that ``context`` names by path.

    Example:
        >>> render_page("base.html")[:15]
        '<!doctype html>'
    """
    return environment().get_template(template).render(**context)


def write_page(path: Path, template: str, **context: Any) -> None:
    """Render ``template`` as :func:`render_page` does, and write it to ``path`` as a whole or not at all.

    Raises:
        OutputError: ``path`` cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_page(Path(folder, "index.html"), "base.html")
        ...     Path(folder, "index.html").read_text()[:15]
        '<!doctype html>'
    """
    write_text(path, render_page(template, **context))


def slug(text: str) -> str:
    """A file name for ``text``: lower-case letters and digits, and a short hash so that two texts differ.

    Example:
        >>> slug("UNet*")
        'unet-3a6fde49'
        >>> slug("unet") == slug("UNet")
        False
    """
    words = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:_SLUG_LENGTH].strip("-")
    return f"{words or 'x'}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def shrink(pixels: NDArray[Any], *, max_side: int) -> NDArray[Any]:
    """A picture averaged down until its longer side is at most ``max_side``; it is never enlarged.

    Args:
        pixels: Picture, (H, W, 3) or (H, W).
        max_side: Longest side of the result, in pixels.

    Example:
        >>> shrink(np.zeros((10, 20, 3)), max_side=4).shape, shrink(np.zeros((3, 2)), max_side=4).shape
        ((2, 4, 3), (3, 2))
    """
    height, width = pixels.shape[:2]
    scale = max_side / max(height, width)
    if scale >= 1.0:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))


def encode_image(pixels: NDArray[np.uint8], kind: ImageKind = "webp", *, quality: int = 82) -> bytes:
    """A picture as the bytes of a file.

    Args:
        pixels: Picture, (H, W, 3) uint8 RGB.
        kind: File format.
        quality: Quality of WebP and JPEG, 0 to 100.

    Example:
        >>> encode_image(np.zeros((2, 2, 3), np.uint8), "png")[:4]
        b'\\x89PNG'
    """
    options: dict[str, Any] = {} if kind == "png" else {"quality": quality}
    if kind == "webp":
        options["method"] = _WEBP_METHOD
    return bytes(iio.imwrite("<bytes>", pixels, extension=f".{kind}", plugin="pillow", **options))


_WEBP_METHOD = 2
"""How hard WebP's encoder tries, 0 to 6; its own 4 takes more than twice the time for files that are 4 % smaller."""
_LADDER = ((1.0, 82), (1.0, 66), (0.85, 60), (0.7, 55), (0.55, 50), (0.45, 40), (0.35, 30), (0.25, 25))
"""Sizes, relative to the longer side, and qualities that pictures are tried at, the best first."""


def encode_within(pictures: Sequence[NDArray[np.uint8]], n_bytes: int) -> list[bytes]:
    """Pictures as WebP of one quality, as good as fits ``n_bytes`` in all; the coarsest where nothing fits.

    Args:
        pictures: Pictures, (H, W, 3) or (H, W, 4) uint8.
        n_bytes: Bytes of all together.

    Example:
        >>> [data[8:12] for data in encode_within([np.zeros((8, 8, 3), np.uint8)], 1000)]
        [b'WEBP']
    """
    encoded: list[bytes] = []
    for scale, quality in _LADDER:
        encoded = []
        for number, picture in enumerate(pictures):
            small = shrink(picture, max_side=max(1, round(scale * max(picture.shape[:2]))))
            encoded.append(encode_image(small, quality=quality))
            share = n_bytes * (number + 1) / len(pictures)
            if sum(map(len, encoded)) > 1.3 * share and 8 * number > len(pictures) and (scale, quality) != _LADDER[-1]:
                break  # so far above its share that the rest is not worth encoding
        if len(encoded) == len(pictures) and sum(map(len, encoded)) <= n_bytes:
            break
    return encoded


def data_uri(data: bytes, kind: ImageKind = "png") -> str:
    """The bytes of an image file as a URI that an ``<img>`` shows without a file.

    Example:
        >>> data_uri(b"abc", "png")
        'data:image/png;base64,YWJj'
    """
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def keep_image(
    folder: Path, key: str, make: Callable[[], NDArray[np.uint8]], *, quality: int = 82, kind: ImageKind = "webp"
) -> str:
    """The name of the file in ``folder`` for ``key``; it is written only if it is missing.

    Args:
        folder: Folder for the pictures of the page.
        key: Text that decides the picture: the hashes of its sources, and what was done to them.
        make: Function that makes the picture, (H, W, 3) uint8 RGB; called only if the file is missing.
        quality: Quality, 0 to 100.
        kind: Format. JPEG takes a tenth of the processor's time of WebP, and a third more of the disk.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     name = keep_image(Path(folder), "black", lambda: np.zeros((2, 2, 3), np.uint8))
        ...     Path(folder, name).read_bytes()[8:12]
        b'WEBP'
    """
    name = f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.{kind}"
    path = folder / name
    if not path.is_file():
        data = encode_image(make(), kind, quality=quality)
        with sealed(path, shared=True) as partial:
            partial.write_bytes(data)
    return name
