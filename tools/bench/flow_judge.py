"""Flow of real pairs of two apertures against an independent judge: blocks matched over levels of blur.

``python tools/bench/flow_judge.py [--data ../shared/data] [--flow pwcnet]``

Blocks of 96 px of the blurry picture are correlated with the sharp one, blurred by eight Gaussians, at all shifts of up
to 32 px, at half size. Two kinds of block say something. *Shown*: the best shift, of a pixel or more, correlates by at
least 0.8, leaves at most 0.6 of the variance that no shift leaves unexplained, and 1.2 times less than any shift more
than 4 px from it; there the flow must be that shift. (Without the last demand the judge contradicts itself: along an
edge, and between the blobs of a blurred background, neighbouring blocks have best shifts of 20 px to all sides.)
*Not shown*: no shift leaves less than 0.9 of it; there the flow must be that of the similarity, where ``analyze``
trusts that. Columns: number of blocks, median and 90 % of the distance of the flow (mean over the block) from what it
must be. The last line is that of all blocks that are shown without the last demand, those the judge contradicts itself
in among them. ``--light`` lets the judge compare linear light, in which blur moves no edge, in place of sRGB values.

The last column needs no judge: the sharp picture, warped by the flow, is put out of focus in linear light and exposed,
by the disc and the gains per colour that fit each block of 64 px best. What is left is the mean square, times 10,000,
of its difference from the blurry picture in sRGB values.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch

from sdd_bench.flow.estimator import FlowEstimator, load_flow
from sdd_bench.flow.warp_picture import backwarp_picture
from sdd_bench.geometry.similarity import Similarity
from sdd_bench.images.light import linear_to_srgb, srgb_to_linear
from sdd_bench.images.pair import read_pair
from sdd_bench.optics.defocus import blur
from sdd_bench.optics.kernels import aperture_kernel
from sdd_bench.registration.measure import measure

_BLOCK, _STEP, _REACH = 48, 32, 16
"""At half size."""
_BLURS = (0.0, 1.0, 2.0, 3.0, 4.5, 6.5, 9.0, 12.0)
_LEAST_LIKENESS, _SHOWN, _NOT_SHOWN = 0.8, 0.6, 0.9
_APART_PX, _ALONE = 4, 1.2
_FITTED = 64
_COC_PX = (0, 2, 3, 4, 6, 8, 11, 16, 22, 32, 45)


@dataclass(frozen=True)
class Block:
    """What the judge says of one block."""

    top: int
    left: int
    shift: complex
    """Best shift, px of the picture."""
    likeness: float
    ratio: float
    """Variance that the best shift leaves unexplained over what none leaves."""
    alone: float
    """Variance that the best of the shifts elsewhere leaves over what the best one leaves."""

    @property
    def displaced(self) -> bool:
        """Whether its shift beats none by far."""
        return self.likeness >= _LEAST_LIKENESS and self.ratio <= _SHOWN and abs(self.shift) >= 1


def blocks(blurry: np.ndarray, sharp: np.ndarray) -> Iterator[Block]:
    """Judge the blocks of a pair of RGB pictures, white = 255."""
    a, b = (cv2.cvtColor(p.astype(np.float32), cv2.COLOR_RGB2GRAY) for p in (blurry, sharp))
    size = a.shape[1] // 2, a.shape[0] // 2
    a, b = (cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in (a, b))
    bank = [cv2.GaussianBlur(b, (0, 0), sigma) if sigma else b for sigma in _BLURS]
    for top in range(_REACH, a.shape[0] - _BLOCK - _REACH + 1, _STEP):
        for left in range(_REACH, a.shape[1] - _BLOCK - _REACH + 1, _STEP):
            block = a[top : top + _BLOCK, left : left + _BLOCK]
            if block.std() < 1.5:
                continue
            around = slice(top - _REACH, top + _BLOCK + _REACH), slice(left - _REACH, left + _BLOCK + _REACH)
            likeness = np.max([cv2.matchTemplate(p[around], block, cv2.TM_CCOEFF_NORMED) for p in bank], axis=0)
            left_over = 1 - np.clip(likeness, 0, 1) ** 2
            y, x = np.unravel_index(int(np.argmin(left_over)), left_over.shape)
            if min(y, x) == 0 or max(y, x) == 2 * _REACH:
                continue
            fx, fy = (_vertex(*left_over[y, x - 1 : x + 2]), _vertex(*left_over[y - 1 : y + 2, x]))
            shift = 2 * complex(x - _REACH + fx, y - _REACH + fy)
            ratio = float(left_over[y, x] / left_over[_REACH, _REACH])
            elsewhere = left_over[np.hypot(*np.indices(left_over.shape) - [[[y]], [[x]]]) > _APART_PX / 2]
            alone = float(elsewhere.min() / max(left_over[y, x], 1e-6))
            yield Block(2 * top, 2 * left, shift, float(likeness[y, x]), ratio, alone)


def _vertex(before: float, here: float, after: float) -> float:
    bend = before - 2 * here + after
    return float(0.5 * (before - after) / bend) if bend > 0 else 0.0


def judge(
    blurry: np.ndarray, sharp: np.ndarray, flow: np.ndarray, steady: Similarity | None
) -> tuple[list[float], list[float], list[float]]:
    """Distances in shown and in not shown blocks, and in those shown without the last demand, px."""
    shown, silent, all_shown = [], [], []
    height, width = flow.shape[1:]
    for block in blocks(blurry, sharp):
        inside = flow[:, block.top : block.top + 2 * _BLOCK, block.left : block.left + 2 * _BLOCK].mean(axis=(1, 2))
        found = complex(*inside)
        if block.displaced:
            all_shown.append(abs(found - block.shift))
            if block.alone >= _ALONE:
                shown.append(abs(found - block.shift))
        elif block.ratio >= _NOT_SHOWN and steady is not None:
            centre = complex(block.left + _BLOCK - width / 2, block.top + _BLOCK - height / 2)
            silent.append(abs(found - ((steady.linear - 1) * centre + steady.shift)))
    return shown, silent, all_shown


def left_over(blurry: np.ndarray, sharp: np.ndarray, flow: torch.Tensor) -> float:
    """Mean square that the best disc and gains of each whole block leave between two 8-bit pictures."""
    wanted = blurry.astype(np.float32) / 255
    light, seen = srgb_to_linear(backwarp_picture(sharp.astype(np.float32) / 255, flow)), srgb_to_linear(wanted)
    least = None
    for coc_px in _COC_PX:
        kernel = aperture_kernel(coc_px)
        planes = [blur(np.ascontiguousarray(light[..., c]), kernel) for c in range(3)]
        made, target = (_in_blocks(picture) for picture in (np.dstack(planes), seen))
        gain = (made * target).mean(axis=1, keepdims=True) / ((made**2).mean(axis=1, keepdims=True) + 1e-6)
        square = ((linear_to_srgb(gain * made) - _in_blocks(wanted)) ** 2).mean(axis=(1, 2))
        least = square if least is None else np.minimum(least, square)
    assert least is not None
    return float(least.mean())


def _in_blocks(picture: np.ndarray) -> np.ndarray:
    """``(blocks, pixels, 3)``."""
    rows, columns = (side // _FITTED for side in picture.shape[:2])
    whole = picture[: rows * _FITTED, : columns * _FITTED].reshape(rows, _FITTED, columns, _FITTED, 3)
    return whole.transpose(0, 2, 1, 3, 4).reshape(rows * columns, _FITTED**2, 3)


def pairs(data: Path) -> Iterator[tuple[str, Path, Path]]:
    """Name, blurry, sharp."""
    for folder in ("8", "2_8", "1_8"):
        for path in sorted((data / "aperture/vabd" / folder).glob("*.JPG")):
            yield f"f/{folder.replace('_', '.')} {path.stem}", path, data / "aperture/vabd/input" / path.name
    for path in sorted((data / "aperture/ebb/blurry").glob("*.jpg")):
        yield f"EBB {path.stem}", path, data / "aperture/ebb/sharp" / path.name


def estimate(flow: FlowEstimator, blurry: np.ndarray, sharp: np.ndarray) -> np.ndarray:
    """Flow from 8-bit arrays."""
    first, second = (torch.from_numpy(np.ascontiguousarray(p)).permute(2, 0, 1)[None] / 255 for p in (blurry, sharp))
    return flow.estimate(first, second)[0].numpy()


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("SDD_BENCH_DATA", "../shared/data")))
    parser.add_argument("--flow", default="pwcnet")
    parser.add_argument("--light", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    flow, start = load_flow(options.flow), load_flow("dis")
    every_shown, every_silent, without, every_left = [], [], [], []
    heads = f"{'median':>8}{'90 %':>8} | "
    print(f"{'':12}{'trusted':>9} | {'shown':>6}{heads}{'not shown':>10}{heads}{'left':>6}")
    for name, blurry_path, sharp_path in pairs(options.data):
        blurry, sharp = (photograph.pixels for photograph in read_pair(blurry_path, sharp_path))
        found = measure(blurry, sharp, start)
        trusted = not found.distrust
        steady = found.similarity if trusted else None
        vectors = estimate(flow, blurry, sharp)
        looked_at = [255 * srgb_to_linear(p / 255) for p in (blurry, sharp)] if options.light else (blurry, sharp)
        shown, silent, all_shown = judge(*looked_at, vectors, steady)
        every_left.append(1e4 * left_over(blurry, sharp, torch.from_numpy(vectors)))
        every_shown += shown
        every_silent += silent
        without += all_shown
        cells = _cells(shown, 6), _cells(silent, 10), f"{every_left[-1]:6.2f}"
        print(f"{name:12}{'yes' if trusted else 'no':>9} | {' | '.join(cells)}", flush=True)
    print(f"{'all':12}{'':>9} | {_cells(every_shown, 6)} | {_cells(every_silent, 10)} | {np.mean(every_left):6.2f}")
    print(f"{'not alone':12}{'':>9} | {_cells(without, 6)} |")


def _cells(values: list[float], width: int) -> str:
    if not values:
        return f"{0:{width}}{'-':>8}{'-':>8}"
    return f"{len(values):{width}}{np.median(values):8.2f}{np.quantile(values, 0.9):8.2f}"


if __name__ == "__main__":
    main()
