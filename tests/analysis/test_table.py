from __future__ import annotations

import csv
import math
from pathlib import Path

from sdd_bench.analysis.summary import headline, light_line, summarize
from sdd_bench.analysis.table import Row, figures, light_figures, similarity_of, transfer_of
from sdd_bench.core.errors import ManifestError
from sdd_bench.core.storage.tables import Form, read_table, write_table
from sdd_bench.geometry.similarity import Similarity
from sdd_bench.registration.light.pair import PairLight
from sdd_bench.registration.light.transfer import Match, Transfer, failed
from sdd_bench.registration.measure import Misalignment
from sdd_bench.registration.trust import Kind


def _row(name: str, *, distrust: tuple[str, ...] = (), rms_px: float = 2.0, transfer: Transfer | None = None) -> Row:
    measured = Misalignment(
        similarity=Similarity(1.01, 0.1, 2.0, -1.0),
        standard_error=Similarity(1e-5, 1e-3, 0.01, math.nan),
        width=1000,
        height=500,
        rms_px=rms_px,
        corner_px=4.0,
        zoom_centre_px=None,
        residual_px=0.1,
        residual_p95_px=0.2,
        disagree_share=0.3,
        second=Similarity(1.0, 0.0, 24.0, 0.0),
        second_share=0.25,
        static_share=0.0,
        trusted_share=0.9,
        textured_share=1.0,
        n_tiles=100,
        forward_backward_px=0.2,
        flow_difference_px=0.1,
        exposure_gain=(1.0, 1.1, 1.2),
        likeness=0.9,
        kind=Kind.ZOOM_SHIFT,
        distrust=distrust,
    )
    light = PairLight(transfer or Transfer(Match.GAIN, (0.8, 0.9, 1.1), (0.01, 0.02, 0.01)), 20.0, 22.0, 25.5)
    labels = {"pair_id": f"test/{name}", "split": "test", "scene": "=1+1", "group": ""}
    paths = {"blurry_path": f"test/blur/{name}.png", "sharp_path": f"test/gt/{name}.png"}
    digests = {"blurry_sha256": "ab" * 32, "sharp_sha256": "12" * 32}
    return Row(**labels, **paths, **digests, **figures(measured), **light_figures(light), corner_error_px=None)


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    rows = [_row("a"), _row("b", distrust=("low texture: 3 tiles", "too large: zoom 2"))]
    write_table(tmp_path / "misalignment.csv", Row, rows)
    assert list(read_table(tmp_path / "misalignment.csv", Row, Form(ManifestError, "")).values()) == rows
    assert similarity_of(rows[0]) == Similarity(1.01, 0.1, 2.0, -1.0)


def test_what_is_not_known_is_an_empty_cell_and_no_formula_runs(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", Row, [_row("a")])
    header, line = csv.reader((tmp_path / "t.csv").read_text().splitlines())
    cells = dict(zip(header, line, strict=True))
    assert cells["shift_y_low_px"] == cells["zoom_centre_x_px"] == ""
    assert cells["scene"] == "'=1+1"


def test_the_severity_of_a_set_counts_trusted_pairs_only() -> None:
    rows = [_row("a", rms_px=2.0), _row("b", rms_px=4.0), _row("c", rms_px=400.0, distrust=("too large: zoom 2",))]
    summary = summarize(rows, name="set", split="test", n_expected=3)
    assert summary["severity"]["median_px"] == 3.0
    assert summary["severity"]["median_permille"] == 3.0
    assert (summary["n_pairs"], summary["n_trusted"]) == (3, 2)
    assert summary["distrust"] == {"too large": 1}
    assert "3.00 px median" in headline(summary)


def test_reasons_of_distrust_are_counted_by_kind() -> None:
    reasons = [("few tiles agree: 12% of them",), ("few tiles agree: 15% of them", "uncertain: 1 px"), (), ()]
    reasons[3] = ("too large: zoom 2", "too large: shift 900 px")
    rows = [_row(str(index), distrust=distrust) for index, distrust in enumerate(reasons)]
    summary = summarize(rows, name="set", split="test", n_expected=4)
    assert summary["distrust"] == {"few tiles agree": 2, "uncertain": 1, "too large": 1}


def test_a_set_without_a_trusted_pair_has_no_severity() -> None:
    summary = summarize([_row("a", distrust=("x",))], name="set", split="test", n_expected=1)
    assert summary["severity"]["median_px"] is None
    assert "none of 1 pair " in headline(summary)


def test_a_row_holds_the_whole_transfer_of_light(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", Row, [_row("a")])
    (row,) = read_table(tmp_path / "t.csv", Row, Form(ManifestError, "")).values()
    assert (row.light_gain_r, row.light_gain_error, row.light_field) == (0.8, 0.02, None)
    assert (row.raw_psnr_db, row.geometry_db, row.light_db) == (20.0, 2.0, 3.5)
    assert transfer_of(row) == Transfer(Match.GAIN, (0.8, 0.9, 1.1), (0.01, 0.02, 0.01))


def test_light_that_was_not_asked_for_has_no_figures() -> None:
    row = _row("a", transfer=Transfer())
    assert (row.light_gain_r, row.light_db, row.geometry_db) == (None, None, 2.0)
    assert light_line(summarize([row], name="set", split="test", n_expected=1)) == ""


def test_the_summary_says_what_geometry_and_light_cost() -> None:
    unknown = _row("b", transfer=failed("nothing to compare: 0 unclipped windows, or too dark ones"))
    assert (unknown.light_gain_g, unknown.light_distrust[:7]) == (None, "nothing")
    summary = summarize([_row("a"), unknown], name="set", split="test", n_expected=2)
    assert summary["light"]["n_flagged"] == 1
    line = light_line(summary)
    assert "geometry: +2.00 dB when registered; light: +3.50 dB when matched then." in line
    assert line.endswith("The light of 1 pair(s) is in doubt.")
