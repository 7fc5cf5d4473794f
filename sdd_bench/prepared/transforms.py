r"""The same crop, flips and quarter turns for pictures and for the flow between them.

A picture is cropped, flipped along x, flipped along y, then turned counter-clockwise by quarter turns. A flow is a
field of vectors (x to the right, y down, pixels): its grid moves as the picture's does, and its vectors turn with it.
Cropping leaves vectors as they are; a flip negates the component along it; a quarter turn takes (u, v) to (v, -u).
So for both pictures transformed alike, ``moving(p + flow(p)) ~ reference(p)`` still holds.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Transform(NamedTuple):
    """A crop (pixels), then flips, then counter-clockwise quarter turns."""

    y: int
    x: int
    height: int
    width: int
    flip_x: int = 0
    flip_y: int = 0
    quarter_turns: int = 0

    def turn(self, pixels: NDArray[np.generic]) -> NDArray[np.generic]:
        """Flip and turn a picture that is cropped already: (height, width, C) -> (H', W', C), a view."""
        pixels = pixels[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]
        return np.rot90(pixels, self.quarter_turns)

    def turn_flow(self, flow: NDArray[np.float32]) -> NDArray[np.float32]:
        """Flip and turn a flow that is cropped already: (2, height, width) -> (2, H', W')."""
        flow = flow[:, :: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]
        u, v = flow
        u, v = (-u if self.flip_x else u), (-v if self.flip_y else v)
        for _ in range(self.quarter_turns % 4):
            u, v = v, -u
        return np.rot90(np.stack([u, v]), self.quarter_turns, axes=(1, 2))

    def apply(self, pixels: NDArray[np.generic]) -> NDArray[np.generic]:
        """Crop, flip and turn a whole picture, (H, W, C)."""
        return self.turn(pixels[self.y : self.y + self.height, self.x : self.x + self.width])

    def apply_flow(self, flow: NDArray[np.float32]) -> NDArray[np.float32]:
        """Crop, flip and turn the flow of a whole picture, (2, H, W)."""
        return self.turn_flow(flow[:, self.y : self.y + self.height, self.x : self.x + self.width])


def random_transform(generator: np.random.Generator, size: int, crop: int) -> Transform:
    """A square crop anywhere in a square picture, each flip and turn equally likely."""
    y, x = generator.integers(0, size - crop + 1, 2).tolist()
    flip_x, flip_y = generator.integers(0, 2, 2).tolist()
    return Transform(y, x, crop, crop, flip_x, flip_y, int(generator.integers(0, 4)))


def centre_crop(size: int, crop: int) -> Transform:
    """The crop in the middle of a square picture."""
    start = (size - crop) // 2
    return Transform(start, start, crop, crop)
