"""How exact and how fast misalignment is measured, beside OpenCV's ECC, SIFT + RANSAC and phase correlation.

``python tools/bench/registration.py [--pairs 4] [--data ../shared/data] [--flow pwcnet-plain]``

Synthetic pairs are 4096x2160 with circles of confusion up to 30 px, zoom within 3 %, shift within 40 px, rotation
within 0.3 degrees, exposure off by up to 40 % and noise (``random``); the same without misalignment (``zero``); with
17 % zoom or 120 px shift (``large``). All methods see the same pairs. ECC runs at 1024 px (from a pyramid of its own
it would take minutes); phase correlation knows shift only. With ``--data``: the real sets.
"""

from __future__ import annotations

import argparse
import cmath
import csv
import dataclasses
import itertools
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

from sdd_bench.core.errors import ImageError
from sdd_bench.core.types import Split
from sdd_bench.flow.compose import similarity_flow
from sdd_bench.flow.estimator import load_flow
from sdd_bench.geometry.fit import fit_similarity
from sdd_bench.geometry.similarity import Similarity
from sdd_bench.images.pair import read_pair
from sdd_bench.images.photograph import read_photograph
from sdd_bench.registration.measure import Misalignment, measure
from sdd_bench.synth.camera import draw_capture, random_numbers
from sdd_bench.synth.options import SynthOptions
from sdd_bench.synth.painting import SceneKind
from sdd_bench.synth.render import canvas_margin, develop, render
from sdd_bench.synth.scenes import draw_scene

_KINDS = (SceneKind.LEAVES, SceneKind.WALL, SceneKind.PRINT)
Size = tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Known:
    """A pair and its truth."""

    blurry: np.ndarray
    sharp: np.ndarray
    truth: Similarity

    @property
    def size(self) -> Size:
        return self.blurry.shape[0], self.blurry.shape[1]


def synthetic(what: str, n_pairs: int, width: int) -> Iterator[Known]:
    """Pairs of one row of the table."""
    per_pixel = width / 4096
    options = SynthOptions(
        width=width,
        height=round(2160 * per_pixel),
        n_test=n_pairs,
        seed=20230207,
        zoom_range=(0.97, 1.03),
        shift_range=(-40 * per_pixel, 40 * per_pixel),
        rotation_range=(-0.3, 0.3),
        coc_range=(0.0, 30.0 * per_pixel),
        exposure_range=(0.65, 1.35),
        color_cast=0.04,
        shot_noise=0.01,
        read_noise=0.002,
    )
    for index in range(n_pairs):
        capture = draw_capture(options, Split.TEST, index)
        if what == "zero":
            capture = dataclasses.replace(capture, similarity=Similarity())
        elif what == "large":
            large = Similarity((1.17, 1.0, 1 / 1.17, 1.0)[index % 4], 0.1, 0.0, 0.0)
            shift = 120 * per_pixel * cmath.rect(1, index) if index % 2 else 0j
            large = dataclasses.replace(large, shift_x_px=shift.real, shift_y_px=shift.imag)
            capture = dataclasses.replace(capture, similarity=large)
        margin = canvas_margin(capture, options.height, options.width)
        rng = random_numbers(options, Split.TEST, index, 1)
        sides = options.height + 2 * margin, options.width + 2 * margin
        layers = draw_scene(*sides, options.n_layers, _KINDS[index % 3], rng, [])
        rendered = render(capture, layers, options.height, options.width, margin=margin)
        noise = random_numbers(options, Split.TEST, index, 2)
        blurry = develop(rendered.blurry, capture.exposure_gain, noise, options)
        yield Known(blurry, develop(rendered.sharp, (1, 1, 1), noise, options), capture.similarity)


def from_matrix(matrix: np.ndarray, size: Size) -> Similarity:
    """The similarity nearest to a 2x3 matrix on pixel coordinates."""
    slope = complex((matrix[0, 0] + matrix[1, 1]) / 2, (matrix[1, 0] - matrix[0, 1]) / 2)
    centre = np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])
    shift = matrix[:, :2] @ centre + matrix[:, 2] - centre
    return Similarity(abs(slope), math.degrees(cmath.phase(slope)), float(shift[0]), float(shift[1]))


