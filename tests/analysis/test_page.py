"""The size of the page, on a set as large and as detailed as real ones."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from in_browser import visited

from sdd_bench.analysis.options import AnalyzeOptions
from sdd_bench.analysis.page import MOST_BYTES, write_report
from sdd_bench.analysis.summary import summarize
from sdd_bench.analysis.table import Row
from sdd_bench.core.storage.tables import columns
from sdd_bench.core.types import Pair, Split
from sdd_bench.registration.light.transfer import Transfer


def a_row(number: int, *, trusted: bool, height: int, width: int) -> Row:
    kinds = {name: (0.0 if kind is float else 0 if kind is int else "") for name, (kind, _) in columns(Row).items()}
    known = {
        "pair_id": f"test/0{number:05d}", "width": width, "height": height, "kind": "zoom+shift", "zoom": 1.0123456,
        "trusted": int(trusted), "distrust": "" if trusted else "few tiles agree: 0.31 of the textured ones",
        "note": "",
        "shift_x_px": 1.234567 + number, "shift_y_px": -2.345678, "rms_px": 2.0 + number / 7, "residual_px": 0.1234567,
        "exposure_gain_r": 1.1, "exposure_gain_g": 1.2, "exposure_gain_b": 1.3, "light_db": 1.2, "geometry_db": 2.3,
        "light_transfer": Transfer().to_json(),
    }  # fmt: skip
    return Row(**(kinds | known))


def page_of(tmp_path: Path, n_rows: int, n_shown: int, photo: np.ndarray) -> str:
    height, width = photo.shape[:2]
    for name, sigma, shift in (("sharp", 0.0, 0), ("blurry", 1.5, 2)):
        picture = np.roll(photo, shift, axis=1)
        picture = cv2.GaussianBlur(picture, (0, 0), sigma) if sigma else picture
        cv2.imwrite(str(tmp_path / f"{name}.png"), picture[..., ::-1])
    rows = [a_row(number, trusted=number % 9 != 0, height=height, width=width) for number in range(n_rows)]
    pairs = {
        row.pair_id: Pair(row.pair_id, Split.TEST, tmp_path / "blurry.png", tmp_path / "sharp.png") for row in rows
    }
    summary = summarize(rows, name="rig", split="test", n_expected=n_rows)
    summary |= {"problems": [], "provenance": {"flow": "dis", "tool_version": "1"}}
    options = AnalyzeOptions(flow="dis", worst=n_shown)
    page = write_report(tmp_path / "analysis.html", rows, summary, pairs, options=options)
    return page.read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("n_rows", [150, 5000])
def test_the_page_of_a_large_detailed_set_has_at_most_2_mb(tmp_path: Path, photo: np.ndarray, n_rows: int) -> None:
    detailed = cv2.resize(photo, (2048, 1080), interpolation=cv2.INTER_CUBIC)
    detailed = np.clip(detailed + np.random.default_rng(0).normal(0.0, 12.0, detailed.shape), 0, 255).astype(np.uint8)
    text = page_of(tmp_path, n_rows, 6, detailed)
    assert len(text.encode()) <= MOST_BYTES
    assert len(re.findall("<section id=", text)) == 9
    assert "data:image/png" not in text[text.index("Worst pairs") :]
    assert len(re.findall(r"data:image/webp;base64,", text)) == 9 * 11  # each stands there once


def test_a_small_page_keeps_its_pictures_fine_and_its_rows_all(tmp_path: Path, photo: np.ndarray) -> None:
    text = page_of(tmp_path, 3, 1, photo)
    assert len(text.encode()) <= MOST_BYTES
    assert text.count('<th scope="row"') == 3
    assert text.count("full colour") == 0  # drawn into the picture
    lazy = re.findall(
        r'<img loading="lazy" decoding="async" alt="(?:Flow|Difference)[^"]*" src="data:image/webp;', text
    )
    assert len(lazy) == 2 * 5  # one pair that is trusted, one that is not


def test_a_table_of_very_many_pairs_is_of_the_most_misaligned(tmp_path: Path, photo: np.ndarray) -> None:
    text = page_of(tmp_path, 700, 0, photo)
    assert text.count('<th scope="row"') == 500
    assert "The 500 most misaligned of 700; all are in misalignment.csv" in text
    assert "test/000699" in text
    assert "test/000100<" not in text


def test_a_browser_finds_nothing_wrong_or_cut_off(tmp_path: Path, photo: np.ndarray) -> None:
    page_of(tmp_path, 12, 1, photo)
    seen = visited(tmp_path / "analysis.html")
    assert seen == {"cut": [], "too_wide": False, "nameless": [], "complaints": []}
