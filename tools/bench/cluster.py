"""`predict --dask` and `synth --dask` with two workers beside one, each with one thread.

    python tools/bench/cluster.py [--tasks 12] [--repeats 1]

Seconds on the clock, seconds of processor that the workers spent on the tasks, and those of the busiest worker. One and
two workers take turns; the median of the repeats is compared, because a run of seconds varies by a tenth. On a
busy machine two workers get twice the share of one, so the clock flatters them; what the second one costs is the
processor's time: as much as with one worker, evenly spread, is half the time on two idle cores.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from _pictures import natural_pictures
from distributed import Client, LocalCluster

from sdd_bench.images.write import write_png
from sdd_bench.models.network import load_network
from sdd_bench.prediction.run import predict
from sdd_bench.synth.options import SynthOptions
from sdd_bench.synth.run import synthesize
from sdd_bench.weights import path


def predicted(root: Path, out: Path, tasks: int, address: str) -> None:
    """Predict pictures of 512x512 with the bundled network."""
    files = {f"{number}": root / f"{number}.png" for number in range(tasks)}
    predict(load_network(path("unet-folded")), files, out, dask=address)


def made(_: Path, out: Path, tasks: int, address: str) -> None:
    """Make pairs of 512x384."""
    synthesize(out, SynthOptions(width=512, height=384, n_train=tasks, n_test=0), dask=address)


WORK: dict[str, Callable[[Path, Path, int, str], None]] = {"predict": predicted, "synth": made}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=1)
    options = parser.parse_args()
    clock: dict[tuple[str, int], list[float]] = {(name, workers): [] for name in WORK for workers in (1, 2)}
    with tempfile.TemporaryDirectory() as folder:
        for number, picture in enumerate(natural_pictures(8, options.tasks)):
            write_png(Path(folder) / f"{number}.png", picture)
        for repeat in range(options.repeats):
            for workers in (1, 2):
                for name, seconds in measured(Path(folder), options.tasks, workers, repeat).items():
                    clock[name, workers].append(seconds)
    for name in WORK:
        one, two = median(clock[name, 1]), median(clock[name, 2])
        print(f"{name:8}{one / two:5.2f} times as fast on the clock ({one:.1f} to {two:.1f} s)")


def measured(root: Path, tasks: int, workers: int, repeat: int) -> dict[str, float]:
    """Seconds on the clock of each command with so many workers; prints them and those of the processor."""
    clock = {}
    with (
        LocalCluster(n_workers=workers, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster,
        Client(cluster.scheduler_address, set_as_default=False) as client,
    ):
        for name, work in WORK.items():
            out = root / f"{name} {workers} {repeat}"
            work(root, out / "warm", 2 * workers, cluster.scheduler_address)  # imports
            before, start = client.run(time.process_time), time.perf_counter()
            work(root, out / "all", tasks, cluster.scheduler_address)
            clock[name] = time.perf_counter() - start
            after = client.run(time.process_time)
            spent = [after[worker] - before[worker] for worker in before]
            seconds = f"{clock[name]:7.1f} s, of processor {sum(spent):.1f} s"
            print(f"{name:8}{workers} workers:{seconds}, the busiest {max(spent):.1f} s", flush=True)
    return clock


if __name__ == "__main__":
    main()
