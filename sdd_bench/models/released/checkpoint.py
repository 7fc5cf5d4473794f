"""Any checkpoint as named tensors: ours, a torch file of any usual wrapping, or a form that only its authors use.

========================== =========== ============================================
form                       network     read by
========================== =========== ============================================
folder of six ``.pkl``     ``dmphn``   :mod:`sdd_bench.models.released.dmphn`
Keras ``.h5``, ``.hdf5``   ``dpdnet``  :mod:`sdd_bench.models.released.keras`
TensorLayer ``.npz``       ``kpac``    :mod:`sdd_bench.models.released.npz`
anything else              any         :mod:`sdd_bench.models.released.wrappers`
========================== =========== ============================================

All are read as data; no code of a file is run.
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from sdd_bench.models.released.dmphn import read_dmphn
from sdd_bench.models.released.keras import read_dpdnet
from sdd_bench.models.released.npz import read_kpac
from sdd_bench.models.released.wrappers import read_torch

_READERS = {".h5": read_dpdnet, ".hdf5": read_dpdnet, ".npz": read_kpac}


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Named tensors of a checkpoint.

    Args:
        path: File, or the folder of DMPHN.

    Raises:
        WeightsError: It is missing, damaged, or holds anything but tensors.
    """
    if path.is_dir():
        return read_dmphn(path)
    return _READERS.get(path.suffix.lower(), read_torch)(path)