def grey(pixels: np.ndarray, width: int | None = None) -> tuple[np.ndarray, float]:
    """8-bit grey, shrunk to a width, and by how much."""
    plane = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    if width is None or width >= plane.shape[1]:
        return plane, 1.0
    factor = width / plane.shape[1]
    size = width, round(plane.shape[0] * factor)
    return cv2.resize(plane, size, interpolation=cv2.INTER_AREA), factor


def by_sift(blurry: np.ndarray, sharp: np.ndarray) -> Similarity | None:
    """SIFT at full resolution, ratio test, RANSAC similarity (its inliers refined by OpenCV)."""
    sift = cv2.SIFT_create(8000)
    (here, ours), (there, theirs) = (sift.detectAndCompute(grey(picture)[0], None) for picture in (blurry, sharp))
    if ours is None or theirs is None or min(len(ours), len(theirs)) < 2:
        return None
    pairs = cv2.FlannBasedMatcher({"algorithm": 1, "trees": 4}, {"checks": 64}).knnMatch(ours, theirs, k=2)
    good = [best for best, second in pairs if best.distance < 0.75 * second.distance]
    if len(good) < 4:
        return None
    a, b = (np.float32([keys[i].pt for i in index]) for keys, index in
            ((here, [m.queryIdx for m in good]), (there, [m.trainIdx for m in good])))  # fmt: skip
    matrix, _ = cv2.estimateAffinePartial2D(a, b, method=cv2.RANSAC, ransacReprojThreshold=2.0, maxIters=5000)
    return None if matrix is None else from_matrix(matrix, blurry.shape[:2])


def by_ecc(motion: int) -> Callable[[np.ndarray, np.ndarray], Similarity | None]:
    """OpenCV's ECC at 1024 px, from the identity."""

    def estimate(blurry: np.ndarray, sharp: np.ndarray) -> Similarity | None:
        (a, factor), (b, _) = grey(blurry, 1024), grey(sharp, 1024)
        stop = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 60, 1e-6)
        try:
            _, matrix = cv2.findTransformECC(a, b, np.eye(2, 3, dtype=np.float32), motion, stop, None, 5)
        except cv2.error:
            return None
        found = from_matrix(matrix.astype(np.float64), a.shape)
        return dataclasses.replace(found, shift_x_px=found.shift_x_px / factor, shift_y_px=found.shift_y_px / factor)

    return estimate


def by_phase(blurry: np.ndarray, sharp: np.ndarray) -> Similarity | None:
    """Phase correlation of windowed pictures at 2048 px: shift only."""
    (a, factor), (b, _) = grey(blurry, 2048), grey(sharp, 2048)
    window = cv2.createHanningWindow(a.shape[::-1], cv2.CV_32F)
    (x, y), _ = cv2.phaseCorrelate(a.astype(np.float32), b.astype(np.float32), window)
    return Similarity(1.0, 0.0, x / factor, y / factor)


def ours(flow_name: str) -> Callable[[np.ndarray, np.ndarray], Misalignment]:
    """This package, the flow network loaded beforehand."""
    flow = load_flow(flow_name)
    return lambda blurry, sharp: measure(blurry, sharp, flow)


_OTHERS: dict[str, Callable[[np.ndarray, np.ndarray], Similarity | None]] = {
    "SIFT + RANSAC": by_sift,
    "ECC euclidean": by_ecc(cv2.MOTION_EUCLIDEAN),
    "ECC affine": by_ecc(cv2.MOTION_AFFINE),
    "phase correlation": by_phase,
}


def off(found: Similarity, truth: Similarity, size: Size) -> float:
    """Largest error at a corner, px."""
    return (truth.inverse() @ found).corner_px(*size)


