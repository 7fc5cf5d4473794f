r"""How far a deblurring network itself shifts pictures, apart from what sharpening looks like to a flow.

    python tools/bench/own_shift.py PREPARED MODEL.safetensors ...

A network :math:`F` deblurs every test picture :math:`B` as it is and turned by 180 degrees (:math:`T`). Both results
show the same and are equally sharp, so their motion is no effect of sharpening: what :math:`F` shifts by *s* in the
picture's frame lies :math:`2s` apart in :math:`F(B)` and :math:`T^{-1} F(T B)`. ``own`` is the RMS of half the fitted
similarity, ``drift`` that between input and result, ``of both`` that of the mean of both results, whose shift in
the frame is gone. The flow is ``pwcnet``, which compares linear light: there, being out of focus leaves edges in place.
Means over the pictures, and of each.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from sdd_bench.evaluation.picture.scorer import to_tensor
from sdd_bench.flow.estimator import EstimatesSmall, load_flow
from sdd_bench.geometry.fit import fit_similarity
from sdd_bench.images.photograph import read_photograph, to_float
from sdd_bench.models.network import Network, load_network
from sdd_bench.prepared.open import open_dataset

Picture = NDArray[np.float32]


def deblurred(network: Network, picture: Picture) -> Picture:
    """Of a picture whose sides are multiples of what the network takes."""
    with torch.inference_mode():
        made = network.deblur(to_tensor(picture))
    return np.ascontiguousarray(made[0].permute(1, 2, 0).numpy().clip(0, 1))


def turned(picture: Picture) -> Picture:
    """By 180 degrees."""
    return np.ascontiguousarray(picture[::-1, ::-1])


def moved_px(flow: EstimatesSmall, before: Picture, after: Picture) -> float:
    """RMS of the similarity between two pictures."""
    found = flow.estimate_small(*(to_tensor(picture) for picture in (before, after)))
    return fit_similarity(found[0].numpy(), robust=True).rms_px


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("prepared", type=Path, help="prepared set, as prepared/ in --work of finetune_aperture.py")
    parser.add_argument("models", type=Path, nargs="+")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    pairs, flow = open_dataset(arguments.prepared).pairs, load_flow("pwcnet")
    assert isinstance(flow, EstimatesSmall)
    print("| | own | drift | of both | own, each | drift, each |\n" + "|---" * 6 + "|")
    for path in arguments.models:
        network = load_network(path)
        found = []
        for pair in pairs:
            whole = to_float(read_photograph(pair.blurry_path).pixels)
            height, width = (side - side % network.size_multiple for side in whole.shape[:2])
            blurry = np.ascontiguousarray(whole[:height, :width])
            made, of_turned = deblurred(network, blurry), turned(deblurred(network, turned(blurry)))
            found.append(
                (
                    moved_px(flow, of_turned, made) / 2,
                    moved_px(flow, blurry, made),
                    moved_px(flow, blurry, (made + of_turned) / 2),
                )
            )
        own, drift, of_both = np.transpose(found)
        each = (" ".join(f"{value:.3f}" for value in values) for values in (own, drift))
        cells = (*(f"{values.mean():.4f}" for values in (own, drift, of_both)), *each)
        name = path.stem if path.stem != "model" else path.parent.name
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
