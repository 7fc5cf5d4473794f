"""Rendering of a capture: the blurry and the sharp picture of one continuous scene, and the true flow between them.

The scene is sampled once, on the *blurry* grid with a margin, and smoothed by half a pixel. The continuous scene is the
cubic spline through these samples. Three pictures are made from it:

- *blurry*: the blurred layers on that grid, without any resampling, so it has no shift of its own;
- *aligned*: the same layers without blur;
- *sharp*: the spline sampled where the similarity T maps the grid, so that ``sharp(T(p)) = aligned(p)`` for a pixel p.

The equation holds up to the error of the spline, which tests/synth/test_render.py bounds. Positions are in double
precision; OpenCV's warps are not used because they round positions to 1/32 px.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sdd_bench.geometry.similarity import Similarity
from sdd_bench.images.light import add_noise, linear_to_srgb
from sdd_bench.images.unsharp import unsharp
from sdd_bench.optics.defocus import Field, Layer, blur_layer, blur_through, lay_over
from sdd_bench.optics.kernels import aperture_reach
from sdd_bench.optics.tone import add_glare, tone_curve, vignette
from sdd_bench.synth.camera import Capture
from sdd_bench.synth.options import SynthOptions

Light = NDArray[np.float32]
"""Linear light, ``(3, H, W)``."""

_SPLINE_MARGIN_PX = 12
"""Distance at which the border of a cubic spline has an effect of at most 1e-6."""
_SHARPENING_SIGMA_PX = 0.8
_BLUR_MARGIN = 0.6
"""Margin for the blur, in diameters: enough for a disk and for five or more blades. Another value would change the size
of the canvas, and with it every scene."""


@dataclass(frozen=True)
class Rendered:
    """A capture in linear light, before exposure, noise and quantisation."""

    blurry: Light
    sharp: Light
    aligned: Light
    front: NDArray[np.uint8]
    """Number of the front layer at each pixel of the blurry grid, ``(H, W)``."""


def canvas_margin(capture: Capture, height: int, width: int) -> int:
    """Width of the border of scene needed around the blurry picture, in pixels: for the sharp picture, blur and spline.

    Args:
        capture: Camera of the pair.
        height: Height of the pictures, in pixels.
        width: Width of the pictures, in pixels.

    Example:
        >>> from sdd_bench.core.types import Split
        >>> from sdd_bench.synth.camera import draw_capture
        >>> capture = draw_capture(SynthOptions(width=640, height=384, coc_range=(20, 20)), Split.TEST, 0)
        >>> canvas_margin(capture, 384, 640) > 20 / 2 + 12  # radius of the blur and margin of the spline
        True
    """
    matrix, offset = _sharp_to_blurry(capture.similarity, height, width)
    corners = np.array([(y, x) for y in (0, height - 1) for x in (0, width - 1)], dtype=np.float64)
    seen = corners @ matrix.T + offset
    outside = max(-seen.min(), (seen - (height - 1, width - 1)).max(), 0.0)
    largest = max(capture.coc_px) + abs(capture.bokeh.fringe_px)
    blur = max(_BLUR_MARGIN * largest, aperture_reach(largest, blades=capture.bokeh.blades))
    return math.ceil(outside + capture.parallax_px + blur) + _SPLINE_MARGIN_PX


def render(capture: Capture, layers: Iterable[Layer], height: int, width: int, *, margin: int) -> Rendered:
    """Render ``layers``, from back to front, on a canvas that is ``margin`` larger on every side.

    One layer is in memory at a time. Without parallax the sharp picture is resampled once, from the aligned canvas.

    Args:
        capture: Camera of the pair.
        layers: Layers of the scene, as many as the capture has depths.
        height: Height of the pictures, in pixels.
        width: Width of the pictures, in pixels.
        margin: Margin of the canvas, in pixels, at least the :func:`canvas_margin` of the capture.

    Example:
        >>> from sdd_bench.core.types import Split
        >>> from sdd_bench.synth.camera import draw_capture
        >>> capture = draw_capture(SynthOptions(width=96, height=64, n_layers=1), Split.TEST, 0)
        >>> margin = canvas_margin(capture, 64, 96)
        >>> grey = Layer(np.full((3, 64 + 2 * margin, 96 + 2 * margin), 0.5, np.float32))
        >>> rendered = render(capture, [grey], 64, 96, margin=margin)
        >>> rendered.sharp.shape, float(rendered.sharp.max().round(4))
        ((3, 64, 96), 0.5)
    """
    inside = (slice(margin, margin + height), slice(margin, margin + width))
    canvas = (3, height + 2 * margin, width + 2 * margin)
    aligned, blurry = np.zeros(canvas, np.float32), np.zeros((3, height, width), np.float32)
    sharp = np.zeros((3, height, width), np.float32) if capture.parallax_px else None
    front = np.zeros((height, width), np.uint8)
    lens, field = capture.bokeh, Field(height, width, margin)
    for number, (layer, coc_px) in enumerate(zip(layers, capture.coc_px, strict=True)):
        if lens.plain:
            blurred = blur_layer(layer, lens.kernel(coc_px))
        else:
            blurred = blur_through(layer, capture.signed_coc_px(number), lens, field)
        lay_over(blurry, _crop(blurred, inside))
        lay_over(aligned, layer)
        if layer.alpha is not None:
            front[layer.alpha[inside] >= 0.5] = number
        if sharp is not None:
            lay_over(sharp, _resample(layer, capture, number, height, width, margin))
    if sharp is None:
        sharp = _resample(Layer(aligned), capture, 0, height, width, margin).color
    return Rendered(blurry, sharp, np.ascontiguousarray(aligned[:, inside[0], inside[1]]), front)


def truth_flow(capture: Capture, front: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The flow on the blurry grid, ``(2, H, W)`` in pixels, with ``aligned(p) = sharp(p + flow(p))``.

    Each pixel moves with the front layer at that pixel. With parallax, a point that is hidden in the sharp picture has
    no counterpart.

    Example:
        >>> from sdd_bench.core.types import Split
        >>> from sdd_bench.synth.camera import draw_capture
        >>> still = {"zoom_range": (1, 1), "rotation_range": (0, 0)}
        >>> options = SynthOptions(width=96, height=64, shift_range=(2, 2), **still)
        >>> truth_flow(draw_capture(options, Split.TEST, 0), np.zeros((64, 96), np.uint8))[:, 5, 7].tolist()
        [2.0, 2.0]
    """
    height, width = front.shape
    similarity = capture.similarity
    along, across = similarity.linear.real - 1, similarity.linear.imag
    x, y = np.arange(width) - (width - 1) / 2, (np.arange(height) - (height - 1) / 2)[:, None]
    flow = np.empty((2, height, width), np.float32)
    flow[0] = along * x + (similarity.shift_x_px - across * y)
    flow[1] = across * x + (similarity.shift_y_px + along * y)
    if capture.parallax_px:
        flow += np.array(capture.parallax_shift_px, np.float32).T[:, front]
    return flow


