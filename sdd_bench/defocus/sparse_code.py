r"""How many atoms of a dictionary a patch needs: orthogonal matching pursuit, many patches at once.

Each step adds the atom that correlates most with what is left, and takes its part orthogonal to the atoms so far out
of it. A patch is done when the norm of what is left is within the tolerance, its atoms are used up, an atom comes up
twice, or no atom correlates any more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

_NO_CORRELATION = np.float32(1e-7)
"""Root of the squared correlation, 1e-14, at which the authors' program stops."""
_BATCH = 256
"""Patches coded together: so few that their bases stay in the cache."""
_REPACK_SHARE = 0.7
"""Patches still open, below which the finished ones are taken out of the arrays."""


def pursue(patches: Array, dictionary: Array, *, tolerance: float, largest: int = 64) -> NDArray[np.int16]:
    """Atoms of every patch.

    Args:
        patches: ``(n, d)`` float32, their means removed.
        dictionary: ``(K, d)`` float32, unit rows.
        tolerance: Largest norm of what may be left.
        largest: Most atoms per patch.

    Returns:
        ``(n, largest)`` int16: indices of the atoms in the order they were taken, then -1.
    """
    atoms = np.full((len(patches), largest), -1, np.int16)
    for start in range(0, len(patches), _BATCH):
        batch = slice(start, start + _BATCH)
        _pursue_batch(patches[batch], dictionary, tolerance, atoms[batch])
    return atoms


def _pursue_batch(patches: Array, dictionary: Array, tolerance: float, atoms: NDArray[np.int16]) -> None:
    """Fill ``atoms``; the basis of a patch is kept orthonormal, so that what is left follows by projection."""
    most = min(atoms.shape[1], *dictionary.shape)
    open_ = np.flatnonzero(_squares(patches) > tolerance**2)
    rest, taken = patches[open_], np.empty((len(open_), most), np.int16)
    basis = np.empty((len(open_), most, patches.shape[1]), np.float32)
    going_on = np.ones(len(open_), np.bool_)
    for step in range(most):
        if not going_on.any():
            break
        if going_on.mean() < _REPACK_SHARE:
            open_, rest, taken = open_[going_on], rest[going_on], taken[going_on]
            basis, going_on = basis[going_on], going_on[going_on]
        chosen, useful = _best_atoms(rest, dictionary, taken[:, :step])
        going_on &= useful
        atoms[open_[going_on], step] = chosen[going_on]
        taken[:, step] = chosen
        direction = dictionary[chosen]
        before = basis[:, :step]
        direction -= np.matmul(np.matmul(direction[:, None], before.swapaxes(1, 2)), before)[:, 0]
        direction /= np.maximum(np.sqrt(_squares(direction)), np.float32(1e-12))[:, None]
        basis[:, step] = direction
        rest -= np.einsum("nd,nd->n", direction, rest)[:, None] * direction
        going_on &= _squares(rest) > tolerance**2


def _squares(rows: Array) -> Array:
    return np.asarray(np.einsum("nd,nd->n", rows, rows))


def _best_atoms(rest: Array, dictionary: Array, taken: NDArray[np.int16]) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """The atom that correlates most with each rest, and whether it is new and correlates at all."""
    correlation = np.abs(rest @ dictionary.T)
    chosen = correlation.argmax(axis=1)
    strength = np.take_along_axis(correlation, chosen[:, None], axis=1)[:, 0]
    return chosen, (strength > _NO_CORRELATION) & ~(taken == chosen[:, None]).any(axis=1)
