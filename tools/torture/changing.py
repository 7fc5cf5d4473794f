"""A picture that is replaced again and again while a command reads it.

Where the command then says that all is well, the digest it recorded and the result it gives are of one and the same
version of the picture; else it says clearly what is wrong.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tools.torture.child import run, start, wait_for
from tools.torture.commands import BY_NAME, Bench, Command
from tools.torture.kinds import Result, outcome_of, random_of
from tools.torture.outcome import _digest


class ChangingFiles:
    """Commands that read a picture while another process writes it."""

    name, share = "changing-file", 1.5

    def __init__(self, bench: Bench, commands: tuple[str, ...] = ("evaluate", "predict", "prepare")) -> None:
        self._bench, self._commands = bench, commands

    def names(self, seed: int) -> Iterator[str]:
        """``COMMAND/WAY-NUMBER``: the file is replaced by another, or written anew in its place."""
        number = 0
        while True:
            for what in self._commands:
                for way in ("replaced", "rewritten"):
                    yield f"{what}/{way}-{number}"
            number += 1

    def attempt(self, name: str, seed: int) -> Result:
        """Run the command beside the writer, and compare what it recorded with what it made."""
        what, rest = name.split("/")
        rng, victim, look = random_of(seed, name), *_VICTIMS[what]
        command = _local(what)
        versions = [self._bench.inputs / victim, self._version(victim)]
        expected = {look(made)[0]: look(made)[1] for made in (self._made(command, victim, path) for path in versions)}
        place = self._bench.place(command)
        writer = start(lambda: _write(place / victim, versions, rest.startswith("replaced"), rng), place / "log-writer")
        try:
            ended = self._bench.run(command, place)
        finally:
            with suppress(ProcessLookupError):
                os.kill(writer, 9)
            wait_for(writer, place / "log-writer")
        reason = ended.unclear
        if not reason and ended.status == 0:
            digest, result = look(place)
            if digest not in expected:
                reason = f"recorded sha256 {digest[:12]} is of no version of {victim}"
            elif result != expected[digest]:
                reason = f"recorded sha256 is of one version of {victim}, the result of another"
        shutil.rmtree(place, ignore_errors=True)
        return outcome_of(name, reason)

    def _version(self, victim: str) -> Path:
        """Another sound version of a picture."""
        path = self._bench.root / f"other-{victim.replace('/', '-')}"
        if not path.is_file():

            def make() -> None:
                import cv2

                cv2.imwrite(str(path), cv2.imread(str(self._bench.inputs / victim))[:, ::-1])

            run(make, self._bench.root / "log.txt")
        return path

    def _made(self, command: Command, victim: str, version: Path) -> Path:
        """A place where the command ran with one version, undisturbed."""
        place = self._bench.root / f"made-{command.name}-{version.name}"
        if not place.is_dir():
            made = self._bench.place(command)
            shutil.copyfile(version, made / victim)
            ended = self._bench.run(command, made)
            if ended.status:
                raise RuntimeError(f"{command.name}, undisturbed: {ended.text[-300:]}")
            made.rename(place)
        return place


def _local(what: str) -> Command:
    """The command with captures and predictions of its own."""
    copies = ("captures", "predictions")
    names = [part.removeprefix("{in}/") for part in BY_NAME[what].line]
    line = tuple(n if n in copies else part for n, part in zip(names, BY_NAME[what].line, strict=True))
    return replace(BY_NAME[what], line=line, copies=copies)


def _write(path: Path, versions: list[Path], replaced: bool, rng: np.random.Generator) -> None:
    contents = [version.read_bytes() for version in versions]
    number = 0
    while True:
        number += 1
        if replaced:
            fresh = path.with_name(f".fresh-{path.name}")
            fresh.write_bytes(contents[number % 2])
            os.replace(fresh, path)
        else:
            path.write_bytes(contents[number % 2])
        time.sleep(float(rng.uniform(0, 0.05)))


def _scored(place: Path) -> tuple[str, Any]:
    record = json.loads((place / "run" / "pictures" / "0000.json").read_text())
    return record["prediction_sha256"], record["method"]


def _predicted(place: Path) -> tuple[str, Any]:
    seal = json.loads((place / "out" / "predict.json").read_text())
    return seal["pictures"]["0000"], _digest(place / "out" / "0000.png")


def _prepared(place: Path) -> tuple[str, Any]:
    rows = (place / "out" / "pairs.csv").read_text().splitlines()
    cells = [dict(zip(rows[0].split(","), row.split(","), strict=False)) for row in rows[1:]]
    row = next(row for row in cells if row["pair_id"] == "train/0000")
    return row["blurry_sha256"], _digest(place / "out" / "train-00000.h5")


_Look = Callable[[Path], tuple[str, Any]]
_VICTIMS: dict[str, tuple[str, _Look]] = {
    "evaluate": ("predictions/0000.png", _scored),
    "predict": ("captures/test/blur/0000.png", _predicted),
    "prepare": ("captures/train/blur/0000.png", _prepared),
}
"""The picture that changes, and where a place says of which digest the result is."""
