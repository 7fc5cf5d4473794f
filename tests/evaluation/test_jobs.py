from pathlib import Path

import numpy as np
import pytest

from sdd_bench.core.types import Pair, Split
from sdd_bench.evaluation import jobs
from sdd_bench.evaluation.jobs import fitting_jobs, free_bytes
from sdd_bench.images.write import write_png

GIB = 2**30


def pairs(folder: Path, count: int, width: int, height: int) -> list[Pair]:
    path = folder / "a.png"
    write_png(path, np.zeros((height, width, 3), np.uint8), compression=9)
    return [Pair(name=f"{n}", split=Split.TEST, blurry_path=path, sharp_path=path) for n in range(count)]


@pytest.mark.parametrize(
    ("count", "size", "cores", "free_gib", "expected"),
    [
        (35, (2048, 1080), 2, 16, 2),
        (35, (2048, 1080), 16, 64, 16),
        (35, (2048, 1080), 16, 8, 2),  # 5.6 GiB for processes of 1.9 GiB
        (35, (2048, 1080), 16, 1, 1),
        (1, (4096, 2160), 16, 64, 1),
        (3, (4096, 2160), 16, 64, 3),
        (4, (512, 512), 16, 64, 1),  # four seconds of work
        (2000, (512, 512), 16, 64, 16),
        (0, (512, 512), 16, 64, 1),
    ],
)
def test_there_are_as_many_processes_as_pay_and_fit(tmp_path, monkeypatch, count, size, cores, free_gib, expected):
    monkeypatch.setattr(jobs, "cores", lambda: cores)
    monkeypatch.setattr(jobs, "free_bytes", lambda: free_gib * GIB)
    assert fitting_jobs(pairs(tmp_path, count, *size)) == expected


def test_a_picture_that_cannot_be_read_leaves_it_at_one(tmp_path):
    gone = tmp_path / "gone.png"
    assert fitting_jobs([Pair(name="a", split=Split.TEST, blurry_path=gone, sharp_path=gone)] * 99) == 1


@pytest.mark.parametrize(("limit", "expected"), [(None, 8), ("max\n", 8), (f"{3 * GIB}\n", 3), (f"{99 * GIB}\n", 8)])
def test_memory_is_what_the_system_has_and_allows_a_container(tmp_path, limit, expected):
    for name, text in (
        ("proc/meminfo", f"MemTotal: 1 kB\nMemAvailable: {8 * 2**20} kB\n"),
        ("sys/fs/cgroup/memory.max", limit),
    ):
        if text is not None:
            (tmp_path / name).parent.mkdir(parents=True)
            (tmp_path / name).write_text(text)
    assert free_bytes(tmp_path) == expected * GIB


def test_a_system_that_says_nothing_of_memory_has_none_for_more_processes(tmp_path):
    assert free_bytes(tmp_path) == 0
