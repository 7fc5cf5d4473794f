"""Checkpoints of PWC-Net: published ones (``module*`` or ``net*`` keys) and our own, as safetensors or torch files.

Torch files are read with ``weights_only=True``: a checkpoint is data, never a program.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from sdd_bench.errors import WeightsError
from sdd_bench.flow.pwcnet import PWCNet

_NUMBERS = {"One": 1, "Two": 2, "Thr": 3, "Fou": 4, "Fiv": 5, "Six": 6}
WRAPPERS = ("state_dict", "model_state_dict", "model")


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
    network = PWCNet(dense=dense, normalise=not published)
    load_into(network, tensors, path)
    return network.eval().requires_grad_(False)


def read_tensors(path: Path, *, wrappers: Sequence[str] = WRAPPERS) -> dict[str, Tensor]:
    """Named tensors of a ``.safetensors`` file or of a torch checkpoint, without the ``module.`` of parallel training.

    Args:
        path: The file.
        wrappers: Keys under which a torch checkpoint may hold the tensors, beside other things.

    Raises:
        WeightsError: The file is missing, truncated, not a checkpoint, or holds anything but tensors.
    """
    try:
        if path.suffix == ".safetensors":
            values: object = load_file(path)
        else:
            values = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise WeightsError(
            f"{path}: cannot be read ({error.strerror or error}); expected a checkpoint file."
        ) from error
    except Exception as error:  # torch.load raises whatever a damaged file leads it to
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise WeightsError(
            f"{path}: expected a checkpoint of tensors alone (.safetensors, or a torch file that loads with "
            f"weights_only=True), got: {reason[:200]}. Download it again, or convert it to safetensors."
        ) from error
    for name in wrappers:
        if isinstance(values, Mapping) and isinstance(values.get(name), Mapping):
            values = values[name]
    if not isinstance(values, Mapping) or not values or not all(isinstance(v, Tensor) for v in values.values()):
        raise WeightsError(f"{path}: expected a dictionary of tensors, got {_describe(values)}.")
    return {str(key).removeprefix("module."): value for key, value in values.items()}


def load_into(network: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Fill ``network``, all names, shapes and kinds of numbers equal, every number finite.

    Raises:
        WeightsError: Names which tensors are missing, unknown, of another shape or kind, or not finite.
    """
    expected = network.state_dict()
    missing = sorted(set(expected) - set(tensors))
    unknown = sorted(set(tensors) - set(expected))
    if missing or unknown:
        raise WeightsError(
            f"{path}: expected the {len(expected)} tensors of {type(network).__name__}, got {len(tensors)}; "
            f"missing: {_some(missing)}; unknown: {_some(unknown)}. Is it a checkpoint of another network?"
        )
    for name, own in expected.items():
        value = tensors[name]
        if value.shape != own.shape:
            raise WeightsError(f"{path}: {name}: expected shape {tuple(own.shape)}, got {tuple(value.shape)}.")
        if _kind(value) != _kind(own):
            raise WeightsError(
                f"{path}: {name}: expected {_kind(own)} numbers, got {_kind(value)} ones; the file is damaged, or of "
                "another network."
            )
        if value.is_floating_point() and not bool(value.to(own.dtype).isfinite().all()):
            raise WeightsError(f"{path}: {name}: expected finite numbers; the file is damaged.")
    network.load_state_dict(tensors)


def _kind(tensor: Tensor) -> str:
    if tensor.is_floating_point():
        return "floating-point"
    return "complex" if tensor.is_complex() else "boolean" if tensor.dtype == torch.bool else "integer"


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
    number = "|".join(_NUMBERS)
    if match := re.fullmatch(rf"netExtractor\.net({number})\.([024])\.(weight|bias)", key):
        return f"pyramid.{_NUMBERS[match[1]] - 1}.{int(match[2]) // 2}.0.{match[3]}"
    if match := re.fullmatch(r"netRefiner\.netMain\.(\d+)\.(weight|bias)", key):
        layer = int(match[1])
        return f"context_flow.{match[2]}" if layer == 12 else f"context.{layer // 2}.0.{match[2]}"
    if match := re.fullmatch(rf"net({number})\.(.+)", key):
        # The published decoder of level L takes the flow of the coarser level L + 1.
        decoder = f"decoders.{6 - _NUMBERS[match[1]]}"
        if up := re.fullmatch(r"netUp(flow|feat)\.(weight|bias)", match[2]):
            return f"{decoder}.upsample_{'flow' if up[1] == 'flow' else 'state'}.{up[2]}"
        if layer_match := re.fullmatch(rf"net({number})\.0\.(weight|bias)", match[2]):
            index = _NUMBERS[layer_match[1]] - 1
            place = "flow" if index == 5 else f"layers.{index}.0"
            return f"{decoder}.{place}.{layer_match[2]}"
    return None


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "") if names else "none"


def _describe(values: object) -> str:
    if isinstance(values, Mapping):
        return f"a dictionary with {_some([str(key) for key in values])}"
    return type(values).__name__
