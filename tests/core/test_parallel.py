"""Many items at once, whatever runs them."""

import ctypes
import errno
import gc
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path

import pytest

from sdd_bench.core import executors
from sdd_bench.core.errors import ConfigError, ImageError, ManifestError, OutputError, SddBenchError, ShardError
from sdd_bench.core.executors import no_garbage, open_executor
from sdd_bench.core.parallel import read_sealed, run, run_sealed, write_sealed
from sdd_bench.core.threads import cores, usable_cores
from sdd_bench.core.types import Problem, Progress


def _square(number: int) -> int:
    if number < 0:
        raise ValueError(f"negative: {number}")
    return number * number


def _die(number: int) -> int:
    if number == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


_DAMAGED = {"image": ImageError, "manifest": ManifestError, "shard": ShardError}
_OF_THE_RUN = {"disk": OutputError, "bug": ZeroDivisionError}


def _length(name: str) -> int:
    if error := (_DAMAGED | _OF_THE_RUN).get(name):
        raise error(f"{name}: damaged")
    return len(name)


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_is_wrong_with_one_item_stops_no_other_and_all_stay_in_order(jobs: int) -> None:
    told: list[Progress] = []
    names = ["a", "shard", "bbb", "image", "cc", "manifest"]
    results, problems = run_sealed(_length, names, jobs=jobs, on_progress=told.append, size=len)
    assert results == [1, 3, 2]
    assert problems == [Problem(name, f"{name}: damaged") for name in ("shard", "image", "manifest")]
    assert [(each.done, each.total) for each in told] == [(done, 6) for done in range(1, 7)]
    assert {each.item for each in told} == set(names)
    assert told[-1].n_bytes == sum(map(len, names))


@pytest.mark.parametrize("name", _OF_THE_RUN)
def test_what_concerns_the_whole_run_is_raised(name: str) -> None:
    with pytest.raises(_OF_THE_RUN[name], match="damaged"):
        run_sealed(_length, ["a", name, "b"])


