"""info and validate know captures, Parquet and exports."""

from __future__ import annotations

from pathlib import Path

import pytest
from prepared_sets import make_prepared

from sdd_bench.core.errors import PairingError
from sdd_bench.inspect.describe import describe
from sdd_bench.inspect.kinds import Kind
from sdd_bench.inspect.validate import validate
from sdd_bench.prepared.export.options import ExportOptions
from sdd_bench.prepared.export.run import export


def test_captures_are_described_with_what_told_them(tmp_path: Path) -> None:
    make_prepared(tmp_path, scenes={"a0": "hall"})
    (tmp_path / "captures/train/blur/alone.png").write_bytes(b"")
    found = describe(tmp_path / "captures")
    assert found["kind"] == "pairs of pictures"
    assert (found["layout"], found["n_pairs"]) == ("sdd", {"train": 3, "test": 2})
    assert found["first_picture"] == "PNG 96x96, 8 bits"
    assert (found["n_scenes"], found["n_left_out"], found["warnings"]) == (1, 1, [])
    checked = validate(tmp_path / "captures")
    assert (checked.kind, checked.n_checked) == (Kind.CAPTURES, 10)
    assert [problem.item for problem in checked.problems] == ["train/blur/alone.png"]


def test_a_set_without_sharp_pictures_says_so(tmp_path: Path) -> None:
    (tmp_path / "test/blur").mkdir(parents=True)
    (tmp_path / "test/blur/a.png").write_bytes(b"")
    found = describe(tmp_path)
    assert (found["sharp_pictures"], found["n_pictures"]) == (False, {"test": 1})


def test_a_damaged_csv_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("nothing\n")
    with pytest.raises(PairingError, match="expected the columns blurry, sharp"):
        describe(tmp_path / "a.csv")


@pytest.mark.parametrize("form", ["sdd", "imagefolder", "parquet", "webdataset", "basicsr"])
def test_exports_are_described_and_checked(tmp_path: Path, form: str) -> None:
    if form == "parquet":
        pytest.importorskip("pyarrow")
    export(make_prepared(tmp_path), tmp_path / "out", ExportOptions(form))
    found = describe(tmp_path / "out")
    assert (found["kind"], found["format"], found["finished"]) == ("export of a dataset", form, True)
    if form == "parquet":
        assert found["n_rows"] == {"train": 12, "test": 2}
        assert (found["columns"], found["first_row"]) == (["blurry", "sharp"], ["PNG", "PNG"])
        assert describe(tmp_path / "out/data/test-00000-of-00001.parquet")["n_rows"] == {"test": 2}
    checked = validate(tmp_path / "out")
    assert (checked.kind, checked.problems) == (Kind.EXPORT, ())
    (tmp_path / "out/README.md").write_text("mine")
    (tmp_path / "out/extra.txt").write_text("mine")
    victim = next(path for path in sorted((tmp_path / "out").rglob("*")) if path.suffix in (".png", ".parquet", ".tar"))
    victim.unlink()
    reasons = {problem.item: problem.reason for problem in validate(tmp_path / "out").problems}
    assert reasons[str(victim)] == "is missing"
    assert "was changed" in reasons[str(tmp_path / "out/README.md")]
    assert "is not listed" in reasons[str(tmp_path / "out/extra.txt")]
    with open(tmp_path / "out/SHA256SUMS", "a") as sums:
        sums.write(f"{64 * '0'}  {10_000 * 'x'}\n{64 * '0'}  ../outside\n")
    said = [problem.reason for problem in validate(tmp_path / "out").problems if problem.item.endswith("SUMS")]
    assert [reason[:22] for reason in said] == ["no file can be called ", "the file '../outside' "]
    (tmp_path / "out/SHA256SUMS").unlink()
    assert "not finished" in validate(tmp_path / "out").problems[0].reason
