"""The campaign of ``tools/torture``: its short form as a program, and that what falls is seen to fall."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

PROJECT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def tools(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(PROJECT))
    yield
    for name in [name for name in sys.modules if name == "tools" or name.startswith("tools.")]:
        del sys.modules[name]


def test_nothing_falls_in_the_short_form(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tools.torture", "--short", "--seed", "7", "--place", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "seed 7: nothing fell" in done.stdout
    counts = {line.split()[0]: line.split()[1:4] for line in done.stdout.splitlines() if " / " in line}
    for kind in ("kill-point", "kill-moment", "full-disk", "fuzz", "changing-file", "race"):
        survived, _, tried = counts[kind]
        assert int(survived) == int(tried) > 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: (folder / "a.json").unlink(), "missing: a.json (1)"),
        (lambda folder: (folder / "a.json").write_text("2"), "different: a.json (1)"),
        (lambda folder: (folder / ".0.partial").touch(), "left over: .0.partial (1)"),
        (lambda folder: (folder / "sub").mkdir(), "left over: sub (1)"),
        (lambda folder: (folder / ".lock").touch(), ""),
    ],
)
def test_outcomes_differ_by_what_is_missing_left_over_or_different(change: object, said: str, tmp_path: Path) -> None:
    from tools.torture.outcome import differences, left_over, outcome

    (tmp_path / "a.json").write_text("1")
    before = outcome(tmp_path)
    assert left_over(tmp_path) == []
    change(tmp_path)  # type: ignore[operator]
    assert differences(before, outcome(tmp_path)) == said
    assert bool(left_over(tmp_path)) == ("partial" in said)


@pytest.mark.parametrize(
    ("status", "text", "said"),
    [
        (0, "page: index.html", ""),
        (2, "error: a.png: no such file", ""),
        (1, "1 item(s) failed or were left out:\n  a: damaged", ""),
        (2, "Usage: ...", "exit status 2 without an error"),
        (70, "Traceback ...\nKeyError: 'a'", "traceback: KeyError: 'a'"),
        (2, "error: a\nTraceback ...", "traceback"),
        (-11, "", "died of signal 11"),
        (3, "", "exit status 3"),
    ],
)
def test_an_end_is_clear_or_it_is_said_what_is_not(status: int, text: str, said: str) -> None:
    from tools.torture.child import Ended

    unclear = Ended(status, text, 1.0, 1.0).unclear
    assert unclear.startswith(said)
    assert bool(unclear) == bool(said)
    assert Ended(0, "", 130.0, 1.0, late=True).unclear == "hung for 130 s"
    assert Ended(0, "", 1.0, 1.0, strays=1).unclear == "left 1 processes behind"


def test_a_reader_that_raises_what_it_should_not_falls(tmp_path: Path) -> None:
    from sdd_bench.core.errors import ImageError
    from tools.torture.fuzz import judge
    from tools.torture.readers import Reader

    def reader(error: Exception | None) -> Reader:
        def read(folder: Path) -> None:
            assert (folder / "a.bin").read_bytes() == b"damaged"
            if error is not None:
                raise error

        return Reader("a.bin", lambda inputs: [b""], read)

    assert judge(reader(None), tmp_path, b"damaged") == ""
    assert judge(reader(ImageError("a.bin: cut short.")), tmp_path, b"damaged") == ""
    assert judge(reader(KeyError("size")), tmp_path, b"damaged").startswith("KeyError: 'size'")
    long = ImageError()
    long.args = ("x" * 5000,)
    assert judge(reader(long), tmp_path, b"damaged").startswith("no clear line but 5000 characters")


def test_a_reader_that_takes_much_memory_falls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tools.torture import fuzz
    from tools.torture.readers import Reader

    monkeypatch.setattr(fuzz, "MOST_MIB", 16.0)

    def read(folder: Path) -> None:  # pages of its own: the allocator may have kept as many from a test before
        np.frombuffer(mmap.mmap(-1, 64 << 20), np.uint8)[:] = 1

    greedy = Reader("a.bin", lambda inputs: [b""], read)
    assert fuzz.judge(greedy, tmp_path, b"damaged").endswith("MiB for 7 bytes")


def test_damage_depends_on_seed_and_name_alone() -> None:
    from tools.torture.kinds import random_of
    from tools.torture.mutate import damage, damage_json, damage_text

    sound = b'{"a": [1, 2, {"b": "text"}], "c": null}\n' * 1
    for way in (damage, damage_json, damage_text):
        made = [[way(sound, random_of(seed, f"png/{number}")) for number in range(30)] for seed in (1, 1, 2)]
        assert made[0] == made[1] != made[2]
        assert sum(one != sound for one in made[0]) > 25


def test_kill_moments_take_every_command_in_an_order_of_the_seed() -> None:
    from tools.torture.commands import BY_NAME
    from tools.torture.kills import KillMoments

    kind = KillMoments(None)  # type: ignore[arg-type]
    rounds = [list(islice(kind.names(seed), len(BY_NAME))) for seed in (1, 1, 2)]
    assert rounds[0] == rounds[1] != rounds[2]
    for names in rounds:
        assert sorted(names) == sorted(f"{name}/0" for name in BY_NAME)


def test_every_command_meets_a_full_disk_in_every_way(tmp_path: Path) -> None:
    from tools.torture.commands import COMMANDS
    from tools.torture.disks import FullDisks

    names = islice(FullDisks(SimpleNamespace(root=tmp_path)).names(1), 6 * len(COMMANDS))  # type: ignore[arg-type]
    met = {name.rpartition("-")[0] for name in names}
    ways = {name.split("/")[1] for name in met}
    assert ways >= {"point", "limit"}
    assert met == {f"{command.name}/{way}" for command in COMMANDS for way in ways}


def test_every_fall_is_counted_printed_and_gives_status_1(capsys: pytest.CaptureFixture[str]) -> None:
    from tools.torture.__main__ import report
    from tools.torture.campaign import campaign
    from tools.torture.kinds import Result, outcome_of

    class Falls:
        name, share = "falls", 1.0

        def names(self, seed: int) -> Iterator[str]:
            yield from ("a/1", "a/2", "b/1")

        def attempt(self, name: str, seed: int) -> Result:
            if name == "b/1":
                raise RuntimeError("broken")
            return outcome_of(name, "left over: x" if name == "a/2" else "")

    tallies = campaign([Falls()], 5, 60.0, print)
    assert (tallies["falls"].survived, tallies["falls"].tried) == (1, 3)
    assert report(tallies, 5) == 1
    printed = capsys.readouterr().out
    assert "python -m tools.torture --seed 5 --repeat 'falls/a/2'" in printed
    assert "the attempt itself broke: RuntimeError: broken" in printed
