"""The flow file: computed once, gone on with, and inverted."""

import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from prepared_sets import make_prepared
from torch import Tensor

from sdd_bench.core.errors import ConfigError
from sdd_bench.core.types import Progress
from sdd_bench.prepared.shards import FlowReader, flow_info, write_flows
from sdd_bench.prepared.torch_dataset import PairDataset
from sdd_bench.training.data.stage_one_flow import ensure_flow, sidecar_path


class _Stop(Exception):
    """A signal was heard."""


class Brightness:
    """A flow that says how bright the two pictures are, so that a test sees which ones it was given."""

    name = sha256 = signature = "brightness"
    resolution, precision = "full", "32"

    def __init__(self, patience: int = 10**6) -> None:
        self.n_pictures = 0
        self.patience = patience

    def estimate(self, reference: Tensor, moving: Tensor) -> Tensor:
        self.n_pictures += len(reference)
        if self.n_pictures > self.patience:
            raise KeyboardInterrupt
        means = torch.stack([picture.mean((1, 2, 3)) for picture in (reference, moving)], 1)
        return means[:, :, None, None].expand(-1, -1, *reference.shape[2:])

    def estimate_both(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        return self.estimate(a, b), self.estimate(b, a)


def test_every_patch_gets_the_flow_of_blurry_and_sharp(prepared: Path) -> None:
    path = ensure_flow(prepared, Brightness())
    assert path == prepared / "flow-brightness.h5"
    flows, patches = FlowReader(path, "train"), PairDataset(prepared, crop=None, augment=False)
    assert len(flows) == len(patches) == 12
    for index in (0, 7, 11):
        flow = flows.read(index)
        assert flow.shape == (2, 12, 12)
        assert np.allclose(flow[0], patches[index]["blurry"].mean(), atol=1e-6)
        assert np.allclose(flow[1], patches[index]["sharp"].mean(), atol=1e-6)


def test_the_val_split_gets_its_own(tmp_path: Path) -> None:
    data = make_prepared(tmp_path, n_train=2, n_val=1)
    seen: list[Progress] = []
    path = ensure_flow(data, Brightness(), on_progress=seen.append)
    assert seen[-1].done == seen[-1].total == 12
    val = PairDataset(data, "val", crop=None, augment=False)
    flows = FlowReader(path, "val")
    assert len(flows) == len(val) == 4
    assert np.allclose(flows.read(3)[1], val[3]["sharp"].mean(), atol=1e-6)


def test_it_is_estimated_once(prepared: Path) -> None:
    estimator = Brightness()
    path = ensure_flow(prepared, estimator)
    assert ensure_flow(prepared, estimator) == path
    assert estimator.n_pictures == 12


def test_a_killed_estimation_goes_on(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdd_bench.training.data.stage_one_flow._PATCHES_PER_PART", 4)
    with pytest.raises(KeyboardInterrupt):
        ensure_flow(prepared, Brightness(patience=9))
    estimator = Brightness()
    path = ensure_flow(prepared, estimator)
    assert estimator.n_pictures == 4
    assert len(FlowReader(path, "train")) == 12
    assert not list(prepared.glob(".flow*"))


def test_two_trainings_estimate_one_flow_once(prepared: Path) -> None:
    first, second = Brightness(), Brightness()
    waiting, others = threading.Event(), []

    def go_on_once_the_other_waits(progress: Progress) -> None:
        if not others:
            others.append(threading.Thread(target=ensure_flow, args=(prepared, second), kwargs={"on_progress": told}))
            others[0].start()
        assert waiting.wait(60)

    def told(progress: Progress) -> None:
        assert progress.item == "flow, which another training estimates"
        waiting.set()

    path = ensure_flow(prepared, first, on_progress=go_on_once_the_other_waits)
    others[0].join(60)
    assert (first.n_pictures, second.n_pictures) == (12, 0)
    assert len(FlowReader(path, "train")) == 12
    assert [each.name for each in prepared.iterdir() if each.name.startswith(".")] == []


def test_a_training_that_waits_for_the_flow_of_another_can_be_stopped(prepared: Path) -> None:
    def stop(progress: Progress) -> None:
        raise _Stop

    def asked_to_stop(progress: Progress) -> None:
        with pytest.raises(_Stop):
            ensure_flow(prepared, Brightness(), on_progress=stop)

    assert ensure_flow(prepared, Brightness(), on_progress=asked_to_stop).is_file()


def test_flow_estimated_otherwise_is_refused(prepared: Path) -> None:
    ensure_flow(prepared, Brightness())
    other = Brightness()
    other.signature = "brightness, precision bf16"  # type: ignore[misc]
    with pytest.raises(ConfigError, match="bf16"):
        ensure_flow(prepared, other)
    assert ensure_flow(prepared, other, prepared / "other.h5") == prepared / "other.h5"


def test_flow_of_other_patches_is_refused(prepared: Path) -> None:
    first, second = (prepared / f"train-0000{number}.h5" for number in (0, 1))
    assert ensure_flow(first, Brightness()) != ensure_flow(second, Brightness()) != ensure_flow(prepared, Brightness())
    with pytest.raises(ConfigError, match="data_sha256"):
        ensure_flow(second, Brightness(), ensure_flow(first, Brightness()))


def test_an_estimator_without_weights_has_its_own_file(prepared: Path) -> None:
    unnamed = Brightness()
    unnamed.sha256 = ""  # type: ignore[misc]
    assert len(sidecar_path(prepared, unnamed).stem) == len("flow-") + 64


class Far(Brightness):
    """A flow of many pixels, and a fraction that half precision has no number for."""

    name = sha256 = signature = "far"

    def estimate(self, reference: Tensor, moving: Tensor) -> Tensor:
        return torch.full((len(reference), 2, *reference.shape[2:]), 40.0 + 1 / 64)


def test_a_large_flow_is_kept_to_a_thousandth_of_a_pixel(prepared: Path) -> None:
    flow = FlowReader(ensure_flow(prepared, Far()), "train").read(3)
    assert np.abs(flow - 40.015625).max() < 1e-3


def test_flow_of_half_precision_is_refused_and_made_anew_once_deleted(prepared: Path) -> None:
    path = ensure_flow(prepared, Far())
    facts = flow_info(path)
    flows = {"train": [np.full((2, 12, 12), 40.015625)] * 12}
    path.unlink()
    signature, data_sha256 = facts["flow_signature"], facts["data_sha256"]
    write_flows(path, flows, signature=signature, data_sha256=data_sha256, patch=48, dtype="float16")
    with pytest.raises(ConfigError, match=r"flow-far\.h5: holds flow in float16.* Delete it"):
        ensure_flow(prepared, Far())
    path.unlink()
    assert flow_info(ensure_flow(prepared, Far()))["splits"]["train"]["dtype"] == "float32"


def test_parts_that_a_kill_left_beside_a_whole_file_go(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(folder: Path, **options: bool) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("sdd_bench.training.data.stage_one_flow.shutil.rmtree", killed)
        ensure_flow(prepared, Brightness())
    assert {path.suffix for path in prepared.glob(".*")} == {".parts", ".lock"}
    ensure_flow(prepared, Brightness())
    assert list(prepared.glob(".*")) == []
