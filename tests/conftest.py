"""Fixtures every test may use."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import pytest
import torch

from sdd_bench import weights

Write = Callable[..., Path]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """The pictures of tests are so small that threads cost more than they save."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def cache_of_its_own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or fills the user's cache, or that of another test."""
    monkeypatch.setenv("SDD_BENCH_CACHE", str(tmp_path_factory.getbasetemp() / f"cache-{uuid.uuid4().hex}"))
    monkeypatch.delenv("SDD_BENCH_CACHE_LIMIT", raising=False)


@pytest.fixture(autouse=True)
def modules_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Forget the modules that a test wrote and imported: another test may call its own alike."""
    yield
    base = tmp_path_factory.getbasetemp().as_posix()
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__dict__", {}).get("__file__")).startswith(base):  # a module may be None
            del sys.modules[name]
    importlib.invalidate_caches()


@pytest.fixture
def rng() -> np.random.Generator:
    """Numbers that are the same every time."""
    return np.random.default_rng(20230207)


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real photographs named by SDD_BENCH_DATA; the test is skipped without it."""
    root = os.environ.get("SDD_BENCH_DATA")
    if not root or not Path(root).is_dir():
        pytest.skip("SDD_BENCH_DATA names no folder of real photographs")
    return Path(root)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the bundled weights that may be damaged; the table finds them there."""
    folder = tmp_path / "package"
    for weight in weights.TABLE.values():
        (folder / weight.file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(weights.path(weight.name), folder / weight.file)
    monkeypatch.setattr("sdd_bench.weights.table._PACKAGE", folder)
    return folder


@pytest.fixture
def photo(rng: np.random.Generator) -> np.ndarray:
    """A picture with natural statistics (1/f amplitudes, coloured), (256, 384, 3) uint8 RGB."""
    height, width = 256, 384
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = 1.0
    spectra = np.fft.rfft2(rng.standard_normal((3, height, width))) / frequency
    planes = np.fft.irfft2(spectra, s=(height, width))
    planes = np.stack([planes[0], planes[0] + 0.4 * planes[1], planes[0] + 0.4 * planes[2]], axis=-1)
    planes = (planes - planes.mean()) / planes.std()
    return np.clip(128 + 48 * planes, 0, 255).astype(np.uint8)


@pytest.fixture
def write_picture(rng: np.random.Generator) -> Write:
    """``write_picture(path, height=48, width=64, bits=8, grey=False)`` writes a picture with texture."""

    def write(path: Path, height: int = 48, width: int = 64, bits: int = 8, grey: bool = False) -> Path:
        shape = (height, width) if grey else (height, width, 3)
        pixels = cv2.GaussianBlur(rng.random(shape), (0, 0), 1.5)
        pixels = (pixels - pixels.min()) / np.ptp(pixels) * (2**bits - 1)
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), pixels.astype(np.uint8 if bits == 8 else np.uint16))
        return path

    return write


@pytest.fixture
def captures(tmp_path: Path, write_picture: Write) -> Path:
    """An SDD folder: 3 train pairs, 2 test pairs with truth and scenes, each 64x48, 8 bits."""
    root = tmp_path / "captures"
    for split, names in (("train", ("a1", "a2", "a10")), ("test", ("t1", "t2"))):
        for name in names:
            write_picture(root / split / "blur" / f"{name}.png")
            write_picture(root / split / "gt" / f"{name}.png")
    write_picture(root / "truth/test/t1_aligned.png")
    (root / "truth/test/t1.json").write_text('{"pair_id": "test/t1", "width": 64, "height": 48}\n')
    (root / "scenes.csv").write_text("split,name,scene,group\ntrain,a1,s1,indoor\ntest,t1,s2,outdoor\n")
    return root


@pytest.fixture
def hold_datasets(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Keeps every HDF5 dataset that is created from then on open, as a sampling profiler does that holds a frame."""
    held: list[h5py.Dataset] = []
    create = h5py.Group.create_dataset

    def create_and_hold(*args: Any, **kwargs: Any) -> h5py.Dataset:
        held.append(create(*args, **kwargs))
        return held[-1]

    return lambda: monkeypatch.setattr(h5py.Group, "create_dataset", create_and_hold)
