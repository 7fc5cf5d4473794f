"""RealBokeh (Seizinger et al., ICCV 2025): ``{train,validation,test}/metadata/*.json``, one file per scene.

A file names ``source_image`` (sharp, f/22), ``target_images`` (blurry, one per aperture) and their f-numbers
``target_avs``; paths are relative to the folder of the split. The set is for rendering bokeh. For deblurring, source
and target change places: many blurry pictures belong to one sharp picture.
"""

from __future__ import annotations

from pathlib import Path

from sdd_bench.captures.csv_pairs import RowError, inside
from sdd_bench.captures.folders import Found
from sdd_bench.captures.listing import below, natural_key
from sdd_bench.captures.metadata.columns import split_called
from sdd_bench.core.errors import PairingError
from sdd_bench.core.storage.documents import read_json
from sdd_bench.core.types import Pair, Problem, Split

_SCENE = {"source_image": str, "target_images": [str], "target_avs": [float]}
_FOLDERS = ("train", "val", "validation", "test")


def find_scenes(root: Path) -> list[Path]:
    """The files of the scenes, split by split.

    Example:
        >>> find_scenes(Path("no/such/folder"))
        []
    """
    found = []
    for name in _FOLDERS:
        found += sorted((root / name / "metadata").glob("*.json"), key=lambda path: natural_key(path.name))
    return found


def read_realbokeh(root: Path) -> Found:
    """The pairs of every scene, each with the f-number of its blurry picture.

    Example:
        >>> import json, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     split = Path(folder, "test")
        ...     (split / "metadata").mkdir(parents=True)
        ...     _ = [(split / name).write_bytes(b"") for name in ("f22.png", "f2.png")]
        ...     scene = {"id": 1, "source_image": "f22.png", "target_images": ["f2.png"], "target_avs": [2.0]}
        ...     _ = (split / "metadata" / "1.json").write_text(json.dumps(scene))
        ...     pair = read_realbokeh(Path(folder)).pairs[0]
        >>> pair.blurry_path.name, pair.sharp_path.name, pair.f_number
        ('f2.png', 'f22.png', 2.0)
    """
    found = Found()
    for path in find_scenes(root):
        split, folder = split_called(path.parents[1].name) or Split.TEST, path.parents[1]
        try:
            source, targets, numbers = _scene(path)
            sharp = inside(folder, source, "source_image")
        except (PairingError, RowError) as error:
            reason = str(error).removeprefix(f"{path}: ")
            found.problems.append(Problem(below(path, root), reason, split, path.stem))
            continue
        for target, number in zip(targets, numbers, strict=True):
            try:
                blurry = inside(folder, target, "target_images")
                if blurry == sharp or any(pair.blurry_path == blurry for pair in found.pairs[-len(targets) :]):
                    raise RowError(f"{target} is the source, or was given already")
            except RowError as error:
                found.problems.append(Problem(below(path, root), str(error), split, Path(target).stem))
                continue
            found.pairs.append(Pair("", split, blurry, sharp, f_number=number))
    return found


def _scene(path: Path) -> tuple[str, list[str], list[float]]:
    """The sharp picture, the blurry ones, and their f-numbers."""
    values = read_json(path, _SCENE, PairingError, "A scene has a name, names and f-numbers.")
    source, targets, numbers = (values[name] for name in ("source_image", "target_images", "target_avs"))
    if len(targets) != len(numbers):
        raise PairingError(f"names {len(targets)} target_images, but {len(numbers)} target_avs")
    if not all(number > 0 for number in numbers):
        raise PairingError(f"target_avs are {str(numbers)[:60]}; expected f-numbers")
    return source, targets, [float(number) for number in numbers]
