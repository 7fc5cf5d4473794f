"""Flow beside a set."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from prepared_sets import flip_byte

from sdd_bench.core.errors import ShardError
from sdd_bench.prepared.shards import FlowReader, flow_info, flow_path, write_flows


def test_flows_are_read_back(tmp_path: Path, rng: np.random.Generator) -> None:
    path = flow_path(tmp_path, "ab12")
    assert path == tmp_path / "flow-ab12.h5"
    train, val = rng.normal(0, 50, (3, 2, 12, 16)), rng.normal(0, 50, (1, 2, 12, 16))
    flows = {"train": train, "val": iter(val)}
    write_flows(path, flows, signature="pwcnet ab12", patch=48, data_sha256="cd34")
    reader = FlowReader(path, "train")
    assert (len(reader), reader.patch) == (3, 48)
    flow = pickle.loads(pickle.dumps(reader)).read(2)
    assert flow.dtype == np.float32
    np.testing.assert_allclose(flow, train[2], rtol=1e-7)
    np.testing.assert_allclose(FlowReader(path, "val").read(0), val[0], rtol=1e-7)
    assert flow_info(path) == {
        "flow_signature": "pwcnet ab12",
        "data_sha256": "cd34",
        "patch": 48,
        "is_bound": True,
        "splits": {
            "train": {"n": 3, "shape": [2, 12, 16], "dtype": "float32"},
            "val": {"n": 1, "shape": [2, 12, 16], "dtype": "float32"},
        },
    }


def test_the_same_flows_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_flows(tmp_path / name, {"train": np.ones((2, 2, 4, 4))}, signature="s", patch=48, dtype="float32")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_bytes_do_not_depend_on_when_a_dataset_is_released(
    tmp_path: Path, hold_datasets: Callable[[], None]
) -> None:
    flows = {"train": np.ones((2, 2, 4, 4)), "val": np.zeros((1, 2, 4, 4))}
    write_flows(tmp_path / "a", flows, signature="s", patch=48)
    hold_datasets()
    write_flows(tmp_path / "b", flows, signature="s", patch=48)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_flows_that_are_none_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "flow-ab.h5"
    with pytest.raises(ShardError, match="flow 1 of train is"):
        write_flows(path, {"train": [np.zeros((2, 4, 4)), np.zeros((2, 4, 5))]}, signature="s", patch=48)
    with pytest.raises(ShardError, match="flow 0 of train is"):
        write_flows(path, {"train": [np.zeros((3, 4, 4))]}, signature="s", patch=48)
    with pytest.raises(ShardError, match="no flows of split train"):
        write_flows(path, {"train": []}, signature="s", patch=48)
    assert list(tmp_path.iterdir()) == []


def test_damaged_missing_and_other_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "flow-ab.h5"
    with pytest.raises(ShardError, match=r"flow-ab\.h5: missing or damaged flow"):
        FlowReader(path, "train").read(0)
    write_flows(path, {"train": np.random.default_rng(0).normal(size=(2, 2, 16, 16))}, signature="s", patch=48)
    with pytest.raises(ShardError, match="holds no flow of split 'val'"):
        FlowReader(path, "val").read(0)
    with h5py.File(path) as file:
        where = file["train"].id.get_chunk_info(1)
    flip_byte(path, where.byte_offset + where.size // 2)
    FlowReader(path, "train").read(0)
    with pytest.raises(ShardError, match=r"flow-ab\.h5: chunk 1 of /train is damaged"):
        FlowReader(path, "train").read(1)


def test_text_lies_in_the_header_where_damage_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "flow.h5"
    write_flows(path, {"train": [np.ones((2, 4, 4))]}, signature="größer ab12", patch=64)
    assert b"GCOL" not in path.read_bytes()  # the heap of HDF5, whose damage the library may follow without end
    assert (flow_info(path)["flow_signature"], flow_info(path)["data_sha256"]) == ("größer ab12", "")


def test_text_of_any_length_as_earlier_versions_wrote_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "flow.h5"
    write_flows(path, {"train": [np.ones((2, 4, 4))]}, signature="constant", patch=64)
    with h5py.File(path, "r+") as file:
        file.attrs["flow_signature"] = "constant"
    assert flow_info(path)["flow_signature"] == "constant"


def test_what_lies_beside_the_flow_in_its_file_is_an_error_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "flow.h5"
    write_flows(path, {"train": [np.ones((2, 4, 4))]}, signature="constant", patch=64)
    with h5py.File(path, "r+") as file:
        file["scalar"] = 1.0
    with pytest.raises(ShardError, match="damaged flow"):
        flow_info(path)
