"""A checkpoint of any form written as safetensors of this package, which says what network it is for."""

from __future__ import annotations

import json
from pathlib import Path

from safetensors.torch import save
from torch import nn

from sdd_bench.core.errors import ConfigError
from sdd_bench.core.storage.files import sealed
from sdd_bench.models.network import read_spec
from sdd_bench.models.recognise import own_tensors
from sdd_bench.models.released.checkpoint import read_checkpoint
from sdd_bench.models.spec import METADATA_KEY, ModelSpec, facts_of
from sdd_bench.weights.tensors import load_into


def save_weights(path: Path, network: nn.Module, spec: ModelSpec) -> None:
    """Write the weights of a network as safetensors that say what network it is.

    Args:
        path: The file, written as a whole or not at all.
        network: The network; tensors it holds under several names are written under each.
        spec: What it is built by.
    """
    metadata = {METADATA_KEY: json.dumps(facts_of(network, spec))}
    tensors = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in network.state_dict().items()}
    with sealed(path) as partial:
        partial.write_bytes(save(tensors, metadata=metadata))


def convert(checkpoint: Path, out: Path, spec: ModelSpec | None = None) -> ModelSpec:
    """Write ``checkpoint`` as a file of this package.

    Args:
        checkpoint: Released file or folder, of any form that :func:`read_checkpoint` reads.
        out: The ``.safetensors`` file to write.
        spec: What network it is for; None recognises it by its tensors.

    Returns:
        What network it is for.

    Raises:
        ConfigError: ``out`` has another suffix, or exists.
        WeightsError: The file is damaged, or of no known network.
    """
    if out.suffix != ".safetensors":
        raise ConfigError(f"{out}: expected a name that ends in .safetensors.")
    if out.exists():
        raise ConfigError(f"{out}: is there already. Choose another name, or remove it.")
    tensors = read_checkpoint(checkpoint)
    spec = read_spec(checkpoint, spec, tensors)
    network = spec.build()
    load_into(network, own_tensors(network, tensors), checkpoint)
    save_weights(out, network, spec)
    return spec
