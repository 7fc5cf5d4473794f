"""Pages that open from disk: jinja2 templates with everything inside, and the pictures they show.

A page carries its own style and script and asks nothing of anyone: no server, no font, no library from elsewhere.
All text is escaped; a name that a template expects and does not get is an error, not an empty place.
Pictures go into the page as data URIs (one page to send), or beside it as files named by their content, so
that a second rendering makes none of them again.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import cv2
import imageio.v3 as iio
import jinja2
import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.files import sealed, write_text

ImageKind = Literal["png", "webp", "jpeg"]

_SLUG_LENGTH = 40


@lru_cache(maxsize=1)
def environment() -> jinja2.Environment:
    """The templates of this folder: autoescape on, an undefined name is an error."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render_page(template: str, **context: Any) -> str:
    """The page that ``template`` makes of ``context``.

    Args:
        template: A file of ``report/templates``; it extends ``base.html``.
        context: Plain data: text, numbers, lists, dictionaries, dataclasses.

    Returns:
        HTML, complete in itself but for pictures that ``context`` names by path.
    """
    return environment().get_template(template).render(**context)


def write_page(path: Path, template: str, **context: Any) -> None:
    """Render ``template`` and write it to ``path`` as a whole or not at all."""
    write_text(path, render_page(template, **context))


def slug(text: str) -> str:
    """A file name for ``text``: lower-case letters and digits, and a short hash so that no two texts share one.

    Example:
        >>> slug("UNet*")
        'unet-3a6fde49'
        >>> slug("unet") == slug("UNet")
        False
    """
    words = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:_SLUG_LENGTH].strip("-")
    return f"{words or 'x'}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def shrink(pixels: NDArray[Any], *, max_side: int) -> NDArray[Any]:
    """``pixels`` (H, W, 3) or (H, W) averaged down so that the longer side is at most ``max_side``; never enlarged."""
    height, width = pixels.shape[:2]
    scale = max_side / max(height, width)
    if scale >= 1.0:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))


def encode_image(pixels: NDArray[np.uint8], kind: ImageKind = "webp", *, quality: int = 82) -> bytes:
    """An (H, W, 3) uint8 RGB picture as the bytes of a file; ``quality`` is for WebP and JPEG."""
    options: dict[str, Any] = {} if kind == "png" else {"quality": quality}
    return bytes(iio.imwrite("<bytes>", pixels, extension=f".{kind}", plugin="pillow", **options))


def data_uri(data: bytes, kind: ImageKind = "png") -> str:
    """``data`` as a URI that an ``<img>`` shows without a file."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"


def keep_image(folder: Path, key: str, make: Callable[[], NDArray[np.uint8]], *, quality: int = 82) -> str:
    """The name of the WebP in ``folder`` that stands for ``key``; made only when it is not there yet.

    Args:
        folder: Where pictures of the page live.
        key: What decides the picture: hashes of its sources and what was done to them.
        make: Called when the file is missing; (H, W, 3) uint8 RGB.
        quality: Of the WebP.
    """
    name = f"{hashlib.sha256(key.encode()).hexdigest()[:24]}.webp"
    path = folder / name
    if not path.is_file():
        data = encode_image(make(), quality=quality)
        with sealed(path, shared=True) as partial:
            partial.write_bytes(data)
    return name
