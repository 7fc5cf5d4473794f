"""The command that trains the bundled network: it ends, goes on where it stopped, and leaves a checkpoint."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from sdd_bench.models.network import load_network

ROOT = Path(__file__).parents[2]


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(3):
        cv2.imwrite(str(folder / f"{number}.png"), rng.integers(0, 256, (150, 150, 3), np.uint8))
    return folder


def _train(photos, out, steps, *more):
    command = [sys.executable, str(ROOT / "tools/train_bundled.py"), "--photos", str(photos), "--out", str(out)]
    command += [
        "--steps",
        str(steps),
        "--crop",
        "32",
        "--validate-every",
        "2",
        "--loaders",
        "0",
        "--jdrl-steps",
        "0",
        *more,
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout


@pytest.mark.slow
def test_a_run_goes_on_where_it_stopped_and_leaves_a_checkpoint(photos, tmp_path):
    out = tmp_path / "run"
    _train(photos, out, 2)
    before = (out / "model.safetensors").read_bytes()
    assert "continues at step 2" in _train(photos, out, 4)
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "step" in line][-1] == 4
    assert [line["start"]["steps"] for line in lines if "start" in line] == [2, 4]
    assert (out / "model.safetensors").read_bytes() != before
    made = load_network(out / "model.safetensors").deblur(torch.rand(1, 3, 64, 64))
    assert made.shape == (1, 3, 64, 64)


@pytest.mark.slow
def test_jdrl_goes_on_from_the_supervised_weights(photos, tmp_path):
    out = tmp_path / "run"
    network = ("--network", '{"width": 8, "blocks": [1, 1]}')
    _train(photos, out, 1, *network, "--jdrl-steps", "2")
    last = json.loads((out / "log.jsonl").read_text().splitlines()[-1])
    assert last["jdrl_steps"] == 2
    before, after = (load_network(out / f"{name}.safetensors") for name in ("supervised", "model"))
    picture = torch.rand(1, 3, 64, 64)
    change = (after.deblur(picture) - before.deblur(picture)).abs().max()
    assert 0 < change < 0.1
