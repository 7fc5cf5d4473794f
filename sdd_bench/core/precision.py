"""Full float32: what a signature calls precision 32 is computed with 24 bits of mantissa on every device.

cuDNN's convolutions use TF32 by default: 11 bits, so the same weights give other numbers on a GPU than on a CPU.
``torch.set_float32_matmul_precision`` allows the like for matrix products, and bfloat16 on CPUs.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import backends

_CUDNN: Any = backends.cudnn  # torch adds their parts when it is imported, unseen by type checkers
_MKLDNN: Any = backends.mkldnn
_SWITCHES: tuple[Any, ...] = (backends.cuda.matmul, _CUDNN.conv, _CUDNN.rnn, _MKLDNN.matmul, _MKLDNN.conv)


@contextmanager
def full_float32() -> Iterator[None]:
    """Float32 convolutions and matrix products are computed as such, whatever the process allows outside.

    For a ``with`` statement, or as a decorator. Autocast goes on choosing bfloat16 where it is asked to.

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
