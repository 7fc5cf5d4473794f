"""Run a deblurring network, or a classical method, over pictures: from a split or a folder to a folder of predictions.

::

    OUT/predict.json     method, weights and options, and the sha256 of every blurry picture; what differs is refused
    OUT/NAME.png         the prediction, called after the blurry picture; sealed, so a killed run goes on
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sdd_bench.core.errors import ConfigError, ImageError
from sdd_bench.core.storage.claims import alone_in, begin
from sdd_bench.core.storage.files import sha256_or_empty, write_json
from sdd_bench.core.types import OnProgress, Problem, Progress, Split
from sdd_bench.images.photograph import Photograph, read_photograph, to_float
from sdd_bench.images.write import from_float, write_png
from sdd_bench.models.network import Network
from sdd_bench.prediction.classical import Classical, read_true_sigma
from sdd_bench.prediction.options import PredictOptions
from sdd_bench.prediction.tiling import deblur, tile_side
from sdd_bench.prepared.open import open_dataset, open_pictures

SEAL = "predict.json"
_PICTURES = "pictures"
"""Key of the seal that grows: the sha256 of each picture by its name."""
_UNKNOWN_RADIUS_PX = 128
_READ_AHEAD = 2


@dataclass(frozen=True)
class PredictReport:
    """What a call of :func:`predict` did."""

    out: Path
    n_pictures: int
    n_made: int
    """Predictions made now; the others were there already."""
    problems: tuple[Problem, ...]
    """Pictures without a prediction, and why."""


def pictures_of(data: Path, *, split: Split = Split.TEST, layout: str = "auto") -> dict[str, Path]:
    """Name and file of every blurry picture of a set, see :func:`~sdd_bench.prepared.open.open_pictures`.

    Raises:
        PairingError: There is no picture.
        ManifestError: ``data`` is a damaged or unfinished prepared set.
    """
    found = open_pictures(data, split=split, layout=layout)
    return {picture.name: picture.path for picture in found.pictures}


def true_maps_of(data: Path, *, split: Split = Split.TEST, layout: str = "auto") -> dict[str, Path]:
    """Name and file of the map of circles of confusion of every pair of a synthetic set; of other sets none.

    Raises:
        PairingError: There is no pair.
        ManifestError: ``data`` is a damaged or unfinished prepared set.
    """
    pairs = open_dataset(data, split=split, layout=layout).pairs
    truths = {pair.name: pair.truth_path for pair in pairs if pair.truth_path is not None}
    return {name: path.with_name(f"{path.stem}_coc.tiff") for name, path in truths.items()}


def predict(
    network: Network | Classical,
    pictures: Mapping[str, Path],
    out: Path,
    options: PredictOptions | None = None,
    *,
    true_maps: Mapping[str, Path] = MappingProxyType({}),
    on_progress: OnProgress | None = None,
) -> PredictReport:
    """Deblur ``pictures`` into ``out``; what is there already from the same network, options and pictures is kept.

    Nothing in ``out`` is overwritten: a prediction of another picture is refused, not made anew. Memory and tiles may
    differ from call to call, as long as a tile sees as far as before.

    Args:
        network: From :func:`sdd_bench.models.network.load_network`, or a classical method from
            :func:`sdd_bench.prediction.classical.load_classical`.
        pictures: From :func:`pictures_of`.
        out: Folder of predictions; new, empty, or begun before.
        options: How.
        true_maps: From :func:`true_maps_of`, for ``oracle-map``.
        on_progress: Called after every picture.

    Raises:
        ConfigError: ``out`` holds predictions of another network, of other pictures or made otherwise, or the tile is
            too small, or memory ran out.
        OutputError: ``out`` holds something else or is being written by another run, or cannot be written.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from sdd_bench import load_network
        >>> from sdd_bench.weights import path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_png(Path(folder, "photos", "0001.png"), np.zeros((64, 96, 3), np.uint8))
        ...     pictures = pictures_of(Path(folder, "photos"))
        ...     report = predict(load_network(path("unet-small-jdrl")), pictures, Path(folder, "deblurred"))
        ...     sorted(path.name for path in report.out.iterdir())
        ['0001.png', 'predict.json']
        >>> report.n_made
        1
    """
    options = options or PredictOptions()
    made_with, run = (
        _classical(network, options, true_maps) if isinstance(network, Classical) else _tiled(network, options)
    )
    with alone_in(out):
        _claim(out, made_with, pictures)
        missing = {name: path for name, path in pictures.items() if not (out / f"{name}.png").is_file()}
        done, n_bytes, problems = len(pictures) - len(missing), 0, []
        for name, reading in _read_ahead(missing):
            try:
                photograph = reading.result()
                depth = photograph.bit_depth if options.bit_depth == "same" else int(options.bit_depth)
                write_png(out / f"{name}.png", from_float(run(name, to_float(photograph.pixels)), depth))
            except ImageError as error:
                problems.append(Problem(name, str(error)))
            except MemoryError as error:
                raise ConfigError(
                    f"{missing[name]}: memory ran out; allow less than {options.memory_gib:g} GiB, or a smaller tile."
                ) from error
            done, n_bytes = done + 1, n_bytes + (missing[name].stat().st_size if missing[name].is_file() else 0)
            if on_progress is not None:
                on_progress(Progress(done, len(pictures), n_bytes, name))
    return PredictReport(out, len(pictures), len(missing) - len(problems), tuple(problems))


def _read_ahead(pictures: Mapping[str, Path]) -> Iterable[tuple[str, Future[Photograph]]]:
    """The pictures in order, the next ones being read while the network works."""
    waiting = iter(pictures.items())
    with ThreadPoolExecutor(1) as reader:
        queue: list[tuple[str, Future[Photograph]]] = []
        try:
            while True:
                while len(queue) < _READ_AHEAD and (item := next(waiting, None)) is not None:
                    queue.append((item[0], reader.submit(read_photograph, item[1])))
                if not queue:
                    return
                yield queue.pop(0)
        finally:
            reader.shutdown(cancel_futures=True)


_Run = Callable[[str, NDArray[np.float32]], NDArray[np.float32]]
"""From a picture's name and pixels to its prediction."""


