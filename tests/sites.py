"""A rendered site for tests: three methods on six small pictures, with hostile texts wherever a user may put one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import imageio.v3 as iio
import numpy as np
from run_folders import make_run

from sdd_bench.flow.flo import write_flo
from sdd_bench.leaderboard.site.media import PictureSource
from sdd_bench.leaderboard.site.site import render_site
from sdd_bench.leaderboard.tables.add import add
from sdd_bench.leaderboard.tables.store import read_table, table_path, write_table

METHODS = ("network A (made-up scores)", "network B (made-up scores)", "network C (made-up scores)")
HOSTILE = "<script>alert('x')</script>"
HOSTILE_PICTURE = "<img src=x onerror=alert(1)>"
HEIGHT, WIDTH = 240, 360


def scene(seed: int) -> np.ndarray:
    """Overlapping disks of plain colours, (240, 360, 3) uint8."""
    rng = np.random.default_rng(seed)
    picture = np.full((HEIGHT, WIDTH, 3), rng.integers(60, 200, 3), dtype=np.uint8)
    for radius in np.sort(rng.uniform(4, 60, 160))[::-1]:
        centre = (int(rng.integers(WIDTH)), int(rng.integers(HEIGHT)))
        cv2.circle(picture, centre, int(radius), rng.integers(0, 256, 3).tolist(), -1, cv2.LINE_AA)
    return picture


def make_data(folder: Path, names: list[str]) -> tuple[Path, list[Path]]:
    """A dataset in the SDD layout and the predictions of every method."""
    data, predictions = folder / "data", [folder / f"predictions{index}" for index in range(len(METHODS))]
    for place in (data / "test" / "blur", data / "test" / "gt", *predictions):
        place.mkdir(parents=True)
    for seed, name in enumerate(names):
        sharp = scene(seed)
        aligned = np.roll(sharp, 2, axis=1)
        iio.imwrite(data / "test" / "gt" / f"{name}.png", sharp)
        iio.imwrite(data / "test" / "blur" / f"{name}.png", cv2.GaussianBlur(aligned, (0, 0), 3.0))
        for index, place in enumerate(predictions):
            iio.imwrite(place / f"{name}.png", cv2.GaussianBlur(aligned, (0, 0), 0.8 + 0.5 * index))
    return data, predictions


def make_site(folder: Path, boards: Path) -> Path:
    """Render ``boards`` with three runs added, beside the rows of papers on SDD; returns the index."""
    papers = [replace(entry, dataset="made-up") for entry in read_table(table_path(boards, "sdd"))]
    write_table(table_path(boards, "made-up"), papers)
    names = [*(f"picture{index}" for index in range(5)), HOSTILE_PICTURE]
    data, predictions = make_data(folder, names)
    sources = []
    for index, method in enumerate(METHODS):
        run = make_run(
            folder / f"run{index}", method=method, images=names, gain=2.0 - 0.9 * index, seed=index + 1, group=HOSTILE,
            prediction={"params": (20_000_000, 5_000_000)[index - 1], "seconds_per_mpx": 1.5} if index else None,
        )  # fmt: skip
        for name in names:
            warped = np.roll(iio.imread(data / "test" / "gt" / f"{name}.png"), 2, axis=1)
            for truth in ("warped", "registered", "matched"):
                place = run / "warped" / truth
                place.mkdir(parents=True, exist_ok=True)
                iio.imwrite(place / f"{name}.png", warped)
            y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
            write_flo(run / "flow" / f"{name}.flo", np.stack([(x - WIDTH / 2) / 40, (y - HEIGHT / 2) / 40]))
        add(run, boards, trained_on="sdd", reference=f"{method} {HOSTILE}")
        sources.append(PictureSource.open(run, data, predictions[index]))
    return render_site(boards, folder / "site", sources=sources, title="Leaderboards")
