"""RealBokeh's scenes, changed over for deblurring."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sdd_bench.captures.layouts import read_layout
from sdd_bench.preparation.options import PrepareOptions
from sdd_bench.preparation.run import prepare
from sdd_bench.prepared.manifest import read_manifest


def write_scene(root: Path, split: str, number: int, **changes: Any) -> None:
    scene = {
        "id": number,
        "source_image": f"in/{number}_f22.png",
        "target_images": [f"gt/{number}_f2.0.png", f"gt/{number}_f4.0.png"],
        "target_avs": [2.0, 4.0],
    } | changes
    (root / split / "metadata").mkdir(parents=True, exist_ok=True)
    (root / split / "metadata" / f"{number}.json").write_text(json.dumps(scene))


def test_many_blurry_pictures_belong_to_one_sharp_and_keep_their_f_number(tmp_path: Path, write_picture: Any) -> None:
    for split in ("train", "validation"):
        for name in ("in/1_f22", "gt/1_f2.0", "gt/1_f4.0"):
            write_picture(tmp_path / "set" / split / f"{name}.png")
        write_scene(tmp_path / "set", split, 1)
    found = read_layout(tmp_path / "set")
    assert found.layout == "realbokeh"
    assert [(pair.pair_id, pair.sharp_path.name, pair.f_number, pair.scene) for pair in found.pairs] == [
        ("train/1_f2.0", "1_f22.png", 2.0, "train/in/1_f22"),
        ("train/1_f4.0", "1_f22.png", 4.0, "train/in/1_f22"),
        ("val/1_f2.0", "1_f22.png", 2.0, "validation/in/1_f22"),
        ("val/1_f4.0", "1_f22.png", 4.0, "validation/in/1_f22"),
    ]
    prepare(tmp_path / "set", tmp_path / "out", PrepareOptions(resize="none", patch=32, overlap=0, drop=0))
    assert [row.blurry_f_number for row in read_manifest(tmp_path / "out").pairs] == [2.0, 4.0, 2.0, 4.0]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"source_image": "../secret.png"}, "leads out"),
        ({"source_image": None}, "source_image: expected text"),
        ({"target_avs": [2.0]}, "names 2 target_images, but 1 target_avs"),
        ({"target_avs": ["wide", 4.0]}, "expected a number"),
        ({"target_images": ["gt/9.png", "gt/1_f4.0.png"]}, "gt/9.png does not exist"),
        ({"target_images": ["in/1_f22.png", "gt/1_f4.0.png"]}, "is the source, or was given already"),
        ({"target_images": ["gt/1_f4.0.png", "gt/1_f4.0.png"]}, "is the source, or was given already"),
    ],
)
def test_scenes_that_cannot_be_used_are_listed(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    for number in (1, 2):
        for name in (f"in/{number}_f22.png", f"gt/{number}_f2.0.png", f"gt/{number}_f4.0.png"):
            (tmp_path / "set/test" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "set/test" / name).write_bytes(b"")
        write_scene(tmp_path / "set", "test", number, **(changes if number == 1 else {}))
    (tmp_path / "secret.png").write_bytes(b"")
    (tmp_path / "set/test/metadata/3.json").write_text("[]")
    found = read_layout(tmp_path / "set")
    assert {pair.name for pair in found.pairs} >= {"2_f2.0", "2_f4.0"}
    reasons = {problem.item: problem.reason for problem in found.problems}
    assert reason in reasons["test/metadata/1.json"]
    assert "expected an object, got []" in reasons["test/metadata/3.json"]
