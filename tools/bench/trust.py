"""Whether a measurement knows when it is wrong: pairs judged by truth or independently, and what is said of them.

``python tools/bench/trust.py [--per-family 8] [--sets tuned,held-out,fresh] [--flow dis] [--list]``

The thresholds were chosen on the first set, which holds the real pairs, too. The others have other random numbers and
other photographs; nothing was chosen on them, but it was the verdict on the second that led to ANALYSIS 8.

*Wrong* is off by more than max(1 px, 0.1 % of the width) at a corner (real pairs: RMS over the picture, beside what
their judge, SIFT, may be off) and named as one motion; a layered pair is right when it is called nonrigid. Columns:
pairs; right and trusted; right but flagged; wrong and flagged; wrong and trusted, which must be none.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter, defaultdict
from pathlib import Path

import cv2
import torch
from trust_sets import SETS, Judged, made, real

from sdd_bench.flow.estimator import FlowEstimator, load_flow
from sdd_bench.registration.measure import Misalignment, measure
from sdd_bench.registration.trust import Kind

_VERDICTS = ("right", "right, flagged", "wrong, flagged", "WRONG, TRUSTED")


def error_px(found: Misalignment, pair: Judged) -> float:
    """Distance from the nearest similarity that is right; infinite where none is."""
    size = found.height, found.width
    off = [truth.inverse() @ found.similarity for truth in pair.truths]
    if pair.name.startswith("real"):
        return min((s.rms_px(*size) for s in off), default=float("inf"))
    return min((s.corner_px(*size) for s in off), default=float("inf"))


def verdict(found: Misalignment, pair: Judged) -> str:
    """One of the four columns."""
    allowed = max(1.0, 0.001 * found.width) + pair.slack_px
    near = error_px(found, pair) <= allowed
    if pair.layered and found.kind is Kind.NONRIGID and not near:
        return _VERDICTS[0]  # it says that no similarity is right; a flag beside is no false alarm
    right = found.kind is Kind.NONRIGID if pair.layered else near
    flagged = [reason for reason in found.distrust if not reason.startswith("too large")]
    if right:
        return _VERDICTS[1] if flagged else _VERDICTS[0]
    return _VERDICTS[2] if found.distrust else _VERDICTS[3]


def judge(pairs: list[Judged], flow: FlowEstimator, *, show: bool) -> dict[str, Counter[str]]:
    """Verdicts by family."""
    table: dict[str, Counter[str]] = defaultdict(Counter)
    for pair in pairs:
        found = measure(pair.blurry, pair.sharp, flow)
        said = verdict(found, pair)
        table["real" if pair.name.startswith("real") else pair.name][said] += 1
        if show and said != _VERDICTS[0]:
            print(
                f"  {pair.name}: {said}; {found.kind}, off {error_px(found, pair):.2f} px; residual "
                f"{found.residual_px:.2f}, disagree {found.disagree_share:.2f}, static {found.static_share:.2f}, "
                f"like {found.likeness:.2f}, trusted share {found.trusted_share:.2f}, textured "
                f"{found.textured_share:.2f}, tiles {found.n_tiles}; {found.distrust}",
                flush=True,
            )
    return table


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--per-family", type=int, default=8)
    parser.add_argument("--sets", default="tuned,held-out", help=f"of {', '.join(SETS)}, with commas")
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("SDD_BENCH_DATA", "../shared/data")))
    parser.add_argument("--flow", default="pwcnet-plain")
    parser.add_argument("--no-real", action="store_true")
    parser.add_argument("--only", help="family")
    parser.add_argument("--list", action="store_true", help="name every pair that is not right and trusted")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    flow = load_flow(options.flow)
    for name in options.sets.split(","):
        start = time.perf_counter()
        pairs = list(made(name, options.data, options.per_family)) if options.only != "real" else []
        if options.only and options.only != "real":
            pairs = [pair for pair in pairs if pair.name == options.only]
        known = name == "tuned" and not options.no_real and (options.data / "measured.csv").is_file()
        if known and options.only in (None, "real"):
            pairs += real(options.data)
        show(name, judge(pairs, flow, show=options.list))
        print(f"{time.perf_counter() - start:.0f} s, flow {options.flow}", flush=True)


def show(name: str, table: dict[str, Counter[str]]) -> None:
    """Print one table."""
    print(f"{name:14}" + "".join(f"{column:>16}" for column in ("pairs", *_VERDICTS)))
    total: Counter[str] = Counter()
    for family, row in table.items():
        print(f"{family:14}{sum(row.values()):16}" + "".join(f"{row[column]:16}" for column in _VERDICTS))
        total += row
    print(f"{'all':14}{sum(total.values()):16}" + "".join(f"{total[column]:16}" for column in _VERDICTS))
    rights = total[_VERDICTS[0]] + total[_VERDICTS[1]]
    print(f"right but flagged: {total[_VERDICTS[1]] / max(rights, 1):.1%} of the right ones")


if __name__ == "__main__":
    main()
