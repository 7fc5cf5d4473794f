"""Run a deblurring network, or a classical method, over pictures: from a split or a folder to a folder of predictions.

::

    OUT/predict.json     method, weights and options, and the sha256 of every blurry picture; what differs is refused.
                         Beside them the number of parameters, and of every prediction its sha256 and its time
    OUT/NAME.png         the prediction, with the name, EXIF tags and ICC profile of the blurry picture; a killed run
                         goes on
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sdd_bench.core.errors import ConfigError, ImageError, OutputError
from sdd_bench.core.storage.claims import alone_in, begin
from sdd_bench.core.storage.documents import misfit, read_json
from sdd_bench.core.storage.files import sha256_of, sha256_or_empty, write_json
from sdd_bench.core.types import AnyPath, OnProgress, Problem, Progress, Split
from sdd_bench.core.words import counted
from sdd_bench.images.photograph import Photograph, check_unchanged, read_photograph
from sdd_bench.models.catalogue import TILE_TESTS
from sdd_bench.models.network import Network
from sdd_bench.prediction.classical import Classical
from sdd_bench.prediction.method import Made, Run, method_of, write_prediction
from sdd_bench.prediction.options import PredictOptions
from sdd_bench.prediction.workers import predict_by
from sdd_bench.prepared.open import open_dataset, open_pictures
from sdd_bench.report.notebook import html_table

if TYPE_CHECKING:
    from pandas import DataFrame

SEAL = "predict.json"
_PICTURES = "pictures"
"""Key of the seal that grows: the sha256 of each picture by its name."""
_MADE, _PARAMS, _DEVICE = "made", "params", "device"
"""Keys that say what is known of predictions beyond what they depend on."""
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
    notes: tuple[str, ...] = ()
    """What to know before the predictions are used."""

    def to_frame(self) -> DataFrame:
        """What ``predict.json`` knows of each prediction, as a pandas DataFrame: one row per picture."""
        import pandas as pd

        made = read_json(self.out / SEAL, {_MADE: {"*": dict}}, OutputError, "Predict again.")[_MADE]
        return pd.DataFrame([{"name": name, **values} for name, values in made.items()])

    def _repr_html_(self) -> str:
        title = f"{self.n_pictures - len(self.problems)} of {counted(self.n_pictures, 'prediction')}: {self.out}"
        rows = [(problem.item, problem.reason) for problem in self.problems]
        return html_table(title, ("without a prediction", "why"), rows, notes=self.notes)


def pictures_of(data: AnyPath, *, split: Split = Split.TEST, layout: str = "auto") -> dict[str, Path]:
    """Name and file of every blurry picture of a set, see :func:`~sdd_bench.prepared.open.open_pictures`.

    Raises:
        PairingError: There is no picture.
        ManifestError: ``data`` is a damaged or unfinished prepared set.
    """
    found = open_pictures(data, split=split, layout=layout)
    return {picture.name: picture.path for picture in found.pictures}


def true_maps_of(data: AnyPath, *, split: Split = Split.TEST, layout: str = "auto") -> dict[str, Path]:
    """Name and file of the map of circles of confusion of every pair that has one: of synthetic sets with all truth.

    Raises:
        PairingError: There is no pair.
        ManifestError: ``data`` is a damaged or unfinished prepared set.
    """
    pairs = open_dataset(data, split=split, layout=layout).pairs
    return {pair.name: pair.coc_path for pair in pairs if pair.coc_path is not None}


def predict(
    network: Network | Classical,
    pictures: Mapping[str, AnyPath],
    out: AnyPath,
    options: PredictOptions | None = None,
    *,
    true_maps: Mapping[str, AnyPath] = MappingProxyType({}),
    jobs: int = 1,
    dask: str | None = None,
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
        jobs: Local processes; from two on, each loads the network for itself (``network.again``).
        dask: Address of a Dask scheduler instead, whose workers do likewise.
        on_progress: Called after every picture.

    Raises:
        ConfigError: ``out`` holds predictions of another network, of other pictures or made otherwise, or the tile is
            too small, or memory ran out.
        OutputError: ``out`` holds something else or is being written by another run, or cannot be written.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> from sdd_bench import load_network
        >>> from sdd_bench.images.write import write_png
        >>> from sdd_bench.weights import path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_png(Path(folder, "photos", "0001.png"), np.zeros((64, 96, 3), np.uint8))
        ...     pictures = pictures_of(Path(folder, "photos"))
        ...     report = predict(load_network(path("unet-folded")), pictures, Path(folder, "deblurred"))
        ...     sorted(path.name for path in report.out.iterdir())
        ['0001.png', 'predict.json']
        >>> report.n_made
        1
    """
    out = Path(out)
    files = {name: Path(path) for name, path in pictures.items()}
    maps = {name: Path(path) for name, path in true_maps.items()}
    options = options or PredictOptions()
    made_with, run = method_of(network, options, maps)
    with alone_in(out):
        about = {_PARAMS: getattr(network, "parameters", None), _DEVICE: _place(network, dask)}
        digests = {name: sha256_or_empty(path) for name, path in files.items()}
        made = _claim(out, made_with | about, files, digests)
        missing = {name: path for name, path in files.items() if not (out / f"{name}.png").is_file()}
        if dask is None and jobs == 1:
            outcomes = _predict_here(run, missing, digests, out, options)
        else:
            outcomes = predict_by(network, missing, digests, out, options, maps, jobs=jobs, dask=dask)
        done, n_bytes, n_tiled, problems = len(files) - len(missing), 0, 0, []
        with closing(outcomes), _noted(out, made):
            for name, outcome in outcomes:
                path = missing[name]
                if isinstance(outcome, Made):
                    made[name] = asdict(outcome)
                    n_tiled += outcome.tiled
                elif isinstance(outcome, ImageError):
                    problems.append(Problem(name, str(outcome)))
                elif isinstance(outcome, MemoryError):
                    raise ConfigError(
                        f"{path}: memory ran out; allow less than {options.memory_gib:g} GiB, or a smaller tile."
                    ) from outcome
                else:
                    raise outcome
                done, n_bytes = done + 1, n_bytes + (path.stat().st_size if path.is_file() else 0)
                if on_progress is not None:
                    on_progress(Progress(done, len(files), n_bytes, name))
            for problem in _changed(out, missing, digests):
                problems.append(problem)
                del made[problem.item]
    problems.sort(key=lambda problem: list(files).index(problem.item))
    notes = (_on_tiles(network.name, n_tiled),) if n_tiled else ()
    return PredictReport(out, len(files), len(missing) - len(problems), tuple(problems), notes)


