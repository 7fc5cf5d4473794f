"""Folders of results: predictions, blur maps, analyses, boards, pages, the cache."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sdd_bench.core.errors import ManifestError, SddBenchError
from sdd_bench.core.storage.documents import read_json
from sdd_bench.core.storage.files import sha256_of
from sdd_bench.core.storage.store import Store
from sdd_bench.core.storage.tables import Form, read_table
from sdd_bench.core.types import Problem
from sdd_bench.core.words import counted

_ANY_SIZE = 1 << 62
_FORM = Form(ManifestError, "Run the command that wrote it again.")
_ADDRESS = re.compile(r'\b(?:href|src)="([^"]*)"')
_ELSEWHERE = re.compile(r"^(?:data:|[a-z]+:|#|$)")


def describe_predictions(folder: Path) -> dict[str, Any]:
    """What made the predictions, of how many pictures, and how fast."""
    seal = _object(folder / "predict.json")
    made = _mapping(seal, "made", folder / "predict.json")
    seconds = sum(float(one.get("seconds") or 0.0) for one in made.values())
    pixels = sum(float(one.get("megapixels") or 0.0) for one in made.values())
    known = {key: value for key, value in seal.items() if key not in ("made", "pictures", "schema")}
    return {
        **known,
        "n_pictures": len(_mapping(seal, "pictures", folder / "predict.json")),
        "n_made": len(made),
        "seconds_per_megapixel": round(seconds / pixels, 3) if pixels else None,
    }


def check_predictions(folder: Path) -> tuple[int, list[Problem]]:
    """Every prediction against the digest that was noted when it was written; what lacks one or was added."""
    path = folder / "predict.json"
    seal = _object(path)
    made = _mapping(seal, "made", path)
    files = {file.stem: file for file in sorted(folder.iterdir()) if file.is_file() and file.name != path.name}
    problems = [
        Problem(name, "has no prediction; run predict again") for name in _mapping(seal, "pictures", path) - made.keys()
    ]
    for name, noted in made.items():
        file = files.pop(name, None)
        if file is None:
            problems.append(Problem(name, f"its prediction is missing from {folder}; run predict again"))
        elif (found := sha256_of(file)) != noted.get("sha256"):
            problems.append(Problem(str(file), f"was changed since it was predicted: sha256 is {found[:12]}..."))
    problems += [Problem(str(file), f"is not listed in {path.name}") for name, file in files.items() if name[:1] != "."]
    return len(made), sorted(problems, key=lambda problem: problem.item)


def describe_blur_maps(folder: Path) -> dict[str, Any]:
    """The method of the maps, and the blur they found."""
    from sdd_bench.defocus.run import SEAL, TABLE, BlurRow

    seal = _object(folder / SEAL)
    rows = list(read_table(folder / TABLE, BlurRow, _FORM).values()) if (folder / TABLE).is_file() else []
    known = {key: value for key, value in seal.items() if key not in ("pictures", "schema")}
    mean = sum(row.mean_coc_diameter_px for row in rows) / len(rows) if rows else None
    return {**known, "n_maps": len(rows), "mean_coc_diameter_px": mean}


def check_blur_maps(folder: Path) -> tuple[int, list[Problem]]:
    """Every map is read and its statistics are compared with the table."""
    from sdd_bench.defocus.run import SEAL, TABLE, BlurRow, describe, read_map

    _object(folder / SEAL)
    rows = list(read_table(folder / TABLE, BlurRow, _FORM).values())
    problems = []
    for row in rows:
        file = folder / f"{row.name}.png"
        try:
            found = describe(row.name, read_map(file))
        except SddBenchError as error:
            problems.append(Problem(str(file), str(error).removeprefix(f"{file}: ")))
            continue
        same = abs(found.mean_sigma_px - row.mean_sigma_px) <= 1e-3 * max(1.0, row.mean_sigma_px)
        if (found.width, found.height) != (row.width, row.height) or not same:
            problems.append(Problem(str(file), f"is not the map that {TABLE} is of; make the maps again"))
    return len(rows) + 1, problems


def describe_analysis(folder: Path) -> dict[str, Any]:
    """The headline of an analysis, and how many pairs it could trust."""
    from sdd_bench.analysis.summary import headline

    summary = _object(folder / "summary.json")
    try:
        return {
            "headline": headline(summary),
            **{key: summary[key] for key in ("dataset", "n_pairs", "n_trusted", "severity", "kinds", "light")},
            "page": (folder / "analysis.html").is_file(),
        }
    except (KeyError, TypeError) as error:
        raise ManifestError(f"{folder / 'summary.json'}: damaged (no {error}). Analyze again.") from error


def check_analysis(folder: Path) -> tuple[int, list[Problem]]:
    """The table can be read, has a row per pair of the summary, and the records of pairs are whole."""
    from sdd_bench.analysis.table import Row

    summary = _object(folder / "summary.json")
    rows = read_table(folder / "misalignment.csv", Row, _FORM)
    problems = []
    if summary.get("n_pairs") != len(rows):
        reason = f"has {counted(len(rows), 'row')}, but n_pairs in summary.json is {summary.get('n_pairs')}"
        problems.append(Problem(str(folder / "misalignment.csv"), reason))
    records = sorted((folder / "pairs").glob("**/*.json"))
    problems += [problem for path in records for problem in _unreadable(path)]
    page = folder / "analysis.html"
    problems += _dead_addresses(page) if page.is_file() else []
    return 2 + len(records) + page.is_file(), problems


def describe_run_without_truth(folder: Path) -> dict[str, Any]:
    """The figures of a run of ``evaluate --no-truth``."""
    summary = _object(folder / "summary.json")
    keys = ("method", "dataset", "n_images", "figures", "notes")
    return {key: summary[key] for key in keys if key in summary} | {"n_problems": len(summary.get("problems", []))}


def check_run_without_truth(folder: Path) -> tuple[int, list[Problem]]:
    """The table can be read and has a row per picture of the summary."""
    from sdd_bench.evaluation.no_truth.run import NoTruthRow

    summary, path = _object(folder / "summary.json"), folder / "per_image.csv"
    rows = read_table(path, NoTruthRow, _FORM)
    if summary.get("n_images") == len(rows):
        return 2, []
    return 2, [
        Problem(
            str(path), f"has {counted(len(rows), 'row')}, but n_images in summary.json is {summary.get('n_images')}"
        )
    ]


def describe_boards(folder: Path) -> dict[str, Any]:
    """How many measured rows and rows of papers every table has."""
    from sdd_bench.leaderboard.tables.store import read_table as read_board
    from sdd_bench.leaderboard.tables.store import tables

    found = {path.stem: Counter(entry.source for entry in read_board(path)) for path in tables(folder)}
    return {"tables": {name: dict(sources) for name, sources in found.items()}}


def check_boards(folder: Path) -> tuple[int, list[Problem]]:
    """As ``leaderboard verify``: form, ranges, hashes, and agreement with the kept runs."""
    from sdd_bench.leaderboard.tables.store import tables
    from sdd_bench.leaderboard.tables.verify import verify

    problems = [Problem(str(folder / problem.item), problem.reason) for problem in verify(folder)]
    return len(tables(folder)), problems


def describe_pages(folder: Path) -> dict[str, Any]:
    """Number of pages and pictures, and their size."""
    pages = sorted(folder.rglob("*.html"))
    media = [path for path in (folder / "media").glob("*") if path.is_file()]
    return {
        "title": _title(folder / "index.html"),
        "n_pages": len(pages),
        "n_pictures": len(media),
        "n_bytes": sum(path.stat().st_size for path in (*pages, *media)),
    }


def check_pages(folder: Path) -> tuple[int, list[Problem]]:
    """Every address on every page is a file."""
    pages = sorted(folder.rglob("*.html"))
    return len(pages), [problem for page in pages for problem in _dead_addresses(page)]


def describe_page(path: Path) -> dict[str, Any]:
    """Title and size of a page."""
    return {"title": _title(path), "n_bytes": path.stat().st_size}


def check_page(path: Path) -> tuple[int, list[Problem]]:
    """Every address on the page is a file."""
    return 1, list(_dead_addresses(path))


def describe_cache(folder: Path) -> dict[str, Any]:
    """How much of each kind a cache holds."""
    found: dict[str, dict[str, int]] = {}
    for entry in store_of(folder).entries():
        kind = found.setdefault(entry.kind or "partial", {"n_files": 0, "n_bytes": 0})
        kind["n_files"] += 1
        kind["n_bytes"] += entry.n_bytes
    return {"kinds": found}


def check_cache(folder: Path) -> tuple[int, list[Problem]]:
    """Every file of a cache against the digest in its first line; what is damaged counts as missing anyway."""
    store = store_of(folder)
    entries = [entry for entry in store.entries() if entry.kind]
    problems = [
        Problem(str(entry.path), "was changed or cut short; evaluate will make it again")
        for entry in entries
        if store.read(entry.kind, entry.path.stem, at_most=_ANY_SIZE) is None
    ]
    return len(entries), problems


def store_of(folder: Path) -> Store:
    """The store of a cache folder, or of the folder above it that users name."""
    below = folder / "registered"
    return Store(below if below.is_dir() else folder, _ANY_SIZE)


def _object(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = read_json(path, dict, ManifestError, "Run the command that wrote it again.")
    return value


def _mapping(value: dict[str, Any], key: str, path: Path) -> dict[str, Any]:
    found = value.get(key)
    if not isinstance(found, dict) or (key == "made" and not all(isinstance(one, dict) for one in found.values())):
        raise ManifestError(f"{path}: damaged ({key} is no object). Run the command that wrote it again.")
    return found


def _unreadable(path: Path) -> Iterator[Problem]:
    try:
        read_json(path, object, ManifestError, "It will be made again.")
    except ManifestError as error:
        yield Problem(str(path), str(error).removeprefix(f"{path}: "))


def _title(page: Path) -> str:
    found = re.search(r"<title>(.*?)</title>", page.read_text(encoding="utf-8", errors="replace"), flags=re.DOTALL)
    return found[1] if found else ""


def _dead_addresses(page: Path) -> Iterator[Problem]:
    text = page.read_text(encoding="utf-8", errors="replace")
    if not text.rstrip().endswith("</html>"):
        yield Problem(str(page), "is cut short; render it again")
    for address in dict.fromkeys(_ADDRESS.findall(text)):
        if not _ELSEWHERE.match(address) and not (page.parent / unquote(address.split("#")[0])).is_file():
            yield Problem(str(page), f"names {address[:80]}, which is not there; render it again")
