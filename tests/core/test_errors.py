"""Why foreign calls failed, in one line, and messages that stay short whatever they quote."""

import errno
import pickle

import pytest

from sdd_bench.core.errors import (
    SddBenchError,
    WeightsError,
    brief,
    is_short_of_memory,
    is_short_of_shared_memory,
    reason_of,
)
from sdd_bench.core.types import Problem


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("first line\nand a trace\n"), "first line"),
        (ValueError("\n  told after a break"), "told after a break"),
        (ValueError("  "), "ValueError"),
        (KeyError("files"), "KeyError: 'files'"),
        (IndexError(), "IndexError"),
        (PermissionError(13, "Permission denied", "/a/path"), "Permission denied"),
        (OSError("said in words"), "said in words"),
        (RuntimeError("x" * 1000), "x" * 200),
    ],
)
def test_a_reason_is_one_short_line_that_says_something(error: Exception, reason: str) -> None:
    assert reason_of(error) == reason


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        ValueError("Memory allocation failure"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("can't start new thread"),
    ],
)
def test_short_memory_is_no_verdict_on_a_file_however_deep_it_lies(error: Exception) -> None:
    assert is_short_of_memory(error)
    with pytest.raises(MemoryError):
        reason_of(error)
    outer = WeightsError("a.pt: damaged")
    outer.__cause__ = error
    assert is_short_of_memory(outer)
    assert not is_short_of_memory(WeightsError("a.pt: damaged, say those who ran out of memory"))
    assert not is_short_of_memory(ValueError("cut short"))


@pytest.mark.parametrize(
    "said",
    [
        "Caught RuntimeError in DataLoader worker process 0.\nunable to write to file </torch_9_1_0>: No space left",
        "unable to allocate shared memory(shm) for file </torch_9_1_0>: Success (0)",
        "DataLoader worker (pid(s) 9) is killed by signal: Bus error. It is possible that workers are out of shared",
    ],
)
def test_a_full_dev_shm_is_told_from_other_short_memory(said: str) -> None:
    assert is_short_of_shared_memory(RuntimeError(said))
    assert is_short_of_memory(RuntimeError(said))
    assert not is_short_of_shared_memory(RuntimeError("CUDA out of memory"))


def _every_error(kind: type[SddBenchError] = SddBenchError) -> list[type[SddBenchError]]:
    return [kind, *(each for below in kind.__subclasses__() for each in _every_error(below))]


@pytest.mark.parametrize("kind", _every_error())
def test_a_message_that_quotes_ten_thousand_characters_is_short_and_keeps_both_ends(kind: type[SddBenchError]) -> None:
    said = str(kind(f"a.csv: it has the column {'x' * 10_000}. Say which by --columns."))
    assert len(said) == 1000
    assert said.startswith("a.csv: it has the column xxx")
    assert said.endswith("xxx. Say which by --columns.")
    assert str(pickle.loads(pickle.dumps(kind(said)))) == said


def test_each_line_of_a_list_is_cut_for_itself_and_a_long_list_in_its_middle() -> None:
    lines = ["two pairs failed:", "  a: " + "y" * 5000, *(f"  picture {n}: damaged, and missing" for n in range(40))]
    cut = brief("\n".join(lines)).split("\n")
    assert [*cut[:1], *cut[2:]] == [*lines[:1], *lines[2:]]
    assert len(cut[1]) == 1000
    cut = brief("\n".join([*lines, *lines, "See the table."])).split("\n")
    assert (cut[0], cut[-1], cut.count("..."), len(cut)) == (lines[0], "See the table.", 1, 51)
    assert Problem("a", "z" * 5000).reason == brief("z" * 5000)
