"""Predict and score in one call: from a method and a set to a run folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from sdd_bench.captures.layouts import PairList
from sdd_bench.core.errors import ConfigError, ImageError
from sdd_bench.core.storage.claims import alone_in
from sdd_bench.core.types import OnProgress, Progress, Split
from sdd_bench.evaluation.options import EvaluateOptions, check_method
from sdd_bench.evaluation.picture.cache import SharedCache
from sdd_bench.evaluation.run import RunReport, evaluate
from sdd_bench.images.photograph import read_photograph, to_float
from sdd_bench.images.write import from_float, write_png
from sdd_bench.models.network import Network, load_network
from sdd_bench.models.spec import UNKNOWN_BYTES_PER_PIXEL
from sdd_bench.prediction.classical import CLASSICAL, Classical, load_classical
from sdd_bench.prediction.run import predict
from sdd_bench.prediction.tiling import deblur
from sdd_bench.prepared.open import open_dataset
from sdd_bench.training.checkpoints import weights_of

Picture = NDArray[np.float32]
Method = Network | Classical | nn.Module | Path | str | Callable[[Any], Any]


def benchmark(
    method: Method,
    data: PairList | Path | str,
    out: Path | str,
    *,
    name: str | None = None,
    tensors: bool = False,
    split: Split = Split.TEST,
    options: EvaluateOptions | None = None,
    device: str = "cpu",
    cache: SharedCache | None = None,
    jobs: int = 1,
    on_progress: OnProgress | None = None,
) -> RunReport:
    """Deblur the blurry pictures of a set by ``method``, and score the predictions.

    Args:
        method: A function from a blurry picture to a deblurred one, ``(H, W, 3)`` float32 arrays in [0, 1]; a torch
            module, from and to ``(N, 3, H, W)`` tensors; a checkpoint; the name of a classical method; or what
            :func:`~sdd_bench.models.network.load_network` gave.
        data: A set, as ``evaluate`` takes it, or opened.
        out: Folder: predictions in ``out/predictions``, the run in ``out/run``. Predictions of a function or a module
            are made anew by every call, since nobody can see whether it has changed; scores of pictures that came out
            the same are kept.
        name: Of the method; None is its own name.
        tensors: Whether a function takes and returns ``(1, 3, H, W)`` float32 tensors in place of arrays.
        split: Split of the set.
        options: How to score; None is the protocol of the leaderboards.
        device: Torch device of the network, and of flow and LPIPS where ``options`` is None.
        cache: As in ``evaluate``.
        jobs: Local processes that score.
        on_progress: Called after every picture that is predicted, then after every one that is scored.

    Returns:
        The report of ``evaluate``: ``.summary``, ``.to_frame()``, ``.notes``.

    Raises:
        ImageError: The method returned another size, or values that are not finite.
        ConfigError: ``method`` is none of these, or ``out`` holds something else.
        SddBenchError: As ``predict`` and ``evaluate``. What a function raises itself is passed on.

    Example:
        >>> import tempfile
        >>> from sdd_bench import synthesize
        >>> from sdd_bench.synth.options import SynthOptions
        >>> fast = EvaluateOptions(metrics=("psnr",), flow="dis")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = synthesize(Path(folder, "set"), SynthOptions(width=96, height=64, n_train=0, n_test=1))
        ...     report = benchmark(lambda blurry: blurry, Path(folder, "set"), Path(folder, "out"), name="copy",
        ...                        options=fast, cache=SharedCache())
        >>> report.summary["regions"]["copy"]["focus_change"]
        0.0
    """
    dataset = data if isinstance(data, PairList) else open_dataset(Path(data), split=split)
    options = options or EvaluateOptions(device=device)
    out = Path(out)
    runner = _loaded(method, device)
    label = check_method(name if name is not None else _name_of(runner))
    predictions = out / "predictions"
    if isinstance(runner, (Network, Classical)):
        if isinstance(runner, Classical) and runner.needs_truth:
            raise ConfigError(f"{runner.name}: needs true blur maps; run sdd-bench predict, then evaluate.")
        pictures = {pair.name: pair.blurry_path for pair in dataset.pairs}
        predict(runner, pictures, predictions, on_progress=on_progress)
    else:
        with alone_in(predictions):
            _predict_by(_on_arrays(runner, tensors, device), label, dataset, predictions, on_progress)
    return evaluate(
        dataset,
        predictions,
        out / "run",
        method=label,
        options=options,
        cache=cache,
        jobs=jobs,
        on_progress=on_progress,
    )


def _loaded(method: Method, device: str) -> Network | Classical | nn.Module | Callable[[Any], Any]:
    if isinstance(method, str) and method in CLASSICAL:
        return load_classical(method)
    if isinstance(method, (str, Path)):
        path = Path(method)
        return load_network(weights_of(path)[0] if path.is_dir() else path, device=device)
    if not (isinstance(method, (Network, Classical)) or callable(method)):
        raise ConfigError(
            f"benchmark: expected a function, a torch module, a checkpoint or the name of a classical method, got "
            f"{type(method).__name__}."
        )
    return method


def _name_of(method: Any) -> str:
    """The name of a method; a function's or a class's own."""
    own = getattr(method, "name", None) or getattr(method, "__name__", None) or type(method).__name__
    return str(own).replace(":", "-").strip("<>")


def _on_arrays(method: Any, tensors: bool, device: str) -> Callable[[Picture], Any]:
    """``method`` as a function on arrays."""
    if not (tensors or isinstance(method, nn.Module)):
        return method  # type: ignore[no-any-return]
    if isinstance(method, nn.Module):
        method = method.eval().to(device)
    from sdd_bench.core.devices import device_of

    network = Network(
        forward=method,
        name="",
        sha256="",
        size_multiple=getattr(method, "size_multiple", 1),
        receptive_radius_px=None,
        bytes_per_pixel=UNKNOWN_BYTES_PER_PIXEL,
        device=device_of(device),
    )
    return lambda picture: deblur(network, picture)


def _predict_by(
    function: Callable[[Picture], Any],
    name: str,
    dataset: PairList,
    folder: Path,
    on_progress: OnProgress | None,
) -> None:
    for number, pair in enumerate(dataset.pairs, start=1):
        photograph = read_photograph(pair.blurry_path)
        blurry = to_float(photograph.pixels)
        done = function(blurry.copy())  # it may work in place
        if isinstance(done, Tensor):
            raise ImageError(f"{name}: returned a tensor for an array; say tensors=True for a function on tensors.")
        deblurred = np.asarray(done, dtype=np.float32)
        if deblurred.shape != blurry.shape:
            raise ImageError(f"{name}: returned {deblurred.shape} for {blurry.shape} ({pair.name}); keep the size.")
        if not np.isfinite(deblurred).all():
            raise ImageError(f"{name}: returned NaN or infinite values for {pair.name}.")
        write_png(folder / f"{pair.name}.png", from_float(np.clip(deblurred, 0, 1), photograph.bit_depth))
        if on_progress is not None:
            on_progress(Progress(number, len(dataset.pairs), item=pair.name))
