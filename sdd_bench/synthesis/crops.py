"""An endless stream of crops of made pairs, for training on the fly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from sdd_bench.synthesis.options import SynthesisOptions
from sdd_bench.synthesis.pair import make_pair
from sdd_bench.synthesis.sources import Sources

_CROPS_A_SIDE = 3
_STILL = 0.004
"""Mean difference between blurry and sharp, one step of 8 bits, below which a crop is still."""
_POOL = 48
"""Crops that wait for their turn, so that neighbours of one scene do not come one after the other."""


class SynthesisCrops(IterableDataset[tuple[Tensor, ...]]):
    """Yields (blurry, sharp), each ``(3, crop, crop)`` float32 sRGB in [0, 1].

    With ``with_coc`` the circle of confusion of every pixel is a third, ``(1, crop, crop)``, in pixels.

    Args:
        photographs: 8-bit sRGB, as :func:`sdd_bench.synthesis.sources.read_photographs` reads them; may be empty.
        options: What is made.
        crop: Side of a crop, in pixels.
        seed: Seed of everything; each worker of a DataLoader draws its own stream from it.
        uses: Times each crop is given, each time turned and mirrored anew: making one can take longer than learning it.
        still_kept: Share of the crops that hardly differ from their sharp ones that is given; they are many, and teach
            little.
        with_coc: Give the circles of confusion, too.
        pool: Crops that wait for their turn.
    """

    def __init__(
        self,
        photographs: Sequence[NDArray[np.uint8]],
        options: SynthesisOptions,
        *,
        crop: int,
        seed: int,
        uses: int = 1,
        still_kept: float = 1.0,
        with_coc: bool = False,
        pool: int = _POOL,
    ) -> None:
        self.photographs, self.options = list(photographs), options
        self.crop, self.seed, self.uses, self.pool = crop, seed, uses, pool
        self.still_kept, self.with_coc = still_kept, with_coc

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        worker = get_worker_info()
        rng = np.random.default_rng([self.seed, 0 if worker is None else worker.id])
        sources = Sources(self.photographs, self.options, rng)
        waiting: list[tuple[Tensor, int]] = []
        while True:
            waiting.extend((crop, self.uses) for crop in self._crops(sources, rng))
            while len(waiting) > self.pool:
                crop, uses = waiting.pop(int(rng.integers(len(waiting))))
                turned = _turned(crop, rng)
                yield turned.split((3, 3, 1)) if self.with_coc else turned.split((3, 3))
                if uses > 1:
                    waiting.append((crop, uses - 1))

    def _crops(self, sources: Sources, rng: np.random.Generator) -> Iterator[Tensor]:
        """As many crops beside each other as fit on one pair: blurry, sharp and circles above each other."""
        pair = make_pair(_CROPS_A_SIDE * self.crop, sources, self.options, rng)
        side = pair.blurry.shape[0]
        count = max(1, side // self.crop)
        room = side - count * self.crop
        y0, x0 = (int(start) for start in rng.integers(room + 1, size=2))
        for row in range(count):
            for column in range(count):
                y, x = y0 + row * self.crop, x0 + column * self.crop
                window = (slice(y, y + self.crop), slice(x, x + self.crop))
                if np.abs(pair.blurry[window] - pair.sharp[window]).mean() < _STILL and rng.random() > self.still_kept:
                    continue
                planes = [pair.blurry[window], pair.sharp[window]]
                planes += [pair.coc_diameter_px[window][..., None]] if self.with_coc else []
                yield torch.from_numpy(np.ascontiguousarray(np.concatenate(planes, axis=2).transpose(2, 0, 1)))


def _turned(crop: Tensor, rng: np.random.Generator) -> Tensor:
    """The crop turned by quarters, and mirrored or not."""
    quarters, mirrored = int(rng.integers(4)), bool(rng.random() < 0.5)
    turned = torch.rot90(crop, quarters, (1, 2))
    return (turned.flip(2) if mirrored else turned).contiguous()