def table_on(what: str, n_pairs: int, width: int, methods: dict[str, Callable]) -> None:
    """One row of the table: every method on the same pairs."""
    errors: dict[str, list[tuple[float, float, float, float]]] = {name: [] for name in methods}
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    failed, unflagged = dict.fromkeys(methods, 0), 0
    for pair in synthetic(what, n_pairs, width):
        for name, method in methods.items():
            start = time.perf_counter()
            result = method(pair.blurry, pair.sharp)
            seconds[name].append(time.perf_counter() - start)
            found = result.similarity if isinstance(result, Misalignment) else result
            if found is None:
                failed[name] += 1
                continue
            corner = off(found, pair.truth, pair.size)
            truth = pair.truth
            shift = math.hypot(found.shift_x_px - truth.shift_x_px, found.shift_y_px - truth.shift_y_px)
            turn = abs(found.rotation_deg - truth.rotation_deg)
            errors[name].append((abs(found.zoom - truth.zoom), shift, turn, corner))
            if isinstance(result, Misalignment) and corner > 1 and not result.distrust:
                unflagged += 1
    print(f"\n{what}: {n_pairs} pairs of {width} px; mean absolute errors (largest at a corner)")
    first = next(iter(methods))
    for name in methods:
        if not errors[name]:
            print(f"  {name:22} failed on all")
            continue
        zoom, shift, turn, corner = np.mean(errors[name], axis=0)
        ratio = corner / max(np.mean(errors[first], axis=0)[3], 1e-9)
        print(
            f"  {name:22} zoom {zoom:.1e}  shift {shift:8.4f} px  rotation {turn:.5f} deg  corner {corner:8.4f} px "
            f"({max(row[3] for row in errors[name]):.3f})  {ratio:7.1f}x ours  {np.mean(seconds[name]):5.2f} s"
            + (f"  failed on {failed[name]}" if failed[name] else "")
        )
    print(f"  off by more than 1 px without a flag: {unflagged}", flush=True)


def on_homography(root: Path, method: Callable[[np.ndarray, np.ndarray], Misalignment]) -> None:
    """Against the least-squares similarity of the published homographies."""
    print(
        "\nhomography 1 -> n: mean error over the picture, px (ours, SIFT + RANSAC); mean correlation of small blocks"
    )
    print("when aligned by our similarity and by the published homography itself: where the latter is less, it is off")
    for number in range(2, 7):
        a, b = read_pair(root / "homography/img1.png", root / f"homography/img{number}.png")
        storage = cv2.FileStorage(str(root / f"homography/H1to{number}p.xml"), cv2.FILE_STORAGE_READ)
        matrix = storage.getNode(storage.root().keys()[0]).mat()
        storage.release()
        height, width = a.pixels.shape[:2]
        grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).reshape(-1, 1, 2).astype(np.float64)
        flow = (cv2.perspectiveTransform(grid, matrix) - grid).reshape(height, width, 2).transpose(2, 0, 1)
        truth = fit_similarity(flow).similarity
        found = method(a.pixels, b.pixels).similarity
        others = by_sift(a.pixels, b.pixels)
        by_ours, by_homography = (
            alike(a.pixels, b.pixels, field) for field in (similarity_flow(found, height, width).numpy(), flow)
        )
        print(f"  1 -> {number}: {mean_off(found, truth, (height, width)):.3f}, "
              f"{mean_off(others, truth, (height, width)) if others else math.nan:.3f}; "
              f"{by_ours:.4f}, {by_homography:.4f}")  # fmt: skip


def alike(a: np.ndarray, b: np.ndarray, flow: np.ndarray, block: int = 64) -> float:
    """Mean correlation of blocks of ``a`` with ``b`` at ``p + flow(p)``, where that lies inside ``b``."""
    height, width = a.shape[:2]
    y, x = np.indices((height, width), dtype=np.float32) + flow[::-1].astype(np.float32)
    planes = [cv2.remap(grey(b)[0], x, y, cv2.INTER_CUBIC), grey(a)[0]]
    inside = (x > 2) & (y > 2) & (x < width - 3) & (y < height - 3)
    found = []
    for top, left in itertools.product(range(0, height - block + 1, block), range(0, width - block + 1, block)):
        cut = slice(top, top + block), slice(left, left + block)
        if inside[cut].all():
            found.append(np.corrcoef(*(cv2.GaussianBlur(plane, (0, 0), 1.5)[cut].ravel() for plane in planes))[0, 1])
    return float(np.mean(found))


def mean_off(found: Similarity, truth: Similarity, size: Size) -> float:
    """Mean displacement over the picture between two similarities, px."""
    error = truth.inverse() @ found
    slope = cmath.rect(error.zoom, math.radians(error.rotation_deg)) - 1
    x = np.arange(size[1]) - (size[1] - 1) / 2
    y = np.arange(size[0]) - (size[0] - 1) / 2
    moved = slope * (x + 1j * y[:, None]) + complex(error.shift_x_px, error.shift_y_px)
    return float(np.abs(moved).mean())


