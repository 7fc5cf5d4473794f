"""What things say of themselves."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from prepared_sets import make_prepared, make_shard, pictures
from safetensors.numpy import save_file

from sdd_bench.core.errors import ManifestError, ShardError, WeightsError
from sdd_bench.inspect.describe import describe
from sdd_bench.prepared.shards import write_flows


def test_a_prepared_set(tmp_path: Path) -> None:
    root = make_prepared(tmp_path)
    write_flows(root / "flow-ab.h5", {"train": np.zeros((12, 2, 4, 4))}, signature="pwcnet ab", patch=48)
    found = describe(root)
    assert (found["path"], found["kind"], found["bit_depth"]) == (str(root), "prepared dataset", 8)
    assert found["splits"]["train"] | {"n_bytes": 0} == {
        "n_pairs": 3,
        "n_patches": 12,
        "n_shards": 2,
        "n_full_frame_files": 0,
        "n_bytes": 0,
    }
    assert found["splits"]["test"]["n_full_frame_files"] == 4
    assert found["options"]["patch"] == 48
    assert found["flows"] == ["flow-ab.h5"]
    json.dumps(found)
    virtual = describe(root / "train.h5")
    assert (virtual["compression"], virtual["n_patches"], virtual["n_pairs"]) == ("virtual", 12, 3)
    assert virtual["sources"] == ["train-00000.h5", "train-00001.h5"]
    assert describe(root / "flow-ab.h5")["flow_signature"] == "pwcnet ab"


def test_a_shard(tmp_path: Path) -> None:
    found = describe(make_shard(tmp_path / "s.h5", pictures(1, 3), pictures(2, 3), resize="0.5"))
    assert (found["kind"], found["n_patches"], found["patch"], found["resize"]) == ("shard", 3, 48, "0.5")
    assert (found["split"], found["bit_depth"], found["color"], found["compression"]) == ("train", 8, "RGB", "blosc2")
    assert 0.3 < found["stored_share"] < 1
    assert found["sharpness"] == {"lowest": 0.0, "highest": 2.0}
    json.dumps(found)


def test_a_run(tmp_path: Path) -> None:
    summary = {
        "method": "mine",
        "n_images": 2,
        "scores": {"mine": {"raw": {"psnr": {"mean": 30.5, "low": 29.0}}}},
        "problems": [{"item": "a", "reason": "b"}],
    }
    (tmp_path / "summary.json").write_text(json.dumps(summary))
    (tmp_path / "run.json").write_text(json.dumps({"schema": 1, "files": {"summary.json": "00"}}))
    found = describe(tmp_path)
    assert (found["method"], found["n_images"], found["n_problems"]) == ("mine", 2, 1)
    assert found["scores"] == {"mine": {"raw": {"psnr": 30.5}}}
    (tmp_path / "summary.json").unlink()
    with pytest.raises(ManifestError, match="no finished run, or damaged"):
        describe(tmp_path)


def test_weights(tmp_path: Path) -> None:
    save_file(
        {"a.weight": np.zeros((3, 4)), "a.bias": np.zeros(3), "b.w": np.zeros(5)},
        tmp_path / "w.safetensors",
        {"k": "v"},
    )
    found = describe(tmp_path / "w.safetensors")
    assert (found["n_tensors"], found["n_numbers"], found["numbers_in"]) == (3, 20, {"a": 15, "b": 5})
    assert found["metadata"] == {"k": "v"}
    torch.save({"epoch": 7, "G_state_dict": {"module.c.weight": torch.zeros(2, 3)}, "x": {"y": 1}}, tmp_path / "w.pth")
    found = describe(tmp_path / "w.pth")
    assert (found["values"], found["numbers_in"]) == ({"epoch": 7}, {"G_state_dict": 6})


class _Code:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("this must not run",)


def test_files_that_are_damaged_or_would_run_code_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save({"x": _Code()}, tmp_path / "code.pt")
    (tmp_path / "empty.pt").touch()
    (tmp_path / "text.pt").write_text("no weights")
    for name in ("code", "empty", "text"):
        with pytest.raises(WeightsError, match=rf"{name}\.pt: expected a checkpoint of tensors and plain"):
            describe(tmp_path / f"{name}.pt")
    assert "must not run" not in capsys.readouterr().out
    (tmp_path / "w.safetensors").write_bytes(b"\0" * 20)
    with pytest.raises(WeightsError, match="damaged, or not safetensors"):
        describe(tmp_path / "w.safetensors")
    (tmp_path / "s.h5").write_bytes(b"no HDF5")
    with pytest.raises(ShardError, match="damaged, cut short or not HDF5"):
        describe(tmp_path / "s.h5")


@pytest.mark.parametrize("name", ["new.pt", "old.pt", "w.safetensors"])
def test_whatever_byte_of_a_checkpoint_is_damaged_it_is_described_or_refused(name: str, tmp_path: Path) -> None:
    layer = torch.nn.Conv2d(3, 4, 3)
    optimizer = torch.optim.Adam(layer.parameters())
    layer(torch.rand(1, 3, 5, 5)).sum().backward()
    optimizer.step()
    state = {"step": 5, "best": None, "psnr": 20.5, "optimizer": optimizer.state_dict(), "deblur": layer.state_dict()}
    if name == "w.safetensors":
        save_file({key: value.numpy() for key, value in layer.state_dict().items()}, tmp_path / name, {"k": "v"})
    else:
        torch.save(state, tmp_path / name, _use_new_zipfile_serialization=name == "new.pt")
    whole = (tmp_path / name).read_bytes()
    structure = whole[: whole.rindex(b"PK\x01\x02") if name == "new.pt" else len(whole)]
    rng, reasons = np.random.default_rng(0), []
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[rng.integers(len(structure) // 2)] = rng.integers(256)
        (tmp_path / name).write_bytes(damaged)
        try:
            json.dumps(describe(tmp_path / name), ensure_ascii=False).encode()
        except WeightsError as error:
            reasons.append(str(error))
    assert len(reasons) > 20
    assert all(reason.startswith(f"{tmp_path / name}: ") and "\n" not in reason for reason in reasons)
