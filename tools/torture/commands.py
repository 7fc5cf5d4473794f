"""The commands that are tried, on stand-in pictures, and what each leaves when nobody disturbs it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.torture.child import Ended, run
from tools.torture.outcome import outcome

_FAST = ("--flow", "dis", "--metrics", "psnr")
_TINY = (
    "--flow", "dis", "--model", "unet-small", "--width", "2", "--crop", "32", "--accelerator", "cpu",
    "--epochs", "2", "--stage-one-epochs", "1", "--set", "checkpoint_every=1", "--set", "keep=2",
    "--set", "levels=3", "--set", "reblur_width=4",
)  # fmt: skip


@dataclass(frozen=True)
class Command:
    """A command line, run in a folder of its own; ``{in}`` stands for the folder of inputs."""

    name: str
    line: tuple[str, ...]
    copies: tuple[str, ...] = ()
    """Inputs that are copied into the folder, because the command writes there."""
    again: tuple[str, ...] = ()
    """What the second run has in addition."""


COMMANDS = (
    Command("synth", ("synth", "-o", "out", "--size", "96x64", "--train", "1", "--test", "1", "--truth", "full")),
    Command("prepare", ("prepare", "{in}/captures", "-o", "out", "--resize", "none", "--patch", "64", "--overlap", "0",
                        "--drop", "0", "--pairs-per-shard", "1")),
    Command("evaluate", ("evaluate", "{in}/captures", "--predictions", "{in}/predictions", "-o", "run", "--method", "m",
                         *_FAST, "--save-flow", "--save-warped", "--report")),
    Command("evaluate-no-truth", ("evaluate", "{in}/captures", "--predictions", "{in}/predictions", "-o", "run",
                                  "--method", "m", "--no-truth", "--flow", "dis")),
    Command("predict", ("predict", "{in}/captures", "--checkpoint", "{in}/net.safetensors", "-o", "out",
                        "--device", "cpu")),
    Command("predict-classical", ("predict", "{in}/captures", "--model", "unsharp", "-o", "out", "--device", "cpu")),
    Command("analyze", ("analyze", "{in}/captures", "-o", "out", "--flow", "dis")),
    Command("blur-map", ("blur-map", "{in}/captures", "-o", "out")),
    Command("export-sdd", ("export", "{in}/set", "-o", "out", "--format", "sdd")),
    Command("export-imagefolder", ("export", "{in}/set", "-o", "out", "--format", "imagefolder")),
    Command("export-parquet", ("export", "{in}/set", "-o", "out", "--format", "parquet")),
    Command("export-webdataset", ("export", "{in}/set", "-o", "out", "--format", "webdataset")),
    Command("export-basicsr", ("export", "{in}/set", "-o", "out", "--format", "basicsr")),
    Command("add", ("leaderboard", "add", "{in}/run", "--leaderboards", "boards"), copies=("boards",)),
    Command("add-replace", ("leaderboard", "add", "{in}/run-new", "--leaderboards", "boards-full", "--replace"),
            copies=("boards-full",)),
    Command("render", ("leaderboard", "render", "-o", "site", "--leaderboards", "{in}/boards-full",
                       "--pictures-from", "{in}/run", "{in}/captures", "{in}/predictions")),
    Command("bundle", ("leaderboard", "bundle", "{in}/run", "-o", "m.zip", "--predictions", "{in}/predictions")),
    Command("train", ("train-jdrl", "set", "-o", "run", *_TINY), copies=("set",), again=("--resume",)),
)  # fmt: skip
WITH_WORKERS = {
    f"{command.name}-2": Command(f"{command.name}-2", (*command.line, "-j", "2"), command.copies)
    for command in COMMANDS
    if command.name in ("synth", "prepare", "evaluate", "analyze", "export-imagefolder", "render")
}
"""The same with two workers."""
BY_NAME = {command.name: command for command in COMMANDS} | WITH_WORKERS


def call(arguments: Sequence[str]) -> None:
    """``sdd-bench ARGUMENTS`` in this process, at a fixed time and commit, so that two runs are comparable."""
    from types import SimpleNamespace

    from sdd_bench.cli.main import main
    from sdd_bench.evaluation import provenance

    provenance.commit = lambda: ""
    day = SimpleNamespace(strftime=lambda form: "2024-02-29T12:00:00Z")
    provenance.datetime = SimpleNamespace(now=lambda zone: day)  # type: ignore
    main(list(arguments), prog_name="sdd-bench")


class Bench:
    """Inputs, a folder for every attempt, and the undisturbed outcome of every command."""

    def __init__(self, root: Path) -> None:
        self.root, self.inputs = root, root / "inputs"
        self._expected: dict[str, dict[str, str]] = {}
        self._seconds: dict[str, float] = {}
        self._number = 0

    def place(self, command: Command | None = None) -> Path:
        """A new folder, with the copies that a command needs."""
        self._number += 1
        place = self.root / f"place-{os.getpid()}-{self._number}"
        place.mkdir()
        for name in command.copies if command else ():
            shutil.copytree(self.inputs / name, place / name)
        return place

    def work(self, command: Command, place: Path, more: Sequence[str] = ()) -> Callable[[], None]:
        """The command, to be called in a child process."""
        line = [part.replace("{in}", str(self.inputs)) for part in (*command.line, *more)]

        def work() -> None:
            os.chdir(place)
            os.environ["SDD_BENCH_CACHE"] = str(place / "cache")
            call(line)

        return work

    def run(self, command: Command, place: Path, more: Sequence[str] = ()) -> Ended:
        """Run a command undisturbed in a place."""
        return run(self.work(command, place, more), place / "log.txt")

    def finish(self, command: Command, place: Path) -> str:
        """Run the same command again, and say how the outcome differs from that of an undisturbed run."""
        ended = self.run(command, place, command.again)
        if ended.status or ended.unclear:
            return f"run again: status {ended.status}, {ended.unclear or ended.text.strip()[-300:]}"
        return self.differs(command, place)

    def differs(self, command: Command, place: Path) -> str:
        """How the outcome in a place differs from that of an undisturbed run."""
        from tools.torture.outcome import differences

        return differences(self.expected(command), outcome(place))

    def expected(self, command: Command) -> dict[str, str]:
        """The outcome of an undisturbed run; that of two workers is that of one."""
        name = command.name.removesuffix("-2")
        if name not in self._expected:
            place = self.place(BY_NAME[name])
            ended = self.run(BY_NAME[name], place)
            if ended.status or ended.unclear:
                raise RuntimeError(f"{name}, undisturbed: status {ended.status}: {ended.unclear or ended.text[-600:]}")
            self._expected[name], self._seconds[name] = outcome(place), ended.seconds
            shutil.rmtree(place)
        return self._expected[name]

    def seconds(self, command: Command) -> float:
        """How long an undisturbed run takes."""
        self.expected(command)
        return self._seconds[command.name.removesuffix("-2")]


def make_inputs(folder: Path, *, whole: bool = True) -> None:
    """Captures, a prepared set, predictions, runs, tables and weights: all that the commands read.

    Args:
        folder: Where to.
        whole: Whether the few that take seconds are made, too, which only some readers need.
    """
    import cv2
    import numpy as np

    folder.mkdir(parents=True)
    os.chdir(folder)
    os.environ["SDD_BENCH_CACHE"] = str(folder / "cache")
    _quiet("synth", "-o", "captures", "--size", "96x64", "--train", "2", "--test", "2", "--truth", "full")
    _quiet("prepare", "captures", "-o", "set", "--resize", "none", "--patch", "64", "--overlap", "0", "--drop", "0")
    for name, amount in (("predictions", 0.5), ("predictions-new", 1.0)):
        (folder / name).mkdir()
        for path in sorted((folder / "captures" / "test" / "blur").glob("*.png")):
            blurry = cv2.imread(str(path)).astype(np.float32)
            better = blurry + amount * (blurry - cv2.GaussianBlur(blurry, (0, 0), 1.5))
            cv2.imwrite(str(folder / name / path.name), np.clip(better, 0, 255).astype(np.uint8))
    for run_name, name, method in (("run", "predictions", "m"), ("run-new", "predictions-new", "m"),
                                   ("run-other", "predictions-new", "n")):  # fmt: skip
        _quiet("evaluate", "captures", "--predictions", name, "-o", run_name, "--method", method, *_FAST,
               "--save-flow", "--save-warped")  # fmt: skip
    (folder / "boards").mkdir()
    _quiet("leaderboard", "add", "run", "--leaderboards", "boards-full")
    _network(folder, whole=whole)
    _quiet("predict", "captures", "--model", "unsharp", "-o", "predicted", "--device", "cpu")
    if whole:
        _quiet("analyze", "captures", "-o", "analysis", "--flow", "dis", "--no-page")
    _quiet("leaderboard", "bundle", "run", "-o", "m.zip", "--predictions", "predictions")
    shutil.rmtree(folder / "cache", ignore_errors=True)


def _network(folder: Path, *, whole: bool) -> None:
    """Weights of a small network, the program of it, and a file of flow."""
    import numpy as np
    import torch

    from sdd_bench.models.convert import save_weights
    from sdd_bench.models.program import export_program
    from sdd_bench.prepared.shards import write_flows
    from sdd_bench.training.config import TrainConfig
    from sdd_bench.training.step import build_networks

    torch.manual_seed(0)
    config = TrainConfig(model="unet-small", width=8)
    network = build_networks(config).deblur
    save_weights(folder / "net.safetensors", network, config.spec)
    if whole:
        export_program(network, config.spec, folder / "net.pt2")
    flows = {"train": iter(np.zeros((4, 2, 16, 16), np.float32))}
    write_flows(folder / "flow.h5", flows, signature="made", data_sha256="0" * 64, patch=64, dtype="float32")


def _quiet(*arguments: str) -> None:
    try:
        call(arguments)
    except SystemExit as error:
        if error.code not in (0, None):
            raise RuntimeError(f"sdd-bench {' '.join(arguments)}: status {error.code}") from error