def on_breathing(root: Path, method: Callable[[np.ndarray, np.ndarray], Misalignment]) -> None:
    """Total zoom, and whether a -> b -> c is a -> c."""
    frames = (0, 6, 12, 18, 24)
    pictures = {frame: read_photograph(root / f"breathing/as_shot/{frame}.jpg").pixels for frame in frames}
    size = pictures[0].shape[:2]
    found = {pair: (method(pictures[pair[0]], pictures[pair[1]]).similarity,
                    by_sift(pictures[pair[0]], pictures[pair[1]]) or Similarity())
             for pair in itertools.combinations(frames, 2)}  # fmt: skip
    closures = []
    for a, b, c in itertools.combinations(frames, 3):
        closures.append([off(found[b, c][i] @ found[a, b][i], found[a, c][i], size) for i in (0, 1)])
    own, sift = np.mean(closures, axis=0)
    print(f"\nbreathing: zoom 0 -> 24 {100 * (found[0, 24][0].zoom - 1):.2f} % (known 6.4), "
          f"SIFT {100 * (found[0, 24][1].zoom - 1):.2f} %; closure at the corners {own:.2f} px, SIFT {sift:.2f} px: "
          f"{own / sift:.2f} of it")  # fmt: skip


def on_measured(root: Path, method: Callable[[np.ndarray, np.ndarray], Misalignment]) -> None:
    """Against measured.csv (SIFT on smoothed pictures), three residuals allowed."""
    n_within, lines = 0, []
    with open(root / "measured.csv", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if not row["reference"].startswith("homography")]
    for row in rows:
        try:
            a, b = read_pair(root / row["reference"], root / row["moving"])
        except ImageError as error:
            lines.append(f"  {error}")
            continue
        result = method(a.pixels, b.pixels)
        numbers = [float(row[name]) for name in ("zoom", "rotation_deg", "shift_x_px", "shift_y_px")]
        difference = off(result.similarity, Similarity(*numbers), a.pixels.shape[:2])
        allowed = 3 * float(row["median_inlier_residual_px"])
        n_within += difference <= allowed
        if difference > allowed:
            why = "; ".join(result.distrust) or f"{result.kind}, residual {result.residual_px:.2f} px"
            lines.append(f"  {row['reference']} -> {row['moving']}: {difference:.2f} px ({allowed:.2f}), "
                         f"{row['inliers']} inliers: {why}")  # fmt: skip
    print(f"\nmeasured.csv: {n_within} of {len(rows)} within three residuals; the others:", *lines, sep="\n")


def on_photographs(root: Path, method: Callable[[np.ndarray, np.ndarray], Misalignment]) -> None:
    """Photographs blurred, not moved."""
    shifts = []
    for path in sorted((root / "photos").glob("*.png"))[:12]:
        sharp = read_photograph(path).pixels
        disk = np.hypot(*np.mgrid[-4:5, -4:5]) <= 4.2
        blurry = cv2.filter2D(sharp, -1, disk / disk.sum(), borderType=cv2.BORDER_REFLECT_101)
        shifts.append(mean_off(method(blurry, sharp).similarity, Similarity(), sharp.shape[:2]))
    print(f"\nphotographs blurred, not moved: off by {np.mean(shifts):.4f} px on average, {max(shifts):.4f} at most")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--width", type=int, default=4096)
    parser.add_argument("--flow", default="pwcnet-plain")
    parser.add_argument("--data", type=Path, help="folder of real photographs")
    parser.add_argument("--rows", default="random,zero,large")
    parser.add_argument("--ours-only", action="store_true")
    arguments = parser.parse_args()
    method = ours(arguments.flow)
    methods: dict[str, Callable] = {f"analyze ({arguments.flow})": method, "analyze (dis)": ours("dis")}
    if not arguments.ours_only:
        methods |= _OTHERS
    for what in filter(None, arguments.rows.split(",")):
        table_on(what, arguments.pairs, arguments.width, methods)
    if arguments.data is not None:
        on_homography(arguments.data, method)
        on_breathing(arguments.data, method)
        on_measured(arguments.data, method)
        on_photographs(arguments.data, method)


if __name__ == "__main__":
    main()
