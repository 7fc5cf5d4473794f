"""SIGKILL at chosen points and at random moments; then the same command again must end as if nothing had been."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from tools.torture import faults
from tools.torture.child import run
from tools.torture.commands import BY_NAME, COMMANDS, Bench, Command
from tools.torture.kinds import Result, outcome_of, random_of


class KillPoints:
    """SIGKILL just before the n-th change of a file; the points of a command come in random order."""

    name, share = "kill-point", 5.0

    def __init__(self, bench: Bench, commands: tuple[Command, ...] = COMMANDS) -> None:
        self._bench, self._commands = bench, commands

    def names(self, seed: int) -> Iterator[str]:
        """``COMMAND/POINT``: every command in turn, so that a short campaign sees them all."""
        rng = np.random.default_rng(seed)
        left: dict[str, list[int]] = {}
        while len(left) < len(self._commands) or any(left.values()):
            for command in self._commands:
                if command.name not in left:
                    left[command.name] = list(self._points(command, rng))
                if left[command.name]:
                    yield f"{command.name}/{left[command.name].pop()}"

    def _points(self, command: Command, rng: np.random.Generator) -> Iterable[int]:
        """All points of a command in random order; 0, which is none, of one that does not run at all."""
        try:
            return 1 + rng.permutation(self._count(command))
        except RuntimeError:
            return [0]

    def _count(self, command: Command) -> int:
        place = self._bench.place(command)
        work, file = self._bench.work(command, place), place / "log-points"

        def counted() -> None:
            faults.watch(place, faults.count_into(file))
            work()

        ended = run(counted, place / "log.txt")
        if ended.status or ended.unclear:
            raise RuntimeError(f"{command.name}, counted: {ended.unclear or ended.text[-300:]}")
        count = int(file.read_text() or 0)
        shutil.rmtree(place)
        return count

    def attempt(self, name: str, seed: int) -> Result:
        """Kill at the point, run again, compare."""
        what, point = name.split("/")
        command = BY_NAME[what]
        place = self._bench.place(command)
        work = self._bench.work(command, place)

        def doomed() -> None:
            faults.watch(place, faults.kill_at(int(point)))
            work()

        run(doomed, place / "log.txt")
        reason = self._bench.finish(command, place)
        shutil.rmtree(place, ignore_errors=True)
        return outcome_of(name, reason)


class KillMoments:
    """SIGKILL at a random moment, of the process alone or with its workers, once or twice."""

    name, share = "kill-moment", 3.0

    def __init__(self, bench: Bench, commands: tuple[Command, ...] = tuple(BY_NAME.values())) -> None:
        self._bench, self._commands = bench, commands

    def names(self, seed: int) -> Iterator[str]:
        """``COMMAND/NUMBER``: every command in turn, in an order of the seed, so that short campaigns see others."""
        order = np.random.default_rng(seed).permutation(len(self._commands))
        for number in itertools.count():
            for index in order:
                yield f"{self._commands[index].name}/{number}"

    def attempt(self, name: str, seed: int) -> Result:
        """Kill, run again, compare."""
        rng = random_of(seed, name)
        command = BY_NAME[name.split("/")[0]]
        place: Path = self._bench.place(command)
        longest = self._bench.seconds(command) * (2.5 if command.name.endswith("-2") else 1.1)
        for number in range(2 if rng.random() < 0.25 else 1):
            work = self._bench.work(command, place, command.again if number else ())
            after = float(rng.uniform(0.0, longest))
            ended = run(work, place / "log.txt", killed_after=after, group=bool(rng.random() < 0.5))
            if ended.strays or ended.late:
                return outcome_of(name, ended.unclear)
        reason = self._bench.finish(command, place)
        shutil.rmtree(place, ignore_errors=True)
        return outcome_of(name, reason)