def _tiled(network: Network, options: PredictOptions) -> tuple[dict[str, Any], _Run]:
    """All that a prediction depends on beside the picture; tiles change nothing that see as far as the network does."""
    radius = network.receptive_radius_px
    overlap = options.overlap
    if overlap is None:
        overlap = _UNKNOWN_RADIUS_PX if radius is None else radius
    pixels = None if options.tile else tile_side(network, options.memory_gib, overlap) ** 2
    made_with = {
        "schema": 2,
        "model": network.name,
        "sha256": network.sha256,
        **network.settings,
        "self_ensemble": options.self_ensemble,
        "bit_depth": options.bit_depth,
        "overlap": overlap if radius is None else min(overlap, radius),
    }

    def run(_: str, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        return deblur(
            network,
            picture,
            tile=options.tile,
            pixels=pixels,
            overlap=overlap,
            self_ensemble=options.self_ensemble,
        )

    return made_with, run


def _classical(
    method: Classical, options: PredictOptions, true_maps: Mapping[str, Path]
) -> tuple[dict[str, Any], _Run]:
    """As :func:`_tiled`; pictures pass whole, since edges are weighed against those of all the picture."""
    if options.tile is not None or options.overlap is not None or options.self_ensemble:
        raise ConfigError(f"{method.name}: takes pictures whole and once; leave out tile, overlap and self-ensemble.")
    made_with = {
        "schema": 2,
        "model": method.name,
        "sha256": method.sha256,
        **method.settings,
        "bit_depth": options.bit_depth,
    }

    def run(name: str, picture: NDArray[np.float32]) -> NDArray[np.float32]:
        truth = read_true_sigma(true_maps[name]) if method.needs_truth and name in true_maps else None
        return method.deblur(picture, truth)

    return made_with, run


def _claim(out: Path, ours: dict[str, Any], pictures: Mapping[str, Path]) -> None:
    """Write the seal, or check that the one there says the same, and the same of every picture predicted already."""
    theirs = begin(out, SEAL, ours, what="predictions", aside=_PICTURES)
    known = theirs.get(_PICTURES)
    known = known if isinstance(known, dict) else {}
    found = {name: sha256_or_empty(path) for name, path in pictures.items()}
    for name, sha256 in found.items():
        made = out / f"{name}.png"
        if made.is_file() and known.get(name) != sha256:
            raise ConfigError(
                f"{made}: is not made from {pictures[name]} as it is now. Remove it to have it made anew, or choose "
                "another output folder."
            )
    if known | found != known or _PICTURES not in theirs:
        write_json(out / SEAL, ours | {_PICTURES: known | found})
