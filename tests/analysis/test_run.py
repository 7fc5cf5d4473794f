from __future__ import annotations

import builtins
import dataclasses
import io
import json
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from sdd_bench.analysis import pair as pair_module
from sdd_bench.analysis.options import AnalyzeOptions
from sdd_bench.analysis.run import analyze
from sdd_bench.analysis.table import Row, transfer_of
from sdd_bench.captures.layouts import PairList
from sdd_bench.core.errors import ConfigError, ImageError, ManifestError, OutputError
from sdd_bench.core.storage.files import sha256_of
from sdd_bench.core.storage.tables import Form, read_table
from sdd_bench.core.types import Pair, Progress, Split
from sdd_bench.preparation.align import read_registrations
from sdd_bench.prepared.open import open_dataset

_FAST = AnalyzeOptions(flow="dis", worst=1)


def _table(out: Path) -> list[Row]:
    return list(read_table(out / "misalignment.csv", Row, Form(ManifestError, "")).values())


class _Links(HTMLParser):
    """Everything a page would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.targets += [value or "" for name, value in attrs if name in ("src", "href")]


@pytest.fixture(scope="module")
def dataset(captures: Path) -> PairList:
    return open_dataset(captures)


@pytest.fixture(scope="module")
def finished(dataset: PairList, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "out"
    analyze(dataset, out, options=_FAST)
    return out


def test_every_pair_is_measured_close_to_the_truth(finished: Path) -> None:
    rows = _table(finished)
    assert [row.pair_id for row in rows] == ["test/0000", "test/0001"]
    assert all(row.trusted and row.corner_error_px is not None and row.corner_error_px < 0.05 for row in rows)
    summary = json.loads((finished / "summary.json").read_text())
    assert summary["light"]["geometry_db"] > 0.5
    assert summary["n_trusted"] == summary["dataset"]["n_expected"] == 2
    assert summary["corner_error_px"]["n_above_1_px_and_trusted"] == 0


def test_the_page_is_complete_in_itself(finished: Path) -> None:
    page = (finished / "analysis.html").read_text(encoding="utf-8")
    links = _Links()
    links.feed(page)
    assert [link for link in links.targets if not link.startswith(("data:", "#"))] == []
    assert sum(link.startswith("data:image") for link in links.targets) >= 8
    assert "test/0000" in page
    assert "dB when matched then" in page
    assert page.count("Difference, registered and matched") == 1


def test_the_exposure_of_every_pair_is_found(captures: Path, finished: Path) -> None:
    for row in _table(finished):
        truth = json.loads((captures / f"truth/{row.pair_id}.json").read_text())
        gains = (row.light_gain_r, row.light_gain_g, row.light_gain_b)
        assert gains == pytest.approx(truth["exposure_gain"], rel=0.01)
        assert transfer_of(row).gains == pytest.approx(gains, rel=1e-6)


def test_a_set_without_truth_has_a_page(captures: Path, tmp_path: Path) -> None:
    shutil.copytree(captures / "test", tmp_path / "set/test")
    done = analyze(open_dataset(tmp_path / "set"), tmp_path / "out", options=_FAST)
    assert "corner_error_px" not in done.summary
    page = (tmp_path / "out/analysis.html").read_text(encoding="utf-8")
    assert "test/0000" in page
    assert "Against the truth" not in page


def test_truth_of_another_aspect_is_left_out(captures: Path, dataset: PairList, tmp_path: Path) -> None:
    truth = json.loads((captures / "truth/test/0000.json").read_text())
    (tmp_path / "truth.json").write_text(json.dumps(truth | {"height": truth["height"] * 2}))
    pair = dataclasses.replace(dataset.pairs[0], truth_path=tmp_path / "truth.json")
    done = analyze(dataclasses.replace(dataset, pairs=(pair,)), tmp_path / "out", options=_FAST, page=False)
    assert done.rows[0].corner_error_px is None


def test_a_second_call_measures_nothing_and_writes_the_same(dataset: PairList, finished: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (finished / "pairs").iterdir()}
    table = (finished / "misalignment.csv").read_bytes()
    seen: list[Progress] = []
    analyze(dataset, finished, options=_FAST, page=False, on_progress=seen.append)
    assert {path: path.stat().st_mtime_ns for path in (finished / "pairs").iterdir()} == before
    assert (finished / "misalignment.csv").read_bytes() == table
    assert [progress.done for progress in seen] == [1, 2]


def test_other_options_and_foreign_folders_are_refused(dataset: PairList, finished: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="aligned_px was 0.5, now 0.7"):
        analyze(dataset, finished, options=AnalyzeOptions(flow="dis", aligned_px=0.7))
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="is not an analysis"):
        analyze(dataset, tmp_path, options=_FAST)


def test_with_dask_the_device_is_that_of_the_workers(dataset: PairList, tmp_path: Path) -> None:
    options = dataclasses.replace(_FAST, device="cuda:77")
    with pytest.raises(ConfigError, match="no Dask scheduler answers there"):
        analyze(dataset, tmp_path / "out", options=options, dask="nonsense")


def test_another_set_of_the_same_name_is_refused(captures: Path, finished: Path, tmp_path: Path) -> None:
    shutil.copytree(captures, tmp_path / captures.name)
    with open(tmp_path / captures.name / "test/gt/0001.png", "ab") as file:
        file.write(b"more")
    with pytest.raises(ConfigError, match="pictures were added, removed, renamed or changed in size"):
        analyze(open_dataset(tmp_path / captures.name), finished, options=_FAST)


def test_a_limited_analysis_is_completed(dataset: PairList, tmp_path: Path) -> None:
    first, second = dataset.pairs
    both = dataclasses.replace(dataset, pairs=(dataclasses.replace(first, split=Split.TRAIN), second))
    analyze(both, tmp_path, options=dataclasses.replace(_FAST, limit=1), page=False)
    done = analyze(both, tmp_path, options=_FAST, page=False)
    assert [row.split for row in done.rows] == ["train", "test"]


def test_a_run_killed_at_its_first_write_goes_on(dataset: PairList, tmp_path: Path) -> None:
    (tmp_path / "options.json.partial").write_text("{")
    assert len(analyze(dataset, tmp_path, options=_FAST, page=False).rows) == 2


def test_a_damaged_pair_is_a_problem_and_the_others_are_measured(captures: Path, tmp_path: Path) -> None:
    shutil.copytree(captures, tmp_path / "set")
    (tmp_path / "set/test/blur/0000.png").write_bytes(b"not a picture")
    done = analyze(open_dataset(tmp_path / "set"), tmp_path / "out", options=_FAST, page=False)
    assert [problem.item for problem in done.problems] == ["test/0000"]
    assert [row.pair_id for row in done.rows] == ["test/0001"]
    assert done.summary["problems"][0]["item"] == "test/0000"
    (tmp_path / "set/test/blur/0001.png").write_bytes(b"not a picture")
    with pytest.raises(ImageError, match="not one pair"):
        analyze(open_dataset(tmp_path / "set"), tmp_path / "other", options=_FAST)


def _unreadable(pair: Pair, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
    def refuse(path: Any, *args: Any, **kwargs: Any) -> Any:
        if path == pair.blurry_path:
            raise PermissionError(13, "Permission denied", str(path))
        return really(path, *args, **kwargs)

    really = open
    monkeypatch.setattr(builtins, "open", refuse)
    monkeypatch.setattr(io, "open", refuse)
    return pair


def _named(name: str) -> Callable[[Pair, Path, pytest.MonkeyPatch], Pair]:
    return lambda pair, folder, monkeypatch: dataclasses.replace(pair, name=name)


def _truth(**values: float) -> Callable[[Pair, Path, pytest.MonkeyPatch], Pair]:
    def spoil(pair: Pair, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Pair:
        assert pair.truth_path is not None
        truth = json.loads(pair.truth_path.read_text(encoding="utf-8"))
        (folder / "truth.json").write_text(json.dumps(truth | values), encoding="utf-8")
        return dataclasses.replace(pair, truth_path=folder / "truth.json")

    return spoil


@pytest.mark.parametrize(
    ("spoil", "item", "reason"),
    [
        (_unreadable, "test/0000", "cannot be read"),
        (_named("caf\udce9"), r"test/caf\udce9", "expected UTF-8 without control characters"),
        (_named("a\rb"), r"test/a\rb", "expected UTF-8 without control characters"),
        (_truth(zoom=0), "test/0000", "zoom is 0; expected 0.01 to 100"),
        (_truth(zoom=float("nan")), "test/0000", "NaN is no finite number"),
        (_truth(shift_x_px=float("inf")), "test/0000", "Infinity is no finite number"),
        (_truth(zoom=1e-320), "test/0000", "zoom is 1e-320; expected 0.01 to 100"),
    ],
)
def test_what_is_wrong_with_one_pair_costs_that_pair_alone(
    dataset: PairList,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Pair, Path, pytest.MonkeyPatch], Pair],
    item: str,
    reason: str,
) -> None:
    pairs = (spoil(dataset.pairs[0], tmp_path, monkeypatch), dataset.pairs[1])
    done = analyze(dataclasses.replace(dataset, pairs=pairs), tmp_path / "out", options=_FAST, page=False)
    assert [problem.item for problem in done.problems] == [item]
    assert reason in done.problems[0].reason
    assert [row.pair_id for row in _table(tmp_path / "out")] == ["test/0001"]


def test_the_table_registers_the_pictures_that_were_measured(captures: Path, finished: Path) -> None:
    for entry in read_registrations(finished / "misalignment.csv"):
        name = entry.pair_id.removeprefix("test/")
        assert entry.blurry_sha256 == sha256_of(captures / f"test/blur/{name}.png")
        assert entry.sharp_sha256 == sha256_of(captures / f"test/gt/{name}.png")


def test_a_picture_replaced_between_hashing_and_reading_is_a_problem_not_a_row(
    captures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = Path(shutil.copytree(captures, tmp_path / "captures"))
    read_pair = pair_module.read_pair

    def replace_and_read(blurry: Path, sharp: Path) -> object:
        shutil.copyfile(sharp, blurry)
        return read_pair(blurry, sharp)

    monkeypatch.setattr(pair_module, "read_pair", replace_and_read)
    found = open_dataset(root)
    with pytest.raises(ImageError, match="changed while it was in use"):
        analyze(dataclasses.replace(found, pairs=found.pairs[:1]), tmp_path / "out", options=_FAST)
