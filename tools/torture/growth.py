"""From 100 to 10,000 pairs: seconds a pair and peak memory of what handles lists of pairs must stay flat."""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from tools.torture.child import run
from tools.torture.commands import Bench, call
from tools.torture.fuzz import _mib
from tools.torture.kinds import Result

SIZES = (100, 1000, 10_000)
_Step = Callable[[Path, int], None]
"""Called with the folder of inputs and the number of pairs."""
MOST_RATIO = 2.0
"""Seconds a pair at the largest size over those at the size before it."""
MOST_KIB_A_PAIR = 30.0
"""Memory that each further pair may take: its names, its row, its figures; never its pixels."""


class Growth:
    """Time and memory by the number of pairs."""

    name, share = "growth", 2.0

    def __init__(self, bench: Bench, sizes: tuple[int, ...] = SIZES) -> None:
        self._bench, self._sizes = bench, sizes

    def names(self, seed: int) -> Iterator[str]:
        """``STEP/SIZES``."""
        for step in _STEPS:
            yield f"{step}/{'-'.join(map(str, self._sizes))}"

    def attempt(self, name: str, seed: int) -> Result:
        """Measure a step at every size."""
        step, sizes = name.split("/")
        result, taken = Result(), []
        for n in map(int, sizes.split("-")):
            place = self._bench.place()
            ended = run(lambda n=n, place=place: self._measure(step, n, place), place / "log.txt", seconds=900)
            shutil.rmtree(place, ignore_errors=True)
            if ended.status:
                result.falls.append((name, f"{n} pairs: {ended.unclear or ended.text[-300:]}"))
                return result
            seconds, mib = json.loads(ended.text.strip().splitlines()[-1])
            taken.append((n, seconds, mib))
            result.lines.append(
                f"{step:12s} {n:6d} pairs  {1e3 * seconds / n:9.3f} ms a pair {mib:8.1f} MiB at the peak"
            )
        (few, before, small), (many, after, large) = taken[-2:]
        ratio, kib = (after / many) / (before / few), 1024 * (large - small) / (many - few)
        if ratio > MOST_RATIO:
            result.falls.append((name, f"{ratio:.1f} times the seconds a pair at {many} as at {few}"))
        if kib > MOST_KIB_A_PAIR:
            result.falls.append((name, f"{kib:.0f} KiB of memory for each further pair"))
        return result

    def _measure(self, step: str, n: int, place: Path) -> None:
        furnish, work = _STEPS[step]
        os.chdir(place)
        os.environ["SDD_BENCH_CACHE"] = str(place / "cache")
        furnish(self._bench.inputs, n)
        import gc

        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")
        memory, begun = _mib("VmRSS"), _cpu()
        output = os.dup(1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        try:
            work(self._bench.inputs, n)
        except SystemExit as error:
            if error.code not in (0, 1, None):
                raise
        seconds, peak = _cpu() - begun, _mib("VmHWM") - memory
        os.write(output, f"{json.dumps([seconds, peak])}\n".encode())


def _cpu() -> float:
    """Seconds of the processor of this process and of those it waited for."""
    return time.process_time() + sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2])


def _captures(inputs: Path, n: int) -> None:
    """Pairs of 12 x 8 pixels, every one another."""
    import cv2

    rng = np.random.default_rng(0)
    for side in ("blur", "gt"):
        folder = Path("captures", "test", side)
        folder.mkdir(parents=True)
        for number in range(n):
            pixels = rng.integers(0, 255, (8, 12, 3), np.uint8)
            (folder / f"{number:06d}.png").write_bytes(cv2.imencode(".png", pixels)[1].tobytes())


def _set(inputs: Path, n: int) -> None:
    """A prepared set of so many full pictures."""
    _captures(inputs, n)
    try:
        call(("prepare", "captures", "-o", "set", "--resize", "none"))
    except SystemExit as error:
        if error.code not in (0, None):
            raise


def _run(inputs: Path, n: int) -> None:
    """A run of so many pictures, from the record of one."""
    from sdd_bench.core.storage.files import write_json
    from sdd_bench.evaluation.options import EvaluateOptions
    from sdd_bench.evaluation.picture.records import record_from_json
    from sdd_bench.evaluation.summary import protocol_of, rows_of, seal_run, summarize, write_per_image
    from sdd_bench.registration.light.transfer import Match

    one = record_from_json(json.loads((inputs / "run" / "pictures" / "0000.json").read_text()))
    rng = np.random.default_rng(0)
    records = []
    for number in range(n):
        truths = {
            truth: dataclasses.replace(scores, psnr=None if scores.psnr is None else scores.psnr + float(rng.normal()))
            for truth, scores in one.method.truths.items()
        }
        method = dataclasses.replace(one.method, truths=truths)
        name = f"{number:06d}"
        records.append(dataclasses.replace(one, name=name, scene=f"scene {number // 3}", method=method))
    options = EvaluateOptions()
    protocol = protocol_of(
        records, resize="none", crop="error", metrics=("psnr",), lpips_sha256="", flow_signature="dis",
        warp=options.warp, match=Match.GAIN,
    )  # fmt: skip
    about = {"method": "m", "dataset": "many", "split": "test", "n_expected": n, "protocol": protocol, "problems": []}
    summary = summarize(records, **about)
    known = json.loads((inputs / "run" / "summary.json").read_text())
    summary |= {
        key: known[key] for key in ("flow", "provenance", "notes", "extras", "prediction", "suffix") if key in known
    }
    Path("run").mkdir(exist_ok=True)
    write_per_image(Path("run/per_image.csv"), rows_of(records, "m"))
    write_json(Path("run/summary.json"), summary)
    seal_run(Path("run"))


def _board(inputs: Path, n: int) -> None:
    _run(inputs, n)
    try:
        call(("leaderboard", "add", "run", "--leaderboards", "boards"))
    except SystemExit as error:
        if error.code not in (0, None):
            raise


def _nothing(inputs: Path, n: int) -> None:
    """Nothing has to be there."""


def _command(*line: str) -> _Step:
    return lambda inputs, n: call(line)


_STEPS: dict[str, tuple[_Step, _Step]] = {
    "plan": (_captures, _command("prepare", "captures", "-o", "set", "--resize", "none", "--dry-run")),
    "tables": (_nothing, _run),
    "add": (_run, _command("leaderboard", "add", "run", "--leaderboards", "boards")),
    "validate": (_captures, _command("validate", "captures")),
    "render": (_board, _command("leaderboard", "render", "-o", "site", "--leaderboards", "boards")),
    "prepare": (_captures, _command("prepare", "captures", "-o", "set", "--resize", "none")),
    "validate-set": (_set, _command("validate", "set")),
}
"""What is made before, and what is measured."""
