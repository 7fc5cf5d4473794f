"""``python -m tools.torture``: see :mod:`tools.torture`. Exit status 1: something fell."""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tools.torture.campaign import Tally

THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}


def main() -> int:
    """Run the campaign and print its counts."""
    arguments = parse()
    os.environ.update(THREADS)  # before numpy and torch are imported
    from tools.torture.campaign import attempt, campaign
    from tools.torture.child import reap_strays, run
    from tools.torture.commands import Bench, make_inputs
    from tools.torture.every import SHORT, kinds_of, short_kinds_of
    from tools.torture.preload import preload

    seed = secrets.randbelow(10**6) if arguments.seed is None else arguments.seed
    print(f"seed {seed}", flush=True)
    reap_strays()
    preload()
    root = Path(tempfile.mkdtemp(prefix="torture-", dir=arguments.place))
    try:
        bench = Bench(root)
        made = run(lambda: make_inputs(bench.inputs, whole=not arguments.short), root / "log.txt", seconds=600)
        if made.status:
            print(f"the inputs could not be made: {made.text[-1000:]}")
            return 2
        kinds = short_kinds_of(bench) if arguments.short else kinds_of(bench)
        if arguments.repeat:
            name, _, rest = arguments.repeat.partition("/")
            kind = next(one for one in kinds if one.name == name)
            result = attempt(kind, rest, seed)
            falls = [f"FELL {name}/{fallen}: {why}" for fallen, why in result.falls]
            print("\n".join([*result.lines, *falls]) or "survived")
            return bool(result.falls)
        kinds = [kind for kind in kinds if not arguments.only or kind.name in arguments.only]
        most = SHORT if arguments.short else {}
        tallies = campaign(kinds, seed, 60 * arguments.minutes, lambda line: print(line, flush=True), most=most)
        return report(tallies, seed)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tools.torture", description="A campaign of faults.")
    parser.add_argument("--minutes", type=float, default=20.0, help="how long; default 20")
    parser.add_argument("--short", action="store_true", help="a few attempts of what is fast, as in the tests")
    parser.add_argument("--seed", type=int, help="of all that is drawn; drawn and printed where it is not given")
    parser.add_argument("--only", nargs="+", default=(), metavar="KIND", help="these kinds alone")
    parser.add_argument("--repeat", metavar="KIND/WHAT/NUMBER", help="one attempt, by its name")
    parser.add_argument("--place", type=Path, help="where the folders are made; default: that of temporary files")
    return parser.parse_args()


def report(tallies: dict[str, Tally], seed: int) -> int:
    """Print the counts; 1 if anything fell."""
    print(f"\n{'kind':14s} {'survived':>10s} / {'tried':<10s} of which")
    fallen = 0
    for name, tally in tallies.items():
        fallen += len(tally.falls)
        whats = ", ".join(f"{what} {count}" for what, count in sorted(tally.whats.items()))
        print(f"{name:14s} {tally.survived:10d} / {tally.tried:<10d} {whats}")
    for tally in tallies.values():
        print("\n".join(["", *tally.lines]) if tally.lines else "", end="\n" if tally.lines else "")
    for name, tally in tallies.items():
        for what, reason in tally.falls:
            print(f"\nfell: {reason}\n  python -m tools.torture --seed {seed} --repeat '{name}/{what}'")
    print(f"\nseed {seed}: " + (f"{fallen} fell" if fallen else "nothing fell"))
    return int(fallen > 0)


if __name__ == "__main__":
    sys.exit(main())
