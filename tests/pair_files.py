"""Folders of captures without pixels, and what a reader made of them."""

from pathlib import Path

from sdd_bench.captures.layouts import PairList


def touch(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def paired(found: PairList) -> list[tuple[str, str, str]]:
    return [
        (
            pair.pair_id,
            pair.blurry_path.relative_to(found.root).as_posix(),
            pair.sharp_path.relative_to(found.root).as_posix(),
        )
        for pair in found.pairs
    ]


def reasons_of(found: PairList) -> dict[str, str]:
    return {problem.item: problem.reason for problem in found.problems}
