"""Scores by level of misalignment, blur and group."""

from collections.abc import Callable

import pytest

from sdd_bench.core.types import GroundTruth
from sdd_bench.evaluation.per_image import ImageRow
from sdd_bench.leaderboard.site.breakdowns import board_tables, breakdowns, facts_of, level_lines, mean_evidence
from sdd_bench.leaderboard.site.standings import Line, standing
from sdd_bench.leaderboard.tables.schema import Entry


def row(method: str, image: str, psnr: float, **figures: float | str | None) -> ImageRow:
    none = dict.fromkeys(("ssim", "mae", "lpips", "drift_px"))
    truth = GroundTruth(str(figures.pop("truth", "registered")))
    return ImageRow(method=method, image=image, ground_truth=truth, psnr=psnr, **(none | figures))  # type: ignore[arg-type]


@pytest.fixture
def rows() -> tuple[ImageRow, ...]:
    found = []
    for number, (apart, blur) in enumerate(((0.2, 3.0), (0.7, 3.0), (0.9, 30.0), (9.0, 30.0))):
        image, group = f"p{number}", "in" if number < 2 else "out"
        for method, gain in (("net", 1.0 - number), ("identity", 0.0)):
            known = {"misalignment_px": apart, "group": group, "supported_share": 0.25 * (number + 1)}
            found.append(row(method, image, 25.0 + gain, **known))
            found.append(row(method, image, 25.0 + gain, truth="matched", blur_px=blur, **known))
    return tuple(found)


def line_of(rows: tuple[ImageRow, ...]) -> Line:
    entry = Entry("net", "made-up", "registered", 25.0, None, None, None, None, 4, "measured", run_sha256="a" * 64)
    return standing("made-up", [entry], {"a" * 64: rows}).measured[0]


def test_pictures_are_dealt_to_levels_by_each_measure(rows: tuple[ImageRow, ...]) -> None:
    found = {item.title: {level.label: level.images for level in item.levels} for item in breakdowns(rows, "net")}
    assert found == {
        "misalignment (px)": {"0 to 0.5": ("p0",), "0.5 to 1": ("p1", "p2"), "8 or more": ("p3",)},
        "blur (mean circle of confusion, px, measured)": {"2 to 5": ("p0", "p1"), "20 or more": ("p2", "p3")},
        "group": {"in": ("p0", "p1"), "out": ("p2", "p3")},
    }


def test_true_blur_is_preferred_where_every_picture_has_it(rows: tuple[ImageRow, ...]) -> None:
    from dataclasses import replace

    true = [replace(item, coc_diameter_px=1.0 if item.image == "p0" else 6.0) for item in rows]
    titles = [item.title for item in breakdowns(true, "net")]
    assert "blur (mean circle of confusion, px, true)" in titles


def test_one_level_is_no_table(rows: tuple[ImageRow, ...]) -> None:
    assert breakdowns([item for item in rows if item.image == "p0"], "net") == []


def test_a_level_has_the_mean_of_its_pictures_beside_that_of_the_input(rows: tuple[ImageRow, ...]) -> None:
    line = line_of(rows)
    lines = level_lines(line, breakdowns(rows, "net")[0])
    shown = [(item.label, item.n, item.method, item.cells["registered", "psnr"]) for item in lines]
    assert [(label, n, method, cell.text, cell.below) for label, n, method, cell in shown] == [
        ("0 to 0.5", 1, "net", "26.00", False),
        ("0 to 0.5", 1, "identity", "25.00", False),
        ("0.5 to 1", 2, "net", "24.50", True),
        ("0.5 to 1", 2, "identity", "25.00", False),
        ("8 or more", 1, "net", "23.00", True),
        ("8 or more", 1, "identity", "25.00", False),
    ]


@pytest.mark.parametrize("turn", [tuple, lambda rows: tuple(reversed(rows))])
def test_a_table_has_a_row_per_method_and_levels_in_order(
    rows: tuple[ImageRow, ...], turn: Callable[[tuple[ImageRow, ...]], tuple[ImageRow, ...]]
) -> None:
    entry = Entry("net", "made-up", "registered", 25.0, None, None, None, None, 4, "measured", run_sha256="a" * 64)
    tables = board_tables(standing("made-up", [entry], {"a" * 64: turn(rows)}))
    assert tables[0].title == "PSNR against registered by misalignment (px)"
    assert tables[0].levels == ("0 to 0.5", "0.5 to 1", "8 or more")
    assert [(line.method, [cell.text for cell in cells]) for line, cells in tables[0].lines] == [
        ("net", ["26.00", "24.50", "23.00"]),
        ("identity", ["25.00", "25.00", "25.00"]),
    ]


def test_what_is_known_of_a_picture_is_said(rows: tuple[ImageRow, ...]) -> None:
    facts = dict(facts_of([item for item in rows if item.image == "p2" and item.method == "net"]))
    assert facts["Misalignment"] == "0.90 px as a whole"
    assert facts["Blur"] == "circle of confusion 30.0 px on average (measured)"
    assert facts["Evidence"].startswith("the pictures show the flow on 75 % of the picture; elsewhere")
    assert mean_evidence([item for item in rows if item.method == "net"]) == 0.625
    assert facts_of([row("net", "a", 25.0)]) == []
