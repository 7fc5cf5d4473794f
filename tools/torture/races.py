"""Two of the same command at once in one folder, two entries into one table, and two trainings on one set."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tools.torture.child import Ended, start, wait_for
from tools.torture.commands import COMMANDS, Bench, Command
from tools.torture.kinds import Result, outcome_of, random_of

_FILES = {"bundle"}
"""Commands that write one file: who renames last has the last word, and both wrote the same."""
_COMMANDS = {command.name: command for command in COMMANDS if command.name not in _FILES}


class Races:
    """One of the two may be refused, in one line; the outcome is that of one command left alone."""

    name, share = "race", 1.5

    def __init__(self, bench: Bench, commands: tuple[str, ...] = (*_COMMANDS, "add-two", "train-two")) -> None:
        self._bench, self._commands = bench, commands

    def names(self, seed: int) -> Iterator[str]:
        """``COMMAND/NUMBER``; ``add-two/NUMBER``: two methods into one table; ``train-two``: two runs on one set."""
        number = 0
        while True:
            for name in self._commands:
                yield f"{name}/{number}"
            number += 1

    def attempt(self, name: str, seed: int) -> Result:
        """Start two, a moment apart; look at both; run once more and compare."""
        what = name.split("/")[0]
        if what == "add-two":
            return outcome_of(name, self._two_methods(name, seed))
        if what == "train-two":
            return outcome_of(name, self._two_trainings(name, seed))
        command = _COMMANDS[what]
        place = self._bench.place(command)
        both = self._both(
            [command, command], place, float(random_of(seed, name).uniform(0, self._bench.seconds(command) / 2))
        )
        reason = next((ended.unclear for ended in both if ended.unclear), "")
        if not reason and all(ended.status for ended in both):
            reason = f"both were refused: {both[0].text.strip()[-200:]}"
        if not reason and any(ended.status and not ended.is_line for ended in both):
            reason = f"refused in more than a line: {next(e.text for e in both if e.status)[-300:]}"
        reason = reason or self._bench.finish(command, place)
        shutil.rmtree(place, ignore_errors=True)
        return outcome_of(name, reason)

    def _two_methods(self, name: str, seed: int) -> str:
        line = ("leaderboard", "add", "{in}/run", "--leaderboards", "boards")
        first = Command("add", line, copies=("boards",))
        other = replace(first, line=tuple("{in}/run-other" if part == "{in}/run" else part for part in line))
        place = self._bench.place(first)
        both = self._both([first, other], place, float(random_of(seed, name).uniform(0, 0.2)))
        reason = next((ended.unclear or ended.text[-200:] for ended in both if ended.status), "")
        check = Command("verify", ("leaderboard", "verify", "--leaderboards", "boards"))
        ended = self._bench.run(check, place)
        if not reason and ended.status:
            reason = f"verify: {ended.text[-300:]}"
        table = (place / "boards" / "captures.csv").read_text().splitlines()
        if not reason and {row.split(",")[0] for row in table[1:]} != {"m", "n"}:
            reason = f"the table has {len(table) - 1} rows, not those of both"
        shutil.rmtree(place, ignore_errors=True)
        return reason

    def _two_trainings(self, name: str, seed: int) -> str:
        first = _COMMANDS["train"]
        other = replace(first, line=tuple("other" if part == "run" else part for part in first.line))
        place = self._bench.place(first)
        both = self._both([first, other], place, float(random_of(seed, name).uniform(0, 0.2)))
        reason = next((ended.unclear or ended.text[-200:] for ended in both if ended.status), "")
        shutil.rmtree(place / "other", ignore_errors=True)
        reason = reason or self._bench.differs(first, place)
        shutil.rmtree(place, ignore_errors=True)
        return reason

    def _both(self, commands: list[Command], place: Path, apart: float) -> list[Ended]:
        logs = [place / f"log-{number}" for number in range(len(commands))]
        children = []
        for command, log in zip(commands, logs, strict=True):
            children.append(start(self._bench.work(command, place), log))
            time.sleep(apart if log == logs[0] else 0)
        return [wait_for(child, log) for child, log in zip(children, logs, strict=True)]
