"""Plots and false colours, by which people check a number.

Functions that draw with axes return the bytes of a PNG. It is transparent with grey ink, so that it is readable on a
light and on a dark page. Functions that recolour a picture return an (H, W, 3) uint8 RGB array. Matplotlib's Figure
draws on the Agg canvas: no window, no global state, the same bytes every time.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from matplotlib import colormaps, get_data_path, rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont

from sdd_bench.report.html import shrink

_INK = "#7d8590"
_FILL = "#2f81c4"
_MARK = "#d4762c"
_DPI = 110


def _figure(width: float, height: float) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    figure.patch.set_alpha(0.0)
    axes = figure.add_subplot()
    axes.patch.set_alpha(0.0)
    axes.tick_params(colors=_INK, labelsize=8)
    for name, spine in axes.spines.items():
        spine.set_color(_INK)
        spine.set_visible(name in ("left", "bottom"))
    axes.grid(color=_INK, alpha=0.2, linewidth=0.6)
    axes.set_axisbelow(True)
    return figure, axes


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def _svg(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": "sdd-bench", "svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


@dataclass(frozen=True)
class Difference:
    """Paired differences of two methods on one metric; positive: the first is better."""

    label: str
    values: Sequence[float]
    """Of every picture."""
    mean: float
    low: float | None
    high: float | None
    """Ends of the 95 % interval of the mean; None where there is none."""
    verdict: str


@dataclass(frozen=True)
class Drawing:
    """A plot in two formats."""

    svg: bytes
    png: bytes


def differences(panels: Mapping[str, Sequence[Difference]], *, title: str = "") -> Drawing:
    """Paired differences: a dot per picture, the mean with its 95 % interval, and a line at no difference.

    Args:
        panels: Differences by the label of their axis, one panel each.
        title: Title above the panels.

    Returns:
        The drawing; the same differences give the same bytes.
    """
    n_rows = max(len(items) for items in panels.values())
    figure = Figure(figsize=(7.0, len(panels) * (0.7 + 0.45 * n_rows) + 0.3), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    if title:
        figure.suptitle(title.replace("$", r"\$"), color=_INK, fontsize=10)
    for number, (label, items) in enumerate(panels.items()):
        axes = figure.add_subplot(len(panels), 1, number + 1)
        axes.tick_params(colors=_INK, labelsize=8)
        for name, spine in axes.spines.items():
            spine.set_color(_INK)
            spine.set_visible(name in ("left", "bottom"))
        axes.axvline(0.0, color=_INK, linewidth=0.8)
        for row, item in enumerate(items):
            spread = 0.24 * np.sin(2.4 * np.arange(len(item.values)))  # dots of equal value lie apart
            axes.scatter(item.values, row + spread, s=9, color=_FILL, alpha=0.45, linewidths=0)
            if item.low is not None and item.high is not None:
                axes.plot([item.low, item.high], [row, row], color=_MARK, linewidth=2.4, solid_capstyle="round")
            axes.scatter([item.mean], [row], s=36, color=_MARK, zorder=3)
        names = [f"{item.label}\n{item.verdict}".replace("$", r"\$") for item in items]
        axes.set_yticks(range(len(items)), names)
        axes.set_ylim(len(items) - 0.5, -0.5)
        axes.set_xlabel(label, color=_INK, fontsize=9)
    return Drawing(_svg(figure), _png(figure))


def histogram(values: ArrayLike, *, label: str, mark: float | None = None, bins: int = 24) -> bytes:
    """A histogram of ``values``.

    Args:
        values: Numbers, any shape; NaN and infinite ones are left out and counted in the title.
        label: Label of the x axis, with the unit.
        mark: Value to draw a line at, for example the one that means "aligned".
        bins: Number of bars.

    Returns:
        PNG, 5 x 3 inches.
    """
    numbers = np.asarray(values, dtype=np.float64).ravel()
    finite = numbers[np.isfinite(numbers)]
    figure, axes = _figure(5.0, 3.0)
    if finite.size:
        axes.hist(finite, bins=bins, color=_FILL, edgecolor="white", linewidth=0.4)
    if mark is not None:
        axes.axvline(mark, color=_MARK, linewidth=1.4, linestyle="--")
    axes.set_xlabel(label, color=_INK, fontsize=9)
    axes.set_ylabel("count", color=_INK, fontsize=9)
    if finite.size < numbers.size:
        axes.set_title(f"{numbers.size - finite.size} not finite, left out", color=_INK, fontsize=8)
    return _png(figure)


def scatter_of_vectors(
    x_px: ArrayLike, y_px: ArrayLike, *, labels: Sequence[str] = (), title: str = "shift at the picture's centre"
) -> bytes:
    """Vectors as points around zero, with both axes alike and y down as in a picture.

    Args:
        x_px: Components to the right, pixels, (n,).
        y_px: Components down, pixels, (n,).
        labels: Names of the points; the plot shows those of the six farthest from zero.
        title: Title above the plot.

    Returns:
        PNG, 4.4 x 4.2 inches.
    """
    x, y = np.asarray(x_px, dtype=np.float64), np.asarray(y_px, dtype=np.float64)
    figure, axes = _figure(4.4, 4.2)
    axes.axhline(0.0, color=_INK, linewidth=0.8)
    axes.axvline(0.0, color=_INK, linewidth=0.8)
    axes.scatter(x, y, s=16, color=_FILL, alpha=0.75, linewidths=0)
    reach = np.hypot(x, y)
    limit = 1.1 * float(np.nanmax(reach, initial=0.0)) or 1.0
    axes.set_xlim(-limit, limit)
    axes.set_ylim(limit, -limit)
    axes.set_aspect("equal")
    for index in np.argsort(-np.nan_to_num(reach), kind="stable")[:6] if labels else ():
        axes.annotate(
            labels[index].replace("$", r"\$"), (x[index], y[index]), xytext=(4, 4), textcoords="offset points",
            fontsize=7, color=_INK,
        )  # fmt: skip
    axes.set_xlabel("x to the right (px)", color=_INK, fontsize=9)
    axes.set_ylabel("y down (px)", color=_INK, fontsize=9)
    axes.set_title(title, color=_INK, fontsize=9)
    return _png(figure)


def quiver(flow: ArrayLike, *, picture: NDArray[np.uint8] | None = None, arrows: int = 24) -> bytes:
    """A flow as arrows, over the picture it belongs to.

    Args:
        flow: Flow in pixels, (2, H, W), x then y.
        picture: Picture, (H, W, 3) uint8, drawn faintly below the arrows.
        arrows: Number of arrows along the longer side. All are lengthened by one factor, which the title gives.

    Returns:
        PNG, 6 inches wide.
    """
    vectors = np.asarray(flow, dtype=np.float64)
    height, width = vectors.shape[1:]
    step = max(1, math.ceil(max(height, width) / arrows))
    rows, columns = np.mgrid[step // 2 : height : step, step // 2 : width : step]
    sampled = vectors[:, rows, columns]
    longest = float(np.nanmax(np.hypot(*sampled), initial=0.0))
    factor = step * 0.9 / longest if longest > 0 else 1.0
    figure, axes = _figure(6.0, 6.0 * height / width + 0.4)
    axes.grid(visible=False)
    if picture is not None:
        axes.imshow(picture, extent=(-0.5, width - 0.5, height - 0.5, -0.5), alpha=0.45)
    axes.quiver(
        columns, rows, sampled[0], sampled[1], angles="xy", scale_units="xy", scale=1.0 / factor, color=_MARK,
        width=0.0028,
    )  # fmt: skip
    axes.set_xlim(-0.5, width - 0.5)
    axes.set_ylim(height - 0.5, -0.5)
    axes.set_aspect("equal")
    axes.set_title(f"longest {longest:.2f} px; arrows drawn {factor:.3g} times as long", color=_INK, fontsize=9)
    return _png(figure)


def flow_colours(flow: ArrayLike, *, max_px: float | None = None) -> NDArray[np.uint8]:
    r"""A flow as colours: hue is the direction, saturation the length.

    Let :math:`a = \mathrm{atan2}(y, x)` be the angle of a vector and r its length. The hue is a / 2 pi (right is red,
    down yellow-green, left cyan, up violet), the saturation min(r / ``max_px``, 1), the value 1. No motion is white.

    Args:
        flow: Flow in pixels, (2, H, W), x to the right and y down.
        max_px: Length of full colour; None: the 99th percentile of the flow's lengths.

    Returns:
        (H, W, 3) uint8 RGB; vectors that are not finite are black.

    Example:
        >>> right_and_still = np.array([[[2.0, 0.0]], [[0.0, 0.0]]])
        >>> flow_colours(right_and_still, max_px=2.0).tolist()
        [[[255, 0, 0], [255, 255, 255]]]
    """
    vectors = np.asarray(flow, dtype=np.float32)
    known = np.isfinite(vectors[0]) & np.isfinite(vectors[1])
    x, y = np.where(known, vectors, 0.0)
    length, angle = cv2.cartToPolar(x, y)
    if max_px is None:
        max_px = flow_scale(vectors)
    saturation = np.minimum(length / max(max_px, 1e-6), 1.0)
    sector = 3.0 * angle / math.pi
    # One channel of HSV to RGB at full value: 1 - s * clip(min(k, 4 - k), 0, 1) with k = (n + 6 h) mod 6.
    channels = []
    for offset in (5.0, 3.0, 1.0):
        k = np.mod(offset + sector, 6.0)
        channels.append(1.0 - saturation * np.clip(np.minimum(k, 4.0 - k), 0.0, 1.0))
    colours = np.stack(channels, axis=-1) * known[:, :, None]
    return np.rint(255.0 * colours).astype(np.uint8)


def flow_scale(flow: ArrayLike) -> float:
    """Length from which :func:`flow_colours` gives full colour: the 99th percentile, in pixels; 0 where none is finite.

    Example:
        >>> flow_scale(np.array([[[3.0, 3.0]], [[4.0, 4.0]]]))
        5.0
    """
    length = np.hypot(*np.asarray(flow, dtype=np.float32))
    known = length[np.isfinite(length)]
    return float(np.percentile(known, 99)) if known.size else 0.0


def with_flow_key(colours: NDArray[np.uint8], max_px: float) -> NDArray[np.uint8]:
    """A picture of :func:`flow_colours` over a bar with its key: the wheel, and how long a vector of full colour is.

    Args:
        colours: Picture, (H, W, 3) uint8.
        max_px: Length of full colour, in pixels.

    Returns:
        (H + bar, W, 3) uint8; the bar is white.

    Example:
        >>> with_flow_key(np.zeros((40, 200, 3), np.uint8), 2.5).shape
        (67, 200, 3)
    """
    width = colours.shape[1]
    size = int(np.clip(width // 24, 16, 48))
    text = text_line(f"full colour: {max_px:.2f} px or more; white: no motion", height=size // 2)
    bar = np.full((size + 11, width, 3), 255, dtype=np.uint8)
    wheel = flow_wheel(size)[:, : max(0, width - 6)]
    bar[6 : 6 + size, 6 : 6 + wheel.shape[1]] = wheel
    left, top = size + 14, 6 + (size - text.shape[0]) // 2
    shown = text[:, : max(0, width - left)]
    bar[top : top + shown.shape[0], left : left + shown.shape[1]] = shown
    return np.concatenate([colours, bar])


def text_line(text: str, *, height: int = 14) -> NDArray[np.uint8]:
    """A line of text as a picture: black on white, in the font that matplotlib brings along.

    Args:
        text: The text; what the font lacks is drawn as a box.
        height: Size of the letters, in pixels.

    Returns:
        (h, w, 3) uint8, as wide as the text.

    Example:
        >>> text_line("a").shape[0] >= 14
        True
    """
    font = ImageFont.truetype(str(Path(get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")), max(6, height))
    text = text.replace("\n", " ")
    ascent, descent = font.getmetrics()
    line = Image.new("L", (max(1, math.ceil(font.getlength(text))), ascent + descent), 255)
    ImageDraw.Draw(line).text((0, 0), text, fill=0, font=font)
    return np.repeat(np.asarray(line)[:, :, None], 3, axis=2)


def flow_wheel(size: int = 128) -> NDArray[np.uint8]:
    """The key to :func:`flow_colours`: each point of a disk has the colour of the vector from the centre to it.

    Example:
        >>> flow_wheel(5)[2, 4].tolist()  # to the right of the centre
        [255, 0, 0]
    """
    axis = np.linspace(-1.0, 1.0, size)
    x, y = np.meshgrid(axis, axis)
    wheel = flow_colours(np.stack([x, y]), max_px=1.0)
    wheel[np.hypot(x, y) > 1.0] = 255
    return wheel


def error_map(
    prediction: ArrayLike, truth: ArrayLike, *, full_scale: float = 0.2, max_side: int | None = None
) -> NDArray[np.uint8]:
    """The difference of two pictures in the colours of matplotlib's inferno; black means equal.

    Args:
        prediction: Picture, (H, W, 3) RGB in [0, 1].
        truth: Picture of the same shape.
        full_scale: Mean absolute difference over the channels that gets the brightest colour.
        max_side: Longest side to which the difference is averaged down before it is coloured; None: no limit.

    Returns:
        (H, W, 3) uint8 RGB.

    Example:
        >>> error_map(np.zeros((1, 1, 3)), np.zeros((1, 1, 3))).tolist()
        [[[0, 0, 4]]]
    """
    apart = cv2.absdiff(*(np.ascontiguousarray(picture, np.float32) for picture in (prediction, truth)))
    difference = cv2.transform(apart, np.full((1, 3), 1 / 3, np.float32))
    if max_side is not None:
        difference = shrink(difference, max_side=max_side)
    table = np.rint(255.0 * colormaps["inferno"](np.linspace(0.0, 1.0, 256))[:, :3]).astype(np.uint8)
    return np.asarray(table[np.rint(255.0 * np.clip(difference / full_scale, 0.0, 1.0)).astype(np.uint8)])
