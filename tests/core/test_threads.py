"""How many threads compute."""

import os

import cv2
import pytest
import torch
from click.testing import CliRunner

from sdd_bench.cli.main import main
from sdd_bench.core.executors import open_executor
from sdd_bench.core.threads import cores, few_threads, threads_for, usable_cores


def test_threads_are_those_asked_for_or_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert cores() == 3
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert cores() == (usable_cores())


@pytest.mark.parametrize(("text", "threads"), [("4,2", 4), ("text", None), ("0", None), ("-3", None), ("", None)])
def test_a_list_of_threads_is_legal_and_a_text_counts_as_none(
    text: str, threads: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", text)
    assert cores() == (threads or usable_cores())


@pytest.mark.parametrize(("pixels", "most", "threads"), [(0, 8, 1), (98304, 8, 1), (262144, 8, 2), (10**7, 8, 8)])
def test_large_pictures_have_more_threads_up_to_what_is_allowed(pixels: int, most: int, threads: int) -> None:
    assert threads_for(pixels, most) == threads


def test_a_small_picture_has_one_thread_and_afterwards_all_is_as_before() -> None:
    before = torch.get_num_threads(), cv2.getNumThreads()
    try:
        torch.set_num_threads(4)
        cv2.setNumThreads(3)
        with pytest.raises(ZeroDivisionError), few_threads(384 * 256):
            assert (torch.get_num_threads(), cv2.getNumThreads()) == (1, 1)
            1 / 0  # noqa: B018
        assert (torch.get_num_threads(), cv2.getNumThreads()) == (4, 3)
        with few_threads(10**8):  # never more than somebody allowed
            assert (torch.get_num_threads(), cv2.getNumThreads()) == (4, 3)
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


def test_the_option_reaches_torch_opencv_and_their_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.get_num_threads(), cv2.getNumThreads()
    for name in ("OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"):
        monkeypatch.setenv(name, "1")  # put back at the end
    try:
        result = CliRunner().invoke(main, ["analyze", "/dev", "--threads", "3"])
        assert result.exit_code == 2
        assert (torch.get_num_threads(), cv2.getNumThreads(), cores()) == (3, 3, 3)
        assert os.environ["OPENCV_FOR_THREADS_NUM"] == "3"
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])


def test_workers_share_the_cores_and_heed_what_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with open_executor(jobs=2) as executor:
        assert executor.submit(os.getenv, "OMP_NUM_THREADS").result() == "1"
    monkeypatch.delenv("OMP_NUM_THREADS")
    with open_executor(jobs=2) as executor:
        assert executor.submit(os.getenv, "OMP_NUM_THREADS").result() == str(max(1, usable_cores() // 2))