@pytest.mark.parametrize("content", ["", "[]", "3", "{}", "[" * 100_000, '{"key": "k", "row": 1}', '{"key": "k"'])
def test_a_record_that_is_not_right_must_be_made_again(content: str, tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    assert read_sealed(path, "k", lambda record: record["row"]) is None
    path.write_text(content)
    assert read_sealed(path, "k", lambda record: record["row"]) is None
    write_sealed(path, {"key": "k", "row": 7})
    assert read_sealed(path, "k", lambda record: record["row"]) == 7


def test_a_record_in_which_one_character_was_changed_must_be_made_again(tmp_path: Path) -> None:
    path = tmp_path / "record.json"
    write_sealed(path, {"key": "k", "psnr": 26.25, "names": ["ä", "inf", None]})
    whole = path.read_text()
    assert read_sealed(path, "k", lambda record: record["psnr"]) == 26.25
    for position, character in enumerate(whole):
        if not character.isspace():
            path.write_text(f"{whole[:position]}{'9' if character != '9' else '8'}{whole[position + 1 :]}")
            assert read_sealed(path, "k", lambda record: record["psnr"]) is None, position


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_do_not_depend_on_jobs_and_errors_are_yielded(jobs: int) -> None:
    with open_executor(jobs) as executor:
        outcomes = dict(run(executor, _square, [3, -1, 2], window=2))
    assert outcomes[3] == 9
    assert outcomes[2] == 4
    assert isinstance(outcomes[-1], ValueError)


def test_at_most_window_tasks_are_under_way() -> None:
    taken: list[int] = []

    def tasks():  # type: ignore[no-untyped-def]
        for number in range(6):
            taken.append(number)
            yield number

    with open_executor(1) as executor:
        results = run(executor, _square, tasks(), window=2)
        next(results)
        assert len(taken) == 2
        assert len(list(results)) == 5


def test_a_dead_worker_is_an_error_that_names_its_task() -> None:
    with open_executor(2) as executor, pytest.raises(SddBenchError, match=r"worker process died.*under way: .*1"):
        list(run(executor, _die, [1], window=2))


def test_a_worker_that_dies_while_nobody_waits_is_the_same_error() -> None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as broken:
        assert isinstance(broken.submit(_die, 1).exception(), BrokenProcessPool)
        with pytest.raises(SddBenchError, match=r"worker process died.*under way: 3\."):
            list(run(broken, _die, [3]))


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_executor_takes_nothing_after_its_end(jobs: int) -> None:
    with open_executor(jobs) as executor:
        pass
    with pytest.raises(RuntimeError, match="after shutdown"):
        list(run(executor, _square, [1]))


def test_a_scheduler_that_does_not_answer_is_named() -> None:
    with (
        pytest.raises(ConfigError, match="--dask nonsense: no Dask scheduler answers there"),
        open_executor(dask="nonsense"),
    ):
        pass


@pytest.mark.parametrize("deadly", [signal.SIGKILL, signal.SIGTERM])
def test_workers_leave_with_their_parent(tmp_path: Path, deadly: signal.Signals) -> None:
    code = (
        "import os, sys, time\n"
        "from sdd_bench.core.executors import open_executor\n"
        "if __name__ == '__main__':\n"
        "    with open_executor(2) as executor:\n"
        "        pids = {future.result() for future in [executor.submit(os.getpid) for _ in range(8)]}\n"
        "        executor.submit(time.sleep, 60)\n"
        "        print(*pids, flush=True)\n"
        "        time.sleep(60)\n"
    )
    (tmp_path / "parent.py").write_text(code)
    parent = subprocess.Popen([sys.executable, str(tmp_path / "parent.py")], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    workers = [Path(f"/proc/{pid}") for pid in parent.stdout.readline().split()]
    assert workers
    parent.send_signal(deadly)
    parent.wait()
    wait_for(lambda: not any(worker.exists() for worker in workers), seconds=10)
    parent.stdout.close()


def test_no_jobs_is_refused() -> None:
    with pytest.raises(ConfigError, match="--jobs 0: expected 1 or more"), open_executor(0):
        pass


@pytest.mark.slow
def test_a_dask_cluster_on_loopback_gives_the_same(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0"
        ) as cluster,
        open_executor(dask=cluster.scheduler_address) as executor,
    ):
        assert dict(run(executor, _square, [1, 2, 3], window=2)) == {1: 1, 2: 4, 3: 9}


def _share(_: int) -> tuple[int, int]:
    import cv2

    return cv2.getNumThreads(), cores()


@pytest.mark.slow
@pytest.mark.parametrize(("told", "share"), [("1", 1), (None, max(1, usable_cores() // 2))])
def test_a_worker_of_a_cluster_takes_its_share_of_the_cores(tmp_path: Path, told: str | None, share: int) -> None:
    """OpenCV, too, which heeds no OMP_NUM_THREADS: of a worker with two threads and nothing said, each has half."""
    saying = "environ.pop('OMP_NUM_THREADS', None)" if told is None else f"environ['OMP_NUM_THREADS'] = '{told}'"
    with (
        cluster_of(tmp_path, f"import os; os.{saying}", threads=2) as (address, _),
        open_executor(dask=address) as executor,
    ):
        assert dict(run(executor, _share, [0, 1])) == {0: (share, share), 1: (share, share)}


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the C library is not glibc")
def test_a_worker_keeps_memory_between_tasks_and_gives_it_back_when_none_comes() -> None:
    code = """
import time
from pathlib import Path
import numpy as np
from sdd_bench.core import executors

def resident_mib():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20

executors._IDLE_S = 0.5
bare = resident_mib()
for _ in range(2):
    with executors._memory:
        np.ones(2**25)
    kept = resident_mib() - bare
time.sleep(2)
print(kept, resident_mib() - bare)
"""
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    kept, idle = map(float, child.stdout.split())
    assert kept > 200  # of 256 MiB
    assert idle < 50


@pytest.mark.slow
def test_a_dead_dask_worker_is_an_error_that_names_its_task() -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, host="127.0.0.1", dashboard_address=":0"
        ) as cluster,
        open_executor(dask=cluster.scheduler_address) as executor,
        pytest.raises(SddBenchError, match=r"worker process died.*under way: 1"),
    ):
        list(run(executor, _die, [1], window=1))


@pytest.mark.slow
def test_a_cluster_without_workers_is_an_error_rather_than_a_wait() -> None:
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(n_workers=0, host="127.0.0.1", dashboard_address=":0") as cluster,
        pytest.raises(ConfigError, match="the scheduler has no workers"),
        open_executor(dask=cluster.scheduler_address),
    ):
        pass


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ("import sys; sys.modules['sdd_bench'] = None", "a worker cannot import sdd_bench"),
        ("import sdd_bench; sdd_bench.__version__ = '0.0.1'", "has another sdd_bench: 0.0.1, here"),
        ("from sdd_bench.core import protocol; protocol.EVALUATION = 99", "has another protocols: .*99"),
        ("import os.path; os.path.isfile = lambda path: False", "has another .*input.png: missing, here 4 bytes"),
    ],
)
def test_a_worker_that_would_do_other_work_is_an_error_before_the_first_task(
    tmp_path: Path, changed: str, message: str
) -> None:
    (tmp_path / "input.png").write_bytes(b"1234")
    with cluster_of(tmp_path, changed) as (address, _), pytest.raises(ConfigError, match=message):  # noqa: SIM117
        with open_executor(dask=address, sight=tmp_path / "input.png"):
            pass


