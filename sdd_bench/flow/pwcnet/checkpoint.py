"""Checkpoints of PWC-Net: published ones (``module*`` or ``net*`` keys) and our own, as safetensors or torch files.

Torch files are read with ``weights_only=True``: a checkpoint is data, never a program.
"""

from __future__ import annotations

import re
from pathlib import Path

import torch
from torch import Tensor

from sdd_bench.core.errors import WeightsError
from sdd_bench.flow.pwcnet.network import PWCNet
from sdd_bench.weights.tensors import NUMBERS, load_into, read_tensors


def load_pwcnet(path: Path) -> PWCNet:
    """A frozen PWC-Net from a checkpoint; its variant (dense or not, normalised or not) follows from the file.

    Published names give the published network. Our own names come from ``tools/train_flow.py``, which always trains
    with cost-volume normalisation; dense decoders are told by their wider second layer.

    Raises:
        WeightsError: The file is missing, no checkpoint, or its tensors do not fit.
    """
    tensors, published = _own_names(read_tensors(path), path)
    first = tensors.get("decoders.0.layers.1.0.weight")
    dense = published or (first is not None and first.ndim == 4 and first.shape[1] > 128)
    with torch.device("meta"):  # no numbers are drawn that the file replaces
        network = PWCNet(dense=dense, normalise=not published)
    network.to_empty(device="cpu")
    load_into(network, tensors, path)
    return network.eval().requires_grad_(False)


def _own_names(tensors: dict[str, Tensor], path: Path) -> tuple[dict[str, Tensor], bool]:
    """Tensors under our names, and whether the checkpoint was a published one."""
    if not any(re.match(r"(module|net)(Extractor|Refiner|[A-Z][a-z]{2}\.)", key) for key in tensors):
        return tensors, False
    renamed = {}
    for key, value in tensors.items():
        own = published_name_to_own(key)
        if own is None:
            raise WeightsError(f"{path}: {key}: not a tensor of the published PWC-Net.")
        renamed[own] = value
    return renamed, True


def published_name_to_own(key: str) -> str | None:
    """Our name of a published tensor, None when there is none.

    Example:
        >>> published_name_to_own("moduleExtractor.moduleThr.2.weight")
        'pyramid.2.1.0.weight'
        >>> published_name_to_own("netTwo.netSix.0.bias")
        'decoders.4.flow.bias'
    """
    key = re.sub(r"\bmodule(?=[A-Z])", "net", key)
    number = "|".join(NUMBERS)
    if match := re.fullmatch(rf"netExtractor\.net({number})\.([024])\.(weight|bias)", key):
        return f"pyramid.{NUMBERS[match[1]] - 1}.{int(match[2]) // 2}.0.{match[3]}"
    if match := re.fullmatch(r"netRefiner\.netMain\.(\d+)\.(weight|bias)", key):
        layer = int(match[1])
        return f"context_flow.{match[2]}" if layer == 12 else f"context.{layer // 2}.0.{match[2]}"
    if match := re.fullmatch(rf"net({number})\.(.+)", key):
        # The published decoder of level L takes the flow of the coarser level L + 1.
        decoder = f"decoders.{6 - NUMBERS[match[1]]}"
        if up := re.fullmatch(r"netUp(flow|feat)\.(weight|bias)", match[2]):
            return f"{decoder}.upsample_{'flow' if up[1] == 'flow' else 'state'}.{up[2]}"
        if layer_match := re.fullmatch(rf"net({number})\.0\.(weight|bias)", match[2]):
            index = NUMBERS[layer_match[1]] - 1
            place = "flow" if index == 5 else f"layers.{index}.0"
            return f"{decoder}.{place}.{layer_match[2]}"
    return None
