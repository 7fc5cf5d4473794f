"""Orthogonal matching pursuit against its definition, one patch at a time."""

from __future__ import annotations

import numpy as np
import pytest

from sdd_bench.defocus import sparse_code
from sdd_bench.defocus.sparse_code import pursue


@pytest.fixture
def dictionary(rng: np.random.Generator) -> np.ndarray:
    atoms = rng.standard_normal((40, 16))
    return (atoms / np.linalg.norm(atoms, axis=1, keepdims=True)).astype(np.float32)


def one_by_one(patch: np.ndarray, dictionary: np.ndarray, tolerance: float, largest: int) -> list[int]:
    """The textbook: least squares on all atoms so far after every choice."""
    chosen: list[int] = []
    rest = patch.astype(np.float64)
    while len(chosen) < largest and np.linalg.norm(rest) > tolerance:
        best = int(np.abs(dictionary @ rest).argmax())
        if best in chosen:
            break
        chosen.append(best)
        basis = dictionary[chosen].T.astype(np.float64)
        rest = patch - basis @ np.linalg.lstsq(basis, patch, rcond=None)[0]
    return chosen


def test_it_takes_the_atoms_that_the_definition_takes(dictionary: np.ndarray, rng: np.random.Generator) -> None:
    patches = (rng.standard_normal((200, 16)) * rng.uniform(0, 3, (200, 1))).astype(np.float32)
    found = pursue(patches, dictionary, tolerance=1.5, largest=10)
    for patch, atoms in zip(patches, found, strict=True):
        assert atoms[atoms >= 0].tolist() == one_by_one(patch, dictionary, 1.5, 10)


def test_batches_change_nothing(
    dictionary: np.ndarray, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    patches = rng.standard_normal((100, 16)).astype(np.float32)
    whole = pursue(patches, dictionary, tolerance=1.0)
    monkeypatch.setattr(sparse_code, "_BATCH", 7)
    np.testing.assert_array_equal(pursue(patches, dictionary, tolerance=1.0), whole)


def test_patches_within_the_tolerance_take_none_and_no_patch_more_than_allowed(
    dictionary: np.ndarray, rng: np.random.Generator
) -> None:
    patches = rng.standard_normal((50, 16)).astype(np.float32)
    patches[::2] *= 0.1 / np.linalg.norm(patches[::2], axis=1, keepdims=True)
    found = (pursue(patches, dictionary, tolerance=0.2, largest=5) >= 0).sum(axis=1)
    assert not found[::2].any()
    assert found[1::2].max() == 5


def test_a_patch_of_one_atom_takes_that_one(dictionary: np.ndarray) -> None:
    found = pursue(-3 * dictionary, dictionary, tolerance=0.01)
    np.testing.assert_array_equal(found[:, 0], np.arange(40))
    assert (found[:, 1:] == -1).all()
