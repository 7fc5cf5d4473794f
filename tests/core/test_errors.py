"""Why foreign calls failed, in one line."""

import pytest

from sdd_bench.core.errors import reason_of


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("first line\nand a trace\n"), "first line"),
        (ValueError("\n  told after a break"), "told after a break"),
        (ValueError("  "), "ValueError"),
        (MemoryError(), "MemoryError"),
        (KeyError("files"), "KeyError: 'files'"),
        (IndexError(), "IndexError"),
        (PermissionError(13, "Permission denied", "/a/path"), "Permission denied"),
        (OSError("said in words"), "said in words"),
        (RuntimeError("x" * 1000), "x" * 200),
    ],
)
def test_a_reason_is_one_short_line_that_says_something(error: Exception, reason: str) -> None:
    assert reason_of(error) == reason
