"""Predictions by local processes or the workers of a Dask cluster, a picture a task.

A network does not travel: a worker loads it from its file once and keeps it, and refuses a file with another sha256
than the caller's.
"""

from __future__ import annotations

import pickle
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sdd_bench.core.errors import ConfigError, WeightsError
from sdd_bench.core.executors import open_executor
from sdd_bench.core.parallel import DASK_WINDOW, run
from sdd_bench.images.photograph import check_unchanged, read_photograph
from sdd_bench.models.network import Network
from sdd_bench.prediction.classical import Classical
from sdd_bench.prediction.method import Made, method_of, write_prediction
from sdd_bench.prediction.options import PredictOptions


@dataclass(frozen=True)
class _Task:
    name: str
    picture: Path
    out: Path
    options: PredictOptions
    true_maps: Mapping[str, Path]
    again: bytes
    """What loads the network, pickled: equal bytes are the same network."""
    sha256: str
    picture_sha256: str

    def __str__(self) -> str:
        return self.name


def predict_by(
    network: Network | Classical,
    pictures: Mapping[str, Path],
    digests: Mapping[str, str],
    out: Path,
    options: PredictOptions,
    true_maps: Mapping[str, Path],
    *,
    jobs: int = 1,
    dask: str | None = None,
) -> Generator[tuple[str, Made | Exception], None, None]:
    """Predict ``pictures`` into ``out`` by others; yields the name of each when it is done, or what went wrong.

    Args:
        network: Network or classical method that knows how to load it again.
        pictures: Names and files.
        digests: SHA-256 of each, by its name.
        out: Folder that the workers share.
        options: How.
        true_maps: Files of true maps by the names of pictures, for ``oracle-map``.
        jobs: Local processes.
        dask: Address of a Dask scheduler instead.

    Raises:
        ConfigError: The network was not loaded from a file, or nothing answers at the address.
        SddBenchError: Workers died again and again under one task.
    """
    if network.again is None:
        raise ConfigError(
            f"{'--dask' if dask else '--jobs'}: {network.name} was not loaded from a file; no worker can load it."
        )
    again = pickle.dumps(network.again)
    tasks = (
        _Task(
            name,
            path.absolute(),
            out.absolute(),
            options,
            {name: true_maps[name].absolute()} if name in true_maps else {},
            again,
            network.sha256,
            digests[name],
        )
        for name, path in pictures.items()
    )
    with open_executor(jobs, dask, sight=next(iter(pictures.values()), None)) as executor:
        for task, outcome in run(executor, _predict, tasks, window=DASK_WINDOW if dask else jobs + 1):
            yield task.name, outcome


def _predict(task: _Task) -> Made:
    network = _loaded(task.again)
    if network.sha256 != task.sha256:
        raise WeightsError(
            f"{network.name}: a worker found a file of sha256 {network.sha256[:12]}, expected {task.sha256[:12]}. "
            "Workers must share the file system."
        )
    write = method_of(network, task.options, task.true_maps)[1]
    photograph = read_photograph(task.picture)
    check_unchanged(task.picture, photograph, task.picture_sha256)
    return write_prediction(write, task.name, task.picture, photograph, task.out, task.options)


@lru_cache(maxsize=1)
def _loaded(again: bytes) -> Network | Classical:
    network: Network | Classical = pickle.loads(again)()
    return network