def _changed(out: Path, pictures: Mapping[str, Path], digests: Mapping[str, str]) -> Iterator[Problem]:
    """Take back the predictions of pictures that were replaced since the seal was written."""
    for name, path in pictures.items():
        if (out / f"{name}.png").is_file() and sha256_or_empty(path) != digests[name]:
            (out / f"{name}.png").unlink()
            yield Problem(name, f"{path}: changed while it was in use. Run again when nothing writes it.")


def _predict_here(
    run: Run, pictures: Mapping[str, Path], digests: Mapping[str, str], out: Path, options: PredictOptions
) -> Generator[tuple[str, Made | Exception], None, None]:
    """One picture after the other; the name of each, or what went wrong."""
    for name, reading in _read_ahead(pictures):
        try:
            photograph = reading.result()
            check_unchanged(pictures[name], photograph, digests[name])
            outcome: Made | Exception = write_prediction(run, name, pictures[name], photograph, out, options)
        except Exception as error:
            outcome = error
        yield name, outcome


def _on_tiles(name: str, n_tiled: int) -> str:
    known = " and to ".join(map(str, TILE_TESTS.get(name, ())))
    measured = f": in a test tiles and whole agreed to {known}" if known else ""
    return (
        f"{n_tiled} picture(s) passed {name} in tiles, which changes what it makes of them{measured}. Allow more "
        "--memory to have them whole."
    )


def _place(network: Network | Classical, dask: str | None) -> str:
    """Where the method runs, in a word: times of other places do not compare."""
    return "cluster" if dask else str(network.device) if isinstance(network, Network) else "cpu"


@contextmanager
def _noted(out: Path, made: Mapping[str, Any]) -> Iterator[None]:
    """Enter ``made`` in the seal at the end, also where an error or Ctrl-C is the end."""
    try:
        yield
    finally:
        seal = read_json(out / SEAL, dict, OutputError, "Predict into another folder.")
        write_json(out / SEAL, seal | {_MADE: dict(made)})


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


def _claim(out: Path, ours: dict[str, Any], pictures: Mapping[str, Path], found: dict[str, str]) -> dict[str, Any]:
    """Write the seal, or check that the one there says the same, and the same of every picture predicted already.

    Returns:
        What is known of the predictions that are there.
    """
    compared = {key: value for key, value in ours.items() if key not in (_PARAMS, _DEVICE)}
    theirs = begin(out, SEAL, compared, what="predictions", aside=(_PICTURES, _MADE, _PARAMS, _DEVICE))
    known: Any = theirs.get(_PICTURES)
    noted: Any = theirs.get(_MADE)
    known = known if misfit(known, {"*": str}) == "" else {}
    noted = noted if misfit(noted, {"*": {"sha256": str}}) == "" else {}
    for name, sha256 in found.items():
        made = out / f"{name}.png"
        if made.is_file() and known.get(name) != sha256:
            raise ConfigError(
                f"{made}: is not made from {pictures[name]} as it is now. Remove it to have it made anew, or choose "
                "another output folder."
            )
    there = {name: out / f"{name}.png" for name in known | found if (out / f"{name}.png").is_file()}
    noted = {name: noted.get(name) or {"sha256": sha256_of(path)} for name, path in there.items()}
    write_json(out / SEAL, ours | {_PICTURES: known | found, _MADE: noted})
    return noted
