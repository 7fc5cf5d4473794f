"""What a filter learns by each loss from pairs that are shifted: gain in PSNR over the blurry picture, and time.

    python tools/bench/contextual.py

One filter of 9x9 per colour starts as the identity and is trained on crops of photographs, blurred by a Gaussian and
shifted by up to 4 px at random, so the sharp picture lies elsewhere as often on one side as on the other. It is scored
on crops of another photograph against the sharp picture in its right place. ``aligned`` is trained without shifts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import cv2
import numpy as np
import torch
from _pictures import natural_pictures
from torch import Tensor, nn

from sdd_bench.training.contextual.features import load_features
from sdd_bench.training.contextual.loss import ContextualLoss
from sdd_bench.training.contextual.similarity import Form, Similarity
from sdd_bench.training.losses import charbonnier

_RATE = 1e-3
"""Learning rate at the start; a larger one leaves the brightness of the last crop in the filter."""
SIDE, SIGMA_PX, SHIFT_PX, N_TEST = 96, 1.6, 4, 12
Loss = Callable[[Tensor, Tensor], Tensor]


class Crops:
    """Random pairs of photographs."""

    def __init__(self, seed: int) -> None:
        self._sharp = [picture.astype(np.float32) / 255 for picture in natural_pictures(8, 6)]
        self._blurry = [cv2.GaussianBlur(picture, (0, 0), SIGMA_PX) for picture in self._sharp]
        self._rng = np.random.default_rng(seed)

    def draw(self, number: int, shift_px: int) -> tuple[Tensor, Tensor]:
        """A blurry crop and the sharp one, which lies up to ``shift_px`` beside it."""
        height, width = self._sharp[number].shape[:2]
        y, x = (int(self._rng.integers(SHIFT_PX, side - SIDE - SHIFT_PX)) for side in (height, width))
        down, right = self._rng.integers(-shift_px, shift_px + 1, 2)
        return _tensor(self._blurry[number], y, x), _tensor(self._sharp[number], y + down, x + right)


def _tensor(picture: np.ndarray, y: int, x: int) -> Tensor:
    return torch.from_numpy(picture[y : y + SIDE, x : x + SIDE].transpose(2, 0, 1)[None].copy())


def trained(loss: Loss, shift_px: int, steps: int) -> nn.Conv2d:
    """The filter after training."""
    torch.manual_seed(0)
    crops = Crops(0)
    network = nn.Conv2d(3, 3, 9, padding=4, padding_mode="replicate", groups=3, bias=False)
    network.weight.data.zero_()
    network.weight.data[:, :, 4, 4] = 1
    optimizer = torch.optim.Adam(network.parameters(), _RATE)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        blurry, sharp = crops.draw(step % 5, shift_px)
        optimizer.zero_grad()
        loss(network(blurry), sharp).backward()
        optimizer.step()
        falling.step()
    return network.requires_grad_(False)


def gain_db(network: nn.Conv2d) -> float:
    """Mean gain on crops of the photograph that was not trained on, without their borders."""
    crops, gains = Crops(9), []
    for _ in range(N_TEST):
        blurry, sharp = crops.draw(5, 0)
        errors = [((picture - sharp)[..., 8:-8, 8:-8] ** 2).mean() for picture in (blurry, network(blurry))]
        gains.append(10 * float(torch.log10(errors[0] / errors[1])))
    return float(np.mean(gains))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--places", type=int, default=1024, help="that a contextual loss draws of a layer")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    features = load_features()

    def distance(predicted: Tensor, sharp: Tensor) -> Tensor:
        return charbonnier(predicted - sharp)

    rows: dict[str, tuple[Loss, int]] = {"aligned": (distance, 0), "charbonnier": (distance, SHIFT_PX)}
    for form in Form:
        loss = ContextualLoss(features, Similarity(form), most_places=arguments.places)
        rows[form.value] = (loss, SHIFT_PX)
    print(f"{arguments.steps} steps of one crop of {SIDE}x{SIDE}, shifts up to {SHIFT_PX} px")
    for name, (loss, shift_px) in rows.items():
        start = time.process_time()
        network = trained(loss, shift_px, arguments.steps)
        seconds = time.process_time() - start
        print(f"{name:16s}{gain_db(network):+7.2f} dB{seconds:8.1f} s of the processor", flush=True)


if __name__ == "__main__":
    main()
