r"""The same crop, flips and quarter turns for pictures and for the flow between them.

A picture is cropped, flipped along x, flipped along y, then turned counter-clockwise by quarter turns. A flow is a
field of vectors in pixels, x to the right and y down. Its grid moves like that of a picture, and its vectors (u, v)
turn with the grid: cropping leaves them as they are, a flip negates the component along its axis, and a quarter turn
takes (u, v) to (v, -u). So ``moving(p + flow(p)) ~ reference(p)`` still holds after both pictures are transformed
alike.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Transform(NamedTuple):
    """A crop, in pixels, then flips, then counter-clockwise quarter turns.

    Example:
        >>> turned = Transform(y=0, x=0, height=2, width=2, quarter_turns=1)
        >>> turned.apply(np.array([[[1], [2]], [[3], [4]]]))[..., 0].tolist()
        [[2, 4], [1, 3]]
        >>> right = np.stack([np.ones((2, 2), np.float32), np.zeros((2, 2), np.float32)])
        >>> turned.apply_flow(right)[:, 0, 0].tolist()  # to the right becomes up
        [0.0, -1.0]
    """

    y: int
    x: int
    height: int
    width: int
    flip_x: int = 0
    flip_y: int = 0
    quarter_turns: int = 0

    def turn(self, pixels: NDArray[np.generic]) -> NDArray[np.generic]:
        """A view of a cropped picture, (height, width, C), flipped and turned, (H', W', C).

        Example:
            >>> Transform(0, 0, 1, 2, flip_x=1).turn(np.array([[[1], [2]]]))[..., 0].tolist()
            [[2, 1]]
        """
        pixels = pixels[:: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]
        return np.rot90(pixels, self.quarter_turns)

    def turn_flow(self, flow: NDArray[np.float32]) -> NDArray[np.float32]:
        """A cropped flow, (2, height, width), flipped and turned, (2, H', W').

        Example:
            >>> Transform(0, 0, 1, 2, flip_x=1).turn_flow(np.float32([[[5, 2]], [[0, 0]]]))[0].tolist()
            [[-2.0, -5.0]]
        """
        flow = flow[:, :: -1 if self.flip_y else 1, :: -1 if self.flip_x else 1]
        u, v = flow
        u, v = (-u if self.flip_x else u), (-v if self.flip_y else v)
        for _ in range(self.quarter_turns % 4):
            u, v = v, -u
        return np.rot90(np.stack([u, v]), self.quarter_turns, axes=(1, 2))

    def apply(self, pixels: NDArray[np.generic]) -> NDArray[np.generic]:
        """A whole picture, (H, W, C), cropped, flipped and turned.

        Example:
            >>> Transform(0, 1, 1, 1).apply(np.array([[[1], [2]]])).tolist()
            [[[2]]]
        """
        return self.turn(pixels[self.y : self.y + self.height, self.x : self.x + self.width])

    def apply_flow(self, flow: NDArray[np.float32]) -> NDArray[np.float32]:
        """The flow of a whole picture, (2, H, W), cropped, flipped and turned.

        Example:
            >>> Transform(0, 1, 1, 1).apply_flow(np.float32([[[1, 2]], [[3, 4]]])).tolist()
            [[[2.0]], [[4.0]]]
        """
        return self.turn_flow(flow[:, self.y : self.y + self.height, self.x : self.x + self.width])


def random_transform(generator: np.random.Generator, size: int, crop: int) -> Transform:
    """A random transform: a square crop anywhere in a square picture, with each flip and turn equally likely.

    Args:
        generator: Generator of the random numbers.
        size: Side of the picture, pixels.
        crop: Side of the crop, pixels.

    Example:
        >>> transform = random_transform(np.random.default_rng(0), size=512, crop=256)
        >>> 0 <= transform.y <= 256, transform.height, transform.width
        (True, 256, 256)
    """
    y, x = generator.integers(0, size - crop + 1, 2).tolist()
    flip_x, flip_y = generator.integers(0, 2, 2).tolist()
    return Transform(y, x, crop, crop, flip_x, flip_y, int(generator.integers(0, 4)))


def centre_crop(size: int, crop: int) -> Transform:
    """The crop, ``crop`` pixels wide, in the middle of a square picture of ``size`` pixels.

    Example:
        >>> centre_crop(512, 256)
        Transform(y=128, x=128, height=256, width=256, flip_x=0, flip_y=0, quarter_turns=0)
    """
    start = (size - crop) // 2
    return Transform(start, start, crop, crop)