def develop(
    light: Light,
    gain: Iterable[float],
    rng: np.random.Generator | None,
    options: SynthOptions,
    *,
    curve: str = "none",
    vignetting: float = 0.0,
    glare: float = 0.0,
    sharpening: float = 0.0,
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Pixels of a picture in linear light: lens, exposure, noise, clipping, tone curve, sRGB, sharpening, rounding.

    Args:
        light: Linear light, ``(3, H, W)``.
        gain: Exposure gain of each channel.
        rng: Generator of the noise; None: no noise.
        options: Options of the set, of which the noise and the bit depth are used.
        curve: Tone curve of the camera, of :data:`~sdd_bench.optics.tone.CURVES`.
        vignetting: Share of light lost at the corners.
        glare: Share of the mean light that falls evenly on the picture.
        sharpening: Amount of unsharp masking, with a radius of 0.8 px.

    Returns:
        Pixels, ``(H, W, 3)`` uint8 or uint16.

    Example:
        >>> develop(np.full((3, 1, 1), 0.25, np.float32), (1, 4, 9), None, SynthOptions()).tolist()
        [[[137, 255, 255]]]
    """
    largest = np.float32(2**options.bit_depth - 1)
    pixels = np.empty((*light.shape[1:], 3), np.uint8 if options.bit_depth == 8 else np.uint16)
    bend = tone_curve(curve)
    if vignetting:
        light = light * vignette(*light.shape[1:], strength=vignetting)
    if glare:
        light = add_glare(light, share=glare)
    streams = [None] * 3 if rng is None else rng.spawn(3)

    def develop_channel(channel: int, factor: float, stream: np.random.Generator | None) -> None:
        exposed = light[channel] * np.float32(factor)
        if stream is not None:
            exposed = add_noise(exposed, stream, shot=options.shot_noise, read=options.read_noise)
        encoded = linear_to_srgb(exposed if curve == "none" else bend(exposed))
        if sharpening:
            encoded = unsharp(encoded, amount=sharpening, sigma_px=_SHARPENING_SIGMA_PX)
        encoded *= largest
        encoded += np.float32(0.5)
        pixels[..., channel] = encoded

    with _threads() as pool:
        list(pool.map(develop_channel, range(3), gain, streams))
    return pixels


def _threads() -> ThreadPoolExecutor:
    """A pool with as many threads as OpenCV has, because that is the share of the cores of this worker."""
    return ThreadPoolExecutor(max(1, cv2.getNumThreads()))


def _crop(layer: Layer, inside: tuple[slice, slice]) -> Layer:
    return Layer(layer.color[:, inside[0], inside[1]], None if layer.alpha is None else layer.alpha[(..., *inside)])


def _sharp_to_blurry(
    similarity: Similarity, height: int, width: int, extra_px: tuple[float, float] = (0.0, 0.0)
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The inverse similarity as ``blurry = matrix @ sharp + offset`` on (row, column) coordinates."""
    moved = dataclasses.replace(
        similarity, shift_x_px=similarity.shift_x_px + extra_px[0], shift_y_px=similarity.shift_y_px + extra_px[1]
    )
    affine = moved.inverse().matrix(height, width)[::-1]
    return affine[:, 1::-1], affine[:, 2]


def _resample(layer: Layer, capture: Capture, number: int, height: int, width: int, margin: int) -> Layer:
    """``layer`` on the sharp grid. If that shrinks it, it is first smoothed to half a pixel of the sharp grid."""
    extra_px = capture.parallax_shift_px[number]
    matrix, offset = _sharp_to_blurry(capture.similarity, height, width, extra_px)
    sigma = 0.5 * math.sqrt(max(0.0, capture.similarity.zoom**-2 - 1))

    planes = [*layer.color] if layer.alpha is None else [*layer.color, layer.alpha]
    resampled = np.empty((len(planes), height, width), np.float32)

    def resample(plane: NDArray[np.float32], output: NDArray[np.float32]) -> None:
        if sigma > 0.05:
            plane = cv2.GaussianBlur(plane, (0, 0), sigma)
        ndimage.affine_transform(plane, matrix, offset + margin, order=3, mode="mirror", output=output)

    with _threads() as pool:
        list(pool.map(resample, planes, resampled))
    return Layer(resampled[:3], np.clip(resampled[3], 0, 1) if len(planes) == 4 else None)