@pytest.mark.slow
@pytest.mark.parametrize("victim", ["scheduler", "worker"])
def test_a_cluster_that_dies_is_an_error_rather_than_a_wait(
    tmp_path: Path, victim: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(executors, "_PATIENCE_S", 1.0)
    with (
        cluster_of(tmp_path) as (address, processes),
        open_executor(dask=address) as executor,
        pytest.raises(SddBenchError, match="gone. What was finished is kept"),
    ):
        processes[victim].kill()
        list(run(executor, time.sleep, [30], window=1))


@contextmanager
def cluster_of(
    folder: Path, changed: str = "pass", *, threads: int = 1
) -> Iterator[tuple[str, dict[str, subprocess.Popen[bytes]]]]:
    """A scheduler and one worker, in whose process ``changed`` was executed first."""
    pytest.importorskip("distributed")
    python = [sys.executable, "-W", "ignore", "-c"]
    schedule = "from distributed.cli.dask_scheduler import main; main()"
    work = f"{changed}\nfrom distributed.cli.dask_worker import main; main()"
    file = folder / "scheduler.json"
    options = ["--scheduler-file", str(file), "--host", "127.0.0.1", "--port", "0", "--dashboard-address", ":0"]
    processes = {"scheduler": subprocess.Popen([*python, schedule, *options])}
    try:
        wait_for(file.is_file)
        address = json.loads(file.read_text())["address"]
        processes["worker"] = subprocess.Popen(
            [*python, work, address, "--nthreads", str(threads), "--no-nanny", "--dashboard-address", ":0"]
        )
        from distributed import Client

        with Client(address) as client:
            client.wait_for_workers(1, timeout=60)
        yield address, processes
    finally:
        for process in processes.values():
            process.kill()
            process.wait()


def wait_for(condition: Callable[[], bool], *, seconds: float = 60) -> None:
    """Return as soon as ``condition`` holds."""
    for _ in range(int(seconds / 0.1)):
        if condition():
            return
        time.sleep(0.1)
    raise TimeoutError


def test_processes_that_cannot_start_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object, **more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("sdd_bench.core.executors._Processes", full)
    with pytest.raises(ConfigError, match=r"--jobs 2: processes cannot be started .*/dev/shm"), open_executor(2):
        pass


@pytest.mark.parametrize("collects", [True, False])
def test_garbage_is_collected_again_where_it_was(collects: bool) -> None:
    before = gc.isenabled()
    try:
        (gc.enable if collects else gc.disable)()
        with pytest.raises(ImportError), no_garbage():
            assert not gc.isenabled()
            raise ImportError("no such module")
        assert gc.isenabled() is collects
    finally:
        (gc.enable if before else gc.disable)()
