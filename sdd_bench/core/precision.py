"""Full float32: "precision 32" in a signature means 24 bits of mantissa on every device.

cuDNN's convolutions use TF32 by default, which has 11 bits, so the same weights give other numbers on a GPU than on a
CPU. ``torch.set_float32_matmul_precision`` allows TF32 for matrix products too, and bfloat16 on CPUs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import backends

_CUDNN: Any = backends.cudnn  # torch adds the attributes used below at import, where type checkers cannot see them
_MKLDNN: Any = backends.mkldnn
_SWITCHES: tuple[Any, ...] = (backends.cuda.matmul, _CUDNN.conv, _CUDNN.rnn, _MKLDNN.matmul, _MKLDNN.conv)


@contextmanager
def full_float32() -> Iterator[None]:
    """Compute float32 convolutions and matrix products in full float32, whatever the process allows outside.

    Use it in a ``with`` statement or as a decorator. Autocast still chooses bfloat16 where it is switched on.

    Example:
        >>> with full_float32():
        ...     backends.cudnn.conv.fp32_precision
        'ieee'
    """
    before = [switch.fp32_precision for switch in _SWITCHES]
    try:
        for switch in _SWITCHES:
            switch.fp32_precision = "ieee"
        yield
    finally:
        for switch, value in zip(_SWITCHES, before, strict=True):
            switch.fp32_precision = value


def has_fast_bf16() -> bool | None:
    """Whether this processor has instructions for bfloat16 (AVX512-BF16, AMX, or ARM's); None where torch cannot say.

    Without them bfloat16 convolutions take several times as long as float32 ones. An older torch has no list of
    instructions, and the list of a processor of another kind names none of these.

    Example:
        >>> has_fast_bf16() in (True, False, None)
        True
    """
    instructions = torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
    found = [bool(instructions[name]) for name in ("avx512_bf16", "amx_bf16", "bf16") if name in instructions]
    return any(found) if found else None
