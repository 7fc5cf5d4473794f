"""Links among the files of a set that lead out of it: the set is not whole where it is copied, and a stranger's set may
name any file of this machine."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from sdd_bench.captures.layouts import PairList
from sdd_bench.captures.listing import below
from sdd_bench.core.types import Problem

_SHOWN = 3
"""Links that a message names."""


def links_of_pairs(found: PairList) -> list[Problem]:
    """What :func:`links_out` says of the pictures of pairs, and of what is known of them."""
    paths = (
        path
        for pair in found.pairs
        for path in (pair.blurry_path, pair.sharp_path, pair.aligned_path, pair.truth_path)
        if path is not None
    )
    return links_out(found.root, paths)


def links_out(root: Path, paths: Iterable[Path]) -> list[Problem]:
    """One problem that counts the links of ``paths`` that lead out of ``root`` and names the first; none without.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Path(folder, "set").mkdir()
        ...     Path(folder, "set", "a.png").symlink_to(Path(folder, "b.png"))
        ...     [problem.item for problem in links_out(Path(folder, "set"), [Path(folder, "set", "a.png")])]
        ['a.png']
    """
    home = os.path.realpath(root)
    leading: dict[str, str] = {}
    for path in paths:
        target = os.path.realpath(path)
        if os.path.commonpath((home, target)) != home:
            leading[below(path, root)] = target
    if not leading:
        return []
    named = ", ".join(f"{name} to {target}" for name, target in list(leading.items())[:_SHOWN])
    more = f", and {len(leading) - _SHOWN} more" if len(leading) > _SHOWN else ""
    reason = f"{len(leading)} link(s) that lead out of the set: {named}{more}. Copy the files here if they belong to it"
    return [Problem(next(iter(leading)), reason)]
