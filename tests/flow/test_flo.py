import numpy as np
import pytest
import torch

from sdd_bench.core.errors import ImageError
from sdd_bench.flow.flo import UNKNOWN_FROM, read_flo, write_flo


def test_a_flow_survives_the_file(tmp_path, rng):
    flow = rng.standard_normal((2, 5, 7)).astype(np.float32)
    flow[:, 2, 3] = 1.7e9
    write_flo(tmp_path / "a.flo", flow)
    assert np.array_equal(read_flo(tmp_path / "a.flo"), flow)
    assert read_flo(tmp_path / "a.flo")[0, 2, 3] > UNKNOWN_FROM
    write_flo(tmp_path / "b.flo", torch.from_numpy(flow))
    assert (tmp_path / "a.flo").read_bytes() == (tmp_path / "b.flo").read_bytes()


def test_the_file_is_middleburys(tmp_path):
    flow = np.zeros((2, 2, 3), np.float32)
    flow[0, 0, 1], flow[1, 0, 1] = 3, -4
    write_flo(tmp_path / "a.flo", flow)
    data = (tmp_path / "a.flo").read_bytes()
    assert data[:4] == b"PIEH"
    assert np.frombuffer(data, "<i4", 2, 4).tolist() == [3, 2]
    assert np.frombuffer(data, "<f4", -1, 12).tolist() == [0, 0, 3, -4, 0, 0, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "starts with PIEH"),
        (b"RIFF" + bytes(100), "starts with PIEH"),
        (b"PIEH" + np.array([4, 4], "<i4").tobytes() + bytes(8), "needs 140 bytes, got 20"),
        (b"PIEH" + np.array([2**30, 2**30], "<i4").tobytes(), "not plausible"),
        (b"PIEH" + np.array([-1, 4], "<i4").tobytes(), "not plausible"),
    ],
)
def test_a_damaged_file_is_named_with_what_was_expected(tmp_path, data, message):
    path = tmp_path / "bad.flo"
    path.write_bytes(data)
    with pytest.raises(ImageError, match=message) as caught:
        read_flo(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_and_a_wrong_shape_are_errors(tmp_path):
    with pytest.raises(ImageError, match="cannot be read"):
        read_flo(tmp_path / "none.flo")
    with pytest.raises(ImageError, match="expected a flow"):
        write_flo(tmp_path / "a.flo", np.zeros((3, 4, 4)))
