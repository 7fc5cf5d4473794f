"""How far a network looks, told by the gradient of one output pixel."""

import torch
from torch import nn


def reach_px(network: nn.Module, *, length: int, axis: int = 3) -> int:
    """Largest distance along ``axis`` from an output pixel to an input pixel it depends on.

    All weights become positive and equal per layer and the numbers doubles, so that nothing cancels and nothing is too
    small to be seen: what has no gradient has no influence. Pictures are ``length`` long and eight pixels across.
    """
    network = network.double().train()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.fill_(1 / max(1, parameter[0].numel()) if parameter.ndim > 1 else 0.1)
    shape = [1, 3, 8, 8]
    shape[axis] = length
    picture = torch.full(shape, 0.75, dtype=torch.float64, requires_grad=True)
    output = network(picture)
    reach = 0
    for place in range(length // 2, length // 2 + 8):
        (gradient,) = torch.autograd.grad(output.select(axis, place).sum(), picture, retain_graph=True)
        seen = gradient.abs().sum(dim=(0, 1, 5 - axis)).nonzero()
        assert 0 < int(seen.min()) <= int(seen.max()) < length - 1, "the picture is too short"
        reach = max(reach, place - int(seen.min()), int(seen.max()) - place)
    return reach
