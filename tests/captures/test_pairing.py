"""Two folders of any name: which pictures belong together, by name, by pattern, by list, by order."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdd_bench.captures.layouts import PairList, read_layout
from sdd_bench.captures.pairing import Pairing
from sdd_bench.core.errors import ConfigError, PairingError
from sdd_bench.core.types import Split
from sdd_bench.prepared.open import open_pictures


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def paired(found: PairList) -> list[tuple[str, str]]:
    root = found.root
    return [
        (pair.blurry_path.relative_to(root).as_posix(), pair.sharp_path.relative_to(root).as_posix())
        for pair in found.pairs
    ]


def test_equal_names_pair_and_the_rest_is_listed(tmp_path: Path) -> None:
    touch(tmp_path, "A/1.jpg", "A/2.jpg", "B/1.png", "B/3.png")
    found = read_layout(tmp_path, pairing=Pairing(("A",), ("B",)))
    assert found.layout == "folders"
    assert paired(found) == [("A/1.jpg", "B/1.png")]
    assert {problem.item for problem in found.problems} == {"A/2.jpg", "B/3.png"}
    assert found.pairs[0].split is Split.TRAIN
    assert found.pairs[0].scene == ""


def test_apertures_in_subfolders_go_to_one_sharp_folder_and_form_scenes(tmp_path: Path) -> None:
    touch(tmp_path, "rig/f2/1.jpg", "rig/f8/1.jpg", "rig/f2/2.jpg", "rig/f16/1.jpg", "rig/f16/2.jpg")
    for blurry in (("rig",), ("rig/f2", "rig/f8")):
        found = read_layout(tmp_path, pairing=Pairing(blurry, ("rig/f16",)))
        assert sorted(paired(found)) == [
            ("rig/f2/1.jpg", "rig/f16/1.jpg"),
            ("rig/f2/2.jpg", "rig/f16/2.jpg"),
            ("rig/f8/1.jpg", "rig/f16/1.jpg"),
        ]
        assert found.problems == ()
        assert {pair.name: pair.scene for pair in found.pairs} == {
            "rig__f2__1": "rig/f16/1",
            "2": "",
            "rig__f8__1": "rig/f16/1",
        }


def test_a_file_name_that_is_on_the_sharp_side_twice_tells_nothing(tmp_path: Path) -> None:
    touch(tmp_path, "A/x/1.jpg", "B/y/1.jpg", "B/z/1.jpg", "A/2.jpg", "B/2.jpg")
    assert paired(read_layout(tmp_path, pairing=Pairing(("A",), ("B",)))) == [("A/2.jpg", "B/2.jpg")]


def test_several_pairs_of_folders(tmp_path: Path) -> None:
    touch(tmp_path, "a/in/1.png", "a/out/1.png", "b/in/1.png", "b/out/1.png")
    found = read_layout(tmp_path, pairing=Pairing(("a/in", "b/in"), ("a/out", "b/out")))
    assert paired(found) == [("a/in/1.png", "a/out/1.png"), ("b/in/1.png", "b/out/1.png")]


def test_a_pattern_gives_what_names_share(tmp_path: Path) -> None:
    touch(tmp_path, "A/img_01_f2.jpg", "A/img_01_f4.jpg", "A/other.jpg", "A/img_09_f2.jpg", "B/ref-01.jpg")
    found = read_layout(tmp_path, pairing=Pairing(("A",), ("B",), match_names=r"(\d\d)"))
    assert paired(found) == [("A/img_01_f2.jpg", "B/ref-01.jpg"), ("A/img_01_f4.jpg", "B/ref-01.jpg")]
    reasons = {problem.item: problem.reason for problem in found.problems}
    assert reasons == {
        "A/other.jpg": r"(\d\d) is not in its name",
        "A/img_09_f2.jpg": "no sharp picture matches 09",
    }
    touch(tmp_path, "B/again_01.jpg")
    with pytest.raises(PairingError, match="matches 01, as .*must give every sharp picture another value"):
        read_layout(tmp_path, pairing=Pairing(("A",), ("B",), match_names=r"(\d\d)"))


def test_a_pattern_tells_the_sides_of_one_folder(tmp_path: Path) -> None:
    touch(tmp_path, "S/0001_f16.jpg", "S/0001_f2.jpg", "S/0001_f4.jpg", "S/0002_f2.jpg")
    pattern = r"(\d+)_(?:(?P<sharp>f16)|(?P<blurry>f\d+))$"
    found = read_layout(tmp_path, pairing=Pairing(("S",), match_names=pattern))
    assert paired(found) == [("S/0001_f2.jpg", "S/0001_f16.jpg"), ("S/0001_f4.jpg", "S/0001_f16.jpg")]
    assert [problem.item for problem in found.problems] == ["S/0002_f2.jpg"]
    with pytest.raises(PairingError, match="holds both sides"):
        read_layout(tmp_path, pairing=Pairing(("S",), ("S",)))


@pytest.mark.parametrize("line", ["{},{}", "{} , {}", "{}\t{}", "{}   {}"])
def test_a_list_without_a_header(tmp_path: Path, line: str) -> None:
    touch(tmp_path, "A/1.png", "A/2.png", "B/x.png", "B/y.png")
    (tmp_path / "list.txt").write_text(
        "\ufeff" + line.format("1.png", "y.png") + "\n\n" + line.format("2.png", "x.png")
    )
    found = read_layout(tmp_path, pairing=Pairing(("A",), ("B",), list_file=tmp_path / "list.txt"))
    assert paired(found) == [("A/1.png", "B/y.png"), ("A/2.png", "B/x.png")]
    assert found.problems == ()


def test_lines_of_a_list_that_cannot_be_used_are_listed(tmp_path: Path) -> None:
    touch(tmp_path, "A/1.png", "B/1.png")
    lines = [
        "A/1.png,B/1.png",
        "A/1.png,B/1.png",
        "../A/1.png,B/1.png",
        "/etc/passwd,B/1.png",
        "A/1.png,A/1.png",
        "A/9.png,B/1.png",
    ]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    found = read_layout(tmp_path, pairing=Pairing(list_file=tmp_path / "list.txt"))
    assert paired(found) == [("A/1.png", "B/1.png")]
    assert [problem.item for problem in found.problems] == [f"list.txt line {n}" for n in range(2, 7)]
    for problem, reason in zip(
        found.problems, ("given already", "leads out", "absolute", "given already", "not exist"), strict=True
    ):
        assert reason in problem.reason
    (tmp_path / "list.txt").write_text("A/1.png\n")
    with pytest.raises(PairingError, match=r"list.txt:1: expected two names"):
        read_layout(tmp_path, pairing=Pairing(list_file=tmp_path / "list.txt"))


def test_sorted_order_needs_equal_counts_and_is_shown(tmp_path: Path) -> None:
    touch(tmp_path, "A/a1.png", "A/a2.png", "B/b1.png", "B/b2.png")
    found = read_layout(tmp_path, pairing=Pairing(("A",), ("B",)))
    assert paired(found) == [("A/a1.png", "B/b1.png"), ("A/a2.png", "B/b2.png")]
    assert "pairs were formed by sorted order (2); check them:\n  a1.png - b1.png" in found.notes[0]
    touch(tmp_path, "B/b3.png")
    with pytest.raises(PairingError, match="2 pictures, but 3 in .*needs equal counts"):
        read_layout(tmp_path, pairing=Pairing(("A",), ("B",)))


@pytest.mark.parametrize(
    ("pairing", "message"),
    [
        (Pairing(("A",), ("../B",)), r"\.\./B: leads out of"),
        (Pairing(("A",), ("gone",)), "gone: does not exist"),
        (Pairing(("A",)), "nothing names sharp ones"),
        (Pairing(("A/1.png",), ("A",)), "is no folder"),
    ],
)
def test_folders_that_cannot_be_used_are_named(tmp_path: Path, pairing: Pairing, message: str) -> None:
    touch(tmp_path, "set/A/1.png", "B/1.png")
    with pytest.raises(PairingError, match=message):
        read_layout(tmp_path / "set", pairing=pairing)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sharp_dirs": ("B",)}, "without --blurry-dir"),
        ({"blurry_dirs": ("A", "B", "C"), "sharp_dirs": ("D", "E")}, "3 folders by --blurry-dir, but 2 by --sharp-dir"),
        ({"blurry_dirs": ("A",), "match_names": "("}, "not a regular expression"),
        ({"blurry_dirs": ("A",), "match_names": "f(?P<sharp>16)"}, "has no group that a pair shares"),
        ({"match_names": "(1)"}, "--match-names goes with --blurry-dir"),
    ],
)
def test_options_that_say_nothing_are_refused(given: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Pairing(**given)  # type: ignore[arg-type]


def test_it_goes_with_no_layout(tmp_path: Path) -> None:
    touch(tmp_path, "A/1.png", "B/1.png")
    with pytest.raises(ConfigError, match="leave out --layout and --pairs"):
        read_layout(tmp_path, layout="sdd", pairing=Pairing(("A",), ("B",)))
    with pytest.raises(ConfigError, match="--columns goes with the layouts hf-"):
        read_layout(tmp_path, pairing=Pairing(("A",), ("B",), columns=("a", "b")))


def test_a_blurry_folder_alone_is_a_set_without_sharp_pictures(tmp_path: Path) -> None:
    touch(tmp_path, "A/1.png", "A/sub/2.png", "B/1.png")
    found = open_pictures(tmp_path, pairing=Pairing(("A",)))
    assert [picture.name for picture in found.pictures] == ["1", "2"]
    assert not found.has_truth
    assert open_pictures(tmp_path, pairing=Pairing(("A",), ("B",))).has_truth
