"""Dask: a worker, all workers or the scheduler die while a command uses them."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from tools.torture.child import start, wait_for
from tools.torture.commands import BY_NAME, Bench
from tools.torture.kinds import Result, outcome_of, random_of

_COMMANDS = ("prepare", "evaluate", "synth", "analyze", "predict", "export-imagefolder")
_DEATHS = {"one-worker": ("worker 0",), "workers": ("worker 0", "worker 1"), "scheduler": ("scheduler",)}
_PATIENCE_S = 3.0
"""How long the client waits for a cluster that is gone; half a minute by default."""
_STARTED_S = 90.0


class ClusterDeaths:
    """The command ends well or with one line, and goes on without a cluster to the outcome of ever."""

    name, share = "dask-death", 1.5

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def names(self, seed: int) -> Iterator[str]:
        """``COMMAND/DEATH-NUMBER``."""
        number = 0
        while True:
            for place, name in enumerate(_COMMANDS):
                yield f"{name}/{list(_DEATHS)[(number + place) % len(_DEATHS)]}-{number}"
            number += 1

    def attempt(self, name: str, seed: int) -> Result:
        """Start a cluster and the command, kill, wait, run again without a cluster."""
        what, rest = name.split("/")
        death, rng, command = rest.rpartition("-")[0], random_of(seed, name), BY_NAME[what]
        place = self._bench.place(command)
        address = place / "log-address"
        cluster = {"scheduler": start(lambda: _serve(address), place / "log-scheduler")}
        client = 0
        try:
            where = _written(address)
            for number in range(2):
                ready = place / f"log-ready-{number}"
                log = place / f"log-worker-{number}"
                cluster[f"worker {number}"] = start(lambda ready=ready: _serve(ready, where), log)
                _written(ready)
            client = start(self._client(command, place, where), place / "log.txt")
            time.sleep(float(rng.uniform(0.0, 2.0 + 2 * self._bench.seconds(command))))
            for victim in _DEATHS[death]:
                os.kill(cluster[victim], signal.SIGKILL)
            ended = wait_for(client, place / "log.txt", seconds=180)
        finally:
            for number, process in enumerate(cluster.values()):
                with suppress(ProcessLookupError):
                    os.killpg(process, signal.SIGKILL)
                with suppress(ChildProcessError):
                    wait_for(process, place / f"log-end-{number}")
        reason = ended.unclear
        if not reason and ended.status and not ended.is_line:
            reason = f"said more than a line: {ended.text.strip()[-400:]}"
        reason = reason or self._bench.finish(command, place)
        shutil.rmtree(place, ignore_errors=True)
        return outcome_of(name, reason)

    def _client(self, command: Any, place: Path, address: str) -> Any:
        work = self._bench.work(command, place, ("--dask", address))

        def patient() -> None:
            from sdd_bench.core import executors

            executors._PATIENCE_S = _PATIENCE_S
            work()

        return patient


def _serve(ready: Path, scheduler: str = "") -> None:
    """Be a scheduler, or a worker of one; write the address when it is up."""
    import asyncio

    async def serve() -> None:
        from distributed import Scheduler, Worker

        if scheduler:
            made: Any = Worker(scheduler, nthreads=1, dashboard=False, local_directory=str(ready.with_name("log-dask")))
        else:
            made = Scheduler(host="127.0.0.1", port=0, dashboard=False)
        async with made as server:
            partial = ready.with_name(f"{ready.name}.new")
            partial.write_text(server.address)
            partial.rename(ready)
            await server.finished()

    asyncio.run(serve())


def _written(path: Path) -> str:
    deadline = time.monotonic() + _STARTED_S
    while not path.is_file():
        if time.monotonic() > deadline:
            raise RuntimeError(f"the cluster did not come up ({path.name})")
        time.sleep(0.1)
    return path.read_text()
