"""Arrays no larger than their file."""

from pathlib import Path

import numpy as np
import pytest

from sdd_bench.core.storage.npy import read_npy


def test_a_header_that_promises_more_than_the_file_has_is_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array(["one", "two"]))
    data = (tmp_path / "a.npy").read_bytes()
    (tmp_path / "b.npy").write_bytes(data.replace(b"(2,), }         ", b"(3000000000,), }"))
    assert read_npy(tmp_path / "a.npy").tolist() == ["one", "two"]
    with pytest.raises(ValueError, match="promises 36000000000 bytes, 24 are there"):
        read_npy(tmp_path / "b.npy")


def test_a_damaged_header_is_a_value_error(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(3))
    data = (tmp_path / "a.npy").read_bytes()
    for old, new in ((b"'descr'", b"'descr("), (b"(3,)", b"(3,,"), (b"<i8", b"???")):
        (tmp_path / "b.npy").write_bytes(data.replace(old, new))
        with pytest.raises(ValueError):
            read_npy(tmp_path / "b.npy")
