"""Every reader of the package: sound files of its kind, how they are damaged, and what reads them."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tools.torture.mutate import damage, damage_json, damage_text

Damage = Callable[[bytes, np.random.Generator], bytes]


@dataclass(frozen=True)
class Reader:
    """A file that is damaged, and the functions that read it."""

    file: str
    """Its place in a folder of an attempt."""
    sound: Callable[[Path], list[bytes]]
    """Contents of sound files, from the folder of inputs."""
    read: Callable[[Path], object]
    """Reads it; given the folder."""
    damage: Damage = damage
    around: str = ""
    """Input that is copied into the folder before: the set or run that the file belongs to."""
    seal: Callable[[Path], None] = field(default=lambda folder: None)
    """Makes the hashes right again, as someone who means harm does."""

    def has_input(self, inputs: Path) -> bool:
        """Whether the sound files can be had."""
        try:
            return bool(self.sound(inputs))
        except FileNotFoundError:
            return False

    def furnish(self, folder: Path, inputs: Path) -> None:
        """Copy what lies around the file."""
        if self.around:
            shutil.copytree(inputs / self.around, folder, dirs_exist_ok=True)


def _input(name: str) -> Callable[[Path], list[bytes]]:
    return lambda inputs: [(inputs / name).read_bytes()]


def _small() -> np.ndarray:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:40, :56]
    smooth = 120 + 60 * np.sin(x / 9)[..., None] * np.cos(y / 7)[..., None] * np.array([1.0, 0.8, 0.6])
    return np.clip(smooth + rng.normal(0, 3, (40, 56, 3)), 0, 255).astype(np.uint8)


def _pillow(form: str, **options: Any) -> Callable[[Path], list[bytes]]:
    def make(inputs: Path) -> list[bytes]:
        from PIL import Image

        made = []
        for mode in options.get("modes", ("RGB",)):
            stream = io.BytesIO()
            more = {key: value for key, value in options.items() if key != "modes"}
            Image.fromarray(_small()).convert(mode).save(stream, form, **more)
            made.append(stream.getvalue())
        return made

    return make


def _png(inputs: Path) -> list[bytes]:
    import cv2

    deep = cv2.imencode(".png", _small().astype(np.uint16) * 257)[1].tobytes()
    return [*_pillow("PNG", modes=("RGB", "L", "P", "RGBA"))(inputs), deep]


def _jpeg(inputs: Path) -> list[bytes]:
    return _pillow("JPEG", quality=90)(inputs) + _pillow("JPEG", progressive=True, modes=("RGB", "L"))(inputs)


def _tiff(inputs: Path) -> list[bytes]:
    import tifffile

    made = _pillow("TIFF", compression="tiff_lzw", modes=("RGB", "L"))(inputs)
    for compression, more in ((None, {}), ("zlib", {}), ("zlib", {"tile": (16, 16)}), ("zlib", {"predictor": 2})):
        for pixels in (_small(), _small().astype(np.uint16) * 257):
            stream = io.BytesIO()
            tifffile.imwrite(stream, pixels, photometric="rgb", compression=compression, metadata=None, **more)
            made.append(stream.getvalue())
    return made


def _dng(inputs: Path) -> list[bytes]:
    import tifffile

    rng = np.random.default_rng(0)
    mosaic = (64 + 1500 + 400 * np.sin(np.mgrid[:64, :96][1] / 9) + rng.normal(0, 20, (64, 96))).astype(np.uint16)
    identity = (1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1)
    tags = [
        (33421, "H", 2, (2, 2), True), (33422, "B", 4, bytes([0, 1, 1, 2]), True),
        (50706, "B", 4, bytes([1, 4, 0, 0]), True), (50708, "s", 0, "Made", True), (50714, "H", 1, 64, True),
        (50717, "H", 1, 4095, True), (50721, "2i", 9, identity, True),
        (50728, "2I", 3, (500, 1000, 1000, 1000, 600, 1000), True),
    ]  # fmt: skip
    stream = io.BytesIO()
    tifffile.imwrite(stream, mosaic, photometric=32803, extratags=tags, metadata=None, software=False)
    return [stream.getvalue()]


def _picture(name: str) -> Callable[[Path], object]:
    def read(folder: Path) -> object:
        from sdd_bench.images.photograph import read_header, read_photograph

        read_header(folder / name)
        return read_photograph(folder / name)

    return read


def _npy(inputs: Path) -> list[bytes]:
    made = []
    for version in ((1, 0), (2, 0)):
        stream = io.BytesIO()
        np.lib.format.write_array(stream, (_small() / 255).astype(np.float32), version=version)
        made.append(stream.getvalue())
    return made


def _names_npy(inputs: Path) -> list[bytes]:
    stream = io.BytesIO()
    np.save(stream, np.array([f"./dd_dp_dataset/{n:04d}.png" for n in range(9)]))
    return [stream.getvalue()]


def _torch(inputs: Path) -> list[bytes]:
    import torch

    made = []
    for zipped in (True, False):
        stream = io.BytesIO()
        state = {"state_dict": {"a.weight": torch.ones(4, 3), "a.bias": torch.zeros(4)}, "step": 3}
        torch.save(state, stream, _use_new_zipfile_serialization=zipped)
        made.append(stream.getvalue())
    return made


def _toml(inputs: Path) -> list[bytes]:
    from sdd_bench.training.config import TrainConfig, to_toml

    return [to_toml(TrainConfig()).encode()]


def _call(function: str, *names: str, **options: Any) -> Callable[[Path], object]:
    """A reader by its dotted name, called with a path of the folder or, without a name, the folder."""

    def read(folder: Path) -> object:
        from importlib import import_module

        module, _, attribute = function.rpartition(".")
        return getattr(import_module(f"sdd_bench.{module}"), attribute)(
            *(folder / name for name in names or ("",)), **options
        )

    return read


def _all(*readers: Callable[[Path], object]) -> Callable[[Path], object]:
    """Every one of several readers: each either reads or refuses."""

    def read(folder: Path) -> None:
        from sdd_bench.core.errors import SddBenchError

        refused: SddBenchError | None = None
        for reader in readers:
            try:
                reader(folder)
            except SddBenchError as error:
                refused = error
        if refused is not None:
            raise refused

    return read


def _pairs(folder: Path) -> object:
    from sdd_bench.captures.csv_pairs import read_pairs_csv
    from sdd_bench.core.types import Split

    return read_pairs_csv(folder / "pairs.csv", folder, Split.TEST)


def _metadata(folder: Path) -> object:
    from sdd_bench.captures.layouts import read_layout

    return read_layout(folder)


def _lists(folder: Path) -> object:
    from sdd_bench.captures.folders import _read_names

    return _read_names(folder, "train_src.npy")


def _truth(folder: Path) -> object:
    from sdd_bench.evaluation.picture.truth import read_truth

    return read_truth(folder / "truth.json", width=96, height=64)


def _shard(folder: Path) -> object:
    from sdd_bench.prepared.shards import ShardReader, shard_info, verify_shard

    shard_info(folder / "train-00000.h5")
    problems = verify_shard(folder / "train-00000.h5")
    reader = ShardReader(folder / "train-00000.h5")
    for index in range(len(reader)):
        reader.read_patch(index)
    return problems


def _train_config(folder: Path) -> object:
    from sdd_bench.core.config import load
    from sdd_bench.training.config import TrainConfig

    return load(TrainConfig, folder / "config.toml")


def _prediction(folder: Path) -> object:
    from sdd_bench.evaluation.prediction import prediction_of

    return prediction_of({path.stem: path for path in sorted(folder.glob("*.png"))})


def _part(folder: Path) -> object:
    from sdd_bench.preparation.work import read_part

    return read_part(folder, "train-00000", "0" * 64)


def _part_json(inputs: Path) -> list[bytes]:
    import csv

    rows = list(csv.DictReader(io.StringIO((inputs / "set" / "pairs.csv").read_text())))
    shard = {"name": "train-00000.h5", "n_bytes": 1, "sha256": "0" * 64, "n_patches": 2}
    part = {"plan_sha256": "0" * 64, "name": "train-00000", "rows": rows, "shard": shard, "frames": []}
    return [json.dumps(part).encode()]


def _begin(folder: Path) -> object:
    from sdd_bench.core.storage.claims import begin

    return begin(folder, "options.json", json.loads('{"seed": 1}'), what="a run")


def _seal_set(folder: Path) -> None:
    path = folder / "dataset.json"
    value = json.loads(path.read_text())
    value["pairs_sha256"] = _sha256(folder / "pairs.csv")
    path.write_text(json.dumps(value))


def _seal_run(folder: Path) -> None:
    path = folder / "run.json"
    value = json.loads(path.read_text())
    value["files"] = {name: _sha256(folder / name) for name in value["files"]}
    path.write_text(json.dumps(value))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


_SET = _all(_call("inspect.describe.describe"), _call("inspect.validate.validate"), _call("prepared.open.open_dataset"))
_RUN = _all(
    _call("inspect.describe.describe"), _call("inspect.validate.validate"), _call("leaderboard.runs.check.check_run"),
    _call("leaderboard.runs.read.read_run"),
)  # fmt: skip
_WEIGHTS = ("weights.tensors.read_tensors", "models.released.checkpoint.read_checkpoint", "inspect.describe.describe",
            "inspect.validate.validate")  # fmt: skip


def _weights(name: str) -> Callable[[Path], object]:
    return _all(*(_call(function, name) for function in _WEIGHTS))


def _table(inputs: Path) -> list[bytes]:
    return [next((inputs / "boards-full").glob("*.csv")).read_bytes()]


def _text(text: str) -> Callable[[Path], list[bytes]]:
    return lambda inputs: [text.encode()]


_PAIRS = _text("blurry,sharp,split,scene\na.png,b.png,test,hall\nc.png,d.png,train,\n")
_SCENES = _text("split,name,scene,group\ntest,0000,hall,indoor\ntrain,0001,hall,\n")
_METADATA = _text("blurry_file_name,sharp_file_name,scene\na.png,b.png,hall\n")
_COC = "captures/truth/test/0000_coc.tiff"
READERS: dict[str, Reader] = {
    "png": Reader("a.png", _png, _picture("a.png")),
    "jpeg": Reader("a.jpg", _jpeg, _picture("a.jpg")),
    "tiff": Reader("a.tif", _tiff, _picture("a.tif")),
    "bmp": Reader("a.bmp", _pillow("BMP", modes=("RGB", "P", "L")), _picture("a.bmp")),
    "dng": Reader("a.dng", _dng, _picture("a.dng")),
    "npy": Reader("a.npy", _npy, _all(_call("evaluation.picture.read.read_prediction", "a.npy"))),
    "npy-names": Reader("train_src.npy", _names_npy, _lists),
    "flo": Reader("a.flo", _input("run/flow/0000.flo"), _call("flow.flo.read_flo", "a.flo")),
    "coc": Reader("a_coc.tiff", _input(_COC), _call("optics.coc_map.read_coc", "a_coc.tiff")),
    "safetensors": Reader("a.safetensors", _input("net.safetensors"), _weights("a.safetensors")),
    "pt": Reader("a.pth", _torch, _weights("a.pth")),
    "pt2": Reader("a.pt2", _input("net.pt2"),
                  _all(_call("models.program.read_facts", "a.pt2"), _call("inspect.describe.describe", "a.pt2"),
                       _call("inspect.validate.validate", "a.pt2"))),
    "shard": Reader("train-00000.h5", _input("set/train-00000.h5"), _shard),
    "flow-file": Reader("flow-a.h5", _input("flow.h5"), _call("prepared.shards.flow_info", "flow-a.h5")),
    "set-json": Reader("dataset.json", _input("set/dataset.json"), _SET, damage_json, around="set"),
    "set-pairs": Reader("pairs.csv", _input("set/pairs.csv"), _SET, damage_text, around="set", seal=_seal_set),
    "run-seal": Reader("run.json", _input("run/run.json"), _RUN, damage_json, around="run"),
    "run-summary": Reader("summary.json", _input("run/summary.json"), _RUN, damage_json, around="run", seal=_seal_run),
    "run-figures": Reader("per_image.csv", _input("run/per_image.csv"), _RUN, damage_text, around="run",
                          seal=_seal_run),
    "predict-json": Reader("predict.json", _input("predicted/predict.json"), _prediction, damage_json,
                           around="predicted"),
    "truth-json": Reader("truth.json", _input("captures/truth/test/0000.json"), _truth, damage_json),
    "part-json": Reader(".parts/train-00000.json", _part_json, _part, damage_json),
    "options-json": Reader("options.json", lambda inputs: [b'{"seed": 1}'], _begin, damage_json),
    "pairs-csv": Reader("pairs.csv", _PAIRS, _pairs, damage_text),
    "scenes-csv": Reader("scenes.csv", _SCENES, _call("captures.csv_pairs.read_scenes_csv", "scenes.csv"), damage_text),
    "metadata-csv": Reader("metadata.csv", _METADATA, _metadata, damage_text),
    "table-csv": Reader("captures.csv", _table, _call("leaderboard.tables.store.read_table", "captures.csv"),
                        damage_text),
    "analysis-csv": Reader("misalignment.csv", _input("analysis/misalignment.csv"),
                           _all(_call("preparation.align.read_registrations", "misalignment.csv"),
                                _call("preparation.drop.read_measured", "misalignment.csv"),
                                _call("preparation.match._read", "misalignment.csv")), damage_text),
    "bundle": Reader("m.zip", _input("m.zip"), _call("leaderboard.bundle.verify_bundle", "m.zip")),
    "toml": Reader("config.toml", _toml, _train_config, damage_text),
}  # fmt: skip
