"""DMPHN(1-2-4) as released: a folder of six torch pickles, one per encoder and decoder.

Each file is the state dict of one part (``layer1.weight``); the name of the file is the start of our names.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from sdd_bench.core.errors import WeightsError
from sdd_bench.models.released.wrappers import read_torch

PARTS = tuple(f"{kind}_lv{level}" for level in (1, 2, 3) for kind in ("encoder", "decoder"))


def read_dmphn(folder: Path) -> dict[str, Tensor]:
    """Tensors of :class:`~sdd_bench.models.networks.dmphn.DMPHN` from the folder ``DMPHN_1_2_4`` of its authors.

    Args:
        folder: Holds ``encoder_lv1.pkl`` to ``decoder_lv3.pkl``; level 1 is the whole picture.

    Raises:
        WeightsError: A file is missing, damaged, or holds anything but tensors.
    """
    missing = [f"{part}.pkl" for part in PARTS if not (folder / f"{part}.pkl").is_file()]
    if missing:
        raise WeightsError(
            f"{folder}: expected the folder of the six files {PARTS[0]}.pkl to {PARTS[-1]}.pkl; missing: "
            f"{', '.join(missing)}."
        )
    return {f"{part}.{name}": tensor for part in PARTS for name, tensor in read_torch(folder / f"{part}.pkl").items()}
